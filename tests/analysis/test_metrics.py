"""Every metric on one 3 x 3 example worked by hand, and what must hold on any matrix."""

import math

import numpy as np
import pytest

from cl_bench.analysis import (
    METRICS,
    average_accuracy,
    average_anytime_accuracy,
    average_seen,
    backward_transfer,
    forgetting,
    forward_transfer,
    intransigence,
    learning_accuracy,
    when_learned,
    worst_task_accuracy,
)

#            on task 1     2     3
EXAMPLE = [
    [0.10, 0.20, 0.10],  # untrained
    [0.90, 0.25, 0.30],  # after task 1
    [0.95, 0.80, 0.40],  # after task 2
    [0.60, 0.90, 0.70],  # after task 3
]
JOINT = [0.95, 0.90, 0.70]


def random_matrices(number=50):
    generator = np.random.default_rng(0)
    for _ in range(number):
        num_tasks = int(generator.integers(2, 8))
        yield generator.random((1 + num_tasks, num_tasks))


def test_average_accuracy_by_hand():
    # (0.60 + 0.90 + 0.70) / 3 = 2.20 / 3
    assert average_accuracy(EXAMPLE) == pytest.approx(2.20 / 3)


def test_forgetting_by_hand():
    # task 1: max(0.90, 0.95) - 0.60 = 0.35; task 2: max(0.25, 0.80) - 0.90 = -0.10; mean 0.125
    assert forgetting(EXAMPLE) == pytest.approx(0.125)


def test_backward_transfer_by_hand():
    # task 1: 0.60 - 0.90 = -0.30; task 2: 0.90 - 0.80 = 0.10; mean -0.10
    assert backward_transfer(EXAMPLE) == pytest.approx(-0.10)


def test_forward_transfer_by_hand():
    # task 2: 0.25 - 0.20 = 0.05; task 3: 0.40 - 0.10 = 0.30; mean 0.175
    assert forward_transfer(EXAMPLE) == pytest.approx(0.175)


def test_learning_accuracy_by_hand():
    # (0.90 + 0.80 + 0.70) / 3 = 0.80
    assert learning_accuracy(EXAMPLE) == pytest.approx(0.80)
    assert when_learned(EXAMPLE) == pytest.approx([0.90, 0.80, 0.70])


def test_intransigence_by_hand():
    # (0.95 - 0.90) + (0.90 - 0.80) + (0.70 - 0.70) = 0.15; over 3 tasks 0.05
    assert intransigence(EXAMPLE, JOINT) == pytest.approx(0.05)


def test_average_seen_by_hand():
    # 0.90; (0.95 + 0.80) / 2 = 0.875; 2.20 / 3
    assert average_seen(EXAMPLE) == pytest.approx([0.90, 0.875, 2.20 / 3])


def test_average_anytime_accuracy_by_hand():
    # (0.90 + 0.875 + 2.20 / 3) / 3
    assert average_anytime_accuracy(EXAMPLE) == pytest.approx((0.90 + 0.875 + 2.20 / 3) / 3)


def test_worst_task_accuracy_by_hand():
    assert worst_task_accuracy(EXAMPLE) == 0.60  # of 0.60, 0.90, 0.70


def test_final_accuracy_never_counts_as_forgetting():
    for accuracy in random_matrices():
        accuracy[-1] = 1.0
        assert forgetting(accuracy) <= 0


def test_the_untrained_network_forgets_nothing():
    for accuracy in random_matrices():
        before = forgetting(accuracy)
        accuracy[0] = 1.0
        assert forgetting(accuracy) == before


def test_forgetting_is_at_least_the_negative_backward_transfer():
    for accuracy in random_matrices():
        assert forgetting(accuracy) >= -backward_transfer(accuracy) - 1e-12


def test_the_last_task_cannot_be_forgotten_or_transferred_to_backwards():
    for accuracy in random_matrices():
        before = forgetting(accuracy), backward_transfer(accuracy)
        accuracy[:, -1] = 0.123
        assert (forgetting(accuracy), backward_transfer(accuracy)) == before


def test_the_average_over_seen_tasks_ends_at_the_average_accuracy():
    for accuracy in random_matrices():
        assert average_seen(accuracy)[-1] == pytest.approx(average_accuracy(accuracy))
        assert average_seen(accuracy)[0] == pytest.approx(accuracy[1, 0])


def test_the_average_over_seen_tasks_ignores_tasks_not_seen():
    accuracy = np.array(EXAMPLE)
    accuracy[1, 1:] = np.nan
    assert average_seen(accuracy) == pytest.approx(average_seen(EXAMPLE))


def test_the_joint_reference_has_no_intransigence_against_itself():
    for accuracy in random_matrices():
        assert intransigence(accuracy, when_learned(accuracy)) == 0


def test_constant_accuracy_neither_transfers_nor_forgets():
    constant = np.full((6, 5), 0.7)
    assert forgetting(constant) == backward_transfer(constant) == forward_transfer(constant) == 0
    assert average_accuracy(constant) == pytest.approx(0.7)


def test_one_task_has_nan_for_what_cannot_be_measured():
    one = [[0.1], [0.9]]
    assert average_accuracy(one) == learning_accuracy(one) == 0.9
    assert all(math.isnan(metric(one)) for metric in (forgetting, backward_transfer, forward_transfer))
    assert average_seen(one) == pytest.approx([0.9])


def test_metrics_do_not_change_the_matrix():
    accuracy = np.array(EXAMPLE)
    for metric in METRICS.values():
        metric(accuracy)
    average_seen(accuracy)
    assert np.array_equal(accuracy, EXAMPLE)


def test_a_run_cut_short_has_no_average_accuracy():
    accuracy = np.array(EXAMPLE)
    accuracy[-1] = np.nan
    assert math.isnan(average_accuracy(accuracy))
    assert math.isnan(forgetting(accuracy))


@pytest.mark.parametrize("shape", [(3, 3), (4,), (1, 0), (5, 3)])
def test_a_matrix_without_its_untrained_row_is_an_error(shape):
    for metric in METRICS.values():
        with pytest.raises(ValueError, match=r"\[1 \+ num_tasks, num_tasks\]"):
            metric(np.zeros(shape))


def test_intransigence_wants_one_reference_a_task():
    with pytest.raises(ValueError, match="one accuracy a task"):
        intransigence(EXAMPLE, JOINT[:2])


# Only the last three tasks tested after each of four

_ = 0.123  # never asked for, never used
#          on task 1     2     3     4
BAND = np.ma.masked_equal(
    [
        [_, _, _, _],
        [0.90, _, _, _],
        [0.95, 0.80, _, _],
        [0.60, 0.90, 0.70, _],
        [_, 0.65, 0.75, 0.50],
    ],
    _,
)


def test_metrics_of_the_newest_tasks_by_hand():
    # tasks 2, 3, 4: (0.65 + 0.75 + 0.50) / 3
    assert average_accuracy(BAND) == pytest.approx(1.90 / 3)
    # task 2: max(0.80, 0.90) - 0.65 = 0.25; task 3: 0.70 - 0.75 = -0.05; mean 0.10
    assert forgetting(BAND) == pytest.approx(0.10)
    # task 2: 0.65 - 0.80 = -0.15; task 3: 0.75 - 0.70 = 0.05; mean -0.05
    assert backward_transfer(BAND) == pytest.approx(-0.05)
    # all four: (0.90 + 0.80 + 0.70 + 0.50) / 4
    assert learning_accuracy(BAND) == pytest.approx(0.725)
    # 0.90; 1.75 / 2; (0.60 + 0.90 + 0.70) / 3; 1.90 / 3
    assert average_seen(BAND) == pytest.approx([0.90, 0.875, 2.20 / 3, 1.90 / 3])
    # (0.90 + 0.875 + 2.20 / 3 + 1.90 / 3) / 4; the least of 0.65, 0.75, 0.50
    assert average_anytime_accuracy(BAND) == pytest.approx((1.775 + 4.10 / 3) / 4)
    assert worst_task_accuracy(BAND) == 0.50
    # joint[j] - R[j, j]: 0.05 + 0.10 + 0.20 + 0.30 = 0.65
    assert intransigence(BAND, [0.95, 0.90, 0.90, 0.80]) == pytest.approx(0.65 / 4)


def test_forward_transfer_needs_tests_before_a_task_is_learned():
    assert math.isnan(forward_transfer(BAND))


def test_the_newest_task_alone_cannot_be_forgotten():
    accuracy = np.ma.masked_where(~np.eye(5, 4, k=-1, dtype=bool), BAND)
    assert average_accuracy(accuracy) == 0.50
    assert learning_accuracy(accuracy) == pytest.approx(0.725)
    assert math.isnan(forgetting(accuracy))
    assert math.isnan(backward_transfer(accuracy))


def test_what_is_masked_never_counts():
    junk = np.ma.masked_array(np.where(BAND.mask, np.nan, BAND.data), BAND.mask)
    for metric in METRICS.values():
        assert metric(junk) == metric(BAND) or metric is forward_transfer
    assert average_seen(junk).tolist() == average_seen(BAND).tolist()


def test_a_mask_over_nothing_or_over_tasks_not_yet_learned_changes_nothing():
    for accuracy in random_matrices():
        learned = np.tri(*accuracy.shape, k=-1, dtype=bool)
        from_learning = np.where(learned, accuracy, 0)
        for metric in METRICS.values():
            assert metric(np.ma.array(accuracy)) == metric(accuracy)
            if metric is not forward_transfer:
                expected = pytest.approx(metric(from_learning))
                assert metric(np.ma.masked_where(~learned, accuracy)) == expected


@pytest.mark.parametrize(("after", "on"), [(4, 2), (3, 2), (2, 2)])
def test_a_run_cut_short_among_what_was_asked_for_has_no_forgetting(after, on):
    accuracy = BAND.copy()
    accuracy[after, on - 1] = np.nan
    assert math.isnan(forgetting(accuracy))
    assert math.isnan(average_accuracy(accuracy)) == (after == 4)
    assert math.isnan(learning_accuracy(accuracy)) == (after == 2)
    assert math.isnan(average_seen(accuracy)[after - 1])
