"""Does it work with a schedule, batch normalisation and dropout on?"""

import hashlib
from contextlib import suppress
from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor, nn

from cl_bench.conformance.check import Failed, applies, check, demand
from cl_bench.conformance.finetuning import switched_off_it_is_finetuning, the_first_task_is_finetuning
from cl_bench.conformance.held_tensors import reachable
from cl_bench.conformance.networks import refused
from cl_bench.conformance.repeatability import ONE_RUN, TWO_RUNS, global_generators_are_left_alone
from cl_bench.conformance.subject import MODELS, SPLIT, THREE, Subject, copied, distance, same
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.models import mlp


def with_dropout(**settings: Any) -> nn.Module:
    """Build the perceptron of these settings, with dropout before the heads."""
    network = mlp(**settings)
    network.body.append(nn.Dropout(0.25))  # type: ignore[operator]
    return network


DROPOUT = (*MODELS["mlp"], f"model._target_={__name__}.{with_dropout.__name__}", "model.normalisation=batch")
COSINE = "training.schedule=cosine"


def _regime(subject: Subject) -> tuple[str, ...]:
    """Return the overrides that turn all on; Avalanche's own strategies have no schedule of the suite's."""
    return (*THREE, *_dropout(subject), COSINE) if subject.is_learner else (*THREE, *_dropout(subject))


def _dropout(subject: Subject) -> tuple[str, ...]:
    """Return the overrides for dropout and batch normalisation; none for a strategy without such networks."""
    return DROPOUT if "normalised" in subject.claims.networks else ()


@check(
    "with a schedule, batch normalisation and dropout, is it still fine-tuning in task 1 and switched off?",
    cause="a second pass of the network in train mode: it moves running statistics and draws from dropout's "
    "generator even where its loss counts 0 (skip it); or a step of its own that does not ask step_size()",
    rests_on=(*TWO_RUNS, the_first_task_is_finetuning, switched_off_it_is_finetuning),
)
def normalised_and_scheduled_it_is_finetuning(subject: Subject) -> str:
    claims, said = subject.claims, []
    regime = _regime(subject)
    if claims.first_task_is_finetuning:
        ends = []
        for each in (subject, subject.finetune):
            with global_generators_restored(0):
                run = each.run(*regime)
                run.train(0)
                ends.append(copied(run.strategy.model.state_dict()))
        demand(same(*ends), f"after task 1 {_apart(*ends)}")
        said.append("after task 1")
    if claims.off and claims.off_is_finetuning:
        own = subject.outcome(*regime, *subject.off()).network
        plain = subject.finetune.outcome(*regime).network
        demand(same(own, plain), f"with {', '.join(subject.off())} {_apart(own, plain)} after three tasks")
        said.append(f"with {', '.join(subject.off())} after three tasks")
    applies(bool(said), "nothing of it is fine-tuning (first_task_is_finetuning, off)")
    return f"{' and '.join(said)} weights and running statistics are equal"


def _apart(first: dict[str, Tensor], second: dict[str, Tensor]) -> str:
    """Say in words what differs and by how much."""
    names = [name for name in first if not torch.equal(first[name], second[name])]
    statistics = all("running" in name or "num_batches" in name for name in names)
    kind = "running statistics" if statistics else "weights"
    names = [name for name in names if first[name].is_floating_point()]
    one, other = ({name: state[name] for name in names} for state in (first, second))
    return f"{kind} differ by up to {distance(one, other):.2g}" if names else f"{kind} differ"


@check(
    "does the schedule reach its steps?",
    cause="a step of its own that takes self.learning_rate in place of self.step_size(), or an optimizer "
    "that the schedule does not know",
    rests_on=TWO_RUNS,
)
def the_schedule_reaches_its_steps(subject: Subject) -> str:
    applies(subject.is_learner, "it has no schedule of the suite's")
    applies(not subject.claims.closed_form, "it takes no steps (closed_form)")
    constant, cosine = subject.outcome(*SPLIT), subject.outcome(*SPLIT, COSINE)
    demand(
        constant.weights != cosine.weights, f"with {COSINE} it ends as with a constant step size, bit for bit"
    )
    return f"with {COSINE} it ends at other weights"


@check(
    "is what it measures of a task measured in evaluation mode?",
    cause="an importance, logits or a teacher's answer that is computed while the network is in train mode, "
    "after a task or before the next: dropout and batch statistics are in it (call .eval() before it)",
    rests_on=(*TWO_RUNS, global_generators_are_left_alone),
)
def measurements_are_made_in_evaluation_mode(subject: Subject) -> str:
    first, second = (_between_tasks(subject, seed, *_dropout(subject)) for seed in (1, 2))
    applies(same(first.weights, second.weights), "it trains on when the last step of a task is done")
    if first.held == second.held:
        return f"{len(first.held)} tensors that it holds do not depend on dropout after the last step"
    without, again = (_between_tasks(subject, seed) for seed in (1, 2))
    applies(without.held == again.held, "what it keeps is drawn from the global generators")
    apart = [shape for shape, digest in first.held if (shape, digest) not in second.held]
    raise Failed(
        f"{len(apart)} tensors that it keeps of a task, such as one of shape {apart[0] if apart else ()}, "
        "depend on dropout's random numbers after the last step"
    )


class _BetweenTasks(Exception):  # noqa: N818
    """The first step of the second task is about to be taken."""


def _between_tasks(subject: Subject, seed: int, *network: str) -> "_Reseeded":
    """Return what the strategy holds after a task whose last step reseeded the global generator."""
    with global_generators_restored(0):
        run = subject.run(*SPLIT, *network)
        reseeded = _Reseeded(seed)
        run.strategy.plugins.insert(0, reseeded)
        with suppress(_BetweenTasks):
            run.train(0, 1)
    return reseeded


class _Reseeded(SupervisedPlugin):
    """A plugin that starts the global generator anew after the last step of the first task."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed
        self.weights: dict[str, Tensor] = {}
        self.held: list[tuple[tuple[int, ...], str]] = []

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        if strategy.clock.train_exp_epochs == strategy.train_epochs - 1:
            torch.manual_seed(self._seed)

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        if strategy.clock.train_exp_counter == 1:
            strategy.plugins.remove(self)
            self.weights = copied(dict(strategy.model.named_parameters()))
            tensors = [each for each in reachable(strategy) if isinstance(each, Tensor)]
            self.held = [(tuple(each.shape), _hash(each)) for each in tensors]
            raise _BetweenTasks


def _hash(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


@check(
    "do running statistics of batch normalisation move in training steps alone?",
    cause="a pass of the network in train mode between steps, between tasks or in tests: of importances, of "
    "a memory, of a teacher's answers",
    rests_on=ONE_RUN,
)
def running_statistics_move_in_steps_alone(subject: Subject) -> str:
    if "normalised" not in subject.claims.networks:
        return refused(subject, "model.normalisation=batch")
    watch = _Statistics()
    with global_generators_restored(0):
        run = subject.run(*SPLIT, "model.normalisation=batch")
        run.strategy.plugins.insert(0, watch)
        for task in (0, 1):
            with global_generators_restored():
                run.test()
            run.train(task)
            watch.look(run.strategy, f"after the last step of task {task + 1}")
        with global_generators_restored():
            run.test()
        watch.look(run.strategy, "in tests")
    applies(watch.number > 0, "its networks have no batch normalisation")
    demand(not watch.moved, f"{watch.moved}, without a step")
    return f"{watch.number} buffers stand still between steps, between tasks and in tests"


class _Statistics(SupervisedPlugin):
    """A plugin that finds buffers that move while no weight does, and no step is taken."""

    number, moved = 0, ""

    def __init__(self) -> None:
        super().__init__()
        self._before: tuple[dict[str, Tensor], dict[str, Tensor]] | None = None

    def look(self, strategy: Any, when: str) -> None:
        """Compare with the last look, unless weights were moved, too: that is training."""
        weights = copied(dict(strategy.model.named_parameters()))
        buffers = copied(dict(strategy.model.named_buffers()))
        self.number = len(buffers)
        if self._before is not None and same(self._before[0], weights) and not same(self._before[1], buffers):
            self.moved = self.moved or f"running statistics move {when}"
        self._before = weights, buffers

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        counter, taken = strategy.clock.train_exp_counter + 1, strategy.clock.train_exp_iterations
        self.look(strategy, f"before step {taken + 1} of task {counter}")

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._before = None
        self.look(strategy, "")


@check(
    "is the network in train mode in every training step?",
    cause="a call of .eval() for an importance, a teacher's answer or a look at the memory, without .train() "
    "after it: from then on there is no dropout, and running statistics stand still",
    rests_on=ONE_RUN,
)
def every_step_is_taken_in_train_mode(subject: Subject) -> str:
    modes = _Modes()
    with global_generators_restored(0):
        run = subject.run(*THREE, *_dropout(subject))
        run.strategy.plugins.insert(0, modes)
        run.train()
    demand(not modes.wrong, f"the network is in eval mode before {modes.wrong}")
    return f"before each of {modes.number} steps of three tasks"


class _Modes(SupervisedPlugin):
    """A plugin that notes whether the network is in train mode; a layer of it may be frozen in eval mode."""

    number, wrong = 0, ""

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.number += 1
        if not strategy.model.training and not self.wrong:
            counter, taken = strategy.clock.train_exp_counter + 1, strategy.clock.train_exp_iterations
            self.wrong = f"step {taken + 1} of task {counter}"
