"""IVON's rule: in the paper's letters, exact Bayes, Price's theorem, the authors' package; CoVON's merge."""

import math

import pytest
import torch

from cl_bench.posteriors import gaussian, ivon
from cl_bench.posteriors.ivon import Precise

RULE = {"num_examples": 50.0, "step_size": 0.3, "curvature_momentum": 0.9, "clip": None}


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def precise(*shape, seed=0):
    return Precise(draws(*shape, seed=seed), draws(*shape, seed=seed + 1).abs() * 20 + 0.5)


@pytest.mark.parametrize("clip", [None, 0.05])
def test_a_step_is_the_paper_s_worked_with_plain_numbers(clip):
    """Two steps equal the paper's, written out in h, d and s for single weights."""
    n, alpha, b1, b2 = 50.0, 0.3, 0.8, 0.9
    start, prior = precise(30), precise(30, seed=2)
    gradients, noises = draws(2, 30, seed=4) / 10, draws(2, 30, seed=5)
    state, average = start, torch.zeros(30, dtype=torch.float64)
    for number, (g, e) in enumerate(zip(gradients, noises, strict=True), start=1):
        h = ivon.curvature(g, e, state.precision)
        average, corrected = ivon.averaged(average, g, momentum=b1, num_steps=number)
        state = ivon.step(state, corrected, h, prior, **RULE | {"clip": clip})
    cut = 0
    for weight in range(30):
        m, p, m0, p0 = (float(part[weight]) for part in (*start, *prior))
        d = 1 / (n * (1 / p0))
        h, g_bar = p / n - d, 0.0
        for number, (g, e) in enumerate(zip(gradients[:, weight], noises[:, weight], strict=True), start=1):
            s = 1 / math.sqrt(n * (h + d))
            new = float(g) * float(e) / s
            g_bar = b1 * g_bar + (1 - b1) * float(g)
            h = b2 * h + (1 - b2) * new + (1 - b2) ** 2 * (h - new) ** 2 / (2 * (h + d))
            direction = (g_bar / (1 - b1**number) + d * (m - m0)) / (h + d)
            if clip is not None:
                cut += abs(direction) > clip
                direction = max(-clip, min(clip, direction))
            m -= alpha * direction
        assert float(state.mean[weight]) == pytest.approx(m, rel=1e-9, abs=1e-12)
        assert float(state.precision[weight]) == pytest.approx(n * (h + d), rel=1e-9)
    assert (cut > 0) == (clip is not None)


@pytest.mark.parametrize("clip", [math.inf, 0.02])
def test_the_authors_optimizer_takes_the_same_steps(clip):
    """Where both apply: a prior around 0, of one precision N times the weight decay."""
    package = pytest.importorskip("ivon")
    n, decay, h0 = 40.0, 0.05, 0.25  # the package rounds h0 to float32
    target, scale = draws(12, seed=6), draws(12, seed=7).exp()
    weight = torch.nn.Parameter(draws(12))
    optimizer = package.IVON(
        *([weight], 0.2),
        **{"ess": n, "weight_decay": decay, "hess_init": h0, "beta1": 0.9, "beta2": 0.95},
        **{"mc_samples": 2, "clip_radius": clip, "rescale_lr": False},
    )
    prior = Precise(torch.zeros(12, dtype=torch.float64), torch.full((12,), n * decay, dtype=torch.float64))
    state = Precise(weight.detach().clone(), prior.precision + n * h0)
    average = torch.zeros_like(state.mean)

    def loss(w):
        return (scale * (w - target).cosh()).sum()

    with torch.random.fork_rng():
        for number in range(1, 16):
            seen = []
            for sample in range(2):
                torch.manual_seed(100 * number + sample)
                with optimizer.sampled_params(train=True):
                    optimizer.zero_grad()
                    loss(weight).backward()
                torch.manual_seed(100 * number + sample)
                noise = torch.randn(12, dtype=torch.float64)
                gradient = scale * (ivon.sample(state, noise) - target).sinh()
                seen.append(torch.stack([gradient, ivon.curvature(gradient, noise, state.precision)]))
            optimizer.step()
            gradient, curvature = torch.stack(seen).mean(dim=0)
            average, gradient = ivon.averaged(average, gradient, momentum=0.9, num_steps=number)
            rule = {"num_examples": n, "step_size": 0.2, "curvature_momentum": 0.95}
            clipped = None if clip == math.inf else clip
            state = ivon.step(state, gradient, curvature, prior, **rule, clip=clipped)
            torch.testing.assert_close(state.mean, weight.detach(), rtol=1e-10, atol=1e-12)
            hessian = optimizer.param_groups[0]["hess"]
            torch.testing.assert_close(state.precision, n * (hessian + decay), rtol=1e-10, atol=1e-12)


def test_the_curvature_is_on_average_that_of_the_loss_by_finite_differences():
    """E[g e / s] = d/dm E[g(m + s e)]: both by quadrature, of a loss that is no polynomial."""
    nodes, weights = hermite(40)
    mean, precision = draws(5), draws(5, seed=1).abs() + 0.5

    def gradient(w):  # of exp(w / 2) + w^4 / 8 + sin w
        return (w / 2).exp() / 2 + w**3 / 2 + w.cos()

    def mean_gradient(shift):
        state = Precise(mean + shift, precision)
        return sum(p * gradient(ivon.sample(state, e.expand(5))) for e, p in zip(nodes, weights, strict=True))

    found = sum(
        p * ivon.curvature(gradient(ivon.sample(Precise(mean, precision), e.expand(5))), e, precision)
        for e, p in zip(nodes, weights, strict=True)
    )
    expected = (mean_gradient(1e-5) - mean_gradient(-1e-5)) / 2e-5
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def hermite(number):
    """Nodes and weights with which means over a standard normal number are exact for polynomials."""
    below = torch.arange(1, number, dtype=torch.float64).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(below, 1) + torch.diag(below, -1))
    return nodes, vectors[0] ** 2


def test_a_quadratic_loss_ends_at_the_exact_posterior_task_after_task():
    """Bayesian linear regression with orthogonal inputs; gradients by their expectations at m and s."""
    prior = Precise(torch.zeros(4, dtype=torch.float64), torch.full((4,), 2.0, dtype=torch.float64))
    state, total, weighted = prior, prior.precision, prior.precision * prior.mean
    for task, n in enumerate((30.0, 70.0)):
        h, optimum = draws(4, seed=task).exp() / 5, draws(4, seed=10 + task)
        state = Precise(state.mean, prior.precision + n * 0.5)
        for _ in range(800):  # the second difference of a quadratic is h, whatever the noise
            state = ivon.step(state, h * (state.mean - optimum), h, prior, **RULE | {"num_examples": n})
        total, weighted = total + n * h, weighted + n * h * optimum
        torch.testing.assert_close(state.precision, total)
        torch.testing.assert_close(state.mean, weighted / total)
        prior = state


def test_without_data_the_posterior_is_the_prior():
    state, prior, nothing = precise(9), precise(9, seed=2), torch.zeros(9, dtype=torch.float64)
    for _ in range(800):
        state = ivon.step(state, nothing, nothing, prior, **RULE)
    torch.testing.assert_close(state, prior)


def test_the_fixed_point_is_where_the_divergence_to_the_prior_and_the_data_balance():
    """The gradients of N E[loss] + KL by mean and log-variance are 0 there; h = E[l''], g = E[l']."""
    state, prior = precise(6), precise(6, seed=2)
    slope, bend = draws(6, seed=4), draws(6, seed=5).exp()
    for _ in range(3000):
        gradient = slope + bend * state.mean + state.mean**3 + 3 * state.mean / state.precision  # of w^4 / 4
        curvature = bend + 3 * (state.mean**2 + 1 / state.precision)
        state = ivon.step(state, gradient, curvature, prior, **RULE | {"step_size": 0.1})
    m, v = state.mean, 1 / state.precision
    by_mean, by_log_variance = gaussian.kl_gradient(ivon.as_gaussian(state), ivon.as_gaussian(prior))
    zero = torch.zeros_like(m)
    torch.testing.assert_close(50 * (slope + bend * m + m**3 + 3 * m * v) + by_mean, zero, atol=1e-7, rtol=0)
    data = 50 * v / 2 * (bend + 3 * (m**2 + v))
    torch.testing.assert_close(data + by_log_variance, zero, atol=1e-7, rtol=0)


def test_a_precision_stays_positive_whatever_the_curvature():
    state, prior = Precise(torch.zeros(3), torch.full((3,), 4.0)), Precise(torch.zeros(3), torch.ones(3))
    wild = torch.tensor([-1e4, -(4 / 0.1 - 3) / 50, 1e4])
    found = ivon.step(state, torch.zeros(3), wild, prior, **RULE).precision
    assert (found >= 2).all()
    assert found[1].item() == pytest.approx(2)  # the least: half


def test_inactive_weights_stand_still():
    state, prior, active = precise(3), precise(3, seed=2), torch.tensor([1.0, 0, 1]).double()
    found = ivon.step(state, draws(3), draws(3, seed=1), prior, **RULE, active=active)
    for old, new in zip(state, found, strict=True):
        assert (old != new).tolist() == [True, False, True]


def test_a_leading_seed_axis_changes_nothing():
    state, prior = precise(3, 8), precise(3, 8, seed=2)
    gradient, curvature = draws(3, 8, seed=4), draws(3, 8, seed=5)
    found = ivon.step(state, gradient, curvature, prior, **RULE)
    for row in range(3):
        parts = (Precise(*(part[row] for part in each)) for each in (state, prior))
        own, own_prior = parts
        alone = ivon.step(own, gradient[row], curvature[row], own_prior, **RULE)
        assert torch.equal(found.mean[row], alone.mean)
        assert torch.equal(found.precision[row], alone.precision)


# CoVON


def test_a_merge_in_equal_shares_is_the_product_of_powers():
    """The natural parameters p m and p are averaged: log prior^(1 - c) posterior^c up to a constant."""
    posterior, prior, places = precise(7), precise(7, seed=2), draws(5, 1, seed=4)
    merged = ivon.merge(posterior, prior, mean_share=0.3, precision_share=0.3)

    def log_density(state):
        return -state.precision * (places - state.mean) ** 2 / 2

    off = log_density(merged) - 0.7 * log_density(prior) - 0.3 * log_density(posterior)
    torch.testing.assert_close(off, off[:1].expand(5, 7))


def test_whole_shares_are_the_posterior_and_none_the_prior():
    posterior, prior = precise(7), precise(7, seed=2)
    torch.testing.assert_close(ivon.merge(posterior, prior, mean_share=1, precision_share=1), posterior)
    torch.testing.assert_close(ivon.merge(posterior, prior, mean_share=0, precision_share=0), prior)


def test_a_merge_is_the_authors_code_worked_with_plain_numbers():
    n, c_m, c_s = 40.0, 0.88, 0.6
    posterior, prior = precise(7), precise(7, seed=2)
    merged = ivon.merge(posterior, prior, mean_share=c_m, precision_share=c_s)
    for m, p, m0, p0, mean, precision in zip(*posterior, *prior, *merged, strict=True):
        h = (p - p0) / n
        expected = p0 + c_s * n * h
        torch.testing.assert_close(precision, expected)
        torch.testing.assert_close(mean, ((1 - c_m) * p0 * m0 + c_m * (p0 + n * h) * m) / expected)
