"""The plugins that every strategy gets: scores, and a stop at losses that are no numbers."""

import math
from types import SimpleNamespace

import pytest
import torch
from avalanche.core import SupervisedPlugin
from avalanche.training import Naive
from torch import nn

from cl_bench.evaluation.experiment import experiment
from cl_bench.evaluation.finite_loss import FiniteLoss
from cl_bench.evaluation.progress import Progress
from cl_bench.evaluation.scores import Scores
from cl_bench.models import Network
from cl_bench.posteriors.prediction import average_prediction
from cl_bench.records.errors import NonFiniteLossError
from cl_bench.strategies import Finetune
from cl_bench.strategies.avalanche import WithTaskLabels
from cl_bench.streams.benchmark import to_avalanche


class Poison(SupervisedPlugin):
    """Makes the loss of one step of training whatever is given."""

    def __init__(self, value, *, task, epoch, step):
        super().__init__()
        self.value, self.where = value, (task, epoch, step)

    def before_training_epoch(self, strategy, **kwargs):
        self.step = 0

    def after_backward(self, strategy, **kwargs):
        self.step += 1
        clock = strategy.clock
        if (clock.train_exp_counter + 1, clock.train_exp_epochs + 1, self.step) == self.where:
            strategy.loss = strategy.loss * 0 + self.value


@pytest.fixture
def one_in_four(network: Network) -> Network:
    """Gives the first class of every head the probability 1/4, the second 3/4, whatever it sees."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.heads.linear.bias.copy_(torch.tensor([1.0, 3.0, 1.0, 3.0]).log())
    return network


def ours(network, learner, *plugins):
    return Finetune(model=network, **learner, plugins=plugins)


def theirs(network, learner, *plugins):
    return Naive(
        model=WithTaskLabels(network),  # Avalanche tells the task to networks of its own kind alone
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=learner["batch_size"],
        train_epochs=learner["epochs"],
        eval_mb_size=learner["test_batch_size"],
        plugins=list(plugins),
    )


@pytest.mark.parametrize("make", [ours, theirs])
def test_scores_are_those_worked_by_hand(stream, one_in_four, learner, make):
    strategy = make(one_in_four, learner)
    scores = Scores()
    strategy.plugins.insert(0, scores)
    strategy.eval(list(to_avalanche(stream).test_stream))
    assert len(scores.rows) == 2
    for (score,), (bins,), task in zip(scores.rows, scores.bins, stream.test, strict=True):
        num_second = int(task.labels.sum())
        assert 0 < num_second < score.num_examples == len(task) == 10
        by_hand = -(num_second * math.log(3 / 4) + (10 - num_second) * math.log(1 / 4)) / 10
        assert score.accuracy == num_second / 10
        assert score.nll == pytest.approx(by_hand, rel=1e-6)
        assert score.ece == pytest.approx(abs(3 / 4 - num_second / 10), rel=1e-6)
        # the distance from (1/4, 3/4) to (0, 1) is 2/16, to (1, 0) 18/16
        assert score.brier == pytest.approx((num_second * 2 + (10 - num_second) * 18) / 160, rel=1e-6)
        assert score.entropy == pytest.approx(math.log(4) - 3 / 4 * math.log(3), rel=1e-6)
        assert score.mutual_information is math.nan, "no weights are sampled"
        # 3/4 lies in the 12th of 15 bins, (11/15, 12/15]
        assert bins == [(12, 10, pytest.approx(3 / 4, rel=1e-6), num_second / 10)]


def test_scores_of_seeds_trained_at_once_are_told_apart():
    """Two seeds with the same labels: the first is always right with 3/4, the second never with 1/4."""
    scores = Scores()
    scores.before_eval(None)
    scores.before_eval_exp(None)
    for labels in (torch.tensor([0, 1, 1]), torch.tensor([1])):  # an even and an uneven batch
        right = torch.tensor([1 / 4, 3 / 4]).log().expand(len(labels), 2).clone()
        right[labels == 0] = right[labels == 0].flip(1)
        both = torch.cat([right, right.flip(1)])
        scores.after_eval_iteration(
            SimpleNamespace(num_seeds=2, mb_output=both, mb_y=torch.cat([labels, labels]))
        )
    scores.after_eval_exp(None)
    (rows,) = scores.rows
    assert [row[:4] for row in rows] == [
        (1.0, pytest.approx(-math.log(3 / 4), rel=1e-6), 4, pytest.approx(1 / 4, rel=1e-6)),
        (0.0, pytest.approx(-math.log(1 / 4), rel=1e-6), 4, pytest.approx(3 / 4, rel=1e-6)),
    ]
    assert scores.bins == [
        [[(12, 4, pytest.approx(3 / 4), 1.0)], [(12, 4, pytest.approx(3 / 4), 0.0)]],
    ]
    (confidences,) = scores.confidences
    torch.testing.assert_close(confidences, torch.full((2, 4), 0.75, dtype=torch.float64))


def test_scores_of_weight_samples_divide_the_entropy():
    """Two samples, sure of different classes for the first example, and equally unsure for the second."""
    scores = Scores()
    scores.before_eval(None)
    scores.before_eval_exp(None)
    samples = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]).log().clamp_min(-1e4)
    prediction = average_prediction(samples)
    scores.after_eval_iteration(
        SimpleNamespace(
            mb_output=prediction.log_probabilities,
            mb_y=torch.tensor([0, 1]),
            expected_entropy=prediction.expected_entropy,
            num_averaged=prediction.num_samples,
        )
    )
    scores.after_eval_exp(None)
    (((score),),) = scores.rows
    assert score.entropy == pytest.approx(math.log(2), rel=1e-6)
    # log 2 and 0 in the two examples, and the factor of two samples is 2
    assert score.mutual_information == pytest.approx(2 * math.log(2) / 2, rel=1e-6)


def test_a_test_that_diverged_has_nan_and_not_a_crash():
    scores = Scores()
    scores.before_eval(None)
    scores.before_eval_exp(None)
    outputs = torch.tensor([[0.5, 0.5], [math.nan, math.nan]])
    scores.after_eval_iteration(SimpleNamespace(mb_output=outputs, mb_y=torch.tensor([0, 1])))
    scores.after_eval_exp(None)
    ((score,),) = scores.rows
    assert 0 <= score.accuracy <= 1
    assert score.num_examples == 2
    assert all(value is math.nan for value in (score.nll, score.ece, score.brier, score.entropy))
    assert [each.num_examples for each in scores.bins[0][0]] == [1, 1]


def test_scores_of_the_last_evaluation_replace_the_earlier_ones(stream, one_in_four, learner):
    strategy, tasks = ours(one_in_four, learner), list(to_avalanche(stream).test_stream)
    scores = Scores()
    strategy.plugins.insert(0, scores)
    strategy.eval(tasks)
    first = scores.rows
    strategy.eval(tasks[:1])
    assert scores.rows == first[:1]


@pytest.mark.parametrize("make", [ours, theirs])
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("place", [(1, 1, 1), (2, 1, 3), (2, 2, 2)])
def test_a_loss_that_is_no_number_stops_the_run_and_says_where(stream, network, learner, make, value, place):
    task, epoch, step = place
    strategy = make(network, learner, Poison(value, task=task, epoch=epoch, step=step))
    records = []
    message = f"the training loss is {value} at task {task}, epoch {epoch}, step {step};"
    with pytest.raises(NonFiniteLossError, match=message):
        records.extend(experiment(strategy, to_avalanche(stream), seed=0, test_on="test", test_last=None))
    assert [(record.after_task, record.on_task) for record in records] == [
        (after, on) for after in range(task) for on in (1, 2)
    ]


class NoNumbers(Finetune):
    """Predicts nan after the first task."""

    def predict(self, images, task):
        return super().predict(images, task) + (math.nan if self.clock.train_exp_counter else 0)


class Unlogged(Finetune):
    """Predicts probabilities, as a slip would."""

    def predict(self, images, task):
        return super().predict(images, task).exp()


def test_predictions_that_are_no_numbers_stop_the_run_and_say_where(stream, network, learner):
    records = []
    message = "the predictions are nan on task 1, tested after task 1; .* see what predict"
    strategy = NoNumbers(model=network, **learner)
    with pytest.raises(NonFiniteLossError, match=message):
        records.extend(experiment(strategy, to_avalanche(stream), seed=0, test_on="test", test_last=None))
    assert {record.after_task for record in records} == {0}


def test_probabilities_are_no_log_probabilities(stream, network, learner):
    strategy, tasks = Unlogged(model=network, **learner), list(to_avalanche(stream).test_stream)
    with pytest.raises(ValueError, match="must return log probabilities, got probabilities"):
        strategy.eval(tasks)


def test_a_loss_that_is_finite_stops_nothing(stream, network, learner):
    strategy = ours(network, learner, Poison(1e30, task=1, epoch=1, step=1))
    strategy.plugins.insert(0, FiniteLoss())
    strategy.train(next(iter(to_avalanche(stream).train_stream)))


def test_progress_fills_the_bar_and_stays_quiet_when_disabled(stream, network, learner, capsys):
    progress = Progress(num_tasks=2, label="a run", hidden=False)
    silent = Progress(num_tasks=2, label="another run", hidden=True)
    strategy = ours(network, learner, progress, silent)
    for experience in to_avalanche(stream).train_stream:
        strategy.train(experience)
    progress.close()
    silent.close()
    shown = capsys.readouterr().err
    assert "a run: 100%" in shown
    assert "task 2 of 2" in shown
    assert "another" not in shown
