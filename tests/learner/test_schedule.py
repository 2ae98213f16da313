"""The schedules, by hand."""

import math

import pytest
import torch

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
        # cosines of 60, 120 and 180 degrees
        ("cosine_epoch_end", [3 / 4, 3 / 4, 1 / 4, 1 / 4, 0, 0]),
    ],
)
def test_three_epochs_of_two_steps_have_these_factors(schedule, expected):
    assert factors(schedule, steps_per_epoch=2, epochs=3) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("steps_per_epoch", "epochs"), [(1, 1), (5, 1), (1, 4), (7, 3)])
def test_every_schedule_starts_at_its_highest_and_never_rises(schedule, steps_per_epoch, epochs):
    found = factors(schedule, steps_per_epoch=steps_per_epoch, epochs=epochs)
    if schedule == "cosine_epoch_end" and epochs > 1:
        assert found[0] == pytest.approx((1 + math.cos(math.pi / epochs)) / 2)
    else:
        assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert min(found) >= 0


@pytest.mark.parametrize("schedule", ["cosine_by_epoch", "cosine_epoch_end"])
def test_by_epoch_the_factor_is_one_in_a_single_epoch_and_zero_in_the_last_of_several(schedule):
    assert factors(schedule, steps_per_epoch=4, epochs=1) == [1] * 4
    assert factors(schedule, steps_per_epoch=4, epochs=5)[-4:] == pytest.approx([0] * 4, abs=1e-15)


@pytest.mark.parametrize("cut", [0, 1])
@pytest.mark.parametrize("epochs", [2, 5, 30])
def test_the_end_of_an_epoch_is_torch_s_annealing_stepped_before_each_epoch(epochs, cut):
    """The code of BayesBiNN's authors does so: its last epoch has a rate of 1e-16."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    annealing = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs, eta_min=1e-16)
    optimizer.step()  # or torch warns
    num_steps, expected = 3 * epochs - cut, []
    for epoch in range(epochs):
        annealing.step()
        in_epoch = 3 - cut if epoch == epochs - 1 else 3
        expected += [optimizer.param_groups[0]["lr"]] * in_epoch
    found = [
        0.1 * factor("cosine_epoch_end", step=step, num_steps=num_steps, steps_per_epoch=3)
        for step in range(num_steps)
    ]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found[0] < 0.1


def test_the_two_by_epoch_differ_in_the_distance_that_they_allow():
    """The steps of the two differ by a quarter at 5 epochs, and by 1 % at 100."""
    for epochs, more in ((5, 1.25), (10, 1.11), (30, 1.034), (100, 1.01)):
        ours, torch_s = (
            sum(factors(each, steps_per_epoch=2, epochs=epochs))
            for each in ("cosine_by_epoch", "cosine_epoch_end")
        )
        assert ours / torch_s == pytest.approx(more, abs=2e-3)


def test_by_step_the_factor_would_be_zero_one_step_after_the_last():
    assert factor("cosine", step=12, num_steps=12, steps_per_epoch=4) == pytest.approx(0, abs=1e-15)
    assert factor("cosine", step=11, num_steps=12, steps_per_epoch=4) > 0.01


def test_a_last_epoch_that_is_cut_short_counts_as_the_last():
    def found(schedule):
        return [factor(schedule, step=step, num_steps=5, steps_per_epoch=2) for step in range(5)]

    assert found("cosine_by_epoch") == pytest.approx([1, 1, 1 / 2, 1 / 2, 0], abs=1e-15)
    assert found("cosine") == pytest.approx([(1 + math.cos(math.pi * step / 5)) / 2 for step in range(5)])
