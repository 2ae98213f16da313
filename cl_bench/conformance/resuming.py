"""Does it continue where it was stopped?"""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from cl_bench.conformance.check import Failed, applies, check
from cl_bench.conformance.repeatability import (
    TWO_RUNS,
    global_generators_are_left_alone,
    testing_changes_nothing,
)
from cl_bench.conformance.subject import Run, Subject
from cl_bench.evaluation.experiment import Row, Start, measurements, weights_sha256
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.records.rows import Record, State

SETTINGS = (
    "benchmark=permuted_digits",
    "benchmark.num_tasks=3",
    "training.optimizer_state=kept",
    "training.schedule=cosine",
)
ORDINALS = ("first", "second", "third")


class StoppedError(Exception):
    """A run was stopped before its end."""


class Stop(NamedTuple):
    """A place to stop a run: after a step, or after the tests that follow a task."""

    task: int  # from 1
    step: int | None  # of the task, from 1; None: after its tests

    def __str__(self) -> str:
        task = f"the {ORDINALS[self.task - 1]} task"
        return (
            f"after the tests that follow {task}"
            if self.step is None
            else f"after step {self.step} of {task}"
        )


class Part(NamedTuple):
    """What a run yields until it is stopped, and where it stands then."""

    rows: list[tuple[str, ...]]
    start: Start
    weights: list[str]  # a hash of all that it keeps
    num_steps: int  # of its last task


@check(
    "does a run that was stopped, between tasks or after a step, go on bit for bit?",
    cause="an attribute that steps or tasks change is named neither in `kept` (what later tasks use: "
    "importances, teachers, memories, counts, generators) nor in `in_task`; or what follows the last step of "
    "a task reads the batch, which is gone",
    rests_on=(*TWO_RUNS, testing_changes_nothing, global_generators_are_left_alone),
)
def it_goes_on_bit_for_bit(subject: Subject) -> str:
    applies(
        hasattr(subject.built, "go_on_in_task"), "it has no checkpoints (Avalanche's own): it begins again"
    )
    whole = _part(subject, Start(), None)
    stops = _stops(whole.num_steps)
    if not _is(whole, _relay(subject, stops)):
        raise Failed(_where_it_goes_wrong(subject, stops, whole))
    return (
        f"the same bits, stopped {len(stops)} times: in each of 3 tasks, at its last step and after its tests"
    )


def _stops(num_steps: int) -> list[Stop]:
    """Stops in the first and second epoch of each task, at its last step, and after its tests."""
    first, second = max(1, num_steps // 2 - 1), min(num_steps, num_steps // 2 + 2)
    within = {1: (first,), 2: (first, second), 3: (second,)}
    return [
        Stop(task, step) for task, steps in within.items() for step in (*sorted({*steps, num_steps}), None)
    ]


def _relay(subject: Subject, stops: Sequence[Stop]) -> Part:
    """Do one run that is stopped everywhere, and continues each time with a new strategy."""
    rows, start = list[tuple[str, ...]](), Start()
    for number, stop in enumerate((*stops, None)):
        part = _part(subject, start, stop, generators=number)
        rows, start = rows + part.rows, part.start
    return part._replace(rows=rows)


def _where_it_goes_wrong(subject: Subject, stops: Sequence[Stop], whole: Part) -> str:
    """Say which stop is the first that alone makes a difference."""
    for stop in stops:
        before = _part(subject, Start(), stop)
        after = _part(subject, before.start, None, generators=1)
        if before.rows + after.rows != whole.rows:
            return f"stopped {stop}: records or states are other ones"
        if after.weights != whole.weights:
            return f"stopped {stop}: it ends at other weights"
    return f"stopped {len(stops)} times it ends at other records or weights, and not where it is stopped once"


def _is(first: Part, second: Part) -> bool:
    return (first.rows, first.weights) == (second.rows, second.weights)


def _run(subject: Subject) -> Run:
    scenarios = subject.claims.scenarios
    scenario = "task" if "task" in scenarios else scenarios[0]  # heads of their own have more to keep
    return subject.run(*SETTINGS, f"benchmark.scenario={scenario}")


def _part(subject: Subject, start: Start, stop: Stop | None, *, generators: int = 0) -> Part:
    """Run from there to a stop, or to the end.

    Args:
        generators: seed of the global ones; where they stand must not matter to what continues.
    """
    run, rows_of_run = _run(subject), list[Record | State]()
    strategy = run.strategy

    def step() -> None:
        if stop is not None and (strategy.clock.train_exp_counter + 1, strategy.steps_taken) == stop:
            raise StoppedError

    strategy.after_step = step
    with global_generators_restored(generators):
        try:
            for rows in _measured(run, start if start != Start() else None):
                rows_of_run += [row for row in rows if isinstance(row, Record | State)]
                after = rows[-1].after_task
                start = Start(after, _through_a_file(strategy.state()))
                if stop == (after, None):
                    break
        except StoppedError:
            start = start._replace(in_task=_through_a_file(strategy.state()))
        return Part(
            [_row(each) for each in rows_of_run], start, weights_sha256(strategy), strategy.steps_taken
        )


def _measured(run: Run, start: Start | None) -> Iterator[list[Row]]:
    return measurements(run.strategy, run.benchmark, seed=0, test_on="test", test_last=None, start=start)


def _row(row: Record | State) -> tuple[str, ...]:
    """Return a record or a state as texts, without seconds; nan equals nan."""
    return tuple(map(repr, row._replace(training_seconds=0.0) if isinstance(row, State) else row))


def _through_a_file(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state as it comes back from a file, plain values alone."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)
