"""A strategy that is stopped, between two tasks or after a step, goes on bit for bit: every one in conf/."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from cl_bench.records import Record
from cl_bench.strategies import Learner
from cl_bench.training.experiment import Start, measurements, weights_sha256

from .test_contracts import OURS, SUBJECTS

STREAM = ("benchmark=permuted_digits", "benchmark.num_tasks=3", "benchmark.scenario=task")
EPOCHS, MORE = "training.epochs=2", ("training.optimizer_state=kept", "training.schedule=cosine")


class StoppedError(Exception):
    pass


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def measured(run: Any, start: Start | None = None) -> Iterator[Any]:
    return measurements(run.strategy, run.benchmark, seed=0, test_on="test", test_last=None, start=start)


def rows(found: Any) -> list[tuple]:
    """Records and states, without seconds; nan equals nan."""
    return [
        tuple(map(repr, each if isinstance(each, Record) else each.state._replace(training_seconds=0.0)))
        for each in found
    ]


def stopped(make: Any, *, after_step: int) -> tuple[list[tuple], Start]:
    """What a run yields until it has taken so many steps, and where it stands then."""
    run = make()
    found, begun, steps = [], Start(), 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == after_step:
            raise StoppedError

    run.strategy.after_step = step
    try:
        for each in measured(run):
            found.append(each)
            if not isinstance(each, Record):
                begun = Start(each.state.after_task, through_a_file(run.strategy.state()))
    except StoppedError:
        begun = begun._replace(in_task=through_a_file(run.strategy.state()))
    return rows(found), begun


@pytest.mark.parametrize("name", OURS)
def test_it_goes_on_bit_for_bit(lab, name):
    def make():
        return lab.from_conf(*SUBJECTS[name], *STREAM, EPOCHS, *MORE)

    with lab.seeded():
        whole = make()
        steps = []
        whole.strategy.after_step = lambda: steps.append(1)
        expected = rows(measured(whole))
    a_task = len(steps) // 3
    for after_step in (max(1, a_task // 2 - 1), 2 * a_task, len(steps) + 1):
        with lab.seeded():
            before, start = stopped(make, after_step=after_step)
        again = make()
        torch.manual_seed(after_step)  # where the global generators stand must not matter
        after = rows(measured(again, start))
        assert before + after == expected, after_step
        assert weights_sha256(again.strategy) == weights_sha256(whole.strategy), after_step


@pytest.mark.parametrize("name", ["lwf"])
def test_a_state_of_another_strategy_is_refused(lab, name):
    state = lab.from_conf(*SUBJECTS["ewc"], *STREAM).strategy.state()
    with pytest.raises(ValueError, match="does not fit LwF"):
        lab.from_conf(*SUBJECTS[name], *STREAM).strategy.restore(state)


def test_what_nobody_can_pack_is_named(lab):
    class Odd(Learner):
        kept = ("secret",)

    run = lab.from_conf("strategy=finetune", *STREAM)
    run.strategy.__class__ = Odd
    run.strategy.secret = object()
    with pytest.raises(TypeError, match="secret of type object"):
        run.strategy.state()
