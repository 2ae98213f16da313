"""Does it go on where it was stopped?"""

import io
from typing import Any, NamedTuple

import torch

from cl_bench.records import Record
from cl_bench.testing.check import applies, check, demand
from cl_bench.testing.subject import Run, Subject
from cl_bench.testing.training import TWO_RUNS, global_generators_are_left_alone, testing_changes_nothing
from cl_bench.training.experiment import Start, measurements, weights_sha256
from cl_bench.training.generators import global_generators_restored

SETTINGS = (
    "benchmark=permuted_digits",
    "benchmark.num_tasks=3",
    "training.optimizer_state=kept",
    "training.schedule=cosine",
)


class StoppedError(Exception):
    """In the midst of a run."""


class Whole(NamedTuple):
    """An undisturbed run."""

    rows: list[tuple[str, ...]]
    weights: list[str]
    num_steps: int


@check(
    "does a run that was stopped, between tasks or after a step, go on bit for bit?",
    cause="an attribute that steps or tasks change is named neither in `kept` nor in `in_task`; or what "
    "follows the last step of a task reads the batch, which is gone",
    rests_on=(*TWO_RUNS, testing_changes_nothing, global_generators_are_left_alone),
)
def it_goes_on_bit_for_bit(subject: Subject) -> str:
    applies(
        hasattr(subject.built, "go_on_in_task"), "it has no checkpoints (Avalanche's own): it begins again"
    )
    whole = _whole(subject)
    a_task = whole.num_steps // 3
    stops = {
        "in the first task": max(1, a_task // 2 - 1),
        "after the last step of the second task": 2 * a_task,
        "after the last task": whole.num_steps + 1,
    }
    for where, steps in stops.items():
        before, start = _stopped(subject, steps)
        run = _run(subject)
        with global_generators_restored(steps):  # where they stand must not matter
            after = _rows(run, start)
        demand(before + after == whole.rows, f"stopped {where}: records or states are other ones")
        demand(weights_sha256(run.strategy) == whole.weights, f"stopped {where}: it ends at other weights")
    return f"the same bits: stopped {', '.join(stops)}"


def _run(subject: Subject) -> Run:
    scenarios = subject.claims.scenarios
    scenario = "task" if "task" in scenarios else scenarios[0]  # heads of their own have more to keep
    return subject.run(*SETTINGS, f"benchmark.scenario={scenario}")


def _whole(subject: Subject) -> Whole:
    run, steps = _run(subject), list[int]()
    run.strategy.after_step = lambda: steps.append(1)
    with global_generators_restored(0):
        rows = _rows(run)
    return Whole(rows, weights_sha256(run.strategy), len(steps))


def _stopped(subject: Subject, after_step: int) -> tuple[list[tuple[str, ...]], Start]:
    """What a run yields until it has taken so many steps, and where it stands then."""
    run, taken = _run(subject), list[int]()

    def step() -> None:
        taken.append(1)
        if len(taken) == after_step:
            raise StoppedError

    run.strategy.after_step = step
    found, start = list[Any](), Start()
    try:
        with global_generators_restored(0):
            for each in _measured(run, None):
                found.append(each)
                if not isinstance(each, Record):
                    start = Start(each.state.after_task, _through_a_file(run.strategy.state()))
    except StoppedError:
        start = start._replace(in_task=_through_a_file(run.strategy.state()))
    return [_row(each) for each in found], start


def _measured(run: Run, start: Start | None) -> Any:
    return measurements(run.strategy, run.benchmark, seed=0, test_on="test", test_last=None, start=start)


def _rows(run: Run, start: Start | None = None) -> list[tuple[str, ...]]:
    return [_row(each) for each in _measured(run, start)]


def _row(found: Any) -> tuple[str, ...]:
    """A record or a state, without seconds; nan equals nan."""
    return tuple(
        map(repr, found if isinstance(found, Record) else found.state._replace(training_seconds=0.0))
    )


def _through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """As it comes back, plain values alone."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)
