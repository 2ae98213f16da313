"""Is the gradient that of what it says it minimises, and is what it keeps exact and frozen?"""

from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor, nn

from cl_bench.conformance.check import Failed, NotApplicable, applies, check, demand
from cl_bench.conformance.held_tensors import generators_restored, other_networks
from cl_bench.conformance.leakage import CPU, other_task
from cl_bench.conformance.networks import batch_norm
from cl_bench.conformance.repeatability import ONE_RUN, TWO_RUNS
from cl_bench.conformance.stacking import double_precision, in_double
from cl_bench.conformance.subject import PERMUTED, THREE, ChangeOfStream, Run, Subject, copied, same
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.streams.tasks import TaskStream

STEP = 1e-6  # of central differences in double precision
NUM_DIRECTIONS = 4
BATCH_SIZES = (8, 48)
STANDSTILL = 1e-30  # a step size that changes no weight


@check(
    "is its gradient that of its loss and penalty, by finite differences?",
    cause="a penalty added by hand that `added_loss` does not tell of, or a factor of 2 or a strength that "
    "stands in one of the two only; a projection or clipping (A-GEM, GEM) in `backward`, which belongs in "
    "`project_gradients`, or is claimed by `projects`",
    rests_on=TWO_RUNS,
)
def the_gradient_is_that_of_loss_and_penalty(subject: Subject) -> str:
    applies(subject.is_learner, "its weights are not one flat vector: autograd differentiates its loss")
    applies(not subject.claims.projects, "it says that its step follows no gradient of a loss (projects)")
    error = _error_of_slopes(subject)
    if error >= 1e-4:  # something may be added to it as late as there
        error = min(error, _error_of_slopes(subject, with_hook=True))
    demand(error < 1e-4, f"in the second task the slope is off by {error:.2g} of the gradient's length")
    return f"slopes along {NUM_DIRECTIONS} directions within {error:.0e} of the gradient's length"


def _error_of_slopes(subject: Subject, *, with_hook: bool = False) -> float:
    with double_precision():
        run = subject.run(*PERMUTED, change=in_double)
        probe = _Differences(with_hook=with_hook)
        run.strategy.plugins.insert(0, probe)
        run.train(0, 1)
    if probe.overwritten:
        raise NotApplicable("it puts weights of its own into the network before each gradient")
    applies(bool(probe.errors), "no second step of the second task was seen by Avalanche's clock")
    return max(probe.errors)


class _Differences(SupervisedPlugin):
    """A plugin that compares slopes once, within the second task, and leaves all as it was.

    Args:
        with_hook: whether the gradient is looked at after the strategy's `_before_update`.
    """

    def __init__(self, *, with_hook: bool) -> None:
        super().__init__()
        self._with_hook = with_hook
        self.errors: list[float] = []
        self.overwritten = False

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        clock = strategy.clock
        if clock.train_exp_counter != 1 or clock.train_exp_iterations != 1 or self.errors:
            return
        self.errors.append(torch.inf)  # hooks of the passes below must not come back here
        before = strategy.flat.values.data.clone()
        value_and_gradient = _value_and_gradient(strategy, before, with_hook=self._with_hook)
        self.overwritten = value_and_gradient is None
        if value_and_gradient is None:
            return
        gradient = value_and_gradient[1]
        generator = torch.Generator().manual_seed(0)
        for _ in range(NUM_DIRECTIONS):
            direction = torch.randn(before.shape, generator=generator).to(before)
            # half of it along the gradient: random directions alone hardly touch a penalty on few weights
            direction = direction / direction.norm() + gradient / gradient.norm()
            sides = [before + side * STEP * direction for side in (1, -1)]
            ends = [_value_and_gradient(strategy, side, with_hook=self._with_hook) for side in sides]
            if any(end is None for end in ends):
                self.overwritten = True
                break
            up, down = (end[0] for end in ends if end is not None)
            difference = (up - down) / (2 * STEP) - float(gradient @ direction)
            self.errors.append(abs(difference) / float(gradient.norm()))
        self.errors.remove(torch.inf)
        strategy.flat.set(before)


def _value_and_gradient(strategy: Any, weights: Tensor, *, with_hook: bool) -> tuple[float, Tensor] | None:
    """Compute the loss of the present batch, with what is added by hand, and its gradient.

    Returns None where other weights were used.
    """
    with generators_restored(strategy):
        strategy.flat.set(weights)
        strategy.flat.zero_gradients()
        strategy.loss = strategy._make_empty_loss()
        strategy.differentiate()
        if with_hook:
            strategy._before_update()
        if not torch.equal(strategy.flat.values.data, weights):
            strategy.flat.set(weights)
            return None
        added = strategy.added_loss() if hasattr(strategy, "added_loss") else 0.0
        return float(strategy.loss.detach()) + float(added), strategy.flat.gradients.clone()


@check(
    "does what it keeps of a task not depend on the batch size, nor on the order of examples?",
    cause="a Fisher information of batch means (it falls with the batch size), of the last batch only, "
    "a sum over batches that is divided by their number, or gradients that are not set to zero between "
    "examples",
    rests_on=TWO_RUNS,
)
def what_it_keeps_does_not_depend_on_the_batch_size(subject: Subject) -> str:
    applies(subject.claims.by_example, "it does not claim so (by_example)")
    small, large = (_after_standstill(subject, size) for size in BATCH_SIZES)
    demand(small.keys() == large.keys(), "with another batch size it keeps things of other names")
    applies(bool(small), "it keeps nothing, or does not say what (state_tensors)")
    worst = max(small, key=lambda name: _relative(small[name], large[name]))
    error = _relative(small[worst], large[worst])
    ratio = float(small[worst].double().norm() / large[worst].double().norm().clamp_min(1e-300))
    sizes = " and ".join(map(str, BATCH_SIZES))
    seen = f"with batches of {sizes} {worst} differs by {error:.2g} of its length, ratio {ratio:.3g}"
    demand(error < 1e-3, seen)
    other = _after_standstill(subject, BATCH_SIZES[0], change=_backwards)
    worst = max(small, key=lambda name: _relative(small[name], other[name]))
    apart = _relative(small[worst], other[worst])
    demand(
        apart < 1e-3 or _draws(subject, small),
        f"with the task's examples in another order {worst} differs by {apart:.2g} of its length",
    )
    return f"with batches of {sizes} all {len(small)} tensors are within {error:.0e}"


def _draws(subject: Subject, kept: dict[str, Tensor]) -> bool:
    """Whether what a strategy keeps is drawn at random, so that it goes by the order of examples."""
    seeds = "seed_for.noise=1", "seed_for.batches=1"
    other = _after_standstill(subject, BATCH_SIZES[0], *seeds)
    return any(_relative(kept[name], other[name]) >= 1e-3 for name in kept)


def _backwards(stream: TaskStream) -> TaskStream:
    """Return the stream with its training examples in reverse order."""
    return stream._replace(
        train=tuple(other_task(task.pixels(CPU).flip(0), task.labels.flip(0), task) for task in stream.train)
    )


def _after_standstill(
    subject: Subject, batch_size: int, *overrides: str, change: ChangeOfStream | None = None
) -> dict[str, Tensor]:
    """Return what is kept of a task in which no weight moved, and the loss that it adds a little way off."""
    with global_generators_restored(0):
        run = subject.run(
            *(*PERMUTED, f"training.batch_size={batch_size}", "training.epochs=1"),
            *("training.optimizer=sgd", f"training.learning_rate={STANDSTILL}", *overrides),
            change=change,
        )
        run.train(0)
        strategy = run.strategy
        kept = copied(subject.kept(strategy) or {})
        if hasattr(strategy, "added_loss"):
            strategy.flat.values.data.add_(0.1)
            kept["added_loss"] = torch.as_tensor(strategy.added_loss()).detach().reshape(1)
        return kept


def _relative(first: Tensor, second: Tensor) -> float:
    if first.shape != second.shape:
        return torch.inf
    first, second = first.double(), second.double()
    return float((first - second).norm() / torch.maximum(first.norm(), second.norm()).clamp_min(1e-300))


@check(
    "are frozen copies of the network in eval mode?",
    cause="a teacher that was copied in train mode: its batch normalisation answers by the batch, and moves",
    rests_on=ONE_RUN,
)
def frozen_copies_are_in_eval_mode(subject: Subject) -> str:
    with global_generators_restored(0):
        run: Run = subject.run(*THREE, *batch_norm(subject))
        run.train(0)
        numbers = []
        for task in (1, 2):  # copies may be made anew after each
            watch = _Copies()
            run.strategy.plugins.insert(0, watch)
            run.train(task)
            run.strategy.plugins.remove(watch)
            if watch.wrong:
                raise Failed(f"in task {task + 1} {watch.wrong}")
            numbers.append(watch.number)
    applies(any(numbers), "it keeps no other network, or trains it")
    return f"{' and '.join(map(str, numbers))} stood still in eval mode while tasks 2 and 3 were trained"


class _Copies(SupervisedPlugin):
    """A plugin that finds other networks whose parameters stand still during a task."""

    number, wrong = 0, ""

    def __init__(self) -> None:
        super().__init__()
        self._start: list[tuple[nn.Module, dict[str, Tensor], dict[str, Tensor]]] = []
        self._begun = False

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        if not self._begun:
            self._begun = True
            self._start = [
                (each, copied(dict(each.named_parameters())), copied(dict(each.named_buffers())))
                for each in other_networks(strategy)
            ]
            return
        frozen = [
            (copy, buffers)
            for copy, parameters, buffers in self._start
            if same(parameters, copied(dict(copy.named_parameters())))
        ]
        self.number = len(frozen)
        for copy, buffers in frozen:
            if not same(buffers, copied(dict(copy.named_buffers()))):
                self.wrong = f"running statistics of its {type(copy).__name__} move"
            elif any(part.training for part in copy.modules()):
                self.wrong = self.wrong or f"its {type(copy).__name__} is in train mode"
