"""Closed-form output layers: alike for any split and order, and equal to a loop, NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cl_bench.posteriors import class_statistics, linear_heads
from cl_bench.posteriors.class_statistics import Statistics

N, K, NUM_FEATURES = 60, 4, 5


@pytest.fixture
def data():
    """Features float32 [N, F] of classes with means of their own, far from 0, and labels [N]."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(K, (N,), generator=generator)
    centres = 3 + torch.randn(K, NUM_FEATURES, generator=generator)
    mixing = torch.randn(NUM_FEATURES, NUM_FEATURES, generator=generator)
    return centres[labels] + torch.randn(N, NUM_FEATURES, generator=generator) @ mixing, labels


def statistics(*parts: tuple[torch.Tensor, torch.Tensor], full: bool = True, classes: int = K) -> Statistics:
    state = class_statistics.init(classes, parts[0][0].shape[-1], full=full)
    for features, labels in parts:
        state = class_statistics.add(state, features, labels)
    return state


def log_probabilities(layer: linear_heads.Layer, features: torch.Tensor) -> torch.Tensor:
    return (features.double() @ layer.weight.mT + layer.bias).log_softmax(dim=-1)


def one_hot(labels: torch.Tensor) -> torch.Tensor:
    return F.one_hot(labels, K).double()


LAYERS = {
    "nearest_mean": linear_heads.nearest_mean,
    "discriminant": lambda state: linear_heads.discriminant(state, shrinkage=1e-4),
    "ridge": lambda state: linear_heads.Layer(linear_heads.ridge(state, 0.5), torch.zeros(K).double()),
}


def splits(features, labels):
    """Parts of several sizes in a random order, and the classes one after another."""
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    for sizes in ([N], [1] * N, [10, 50], [7, 20, 33]):
        parts = order.split(sizes)
        yield [(features[part], labels[part]) for part in parts]
    yield [(features[labels == label], labels[labels == label]) for label in range(K)]


@pytest.mark.parametrize("name", LAYERS)
def test_any_split_and_order_gives_the_layer_of_all_data(data, name):
    features, labels = data
    expected = LAYERS[name](statistics(data))
    for parts in splits(features, labels):
        found = LAYERS[name](statistics(*parts))
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_statistics_are_those_of_a_loop(data):
    features, labels = data
    state = statistics(data)
    for label in range(K):
        members = features[labels == label].double()
        assert state.counts[label] == len(members)
        torch.testing.assert_close(class_statistics.means(state)[label], members.mean(dim=0))
    inner = sum(
        (x - features[labels == y].double().mean(dim=0)).outer(x - features[labels == y].double().mean(dim=0))
        for x, y in zip(features.double(), labels, strict=True)
    )
    torch.testing.assert_close(class_statistics.scatter(state), inner)
    trace = class_statistics.scatter(statistics(data, full=False))
    torch.testing.assert_close(trace, inner.trace().reshape(1, 1))


def test_examples_that_are_not_included_do_not_count(data):
    features, labels = data
    included = torch.arange(N) % 3 == 0
    state = class_statistics.add(class_statistics.init(K, NUM_FEATURES), features, labels, included)
    torch.testing.assert_close(state, statistics((features[included], labels[included])))


def test_seeds_at_once_are_each_alone(data):
    features, labels = data
    both = class_statistics.init(K, NUM_FEATURES, shape=(2,))
    both = class_statistics.add(
        both, torch.stack([features, 2 * features]), torch.stack([labels, labels.flip(0)])
    )
    for name, of in LAYERS.items():
        weight = of(both).weight
        for seed, alone in enumerate([(features, labels), (2 * features, labels.flip(0))]):
            torch.testing.assert_close(weight[seed], of(statistics(alone)).weight, msg=name)


def test_the_nearest_mean_is_that_of_a_loop(data):
    features, labels = data
    found = log_probabilities(linear_heads.nearest_mean(statistics(data, full=False)), features)
    means = torch.stack([features[labels == label].double().mean(dim=0) for label in range(K)])
    variance = sum(
        float((x - means[y]).square().sum()) for x, y in zip(features.double(), labels, strict=True)
    ) / (N * NUM_FEATURES)
    for x, log_p in zip(features.double(), found, strict=True):
        distances = torch.stack([(x - mean).square().sum() for mean in means])
        assert log_p.argmax() == distances.argmin()
        torch.testing.assert_close(log_p, (-distances / (2 * variance)).log_softmax(dim=0))


@pytest.mark.parametrize("shrinkage", [1e-4, 0.3])
def test_the_discriminant_is_scikit_learns(data, shrinkage):
    analysis = pytest.importorskip("sklearn.discriminant_analysis")
    features, labels = data
    theirs = analysis.LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    theirs.fit(features.double().numpy(), labels.numpy())
    layer = linear_heads.discriminant(
        statistics(data), shrinkage=shrinkage, shrink_to="mean_variance", class_priors="counts"
    )
    expected = torch.from_numpy(theirs.predict_log_proba(features.double().numpy()))
    torch.testing.assert_close(log_probabilities(layer, features), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("class_priors", linear_heads.CLASS_PRIORS)
def test_the_discriminant_is_bayes_rule_for_gaussians(data, class_priors):
    features, labels = data
    shrinkage = 0.1
    layer = linear_heads.discriminant(statistics(data), shrinkage=shrinkage, class_priors=class_priors)
    means = torch.stack([features[labels == label].double().mean(dim=0) for label in range(K)])
    inner = features.double() - means[labels]
    covariance = (1 - shrinkage) * inner.mT @ inner / N + shrinkage * torch.eye(NUM_FEATURES)
    densities = torch.stack(
        [
            torch.distributions.MultivariateNormal(mean, covariance).log_prob(features.double())
            for mean in means
        ],
        dim=-1,
    )
    if class_priors == "counts":
        densities = densities + (labels.bincount() / N).double().log()
    torch.testing.assert_close(log_probabilities(layer, features), densities.log_softmax(dim=-1))


@pytest.mark.parametrize("penalty", [1e-3, 2.0])
def test_ridge_is_numpys_least_squares_on_more_rows(data, penalty):
    features, labels = data
    rows = np.vstack([features.double().numpy(), penalty**0.5 * np.eye(NUM_FEATURES)])
    targets = np.vstack([one_hot(labels).numpy(), np.zeros((NUM_FEATURES, K))])
    expected, *_ = np.linalg.lstsq(rows, targets, rcond=None)
    found = linear_heads.ridge(statistics(data), penalty)
    torch.testing.assert_close(found, torch.from_numpy(expected.T))


def test_the_squared_error_is_that_of_the_examples(data):
    features, labels = data
    weight = torch.randn(K, NUM_FEATURES, generator=torch.Generator().manual_seed(2)).double()
    expected = F.mse_loss(features.double() @ weight.mT, one_hot(labels))
    torch.testing.assert_close(linear_heads.squared_error(statistics(data), weight), expected)
    assert linear_heads.squared_error(class_statistics.init(K, NUM_FEATURES), weight) == 0


def test_the_best_penalty_is_that_of_a_loop_over_examples(data):
    features, labels = data
    penalties = 10.0 ** torch.arange(-8, 9).double()
    fitted, held_out = (features[:40].double(), labels[:40]), (features[40:].double(), labels[40:])
    errors = []
    for penalty in penalties:
        x, y = fitted
        weight = torch.linalg.solve(x.mT @ x + penalty * torch.eye(NUM_FEATURES), x.mT @ one_hot(y))
        errors.append(float(F.mse_loss(held_out[0] @ weight, one_hot(held_out[1]))))
    found = linear_heads.best_penalty(statistics(fitted), statistics(held_out), penalties)
    assert found == penalties[int(np.argmin(errors))]
    assert penalties[0] < found < penalties[-1]


def test_a_matrix_without_an_inverse_is_not_chosen():
    one = statistics((torch.zeros(2, NUM_FEATURES), torch.tensor([0, 1])))
    found = linear_heads.best_penalty(one, one, torch.tensor([0.0, 1.0]).double())
    assert found == 1


def test_the_left_out_error_is_that_of_leaving_each_example_out_where_all_weigh_alike():
    """Generalised cross-validation is exact where all examples have one leverage: two orthogonal features."""
    angles = torch.arange(8) * torch.pi / 4
    features, labels = torch.stack([angles.cos(), angles.sin()], dim=1).double(), torch.arange(8) % K
    penalty, errors = 0.7, []
    for left_out in range(8):
        rest = torch.arange(8) != left_out
        others = statistics((features[rest], labels[rest]))
        weight = linear_heads.ridge(others, penalty)
        targets = one_hot(labels)[left_out]
        errors.append((weight @ features[left_out] - targets).square().mean())
    state = statistics((features, labels))
    found = linear_heads.left_out_error(state, linear_heads.ridge(state, penalty), penalty)
    torch.testing.assert_close(found, torch.stack(errors).mean())


@pytest.mark.parametrize("name", ["nearest_mean", "discriminant"])
def test_a_class_without_examples_has_probability_0_and_the_others_are_as_without_it(data, name):
    features, labels = data
    some = labels != 2
    state = statistics((features[some], labels[some]))
    found = log_probabilities(LAYERS[name](state), features).exp()
    assert (found[:, 2] == 0).all()
    fewer = labels[some] - (labels[some] > 2).long()
    expected = log_probabilities(LAYERS[name](statistics((features[some], fewer), classes=K - 1)), features)
    torch.testing.assert_close(found[:, [0, 1, 3]], expected.exp())


@pytest.mark.parametrize("class_priors", linear_heads.CLASS_PRIORS)
@pytest.mark.parametrize("name", ["nearest_mean", "discriminant"])
def test_a_class_without_examples_wins_nowhere_however_far_the_data_are(name, class_priors):
    features = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [-2.0, 0.0]])  # no scatter: logits of -20,000 and less
    state = statistics((features, torch.tensor([0, 1, 1])), classes=3)
    layer = LAYERS[name](state)
    if name == "discriminant":
        layer = linear_heads.discriminant(state, shrinkage=1e-4, class_priors=class_priors)
    found = log_probabilities(
        layer, torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1e3], [-1e4, 1.0], [7.0, 7.0]])
    )
    assert (found[:, 2].exp() == 0).all()
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shrink_to", linear_heads.SHRINK_TO)
def test_without_examples_all_classes_are_alike(name, shrink_to):
    state = class_statistics.init(K, NUM_FEATURES)
    layer = LAYERS[name](state)
    if name == "discriminant":
        layer = linear_heads.discriminant(state, shrinkage=0.1, shrink_to=shrink_to, class_priors="counts")
    torch.testing.assert_close(
        log_probabilities(layer, torch.randn(3, NUM_FEATURES)).exp(), torch.full((3, K), 1 / K).double()
    )


@pytest.mark.parametrize("name", LAYERS)
def test_one_example_a_class_gives_finite_numbers(name):
    features = torch.eye(K, NUM_FEATURES)
    layer = LAYERS[name](statistics((features, torch.arange(K))))
    assert torch.isfinite(log_probabilities(layer, features)).all()
    assert (log_probabilities(layer, features).argmax(dim=1) == torch.arange(K)).all()


def test_features_far_from_0_lose_no_digits(data):
    features, labels = data
    near, far = statistics((features.double(), labels)), statistics((features.double() + 1000, labels))
    expected = log_probabilities(linear_heads.discriminant(near, shrinkage=0.01), features)
    found = log_probabilities(linear_heads.discriminant(far, shrinkage=0.01), features.double() + 1000)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
