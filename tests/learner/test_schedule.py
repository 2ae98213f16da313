"""The schedules, by hand."""

import math

import pytest

from cl_bench.learner.schedule import SCHEDULES, factor


def factors(schedule, *, steps_per_epoch, epochs):
    return [
        factor(schedule, step=step, num_steps=steps_per_epoch * epochs, steps_per_epoch=steps_per_epoch)
        for step in range(steps_per_epoch * epochs)
    ]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1, 1, 1]),
        # cosines of 0, 30, 60, 90, 120 and 150 degrees
        ("cosine", [1, (2 + math.sqrt(3)) / 4, 3 / 4, 1 / 2, 1 / 4, (2 - math.sqrt(3)) / 4]),
        ("cosine_by_epoch", [1, 1, 1 / 2, 1 / 2, 0, 0]),
    ],
)
def test_three_epochs_of_two_steps_have_these_factors(schedule, expected):
    assert factors(schedule, steps_per_epoch=2, epochs=3) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("steps_per_epoch", "epochs"), [(1, 1), (5, 1), (1, 4), (7, 3)])
def test_every_schedule_starts_at_the_learning_rate_and_never_rises(schedule, steps_per_epoch, epochs):
    found = factors(schedule, steps_per_epoch=steps_per_epoch, epochs=epochs)
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert min(found) >= 0


def test_by_epoch_the_factor_is_one_in_a_single_epoch_and_zero_in_the_last_of_several():
    assert factors("cosine_by_epoch", steps_per_epoch=4, epochs=1) == [1] * 4
    assert factors("cosine_by_epoch", steps_per_epoch=4, epochs=5)[-4:] == pytest.approx([0] * 4, abs=1e-15)


def test_by_step_the_factor_would_be_zero_one_step_after_the_last():
    assert factor("cosine", step=12, num_steps=12, steps_per_epoch=4) == pytest.approx(0, abs=1e-15)
    assert factor("cosine", step=11, num_steps=12, steps_per_epoch=4) > 0.01


def test_a_last_epoch_that_is_cut_short_counts_as_the_last():
    def found(schedule):
        return [factor(schedule, step=step, num_steps=5, steps_per_epoch=2) for step in range(5)]

    assert found("cosine_by_epoch") == pytest.approx([1, 1, 1 / 2, 1 / 2, 0], abs=1e-15)
    assert found("cosine") == pytest.approx([(1 + math.cos(math.pi * step / 5)) / 2 for step in range(5)])
