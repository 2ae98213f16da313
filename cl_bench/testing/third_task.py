"""What two tasks cannot show."""

import re
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from cl_bench.streams.tasks import TaskStream
from cl_bench.testing.check import NotApplicable, applies, check, demand
from cl_bench.testing.finetuning import it_differs_from_finetuning_after_the_first_task
from cl_bench.testing.pulls import stand_alike, watched
from cl_bench.testing.subject import PERMUTED, SCENARIO, THREE, Subject, copied, same
from cl_bench.testing.training import ONE_RUN, TWO_RUNS
from cl_bench.training.generators import global_generators_restored

ONE_BATCH = ("training.batch_size=1000", "training.optimizer=sgd", "training.learning_rate=1e-30")
AWAY = 0.1  # how far weights are moved from where they were learnt
TOLERANCE = 1e-3


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
            raise NotApplicable("nobody knows what it keeps")
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
    """By name without the numbers of tasks, layers or heads: `fisher.2` and `fisher.3` are of one thing."""
    grouped: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in copied(subject.kept(strategy) or {}).items():
        of_all = re.sub(r"(^|[._])\d+(?=[._]|$)", "", name)
        grouped[".".join(of_all.strip("._").split(".")[:2])][name] = tensor
    return grouped


def _equal(first: dict[str, Tensor] | None, second: dict[str, Tensor] | None) -> bool:
    return first is not None and second is not None and same(first, second)


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
            f"after {number} equal tasks it pulls {ratio:.3g} times as after one, and not {number} times",
        )
    return "after 2 and 3 equal tasks it pulls 2 and 3 times as after one"


def _gradient_after(subject: Subject, number: int) -> Tensor:
    """On a batch of all images, at weights a little away from those at which so many equal tasks were learnt
    without a move, [P].
    """

    def equal_tasks(stream: TaskStream) -> TaskStream:
        return stream._replace(train=(stream.train[0],) * len(stream.train))

    with global_generators_restored(0):
        overrides = (*PERMUTED, "benchmark.num_tasks=4", f"{SCENARIO}={subject.claims.scenarios[-1]}")
        run = subject.run(*overrides, *ONE_BATCH, change=equal_tasks)
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
