"""The Bernoulli posterior against double precision, finite differences and enumeration."""

import itertools

import pytest
import torch
from torch import Tensor

from cl_bench.posteriors import bernoulli


def test_the_sound_scale_equals_the_published_one_where_that_does_not_cancel():
    natural = torch.linspace(-3, 3, 61, dtype=torch.float64)
    noise = bernoulli.logistic_noise(
        torch.rand(61, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    )
    relaxed = bernoulli.relax(natural, noise, temperature=0.7)
    published = bernoulli.published_scale(relaxed, natural.tanh(), num_examples=50, temperature=0.7)
    sound = bernoulli.sound_scale(natural, noise, relaxed, num_examples=50, temperature=0.7)
    torch.testing.assert_close(sound, published, rtol=1e-6, atol=1e-6)


def test_the_sound_scale_stays_exact_in_single_precision_where_the_published_one_is_zero_over_zero():
    natural = torch.tensor([12.0, 30.0, -40.0])
    noise = -natural  # the relaxed weight is 0: its slope is 1
    relaxed = bernoulli.relax(natural, noise, temperature=1)
    sound = bernoulli.sound_scale(natural, noise, relaxed, num_examples=1, temperature=1)
    expected = torch.cosh(natural.double()) ** 2
    torch.testing.assert_close(sound.double(), expected, rtol=1e-4, atol=0)


def test_the_scaled_gradient_is_the_natural_gradient_found_by_finite_differences():
    """s g / N is d loss / d mu = (d loss / d lambda) / (1 - mu^2) along the relaxation (equation 9)."""
    natural, temperature, width = torch.tensor([0.3, -0.8], dtype=torch.float64), 0.5, 1e-6
    noise = torch.tensor([0.2, 0.1], dtype=torch.float64)

    def loss(values: Tensor) -> Tensor:
        weights = bernoulli.relax(values, noise, temperature=temperature)
        return (weights * torch.tensor([1.0, 2.0])).sum() ** 2

    relaxed = bernoulli.relax(natural, noise, temperature=temperature).requires_grad_()
    (gradient,) = torch.autograd.grad((relaxed * torch.tensor([1.0, 2.0])).sum() ** 2, relaxed)
    scale = bernoulli.sound_scale(natural, noise, relaxed.detach(), num_examples=1, temperature=temperature)
    for index in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[index] = width
        by_natural = (loss(natural + shift) - loss(natural - shift)) / (2 * width)
        by_mean = by_natural / (1 - natural[index].tanh() ** 2)
        assert (scale * gradient)[index].item() == pytest.approx(by_mean.item(), rel=1e-6)


def probability(natural: Tensor, weights: Tensor) -> Tensor:
    return torch.sigmoid(2 * natural * weights).prod(dim=-1)


def test_kl_divergence_equals_the_sum_over_all_sixteen_weight_vectors():
    generator = torch.Generator().manual_seed(1)
    posterior, prior = (torch.randn(4, generator=generator, dtype=torch.float64) for _ in range(2))
    signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=4)), dtype=torch.float64)
    q, p = probability(posterior, signs), probability(prior, signs)
    assert bernoulli.kl_divergence(posterior, prior).item() == pytest.approx(
        (q * (q / p).log()).sum().item(), rel=1e-10
    )


def test_sequential_learning_of_a_linear_log_likelihood_ends_at_the_exact_batch_posterior():
    """log p(D_t | w) = a_t . w is conjugate: the exact posterior has lambda = lambda0 + sum_t a_t, and it
    factorises.

    The gradient by mu of E[-log p] is -a_t, so the rule's fixed point is lambda0 + a_t; carrying the
    posterior as the next prior must end where all data at once end, which enumeration of all 2^4 weights
    gives.
    """
    tasks = torch.tensor([[0.5, -1.0, 0.2, 0.0], [-0.3, 0.4, 0.9, -0.7]], dtype=torch.float64)
    state = bernoulli.init(torch.zeros(4, dtype=torch.float64))
    for evidence in tasks:
        prior = state.natural.clone()
        for _ in range(400):
            state = bernoulli.step(state, -evidence, prior, step_size=0.1, kl_weight=1, momentum=0)
    signs = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=4)), dtype=torch.float64)
    exact = (signs @ tasks.sum(dim=0)).softmax(dim=0)
    torch.testing.assert_close(probability(state.natural, signs), exact, rtol=1e-9, atol=1e-12)
    fixed_prior = bernoulli.init(torch.zeros(4, dtype=torch.float64))
    for evidence in tasks:
        for _ in range(400):
            fixed_prior = bernoulli.step(
                fixed_prior, -evidence, torch.zeros(4), step_size=0.1, kl_weight=1, momentum=0
            )
    # only the last task is left
    torch.testing.assert_close(fixed_prior.natural, tasks[-1], rtol=1e-9, atol=1e-9)


def test_samples_follow_the_posterior_probability():
    natural = torch.tensor([-1.0, 0.0, 0.4])
    generator = torch.Generator().manual_seed(2)
    uniform = torch.rand(20000, 3, generator=generator)
    signs = bernoulli.sample(bernoulli.minus_probability(natural), uniform)
    assert torch.equal(signs.abs(), torch.ones_like(signs))
    torch.testing.assert_close(
        (signs > 0).float().mean(dim=0), torch.sigmoid(2 * natural), rtol=0, atol=0.015
    )


def test_noise_is_finite_at_the_ends_of_the_uniform_draw():
    noise = bernoulli.logistic_noise(torch.tensor([0.0, 1 - 2**-24]))
    assert noise.isfinite().all()


def test_max_slope_cuts_off_what_is_above_it_and_nothing_else():
    natural = torch.linspace(-4, 4, 81, dtype=torch.float64)
    noise = -natural + 0.1
    relaxed = bernoulli.relax(natural, noise, temperature=0.5)
    free = bernoulli.sound_scale(natural, noise, relaxed, num_examples=3, temperature=0.5)
    cut = bernoulli.sound_scale(natural, noise, relaxed, num_examples=3, temperature=0.5, max_slope=5)
    assert (free > 15).any()
    torch.testing.assert_close(cut, free.clamp_max(15), rtol=0, atol=0)


def test_the_slope_has_mean_one_at_low_temperature():
    """d E[w_r] / d mu -> d mu / d mu = 1, so that the scaled gradient is N times the gradient by the mean."""
    uniform = torch.rand(2_000_000, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    natural = torch.tensor(0.7, dtype=torch.float64)
    noise = bernoulli.logistic_noise(uniform)
    relaxed = bernoulli.relax(natural, noise, temperature=0.02)
    slope = bernoulli.sound_scale(natural, noise, relaxed, num_examples=1, temperature=0.02)
    assert slope.mean().item() == pytest.approx(1, abs=0.03)


def test_the_sound_scale_in_single_precision_is_that_of_double_precision_for_weights_of_any_confidence():
    generator = torch.Generator().manual_seed(4)
    natural = torch.linspace(-40, 40, 801)
    noise = bernoulli.logistic_noise(torch.rand(801, generator=generator))
    relaxed = bernoulli.relax(natural, noise, temperature=0.5)
    sound = bernoulli.sound_scale(natural, noise, relaxed, num_examples=10, temperature=0.5)
    wide = bernoulli.log_sech_squared((natural.double() + noise.double()) / 0.5)
    expected = 10 / 0.5 * (wide - bernoulli.log_sech_squared(natural.double())).exp()
    # x = (lambda + delta) / tau is rounded to 2e-6 of 40, and a difference in x is doubled in the exponent
    torch.testing.assert_close(sound.double(), expected, rtol=1e-4, atol=1e-30)
    assert (expected > 10).any()
    assert (expected < 1e-10).any()


def test_a_sample_is_the_sign_that_the_relaxation_of_the_same_draw_has():
    natural = torch.tensor([-9.0, -0.5, 0.0, 0.3, 2.0, 30.0], dtype=torch.float64)
    uniform = torch.rand(1000, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    signs = bernoulli.sample(bernoulli.minus_probability(natural), uniform)
    assert torch.equal(signs, (natural + bernoulli.logistic_noise(uniform)).sign())


def test_the_first_signs_are_those_of_the_draws_and_have_the_stated_size():
    start = bernoulli.random_signs(torch.tensor([0.0, 0.49, 0.5, 0.99]), magnitude=3.0)
    assert start.tolist() == [3, 3, -3, -3]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_weights_that_are_not_active_stay_and_the_others_move_as_if_they_were_alone(momentum):
    generator = torch.Generator().manual_seed(6)
    start, prior, *gradients = torch.randn(5, 4, generator=generator)
    active = torch.tensor([1.0, 0.0, 1.0, 0.0])
    settings = {"step_size": 0.1, "kl_weight": 0.5, "momentum": momentum}
    masked = free = bernoulli.init(start)
    for gradient in gradients:
        before = masked.natural
        masked = bernoulli.step(masked, gradient, prior, active=active, **settings)
        free = bernoulli.step(free, gradient, prior, **settings)
        assert torch.equal(masked.previous, before)
    moves = active > 0
    assert torch.equal(masked.natural[~moves], start[~moves])
    assert not masked.momentum[~moves].any()
    assert torch.equal(masked.natural[moves], free.natural[moves])
    assert torch.equal(masked.momentum[moves], free.momentum[moves])
    assert not torch.equal(masked.natural[moves], start[moves])


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.999])
def test_a_head_that_joins_after_1000_steps_moves_as_one_that_is_there_from_the_start(momentum):
    generator = torch.Generator().manual_seed(8)
    start, prior = torch.randn(2, 6, generator=generator)
    first, second = torch.tensor([1.0, 1, 1, 0, 0, 0]), torch.tensor([0.0, 1, 1, 1, 1, 1])
    settings = {"step_size": 0.01, "kl_weight": 0.5, "momentum": momentum}
    late = bernoulli.init(start)
    for _ in range(1000):
        late = bernoulli.step(late, torch.randn(6, generator=generator), prior, active=first, **settings)
    own, shared = slice(3, 6), slice(1, 3)
    alone = bernoulli.init(start)
    moved = []
    for _ in range(20):
        gradient = torch.randn(6, generator=generator)
        before = late.natural
        late = bernoulli.step(late, gradient, prior, active=second, **settings)
        alone = bernoulli.step(alone, gradient, prior, **settings)
        torch.testing.assert_close(late.natural[own], alone.natural[own], rtol=1e-5, atol=1e-6)
        moved.append(bool((late.natural[shared] != before[shared]).all()))
    assert torch.equal(late.momentum[own], alone.momentum[own])
    assert all(moved)
    assert (alone.natural[own] - start[own]).abs().min() > 1e-3


@pytest.mark.parametrize("momentum", [0.5, 0.9, 0.999])
def test_the_correction_is_adam_s_where_all_weights_move(momentum):
    generator = torch.Generator().manual_seed(9)
    start, prior = torch.randn(2, 5, generator=generator)
    state, natural, average = bernoulli.init(start), start.double(), torch.zeros(5).double()
    for number in range(1, 200):
        gradient = torch.randn(5, generator=generator)
        state = bernoulli.step(state, gradient, prior, step_size=0.01, kl_weight=0.5, momentum=momentum)
        average = momentum * average + (1 - momentum) * (0.5 * (natural - prior) + gradient)
        natural = natural - 0.01 * average / (1 - momentum**number)
        torch.testing.assert_close(state.natural.double(), natural, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state.correction, torch.full((5,), 1 - momentum**199), rtol=1e-4, atol=0)


def test_no_function_changes_what_it_is_given():
    generator = torch.Generator().manual_seed(7)
    natural, gradient, prior = torch.randn(3, 6, generator=generator)
    uniform = torch.rand(6, generator=generator)
    active, noise = torch.ones(6), bernoulli.logistic_noise(uniform)
    relaxed = bernoulli.relax(natural, noise, temperature=0.5)
    state = bernoulli.init(natural)
    given = (natural, gradient, prior, uniform, active, noise, relaxed, *state)
    before = [tensor.clone() for tensor in given]
    scaling = {"num_examples": 3, "temperature": 0.5}
    bernoulli.logistic_noise(uniform)
    bernoulli.relax(natural, noise, temperature=0.5)
    bernoulli.sound_scale(natural, noise, relaxed, max_slope=2.0, **scaling)
    bernoulli.published_scale(relaxed, natural.tanh(), **scaling)
    bernoulli.sample(bernoulli.minus_probability(natural), uniform)
    bernoulli.mode(natural)
    for momentum in (0.0, 0.5):
        bernoulli.step(state, gradient, prior, step_size=0.1, kl_weight=1, momentum=momentum, active=active)
    assert all(map(torch.equal, given, before))
