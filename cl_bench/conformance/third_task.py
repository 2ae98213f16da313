"""Does it treat a third task as the second? Two tasks cannot show it."""

import re
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.conformance.check import NotApplicable, applies, check, demand
from cl_bench.conformance.finetuning import it_differs_from_finetuning_after_the_first_task
from cl_bench.conformance.pulls import stand_alike, watched
from cl_bench.conformance.repeatability import ONE_RUN, TWO_RUNS
from cl_bench.conformance.subject import PERMUTED, SCENARIO, THREE, Subject, copied, same
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.models import Dropout, Heads
from cl_bench.streams.tasks import TaskData, TaskStream

ONE_BATCH = ("training.batch_size=1000", "training.optimizer=sgd", "training.learning_rate=1e-30")
SEEDS = (0, 1, 2)  # a batch from a memory may lack a task by chance
AWAY = 0.1  # how far weights are moved from where they were learnt
TOLERANCE = 1e-3
DROPOUT = (Dropout, nn.Dropout)


@check(
    "does it differ from fine-tuning in the third task, too?",
    cause="a penalty, a teacher or a memory that is used for one task and then lost: overwritten with "
    "nothing, compared with an alias of the weights, or asked for `task == 1`",
    rests_on=(*ONE_RUN, it_differs_from_finetuning_after_the_first_task),
)
def it_differs_from_finetuning_in_the_third_task(subject: Subject) -> str:
    claims = subject.claims
    applies(claims.against_forgetting, "it has nothing against forgetting (against_forgetting)")
    applies(
        claims.first_task_is_finetuning or (bool(claims.off) and claims.off_is_finetuning),
        "nothing of it is fine-tuning (first_task_is_finetuning, off)",
    )
    with global_generators_restored(0):
        own, plain = subject.run(*THREE), subject.finetune.run(*THREE)
        plain.train(0, 1)
    with global_generators_restored(0):
        own.train(0, 1)
        stand_alike(plain, own)
        own.train(2)
    with global_generators_restored(0):
        plain.train(2)
    ends = [copied(run.strategy.model.state_dict()) for run in (own, plain)]
    demand(
        not same(*ends),
        "from its weights after task 2, fine-tuning ends task 3 where it does, bit for bit",
    )
    return "from the same weights after task 2 it ends task 3 at others than fine-tuning"


@check(
    "does every task renew what it keeps?",
    cause="an importance, an anchor, a prior or a teacher that is stored after the first task only "
    "(`if self.x is None`), or a copy that is an alias; where that is meant, keeps_of_every_task=False",
    rests_on=ONE_RUN,
)
def every_task_renews_what_it_keeps(subject: Subject) -> str:
    applies(subject.claims.keeps_of_every_task, "it does not claim so (keeps_of_every_task)")
    with global_generators_restored(0):
        run = subject.run(*THREE)
        if subject.kept(run.strategy) is None:
            raise NotApplicable("it does not say what it keeps (state_tensors)")
        states = [_kept(subject, run.strategy)]
        for task in range(3):
            run.train(task)
            states.append(_kept(subject, run.strategy))
    learnt = [name for name in states[1] if not _equal(states[0].get(name), states[1][name])]
    applies(bool(learnt), "the first task changes nothing that it keeps")
    for task in (2, 3):
        before, after = states[task - 1 : task + 1]
        still = [name for name in learnt if _equal(before[name], after.get(name))]
        demand(not still, f"task 1 changes what it keeps as {', '.join(still)}, and task {task} does not")
    return f"each of three tasks changes {', '.join(learnt)}"


def _kept(subject: Subject, strategy: Any) -> dict[str, dict[str, Tensor]]:
    """Return what the strategy keeps, by name without numbers: `fisher.2` and `fisher.3` are one thing."""
    grouped: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in copied(subject.kept(strategy) or {}).items():
        of_all = re.sub(r"(^|[^0-9A-Za-z])\d+(?=[^0-9A-Za-z]|$)", "", name)
        grouped[".".join(of_all.strip("._").split(".")[:2])][name] = tensor
    return grouped


def _equal(first: dict[str, Tensor] | None, second: dict[str, Tensor] | None) -> bool:
    return first is not None and second is not None and same(first, second)


@check(
    "where something holds an output of task 2 in task 3, does it hold those of task 1, too?",
    cause="a list of heads or classes that the newest task replaces, a Fisher information or a penalty that "
    "takes one head for every task",
    rests_on=(*ONE_RUN, it_differs_from_finetuning_in_the_third_task),
)
def outputs_of_every_task_are_held(subject: Subject) -> str:
    claims = subject.claims
    applies(bool(claims.off) and claims.off_is_finetuning, "it names no settings that switch it off (off)")
    applies(claims.keeps_of_every_task, "it does not claim so (keeps_of_every_task)")
    scenarios = [each for each in ("task", "class") if each in claims.scenarios]
    applies(bool(scenarios), "all its tasks have the same outputs")
    said = []
    for scenario in scenarios:
        for seed in SEEDS:
            held = [pull > 0 for pull in _pulls_on_outputs(subject, scenario, seed)]
            if held[0] == held[1]:
                break
        demand(
            held[0] == held[1],
            f"scenario {scenario}: when outputs of tasks 1 and 2 are moved, something pulls at those of "
            f"task {1 if held[0] else 2} alone in task 3",
        )
        said.append(f"{scenario}: {'both' if any(held) else 'neither'}")
    return f"{', '.join(said)} are pulled at when they are moved"


def _pulls_on_outputs(subject: Subject, scenario: str, seed: int) -> list[float]:
    """Return what moves outputs of tasks 1 and 2 in task 3's first step, in excess of the batch's loss.

    The weights stand a little away from where these tasks were learnt.
    """
    overrides = (*THREE, f"{SCENARIO}={scenario}")
    with global_generators_restored(0):
        own = subject.run(*overrides, seed=seed)
        off = subject.run(*overrides, *subject.off(), seed=seed)
        heads = getattr(own.strategy, "heads", None)
        if not isinstance(heads, Heads):
            raise NotApplicable("its network has no heads of cl_bench.models")
        own.train(0, 1)
        outputs = [_outputs(heads, task) for task in own.stream.train[:2]]
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for each in heads.linear.parameters():
                for rows in outputs:
                    each[rows] += AWAY * torch.randn(each[rows].shape, generator=generator).to(each)
        stand_alike(off, own)
        gradients = []
        for run in (own, off):
            first = watched(run)
            with global_generators_restored(0):
                run.train(2)
            gradients.append(_split(first.found[0], run.strategy.model))
    own_gradient, off_gradient = gradients
    names = {id(each): name for name, each in own.strategy.model.named_parameters()}
    last = [names[id(each)] for each in heads.linear.parameters()]
    return [
        max(float((own_gradient[name][rows] - off_gradient[name][rows]).norm()) for name in last)
        for rows in outputs
    ]


def _outputs(heads: Heads, task: TaskData) -> Tensor:
    """Return the rows of the output layer that are of this task's classes."""
    return task.labels.unique() + (task.head * heads.num_classes if heads.num_heads > 1 else 0)


def _split(gradient: Tensor, model: nn.Module) -> dict[str, Tensor]:
    """Return the gradient of each parameter, by name and in its shape."""
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
    parts = gradient.split([each.numel() for each in trained.values()])
    return {name: part.view_as(trained[name]) for name, part in zip(trained, parts, strict=True)}


@check(
    "do importances of several tasks add up?",
    cause="an importance that is overwritten by the newest task's, averaged over tasks, or counted twice",
    rests_on=TWO_RUNS,
)
def importances_add_up(subject: Subject) -> str:
    applies(subject.claims.accumulates, "it does not claim so (accumulates)")
    alone, *others = (_gradient_after(subject, number) for number in range(4))
    one, two, three = (gradient - alone for gradient in others)
    applies(float(one.norm()) > 0, "away from the first task's weights nothing pulls")
    for number, pull in ((2, two), (3, three)):
        ratio = float(pull @ one / one.square().sum())
        error = float((pull - number * one).norm() / one.norm()) / number
        demand(
            error < TOLERANCE,
            f"after {number} equal tasks it pulls {ratio:.3g} times as after one, and not {number} times "
            f"(they differ by {error:.2g} of it)",
        )
    return "after 2 and 3 equal tasks it pulls 2 and 3 times as after one"


def _gradient_after(subject: Subject, number: int) -> Tensor:
    """Return the gradient [P] of a batch of all images after so many equal tasks.

    It is taken a little away from the weights at which the tasks were learnt without a move.
    """

    def equal_tasks(stream: TaskStream) -> TaskStream:
        return stream._replace(train=(stream.train[0],) * len(stream.train))

    with global_generators_restored(0):
        overrides = (*PERMUTED, "benchmark.num_tasks=4", f"{SCENARIO}={subject.claims.scenarios[-1]}")
        run = subject.run(*overrides, *ONE_BATCH, change=equal_tasks)
        for module in run.strategy.model.modules():
            if isinstance(module, DROPOUT):  # batches with other masks would have other gradients
                module.p = 0.0
        for task in range(number):
            run.train(task)
        with torch.no_grad():
            for each in run.strategy.model.parameters():
                each.add_(AWAY)
        first = watched(run)
        run.train(number)
    return first.found[0]


@check(
    "does a task in which no weight moves add no importance, where that comes from the way?",
    cause="a path integral that is not begun anew with each task, so that earlier ones count again",
    rests_on=TWO_RUNS,
)
def a_task_without_a_move_adds_no_importance(subject: Subject) -> str:
    applies(subject.claims.by_path, "it does not claim so (by_path)")
    applies(subject.is_learner, "only strategies of the suite's kind have a learning_rate that can be set")
    with global_generators_restored(0):
        run = subject.run(*THREE, "training.optimizer=sgd")
        run.train(0)
        before = copied(subject.kept(run.strategy) or {})
        run.strategy.learning_rate = 1e-30
        run.train(1)
        after = copied(subject.kept(run.strategy) or {})
    for name, kept in before.items():
        error = float((after[name] - kept).norm() / kept.norm().clamp_min(1e-30))
        demand(error < TOLERANCE, f"in a task without a move {name} changes by {error:.2g} of its length")
    return f"{', '.join(before)} are equal before and after such a task"
