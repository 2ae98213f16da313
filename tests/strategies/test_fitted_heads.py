"""Output layers with an exact answer: what they are fitted to, in any order, and what is refused."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cl_bench.evaluation.states import deployed_bits, predicting_bits, stored_bits
from cl_bench.models import mlp
from cl_bench.models.adoption import adopted
from cl_bench.models.frozen_features import frozen_features
from cl_bench.posteriors import bayesian_linear, class_statistics, linear_heads
from cl_bench.strategies import BayesianLinear, NearestClassMean, RanPAC, StreamingLDA

CPU = torch.device("cpu")
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "nearest_class_mean": (NearestClassMean, {}),
    "streaming_lda": (
        StreamingLDA,
        {"shrinkage": 1e-2, "shrink_to": "identity", "class_priors": "uniform"},
    ),
    "bayesian_linear": (BayesianLinear, {"prior_precision": 0.5, "noise_precision": 10.0}),
    "ranpac": (RanPAC, {"num_features": 9, "ridge": None}),
    "ranpac_fixed": (RanPAC, {"num_features": 9, "ridge": 0.1}),
}
WITHOUT_BOUNDARY = [name for name in KINDS if name != "ranpac"]
EXAMPLES = 40


@pytest.fixture
def make(lab):
    def make(
        name: str, *, num_heads: int = 1, normalisation: str = "layer", model: Any = None, **changes: Any
    ) -> Any:
        cls, own = KINDS[name]
        network = model or lab.seeded_model(
            mlp,
            input_shape=(1, 2, 2),
            num_classes=3,
            num_heads=num_heads,
            hidden=[6],
            normalisation=normalisation,
            weights="real",
        )
        return cls(model=network, **own, **lab.settings(**{"batch_size": 7} | changes))

    return make


def train(lab, strategy, tasks):
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    return strategy


def inputs_of(strategy, task):
    """What the output layer gets of a task's images, [N, F], by the function of `cl-bench features`."""
    features = frozen_features(strategy.network, [task.images(CPU)])
    linear = strategy.network.heads.linear
    return linear[0](features) if isinstance(linear, nn.Sequential) else features


def layer_of(strategy):
    layer = strategy.output_layer
    return linear_heads.Layer(layer.weight.data, torch.zeros(3) if layer.bias is None else layer.bias.data)


def expected_layer(name, state):
    if name == "nearest_class_mean":
        return linear_heads.nearest_mean(state)
    if name == "streaming_lda":
        return linear_heads.discriminant(state, shrinkage=1e-2)
    if name == "bayesian_linear":
        mean = bayesian_linear.posterior(state, prior_precision=0.5, noise_precision=10.0).mean
        return linear_heads.Layer(10 * mean[:, :-1], 10 * mean[:, -1])
    weight = linear_heads.ridge(state, 0.1)
    error = linear_heads.left_out_error(state, weight, 0.1)
    return linear_heads.Layer(weight / error, torch.zeros(3))


def union_of(lab, tasks):
    images = torch.cat([task.shared.images for task in tasks])
    return lab.task(images, torch.cat([task.labels for task in tasks]))


@pytest.mark.parametrize("name", WITHOUT_BOUNDARY)
def test_its_layer_is_that_of_all_data_and_so_for_any_split_and_order(lab, make, name):
    tasks = lab.tasks(3, num_examples=EXAMPLES)
    union = union_of(lab, tasks)
    whole = make(name)
    features = inputs_of(whole, union)
    regressors = bayesian_linear.with_constant(features) if name == "bayesian_linear" else features
    state = class_statistics.init(3, regressors.shape[1])
    expected = expected_layer(name, class_statistics.add(state, regressors, union.labels))
    train(lab, whole, [union])
    found = [layer_of(whole)]
    found += [layer_of(train(lab, make(name), order)) for order in (tasks, tasks[::-1])]
    found.append(layer_of(train(lab, make(name, batch_size=1), tasks)))
    for layer in found:
        for part, other in zip(layer, expected, strict=True):
            torch.testing.assert_close(part, other.float(), rtol=1e-4, atol=1e-5)
    assert float(found[0].weight.abs().max()) > 0.1


@pytest.mark.parametrize("name", KINDS)
def test_all_before_the_output_layer_stays_and_is_in_eval_mode(lab, make, name):
    strategy = make(name, normalisation="batch")
    before = {key: each.clone() for key, each in strategy.network.body.state_dict().items()}
    train(lab, strategy, lab.tasks(2))
    assert before
    assert lab.same(before, strategy.network.body.state_dict())
    strategy.network.train()
    assert not any(each.training for each in strategy.network.body.modules())


@pytest.mark.parametrize("name", KINDS)
def test_a_task_is_one_pass_whatever_the_number_of_epochs(lab, make, name):
    once, often = (train(lab, make(name, epochs=epochs), lab.tasks(2)) for epochs in (1, 5))
    assert lab.same(once.network.state_dict(), often.network.state_dict())
    assert once.steps_taken == often.steps_taken == 2
    assert once.gradient_evaluations == 0
    cut, long = (train(lab, make(name, iterations=number), lab.tasks(1)) for number in (1, 9))
    assert (cut.steps_taken, long.steps_taken) == (1, 2)
    assert [float(each.statistics[0].counts.sum()) for each in (cut, long)] == [7, 12]


@pytest.mark.parametrize("name", WITHOUT_BOUNDARY)
def test_each_head_is_fitted_to_its_own_examples_alone(lab, make, name):
    tasks = lab.tasks(3, num_examples=EXAMPLES, heads=True)
    strategy = make(name, num_heads=3)
    assert not strategy.output_layer.weight.any()
    train(lab, strategy, tasks[:2])
    for head in (0, 1):
        alone = lab.task(tasks[head].shared.images, tasks[head].labels)
        other = train(lab, make(name), [alone])
        rows = strategy.network.heads.rows(head)
        torch.testing.assert_close(
            strategy.output_layer.weight[rows], other.output_layer.weight, rtol=1e-4, atol=1e-4
        )
    assert not strategy.output_layer.weight[6:].any()


@pytest.mark.parametrize("name", WITHOUT_BOUNDARY)
def test_a_batch_of_several_heads_goes_to_each_its_own(lab, make, name):
    first, second = lab.tasks(2, heads=True)
    apart = train(lab, make(name, num_heads=2), [first, second])
    mixed = make(name, num_heads=2)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    images = torch.cat([first.images(CPU), second.images(CPU)])[order]
    labels, heads = torch.cat([first.labels, second.labels])[order], torch.arange(24)[order] // 12
    mixed.heads_of_task = [0, 1]
    lab.batch(mixed, images, labels, heads)
    mixed.optimizer_step()
    mixed.settle()
    torch.testing.assert_close(layer_of(mixed).weight, layer_of(apart).weight, rtol=1e-4, atol=1e-5)
    together = mixed.predict(images, heads)
    for head in (0, 1):
        torch.testing.assert_close(together[heads == head], mixed.predict(images[heads == head], head))


@pytest.mark.parametrize("name", KINDS)
def test_the_network_itself_chooses_as_its_predictions_do(lab, make, name):
    tasks = lab.tasks(2, num_examples=EXAMPLES)
    strategy = train(lab, make(name), tasks)
    images = tasks[0].images(CPU)
    logits, predicted = strategy.network(images, 0), strategy.predict(images, 0)
    torch.testing.assert_close(predicted.exp().sum(dim=1), torch.ones(EXAMPLES))
    assert torch.equal(logits.argmax(dim=1), predicted.argmax(dim=1))
    if name != "bayesian_linear":
        torch.testing.assert_close(logits.log_softmax(dim=1), predicted)


def test_bayesian_linear_predicts_by_the_predictive_density(lab, make):
    (task,) = lab.tasks(1, num_examples=EXAMPLES)
    strategy = train(lab, make("bayesian_linear"), [task])
    x = torch.cat([inputs_of(strategy, task), torch.ones(EXAMPLES, 1)], dim=1).double()
    covariance = (0.5 * torch.eye(7) + 10 * x.mT @ x).inverse()
    mean = 10 * covariance @ x.mT @ F.one_hot(task.labels, 3).double()
    variance = 0.1 + torch.stack([each @ covariance @ each for each in x])
    expected = ((x @ mean) / variance[:, None]).log_softmax(dim=1)
    found = strategy.predict(task.images(CPU), 0)
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-5)


def test_ranpac_chooses_the_penalty_on_the_last_fifth_of_a_task(lab, make):
    (task,) = lab.tasks(1, num_examples=EXAMPLES)
    strategy = make("ranpac")
    order = torch.randperm(EXAMPLES, generator=lab.clone(strategy.batch_order))
    train(lab, strategy, [task])
    x, y = inputs_of(strategy, task)[order].double(), F.one_hot(task.labels, 3).double()[order]
    errors, candidates = [], [10.0**exponent for exponent in range(-8, 9)]
    for penalty in candidates:
        weight = torch.linalg.solve(x[:32].mT @ x[:32] + penalty * torch.eye(9), x[:32].mT @ y[:32])
        errors.append(float(F.mse_loss(x[32:] @ weight, y[32:])))
    best = candidates[min(range(17), key=errors.__getitem__)]
    assert strategy.penalties == [best]
    weight = torch.linalg.solve(x.mT @ x + best * torch.eye(9), x.mT @ y).mT
    found = strategy.output_layer.weight.data.double()
    torch.testing.assert_close(F.normalize(found.flatten(), dim=0), F.normalize(weight.flatten(), dim=0))
    assert strategy.statistics[0].counts.sum() == EXAMPLES


def test_ranpac_draws_its_projection_from_the_seed_of_noise(make):
    first, again, other = (make("ranpac", seed=seed).network.state_dict() for seed in (0, 0, 1))
    name = "heads.linear.0.projection"
    assert first[name].shape == (6, 9)
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])
    assert float(first[name].std()) == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize("name", KINDS)
def test_a_test_in_the_midst_of_a_task_knows_what_was_seen_and_changes_nothing(lab, make, name):
    tasks = lab.tasks(2, num_examples=EXAMPLES)
    quiet = train(lab, make(name), tasks)
    strategy, stream = make(name), lab.benchmark(tasks)
    seen = []

    def after_step():
        strategy.settle()
        seen.append(strategy.output_layer.weight.data.clone())

    strategy.after_step = after_step
    strategy.train(stream.train_stream, eval_streams=[])
    assert all(not torch.equal(one, other) for one, other in pairwise(seen))
    assert lab.same(lab.snapshot(quiet), lab.snapshot(strategy))


@pytest.mark.parametrize("name", KINDS)
def test_classes_that_are_not_active_have_probability_0(lab, make, name):
    (task,) = lab.tasks(1, num_examples=EXAMPLES)
    kept = task.labels < 2
    two = lab.task(task.shared.images[kept], task.labels[kept])
    strategy = train(lab, make(name, active_classes="seen"), [two])
    assert not strategy.predict(task.images(CPU), 0)[:, 2].exp().any()


def test_bits_are_those_of_statistics_and_of_what_predictions_need(make):
    body = 32 * (4 * 6 + 6 + 6 + 6)  # a layer, and the affine part of its layer norm
    layer, mean = 32 * (6 * 3 + 3), 64 * (3 + 3 * 6)
    for name, bits, statistics, more in (
        ("nearest_class_mean", body + layer, mean + 64, 0),
        ("streaming_lda", body + layer, mean + 64 * 6 * 6, 0),
        ("bayesian_linear", body + layer, 64 * (3 + 3 * 7) + 64 * 7 * 7, 64 * 7 * 7),
        ("ranpac", body + 32 * 9 * (6 + 3), 64 * (3 + 3 * 9) + 64 * 9 * 9, 0),
    ):
        strategy = make(name)
        weights = sum(each.numel() for each in strategy.network.body.parameters())
        rest = 32 * weights - body
        assert deployed_bits(strategy) == bits + rest, name
        assert predicting_bits(strategy) == bits + rest + more, name
        assert stored_bits(strategy) == bits + rest + statistics, name


@pytest.mark.parametrize("name", KINDS)
def test_a_network_whose_output_layer_is_not_known_is_refused(lab, make, name):
    plain = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(ValueError, match=r"only where it is known which it is, got Sequential: .*heads=true"):
        make(name, model=plain)
    with pytest.raises(ValueError, match=r"plain linear layer with a bias, .*set model\.weights=real"):
        make(name, model=lab.small_network(weights="binary"))


def test_heads_on_a_network_that_gives_features_are_taken(lab, make):
    plain = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.Tanh())
    network = adopted(plain, input_shape=(1, 2, 2), num_classes=3, num_heads=1, heads=True)
    strategy = train(lab, make("streaming_lda", model=network), lab.tasks(1))
    assert strategy.output_layer.weight.shape == (3, 5)
    assert strategy.output_layer.weight.any()
