"""Metrics of losses, and the definitions of other libraries, on 3 x 3 examples worked by hand."""

import math

import numpy as np
import pytest

from cl_bench.analysis import METRICS, backward_transfer, forgetting
from cl_bench.analysis.losses import intransigence_of_loss, metrics_of
from cl_bench.analysis.other_definitions import (
    avalanche_forgetting,
    chaudhry_forgetting,
    mammoth_forgetting,
    mammoth_forward_transfer,
)

#            on task 1    2    3
LOSS = [
    [2.4, 2.2, 2.3],  # untrained
    [0.3, 2.0, 2.5],  # after task 1
    [0.2, 0.5, 2.1],  # after task 2
    [1.2, 0.4, 0.6],  # after task 3
]
ACCURACY = [
    [0.10, 0.20, 0.10],
    [0.90, 0.85, 0.30],
    [0.95, 0.80, 0.40],
    [0.60, 0.90, 0.70],
]


def test_metrics_of_a_loss_by_hand():
    found = {name: metric(LOSS) for name, metric in metrics_of("nll").items()}
    assert found == pytest.approx(
        {
            "average_nll": 2.2 / 3,  # (1.2 + 0.4 + 0.6) / 3
            "forgetting_nll": 0.45,  # task 1: 1.2 - min(0.3, 0.2) = 1.0; task 2: 0.4 - min(2.0, 0.5) = -0.1
            "backward_transfer_nll": -0.4,  # task 1: 0.3 - 1.2 = -0.9; task 2: 0.5 - 0.4 = 0.1
            "forward_transfer_nll": 0.2,  # task 2: 2.2 - 2.0 = 0.2; task 3: 2.3 - 2.1 = 0.2
            "learning_nll": 1.4 / 3,  # (0.3 + 0.5 + 0.6) / 3
            "average_anytime_nll": (0.3 + 0.35 + 2.2 / 3) / 3,
            "worst_task_nll": 1.2,
        }
    )
    # (0.3 - 0.2) + (0.5 - 0.5) + (0.6 - 0.2) = 0.5
    assert intransigence_of_loss(LOSS, [0.2, 0.5, 0.2]) == pytest.approx(0.5 / 3)


def test_metrics_of_an_accuracy_are_the_metrics():
    assert metrics_of("accuracy") == METRICS
    with pytest.raises(ValueError, match="accuracy, nll, ece, brier, got column='entropy'"):
        metrics_of("entropy")


def test_forgetting_and_transfer_of_the_error_rate_are_those_of_the_accuracy():
    error = 1 - np.array(ACCURACY)
    for name in ("forgetting", "backward_transfer", "forward_transfer"):
        assert metrics_of("ece")[f"{name}_ece"](error) == pytest.approx(METRICS[name](ACCURACY))


def test_what_was_not_to_be_tested_is_in_no_loss():
    masked = np.ma.masked_array(LOSS, mask=np.triu(np.ones((4, 3), dtype=bool)))
    masked[3, 0] = np.ma.masked
    assert metrics_of("nll")["average_nll"](masked) == pytest.approx(0.5)
    assert metrics_of("nll")["worst_task_nll"](masked) == pytest.approx(0.6)
    assert metrics_of("nll")["forgetting_nll"](masked) == pytest.approx(-0.1)


def test_avalanches_forgetting_by_hand():
    # task 1: 0.90 - 0.60 = 0.30; task 2: 0.80 - 0.90 = -0.10; mean 0.10
    assert avalanche_forgetting(ACCURACY) == pytest.approx(0.10)
    assert avalanche_forgetting(ACCURACY) == -backward_transfer(ACCURACY)


def test_avalanches_forgetting_is_avalanches():
    from avalanche.evaluation.metrics.forgetting_bwt import StreamForgetting

    theirs = StreamForgetting()
    for after, row in enumerate(ACCURACY):
        theirs.train_exp_id = after - 1 if after else None
        theirs.before_eval(None)
        for task, accuracy in enumerate(row):
            theirs.eval_exp_id = task
            theirs.metric_result = lambda strategy, accuracy=accuracy: accuracy
            theirs.after_eval_exp(None)
    assert avalanche_forgetting(ACCURACY) == pytest.approx(theirs.result())


def test_mammoths_forgetting_by_hand():
    # task 1: max(0.90, 0.95, 0.60) - 0.60 = 0.35; task 2: max(0 for not seen, 0.80, 0.90) - 0.90 = 0
    assert mammoth_forgetting(ACCURACY) == pytest.approx(0.175)


def test_chaudhrys_forgetting_by_hand():
    # task 1: 0.95 - 0.60 = 0.35; task 2: 0.80 - 0.90 = -0.10, its 0.85 before it was learned does not count
    assert chaudhry_forgetting(ACCURACY) == pytest.approx(0.125)
    assert forgetting(ACCURACY) == pytest.approx((0.35 + 0.85 - 0.90) / 2)


def test_mammoths_forward_transfer_says_nothing_on_class_incremental_streams():
    # task 2: 0.85 - 0.20 = 0.65; task 3: 0.40 - 0.10 = 0.30
    assert mammoth_forward_transfer(ACCURACY, class_incremental=False) == pytest.approx(0.475)
    assert math.isnan(mammoth_forward_transfer(ACCURACY, class_incremental=True))
    assert math.isnan(mammoth_forward_transfer(ACCURACY, class_incremental=False, head_a_task=True))


@pytest.mark.parametrize("metric", [mammoth_forgetting, chaudhry_forgetting])
def test_definitions_that_need_all_tests_say_so(metric):
    with pytest.raises(ValueError, match="needs every task tested after every task"):
        metric(np.ma.masked_equal(ACCURACY, 0.85))
    with pytest.raises(ValueError, match=r"\[1 \+ num_tasks, num_tasks\]"):
        metric(ACCURACY[1:])
    assert math.isnan(metric([[0.1], [0.9]]))
