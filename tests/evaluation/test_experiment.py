"""Train on one task after another, test every task after every task; ours and Avalanche's parts together."""

import math
import random

import numpy as np
import pytest
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.training import Naive
from torch import nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from cl_bench.evaluation.experiment import experiment, weights_sha256
from cl_bench.models import mlp
from cl_bench.strategies import EWC, Finetune, stock
from cl_bench.streams.benchmark import to_avalanche

EWC_SETTINGS = {"strength": 100.0, "mode": "separate", "decay": 1.0, "fisher_estimator": "exact"}


def naive(model, *, epochs=2, batch_size=8):
    return Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=batch_size,
        train_epochs=epochs,
        eval_mb_size=64,
    )


def with_dropout():
    """A plain torch network of one head, which draws from the global generator in training."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))


def global_states():
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()


def weights(strategy):
    return torch.cat([tensor.flatten().clone() for tensor in strategy.model.state_dict().values()])


def scores_of(network, task):
    """Accuracy and nll, with torch alone."""
    with torch.no_grad():
        logits = network(task.images(torch.device("cpu")), task.head).double()
    accuracy = (logits.argmax(1) == task.labels).sum() / len(task)
    return pytest.approx(float(accuracy)), pytest.approx(
        float(F.cross_entropy(logits, task.labels)), rel=1e-5
    )


def test_every_task_is_tested_before_the_first_and_after_each_one(stream, network, learner):
    strategy = Finetune(model=network, **learner)
    records = list(experiment(strategy, to_avalanche(stream), seed=7, test_on="test", test_last=None))
    assert [(record.after_task, record.on_task) for record in records] == [
        (0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)
    ]  # fmt: skip
    assert all(record.seed == 7 and record.num_examples == 10 for record in records)


@pytest.mark.parametrize(
    ("test_last", "pairs"),
    [
        (1, [(1, 1), (2, 2), (3, 3)]),
        (2, [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]),
        (9, [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]),
    ],
)
def test_with_test_last_the_newest_tasks_have_the_records_they_would_have_among_all(
    single_head_stream, learner, test_last, pairs
):
    train, test, validation = single_head_stream.train, single_head_stream.test, single_head_stream.validation
    three = single_head_stream._replace(train=(*train, train[0]), test=(*test, validation[0]))
    found = [
        list(
            experiment(
                Finetune(model=with_dropout(), **learner),
                to_avalanche(three),
                seed=0,
                test_on="test",
                test_last=last,
            )
        )
        for last in (test_last, None)
    ]
    newest, every = found
    assert [(record.after_task, record.on_task) for record in newest] == pairs
    assert newest == [record for record in every if (record.after_task, record.on_task) in pairs]
    assert len({record.nll for record in every}) == 12, "a wrong number would be seen"


@pytest.mark.parametrize("test_last", [0, -1, 2.0, True, "2"])
def test_test_last_must_be_a_number_of_tasks(stream, network, learner, test_last):
    strategy = Finetune(model=network, **learner)
    with pytest.raises(ValueError, match=f"test_last must be a whole number.*, got test_last={test_last!r}"):
        next(experiment(strategy, to_avalanche(stream), seed=0, test_on="test", test_last=test_last))


def test_test_last_needs_a_test_for_each_task(single_head_stream, learner):
    benchmark = to_avalanche(single_head_stream._replace(test=single_head_stream.test[:1]))
    strategy = Finetune(model=with_dropout(), **learner)
    with pytest.raises(ValueError, match=r"a test experience for each of the 2 tasks, got test_last=1 and 1"):
        next(experiment(strategy, benchmark, seed=0, test_on="test", test_last=1))


@pytest.mark.parametrize("test_on", ["test", "validation"])
def test_records_are_the_networks_scores_at_that_time_on_that_stream(stream, network, learner, test_on):
    strategy = Finetune(model=network, **learner)
    tasks = getattr(stream, test_on)
    for record in experiment(strategy, to_avalanche(stream), seed=0, test_on=test_on, test_last=None):
        task = tasks[record.on_task - 1]
        assert (record.accuracy, record.nll) == scores_of(network, task)
        assert record.num_examples == len(task)
    assert len(stream.validation[0]) != len(stream.test[0])


def test_the_first_records_are_those_of_the_untrained_network(stream, network, learner):
    before = [scores_of(network, task) for task in stream.test]
    strategy = Finetune(model=network, **learner)
    records = list(experiment(strategy, to_avalanche(stream), seed=0, test_on="test", test_last=None))
    assert [(record.accuracy, record.nll) for record in records[:2]] == before
    assert [(record.accuracy, record.nll) for record in records[2:4]] != before


def test_training_learns_the_task_it_trains_on(stream, network, learner):
    strategy = Finetune(model=network, **learner | {"epochs": 30})
    accuracy = {
        (record.after_task, record.on_task): record.accuracy
        for record in experiment(strategy, to_avalanche(stream), seed=0, test_on="test", test_last=None)
    }
    assert accuracy[1, 1] > 0.85
    assert accuracy[2, 2] > 0.85


@pytest.mark.parametrize("make", ["ours", "stock"])
def test_testing_leaves_the_generators_and_the_model_bit_for_bit(single_head_stream, learner, make):
    model = with_dropout()
    strategy = Finetune(model=model, **learner) if make == "ours" else naive(model)
    records = experiment(strategy, to_avalanche(single_head_stream), seed=0, test_on="test", test_last=None)
    generators, values = global_states(), weights(strategy)
    assert [next(records).after_task for _ in range(2)] == [0, 0]
    assert global_states() == generators
    assert weights(strategy).equal(values)


@pytest.mark.parametrize("make", ["ours", "stock"])
def test_training_is_the_same_with_and_without_tests_between_tasks(single_head_stream, learner, make):
    found = []
    for tested in (True, False):
        model = with_dropout()
        strategy = Finetune(model=model, **learner) if make == "ours" else naive(model)
        benchmark = to_avalanche(single_head_stream)
        torch.manual_seed(1)
        if tested:
            list(experiment(strategy, benchmark, seed=0, test_on="test", test_last=None))
        else:
            for experience in benchmark.train_stream:
                strategy.train(experience)
        found.append(weights(strategy))
    assert found[0].equal(found[1])


def test_a_benchmark_without_validation_cannot_be_validated_on(single_head_stream, learner):
    benchmark = to_avalanche(single_head_stream._replace(validation=()))
    strategy = Finetune(model=with_dropout(), **learner)
    with pytest.raises(ValueError, match=r"no validation stream, got test_on='validation'.*validation_share"):
        next(experiment(strategy, benchmark, seed=0, test_on="validation", test_last=None))
    with pytest.raises(ValueError, match="test_on must be one of test, validation, got test_on='train'"):
        next(experiment(strategy, benchmark, seed=0, test_on="train", test_last=None))


def test_a_stock_avalanche_strategy_runs_on_our_single_head_stream(single_head_stream):
    strategy = naive(with_dropout(), epochs=20)
    records = list(
        experiment(strategy, to_avalanche(single_head_stream), seed=0, test_on="test", test_last=None)
    )
    assert len(records) == 6
    assert records[-1].accuracy > 0.8


def test_a_stock_avalanche_strategy_runs_on_our_stream_with_a_head_a_task(stream, network, learner):
    strategy = stock(
        path="avalanche.training.EWC", settings={"ewc_lambda": 1.0}, model=network, **learner | {"epochs": 30}
    )
    records = list(experiment(strategy, to_avalanche(stream), seed=0, test_on="test", test_last=None))
    assert [(record.accuracy, record.nll) for record in records[-2:]] == [
        scores_of(network, task) for task in stream.test
    ]
    assert records[-1].accuracy > 0.8


@pytest.fixture(params=[True, False], ids=["heads", "one_head"])
def stock_benchmark(request):
    """Avalanche's own: four classes in two experiences, told apart by a task label or not."""
    generator = torch.Generator().manual_seed(0)

    data = []
    for num_examples in (64, 20):
        labels = torch.arange(num_examples) % 4
        images = torch.rand(num_examples, 1, 4, 4, generator=generator) + labels.view(-1, 1, 1, 1)
        dataset = TensorDataset(images, labels)
        dataset.targets = labels.tolist()
        data.append(dataset)
    return nc_benchmark(
        *data,
        n_experiences=2,
        task_labels=request.param,
        seed=0,
        class_ids_from_zero_in_each_exp=request.param,
    )


@pytest.mark.parametrize("kind", ["finetune", "ewc"])
def test_our_strategies_run_on_a_stock_avalanche_benchmark(stock_benchmark, learner, kind):
    has_heads = stock_benchmark.train_stream[1].task_labels == [1]
    torch.manual_seed(0)
    network = mlp(
        input_shape=(1, 4, 4),
        num_classes=2 if has_heads else 4,
        num_heads=2 if has_heads else 1,
        hidden=[8],
        normalisation="none",
        weights="real",
    )
    learner |= {"epochs": 30}
    strategy = (
        Finetune(model=network, **learner)
        if kind == "finetune"
        else EWC(model=network, **EWC_SETTINGS, **learner)
    )
    records = list(experiment(strategy, stock_benchmark, seed=0, test_on="test", test_last=None))
    assert len(records) == 6
    assert [record.num_examples for record in records] == [10] * 6
    assert all(math.isfinite(record.nll) for record in records)
    accuracy = {(record.after_task, record.on_task): record.accuracy for record in records}
    assert accuracy[1, 1] > 0.8
    for record, experience in zip(records[-2:], stock_benchmark.test_stream, strict=True):
        images, labels, tasks = (
            torch.stack(list(map(torch.as_tensor, part))) for part in zip(*experience.dataset, strict=True)
        )
        with torch.no_grad():
            predicted = network(images, int(tasks[0])).argmax(1)
        assert record.accuracy == pytest.approx(float((predicted == labels).sum() / 10))


def test_the_hash_of_the_weights_sees_every_weight_and_the_posterior(network, learner):
    strategy = EWC(model=network, **EWC_SETTINGS, **learner)
    hashes = [*weights_sha256(strategy), *weights_sha256(strategy)]
    assert hashes[0] == hashes[1]
    with torch.no_grad():
        strategy.flat.values[-1] = torch.nextafter(strategy.flat.values[-1], torch.tensor(9.0))
    hashes += weights_sha256(strategy)
    strategy.penalty = strategy.penalty._replace(
        **{name: tensor + 1 for name, tensor in strategy.penalty._asdict().items()}
    )
    hashes += weights_sha256(strategy)
    assert len(set(hashes)) == 3
