"""What is measured of a strategy between tasks, against what can be counted and computed by hand."""

import math

import pytest
import torch
from avalanche.training import Naive
from torch import distributions, nn

from cl_bench.evaluation.experiment import Examination, experiment, measurements
from cl_bench.models import mlp
from cl_bench.posteriors.uncertainty import auroc
from cl_bench.records.rows import CalibrationBin, Record, State
from cl_bench.strategies import EWC, MESU, Finetune, Replay, stock
from cl_bench.streams.benchmark import to_avalanche

EWC_SETTINGS = {"strength": 100.0, "mode": "separate", "decay": 1.0, "fisher_estimator": "exact"}
MESU_SETTINGS = {
    "num_samples": 1,
    "num_test_samples": 2,
    "initial_deviation": 0.06,
    "deviation_learning_rate": 2.0,
    "prior_mean": 0.1,
    "prior_deviation": 0.3,
    "memory_window": 1000,
    "clip": 0.4,
}


def measured(strategy, stream, **settings):
    found = measurements(
        strategy, to_avalanche(stream), **{"seed": 7, "test_on": "test", "test_last": None} | settings
    )
    return [row for rows in found for row in rows]


def states(strategy, stream, **settings):
    return [row for row in measured(strategy, stream, **settings) if isinstance(row, State)]


def test_states_and_calibration_follow_the_records_of_their_task(stream, network, learner):
    found = measured(Finetune(model=network, **learner), stream)
    kinds = [(type(each), each.after_task) for each in found if not isinstance(each, CalibrationBin)]
    assert kinds == [(kind, after) for after in range(3) for kind in (Record, Record, State)]
    assert sorted(found, key=lambda each: each.after_task) == found
    records = [each for each in found if isinstance(each, Record)]
    for after in range(3):
        for on_task in (1, 2):
            (record,) = (each for each in records if (each.after_task, each.on_task) == (after, on_task))
            bins = [
                each
                for each in found
                if isinstance(each, CalibrationBin) and (each.after_task, each.on_task) == (after, on_task)
            ]
            assert {each.seed for each in bins} == {7}
            assert sum(each.num_examples for each in bins) == record.num_examples
            weights = [each.num_examples / record.num_examples for each in bins]
            accuracy, ece = (
                sum(weight * value for weight, value in zip(weights, values, strict=True))
                for values in (
                    [each.accuracy for each in bins],
                    [abs(each.accuracy - each.confidence) for each in bins],
                )
            )
            assert accuracy == pytest.approx(record.accuracy)
            assert ece == pytest.approx(record.ece)


def test_records_alone_are_those_of_the_experiment(stream, network, learner):
    settings = {"seed": 0, "test_on": "test", "test_last": None}
    strategy = Finetune(model=network, **learner)
    records = list(experiment(strategy, to_avalanche(stream), **settings))
    assert all(isinstance(record, Record) for record in records)
    assert len(records) == 6


def test_steps_and_seconds_are_those_of_the_task(stream, network, learner):
    before, first, second = states(Finetune(model=network, **learner | {"batch_size": 5}), stream)
    assert (before.num_steps, before.training_seconds) == (0, 0.0)
    assert [len(task) for task in stream.train] == [23, 25], "five batches of five at most"
    steps = [5 * learner["epochs"]] * 2
    assert [first.num_steps, second.num_steps] == steps
    assert 0 < first.training_seconds < 60


def test_bits_are_those_of_every_number_that_is_kept(stream, network, learner):
    num_weights = sum(parameter.numel() for parameter in network.parameters())
    bits = [state.stored_bits for state in states(EWC(model=network, **EWC_SETTINGS, **learner), stream)]
    assert bits == [32 * 3 * num_weights] * 3, "network, centre and precision, whatever the number of tasks"


def test_a_memory_counts_by_what_it_holds(stream, network, learner):
    num_weights = sum(parameter.numel() for parameter in network.parameters())
    strategy = Replay(model=network, memory_size=6, buffer="reservoir", replay_share=0.5, **learner)
    bits = [state.stored_bits - 32 * num_weights for state in states(strategy, stream)]
    pixels = stream.train[0].pixels(torch.device("cpu"))[0]
    example = 8 * pixels.nbytes + 3 * 64  # label, head, and the key that decides what stays
    assert bits == [0, 6 * example, 6 * example]


def test_a_third_party_strategy_has_its_network_and_nothing_else_that_is_known(single_head_stream):
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    strategy = Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=5,
        train_epochs=2,
        eval_mb_size=64,
    )
    found = states(strategy, single_head_stream)
    floats = 17 * 8 + 9 * 2 + 2 * 8 + 2 * 8  # layers; scale and shift; running mean and variance
    for state in found:
        assert state.stored_bits == state.deployed_bits == 32 * floats + 64  # and a count of batches
        assert math.isnan(state.drift)
        assert math.isnan(state.frozen)
    assert found[1].num_steps == 2 * -(-len(single_head_stream.train[0]) // 5)
    assert 0 <= found[1].ood_auroc <= 1


def test_avalanches_own_on_our_heads_counts_them_too(stream, network, learner):
    num_weights = sum(parameter.numel() for parameter in network.parameters())
    strategy = stock(path="avalanche.training.Naive", settings={}, model=network, **learner)
    assert [state.stored_bits for state in states(strategy, stream)] == [32 * num_weights] * 3


def test_the_auroc_is_that_of_seen_against_unseen_confidences(single_head_stream, learner):
    stream, network = single_head_stream, of_one_head()
    strategy = Finetune(model=network, **learner | {"epochs": 20})
    found = measurements(strategy, to_avalanche(stream), seed=0, test_on="test", test_last=None)
    expected, states = [], []
    for rows in found:
        states += [row for row in rows if isinstance(row, State)]
        with torch.no_grad():
            confidences = [
                network(task.images(torch.device("cpu")), task.head).double().softmax(dim=1).max(dim=1).values
                for task in stream.test
            ]
        expected.append(float(auroc(*confidences)))
    assert states[1].ood_auroc == pytest.approx(expected[1], abs=1e-12)
    assert expected[1] != 0.5
    assert math.isnan(states[0].ood_auroc), "no task is seen"
    assert math.isnan(states[2].ood_auroc), "no task is unseen"


def of_one_head():
    torch.manual_seed(0)
    return mlp(
        input_shape=(1, 4, 4), num_classes=2, num_heads=1, hidden=[8], normalisation="none", weights="real"
    )


def test_heads_that_no_task_has_trained_have_no_auroc(stream, network, learner):
    found = states(Finetune(model=network, **learner), stream)
    assert len(found) == 3
    assert all(math.isnan(state.ood_auroc) for state in found)


def test_of_tasks_to_come_those_count_that_have_a_trained_head(stream, network, learner):
    """A third task comes back to the head of the first: after task 1 it is compared with, the second is not."""
    data = list(to_avalanche(stream).streams["test"])
    strategy = Finetune(model=network, **learner)
    examination = Examination(strategy, [*data, data[0]], seeds=[0], test_last=None)
    (state,) = (row for row in examination.after(1, seconds=0.0) if isinstance(row, State))
    assert state.ood_auroc == 0.5, "the same images"


def test_without_tests_of_unseen_tasks_there_is_no_auroc(single_head_stream, learner):
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    found = states(Finetune(model=model, **learner), single_head_stream, test_last=1)
    assert [state.after_task for state in found] == [0, 1, 2]
    assert all(math.isnan(state.ood_auroc) for state in found)


def test_the_first_drift_is_from_the_prior_and_the_next_from_the_last_posterior(single_head_stream, learner):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    strategy = MESU(model=model, **MESU_SETTINGS, **learner)
    start = strategy.posterior
    prior = distributions.Normal(torch.full((34,), 0.1).double(), torch.full((34,), 0.3).double())
    beliefs, drifts = [prior], []
    found = measurements(strategy, to_avalanche(single_head_stream), seed=0, test_on="test", test_last=None)
    for rows in found:
        (state,) = (row for row in rows if isinstance(row, State))
        if state.after_task:
            assert (strategy.posterior.mean != start.mean).all(), "so that no weight keeps the prior"
            beliefs.append(distributions.Normal(*(part.double() for part in strategy.posterior)))
            drifts.append(state.drift)
    for drift, now, before in zip(drifts, beliefs[1:], beliefs, strict=False):
        assert drift == pytest.approx(float(distributions.kl_divergence(now, before).sum()), rel=1e-5)
    assert len(set(drifts)) == 2


def test_a_head_that_no_task_has_used_moves_nothing(stream, network, learner):
    """Its start is not the prior, but nothing is believed of it yet."""
    strategy = MESU(model=network, **MESU_SETTINGS, **learner)
    used = [strategy.flat.mask(strategy.other_heads(head)) > 0 for head in (0, 1)]
    found = measurements(strategy, to_avalanche(stream), seed=0, test_on="test", test_last=None)
    prior = distributions.Normal(torch.tensor(0.1).double(), torch.tensor(0.3).double())
    before = None
    for rows in found:
        (state,) = (row for row in rows if isinstance(row, State))
        if not state.after_task:
            continue
        now = distributions.Normal(*(part.double() for part in strategy.posterior))
        from_prior = distributions.kl_divergence(now, prior)
        if before is None:
            expected = from_prior[used[0]].sum()
        else:  # the second head is new, the first one stands still, the body goes on
            body = used[0] & used[1]
            expected = distributions.kl_divergence(now, before)[body].sum() + from_prior[~used[0]].sum()
        assert state.drift == pytest.approx(float(expected), rel=1e-5)
        before = now
