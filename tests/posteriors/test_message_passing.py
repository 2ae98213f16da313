"""Messages: exact marginals where the factor graph is a tree, Bayes' rule over batches, loops by hand."""

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch

from cl_bench.posteriors import message_passing, sign_units
from cl_bench.posteriors.message_passing import FORMS, Layer, Messages
from cl_bench.posteriors.sign_units import Moments

KNOWN = Layer(torch.ones(1, 1, dtype=torch.float64), fixed=True)  # hands its message to the unit below


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def signs(*shape, seed=0):
    return torch.where(draws(*shape, seed=seed) < 0, -1.0, 1.0).double()


def fields_of(layers, images, output_slope, *, form, num_iterations=1):
    messages = [
        message_passing.start(each, message_passing.moments(each).mean, batch_size=len(images))
        for each in layers
    ]
    for _ in range(num_iterations):
        messages = message_passing.sweep(layers, messages, images, output_slope, form=form, damping=0.0)
    return [each.field for each in messages]


def marginals(hidden, output, image, *, form):
    """The mean weights of a hidden layer [K, N] and of one output unit [1, K] that was seen to be +1."""
    layers = [Layer(hidden), Layer(output), KNOWN]
    fields = fields_of(layers, image[None], lambda total: torch.full_like(total.mean, 50.0), form=form)
    return [(each.natural + field).tanh() for each, field in zip(layers[:2], fields[:2], strict=True)]


def enumerated(hidden, output, image):
    """The same, from all weights of -1 and +1."""
    num_units = len(hidden)
    weights = torch.tensor(list(product((-1.0, 1.0), repeat=hidden.numel() + num_units)), dtype=torch.float64)
    first, second = weights[:, : hidden.numel()].unflatten(1, hidden.shape), weights[:, hidden.numel() :]
    units = (first @ image).sign()
    chance = torch.exp(weights @ torch.cat([hidden.flatten(), output.flatten()]))
    chance = chance * ((second * units).sum(1) > 0)
    mean = (chance[:, None] * weights).sum(0) / chance.sum()
    return [mean[: hidden.numel()].view_as(hidden), mean[hidden.numel() :].view_as(output)]


def positive(means):
    """P(sum of independent signs of these means + 1 > 0), and the same for - 1."""
    law = np.ones(1)
    for mean in means:
        law = np.convolve(law, [(1 - mean) / 2, (1 + mean) / 2])
    sums = 2 * np.arange(len(law)) - len(means)
    return float(law[sums + 1 > 0].sum()), float(law[sums - 1 > 0].sum())


def by_sums(hidden, output, image):
    """The same, by sum-product over the laws of the sums, which enumerates them unit by unit."""
    of_weights = (hidden.tanh() * image).numpy()  # of w_ki x_i
    of_outputs = output.tanh()[0].numpy()
    up = np.array([2 * positive_of(means) - 1 for means in of_weights])
    first, second = np.zeros(hidden.shape), np.zeros(output.shape)
    for unit, (mean, weight) in enumerate(zip(up, of_outputs, strict=True)):
        plus, minus = positive(np.delete(up * of_outputs, unit))  # of weight times unit
        b = (plus + minus) / (plus - minus)  # P(seen | product = c) is proportional to b + c
        second[0, unit] = (weight * b + mean) / (b + mean * weight)
        for place, own in enumerate(of_weights[unit]):
            above, below = positive(np.delete(of_weights[unit], place))
            high, low = (b + weight * (2 * each - 1) for each in (above, below))
            high, low = (1 + own) * high, (1 - own) * low
            first[unit, place] = float(image[place]) * (high - low) / (high + low)
    return [torch.from_numpy(first), torch.from_numpy(second)]


def positive_of(means):
    """P(sum of an odd number of independent signs of these means > 0)."""
    plus, minus = positive(means[1:])
    return (1 + means[0]) / 2 * plus + (1 - means[0]) / 2 * minus


@cache
def tree(size):
    """A network of `size` inputs and `size` hidden units, an image, and the exact marginals."""
    hidden, output, image = draws(size, size) / 2, draws(1, size, seed=1) / 2, signs(size, seed=2)
    return hidden, output, image, by_sums(hidden, output, image)


def errors(size, form):
    """The largest error of a marginal of each layer, in parts of the largest move of one."""
    hidden, output, image, exact = tree(size)
    found = marginals(hidden, output, image, form=form)
    priors = hidden.tanh(), output.tanh()
    worst = [float((one - other).abs().max()) for one, other in zip(found, exact, strict=True)]
    moved = [float((one - other).abs().max()) for one, other in zip(priors, exact, strict=True)]
    return np.array(worst) / np.array(moved)


def test_sums_of_laws_give_the_marginals_of_all_weights_enumerated():
    hidden, output, image = draws(3, 3), draws(1, 3, seed=1), signs(3, seed=2)
    for one, other in zip(by_sums(hidden, output, image), enumerated(hidden, output, image), strict=True):
        assert torch.allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("form", ["bpi", "amp"])
def test_on_a_tree_marginals_become_the_exact_ones_as_sums_get_more_terms(form):
    """One example, a hidden layer and an output unit have no loop. What is left is that sums are taken as
    Gaussian: the error, in parts of what the example moves, falls as one over the number of terms.
    """
    small, large = errors(21, form), errors(51, form)
    assert (small < 1 / 21).all()
    assert (large < 1 / 51).all()


def test_without_the_correction_for_its_own_part_a_marginal_is_further_off():
    for size in (21, 51):
        assert (errors(size, "mf") > 1.5 * errors(size, "bpi")).all()
        assert np.allclose(errors(size, "amp"), errors(size, "bpi"), rtol=0.05)


@pytest.mark.parametrize("form", FORMS)
def test_examples_on_different_inputs_are_learned_one_after_the_other_as_at_once(form):
    """No weight belongs to both: the posterior of one is the prior of the other, in whichever batch."""
    layers = [Layer(draws(1, 6)), KNOWN]
    images = torch.cat([draws(2, 3, seed=1), torch.zeros(2, 3, dtype=torch.float64)], dim=1)
    images[1] = images[1].roll(3)

    def seen(total):
        return torch.full_like(total.mean, 2.0)

    at_once = layers[0].natural + fields_of(layers, images, seen, form=form)[0]
    for image in images:
        field = fields_of(layers, image[None], seen, form=form)[0]
        natural = message_passing.posterior_as_prior(
            layers[0].natural, field, likelihood_weight=1.0, power=1.0
        )
        layers[0] = Layer(natural)
    assert torch.allclose(layers[0].natural, at_once)
    assert not torch.allclose(at_once, draws(1, 6))


@pytest.mark.parametrize("power", [1.0, 0.7])
def test_the_posterior_that_becomes_the_prior_is_bayes_rule_for_a_factorised_likelihood(power):
    natural, first, second = draws(4), draws(4, seed=1), draws(4, seed=2)
    weights = torch.tensor(list(product((-1.0, 1.0), repeat=4)), dtype=torch.float64)
    chance = torch.exp(weights @ natural)
    for field in (first, second):
        natural = message_passing.posterior_as_prior(natural, field, likelihood_weight=1.0, power=power)
        chance = (chance * torch.exp(weights @ field)) ** power
    expected = (chance[:, None] * weights).sum(0) / chance.sum()
    assert torch.allclose(natural.tanh(), expected)


def test_a_weighted_likelihood_counts_a_batch_as_a_part_of_itself():
    natural, field = draws(5), draws(5, seed=1)
    whole = message_passing.posterior_as_prior(natural, field, likelihood_weight=1.0, power=1.0)
    for _ in range(4):
        natural = message_passing.posterior_as_prior(natural, field, likelihood_weight=0.25, power=1.0)
    assert torch.allclose(natural, whole)


def layer_in_the_midst(seed=0):
    """A layer of 3 units with 4 inputs, 5 examples, and what it had in the iteration before."""
    m, x = draws(3, 4, seed=seed).tanh(), draws(5, 4, seed=seed + 1).tanh()
    weights, inputs = Moments(m, 1 - m**2), Moments(x, 1 - x**2)
    total, down = sign_units.sums(weights, inputs), draws(5, 3, seed=seed + 2)
    before = [draws(3, 4, seed=seed + 3), draws(5, 4, seed=seed + 4), draws(5, 3, seed=seed + 5) / 3]
    old = Messages(*before, draws(3, 4, seed=seed + 6).tanh(), draws(5, 4, seed=seed + 7).tanh())
    return weights, inputs, total, down, old


def test_in_the_first_iteration_amp_is_bpi_to_first_order_in_what_an_input_sends():
    weights, inputs, total, down, old = layer_in_the_midst()
    old = old._replace(slope=torch.zeros_like(old.slope))
    g, size = sign_units.slope(down, total), 1e-5

    def slopes(part):  # without this part of what each input sends, [B, K, N]
        own = part * weights.mean * inputs.mean[:, None]
        cavity = Moments(total.mean[..., None] - own, total.variance[..., None])
        return sign_units.slope(down[..., None], cavity)

    derivative = (slopes(size) - slopes(-size)) / (2 * size)
    field, back = message_passing.first_order(g, old, weights, inputs, total)
    assert torch.allclose(field, torch.einsum("bkn,bn->kn", derivative, inputs.mean), atol=1e-8)
    assert torch.allclose(back, torch.einsum("bkn,kn->bn", derivative, weights.mean), atol=1e-8)
    whole = message_passing.without_the_own_part(down, weights.mean, inputs.mean, total)
    assert torch.allclose(whole[0], torch.einsum("bkn,bn->kn", slopes(1.0), inputs.mean))
    assert torch.allclose(whole[1], torch.einsum("bkn,kn->bn", slopes(1.0), weights.mean))


def test_onsager_s_terms_are_the_products_of_cavity_means_worked_with_plain_numbers():
    """Sums of (m - x' g' s) (x - m' g' d), of (x - m' g' d) (g + m x Gamma), and of its like for inputs."""
    weights, inputs, total, down, old = layer_in_the_midst()
    (m, s), (x, d) = weights, inputs
    g = sign_units.slope(down, total)
    gamma = sign_units.curvature(g, total)
    omega = total.mean - message_passing.reaction(old, weights, inputs)
    field, back = message_passing.first_order(g, old, weights, inputs, total)
    field, back = field + g.T @ x, back + g @ m
    expected = [torch.zeros_like(each) for each in (omega, field, back)]
    for n, k, i in product(range(5), range(3), range(4)):
        weight = m[k, i] - old.units[n, i] * old.slope[n, k] * s[k, i]
        unit = x[n, i] - old.weights[k, i] * old.slope[n, k] * d[n, i]
        slope = g[n, k] + m[k, i] * x[n, i] * gamma[n, k]
        expected[0][n, k] += weight * unit
        expected[1][k, i] += unit * slope
        expected[2][n, i] += weight * slope
    for one, other in zip((omega, field, back), expected, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def network(*, seeds=(), seed=0):
    return [Layer(draws(*seeds, *shape, seed=seed + number)) for number, shape in enumerate([(5, 6), (3, 5)])]


def label_slope(total):
    labels = torch.arange(total.mean.shape[-2]) % 3
    return sign_units.class_slope(total, labels.expand(total.mean.shape[:-1]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("num_iterations", [1, 3])
def test_stacked_seeds_send_what_each_sends_alone(form, num_iterations):
    images, settings = draws(2, 7, 6, seed=9), {"form": form, "num_iterations": num_iterations}
    together = network(seeds=(2,))
    found = message_passing_of(together, images, **settings)
    for seed in range(2):
        alone = [Layer(each.natural[seed]) for each in together]
        for one, other in zip(found, message_passing_of(alone, images[seed], **settings), strict=True):
            assert torch.allclose(one[seed], other)


def message_passing_of(layers, images, *, form, num_iterations):
    messages = [
        message_passing.start(each, each.natural.tanh(), batch_size=images.shape[-2]) for each in layers
    ]
    for _ in range(num_iterations):
        messages = message_passing.sweep(layers, messages, images, label_slope, form=form, damping=0.3)
    return [each.field for each in messages]


def test_how_many_examples_are_held_at_once_changes_nothing(monkeypatch):
    images = draws(7, 6, seed=9)
    before = message_passing_of(network(), images, form="bpi", num_iterations=2)
    monkeypatch.setattr(message_passing, "AT_ONCE", 90)  # three examples of 30 weights
    after = message_passing_of(network(), images, form="bpi", num_iterations=2)
    assert all(torch.allclose(one, other) for one, other in zip(before, after, strict=True))


def test_a_prediction_is_the_pass_forward_of_a_sweep_before_any_message():
    images, seen = draws(7, 6, seed=9), []
    fields_of(network(), images, lambda total: seen.append(total) or label_slope(total), form="mf")
    for one, other in zip(seen[0], message_passing.output_sums(network(), images), strict=True):
        assert torch.allclose(one, other)


def test_fixed_weights_pass_messages_and_keep_their_values():
    """They are the limit of weights that are nearly sure."""
    free, images = network(), draws(7, 6, seed=9)
    values = signs(5, 6, seed=4)
    fixed = fields_of([Layer(values, fixed=True), free[1]], images, label_slope, form="amp")
    sure = fields_of([Layer(40 * values), free[1]], images, label_slope, form="amp")
    assert torch.allclose(fixed[1], sure[1])
    layer = Layer(values, fixed=True)
    old = message_passing.start(layer, values, batch_size=1)
    moved = message_passing.damped(layer, old._replace(field=values), damping=0.5)
    assert torch.equal(moved.mean, values)
    assert not moved.variance.any()


def test_damping_averages_the_means_of_one_iteration_and_the_next():
    layer, old = network()[0], draws(5, 6, seed=7).tanh()
    start = message_passing.start(layer, old, batch_size=1)._replace(field=draws(5, 6, seed=8))
    expected = 0.8 * old + 0.2 * (layer.natural + start.field).tanh()
    found = message_passing.damped(layer, start, damping=0.8)
    assert torch.allclose(found.mean, expected)
    assert torch.allclose(found.variance, 1 - expected**2)
