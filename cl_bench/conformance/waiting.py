"""Do steps and test batches leave a GPU at work, without waiting for its numbers?"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from avalanche.core import SupervisedPlugin

from cl_bench.config.build import build_strategy
from cl_bench.conformance.check import Failed, applies, check, place_of
from cl_bench.conformance.meta_device import META, MetaSeeds, MixesError, WaitsError, unknown_to_meta, watched
from cl_bench.conformance.repeatability import ONE_RUN
from cl_bench.conformance.resuming import ORDINALS
from cl_bench.conformance.subject import SPLIT, Run, Subject, build_stream
from cl_bench.streams.benchmark import to_avalanche

SETTINGS = (*SPLIT, "training.epochs=1")


@check(
    "do its steps and test batches leave a GPU at work, without waiting for its numbers?",
    cause="float(loss), .item(), .cpu(), `if` of a tensor, a boolean mask or nonzero() in a step, where "
    "torch.where would do; a tensor made without device=self.device, or one of the host in `kept`, which is "
    "on the device where a run resumes; a generator of the host for numbers of the device; a copy in a step "
    "without non_blocking=True; a method that must decide by a number claims `waits`",
    rests_on=ONE_RUN,
)
def no_step_waits_for_the_device(subject: Subject) -> str:
    applies(subject.is_learner, "only strategies of the suite's kind say where they draw random numbers")
    applies(not subject.claims.waits, "it says that its steps decide by numbers (waits)")
    rehearsal = Rehearsal(subject, scenario=_scenario(subject))
    rehearsal.go_on_from_the_host()
    between = f"outside of steps it {rehearsal.reads_between}; that is allowed once a task, and ends the look"
    applies(bool(rehearsal.num_steps), between)
    seen = f"{rehearsal.num_steps} steps and {rehearsal.num_batches} test batches on a device without numbers"
    return seen if rehearsal.reads_between is None else f"{seen}; {between}"


class Rehearsal:
    """A strategy trained and tested on the meta device, as far as that goes.

    Outside of steps a strategy may read numbers, of which there are none. There the look ends. The second
    task can continue from a state that was reached on the host, as where a run resumes on a GPU.

    Attributes:
        num_steps, num_batches: that were taken without waiting.
        num_tasks: that it was trained on to the end, in one go.
        reads_between: what it reads outside of steps first; None: nothing.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        scenario: str,
        model: str = "mlp",
        settings: Sequence[str] = SETTINGS,
        num_seeds: int | None = None,
    ) -> None:
        self._subject, self._model, self._num_seeds = subject, model, num_seeds
        self._settings = (*settings, f"benchmark.scenario={scenario}")
        self.num_steps = self.num_batches = self.num_tasks = 0
        self.reads_between: str | None = None
        with self._allowed():
            run, phase = self._built()
            for task in (0, 1):
                self._look(phase, task, partial(run.train, task))
                self.num_tasks += 1
            self._look(phase, None, run.test)

    def go_on_from_the_host(self) -> None:
        """Take the steps of the second task from where a run on the host stands after the first one."""
        trained = self._subject.run(*self._settings, model=self._model)
        trained.train(0)
        state, between = trained.strategy.state(), self.reads_between
        with self._allowed():
            run, phase = self._built()
            if _restored(run, state):
                self._look(phase, 1, partial(run.train, 1))
        self.reads_between = between

    def _built(self) -> tuple[Run, "_Phase"]:
        phase = _Phase()
        with watched(lambda: phase.within):
            config = self._subject.config(*self._settings, model=self._model)
            run = on_meta(config, num_seeds=self._num_seeds)
        run.strategy.plugins.insert(0, phase)
        return run, phase

    def _look(self, phase: "_Phase", task: int | None, work: Callable[[], None]) -> None:
        """Do the work, in which no step and no batch may wait."""
        try:
            with watched(lambda: phase.within):
                work()
        except Exception as error:
            unknown = unknown_to_meta(error)
            applies(not unknown, f"torch has no form of {unknown} for the device on which it is tried")
            if isinstance(error, MixesError) or (phase.within and isinstance(error, WaitsError)):
                raise Failed(f"{phase.where(task)}: {error}{place_of(error)}") from error
            raise
        finally:
            self.num_steps += phase.num_steps
            self.num_batches += phase.num_batches
            phase.num_steps = phase.num_batches = 0

    @contextmanager
    def _allowed(self) -> Iterator[None]:
        """Let it wait outside of steps; then it goes no further."""
        try:
            yield
        except WaitsError as error:
            self.reads_between = str(error)


def _restored(run: Run, state: dict[str, Any]) -> bool:
    """Put a strategy on the meta device to where one stood after a task; False where it reads numbers."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*from a non-meta parameter")
            run.strategy.restore(state, list(run.benchmark.train_stream)[:1])
    except ValueError as error:
        if not isinstance(error.__cause__, NotImplementedError):
            raise
        return False
    return True


def on_meta(config: Any, *, num_seeds: int | None = None) -> Run:
    """Build what a configuration makes, on the meta device.

    Args:
        num_seeds: that are trained at once; None: one, without a seed axis.
    """
    from cl_bench.streams.stacked import stack_streams

    seeds = [MetaSeeds(config.seed + index, config.seed_for) for index in range(num_seeds or 1)]
    streams = [build_stream(config, each) for each in seeds]
    stream = streams[0] if num_seeds is None else stack_streams(streams)
    strategy = build_strategy(config, stream, seeds[0] if num_seeds is None else seeds, device=META)
    return Run(strategy, to_avalanche(stream), stream, config)


def _scenario(subject: Subject) -> str:
    """Return the scenario in which steps have the most to do: a head for each task, if that can be."""
    scenarios = subject.claims.scenarios
    return "task" if "task" in scenarios else scenarios[0]


class _Phase(SupervisedPlugin):
    """A plugin that knows whether a step is being taken, or a batch tested, and how many were."""

    def __init__(self) -> None:
        super().__init__()
        self.within, self.num_steps, self.num_batches = False, 0, 0
        self._in_test = False

    def where(self, task: int | None) -> str:
        if task is None or self._in_test:
            return f"test batch {self.num_batches + 1}"
        number = f"step {self.num_steps + 1}" if self.within else "outside of the steps"
        return f"{number} of the {ORDINALS[task]} task"

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self.within = self._in_test = False
        strategy._fits = strategy.experience  # its labels are compared with the outputs once a task

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.within = True

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.num_steps += 1

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self.within = False

    def before_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.within, self._in_test = False, True
        strategy._fits = strategy.experience

    def before_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.within = True

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.num_batches += 1

    def after_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.within = False
