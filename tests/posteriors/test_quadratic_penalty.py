"""The quadratic penalty against the sum that it stands for."""

import torch

from cl_bench.posteriors import quadratic_penalty


def solutions(num_tasks: int = 3, size: int = 6) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    pairs = []
    for _ in range(num_tasks):
        weights = torch.randn(size, generator=generator, dtype=torch.float64)
        fisher = torch.rand(size, generator=generator, dtype=torch.float64)
        fisher[0] = 0  # a weight that nothing depends on
        pairs.append((weights, fisher))
    return pairs


def test_one_quadratic_has_the_gradient_of_one_penalty_for_each_task():
    state = quadratic_penalty.init(torch.zeros(6, dtype=torch.float64))
    for weights, fisher in solutions():
        state = quadratic_penalty.add_separate(state, weights, fisher)
    at = torch.randn(6, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    by_task = sum(3.0 / 2 * (fisher * (at - weights) ** 2).sum() for weights, fisher in solutions())
    (expected,) = torch.autograd.grad(by_task, at)
    found = quadratic_penalty.penalty_gradient(state, at.detach(), strength=3.0)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_penalty_gradient_equals_finite_differences():
    weights, fisher = solutions(1)[0]
    state = quadratic_penalty.add_online(quadratic_penalty.init(weights), weights, fisher, decay=0.9)
    at, width = weights + 0.3, 1e-6
    gradient = quadratic_penalty.penalty_gradient(state, at, strength=2.0)
    for index in range(6):
        shift = torch.zeros_like(at)
        shift[index] = width
        slope = quadratic_penalty.penalty(state, at + shift, strength=2.0) - quadratic_penalty.penalty(
            state, at - shift, strength=2.0
        )
        torch.testing.assert_close(slope / (2 * width), gradient[index], rtol=1e-6, atol=1e-8)


def test_online_decays_the_old_precision_and_moves_to_the_newest_weights():
    (first, first_fisher), (second, second_fisher) = solutions(2)
    state = quadratic_penalty.add_online(quadratic_penalty.init(first), first, first_fisher, decay=0.5)
    state = quadratic_penalty.add_online(state, second, second_fisher, decay=0.5)
    torch.testing.assert_close(state.precision, 0.5 * first_fisher + second_fisher)
    torch.testing.assert_close(state.centre, second)


def test_separate_penalties_of_a_linear_regression_sum_to_the_batch_posterior():
    """For a quadratic loss with a diagonal Hessian the Laplace approximation is exact: its mode after all
    tasks is the least-squares solution on all data."""
    slopes = [torch.tensor(s, dtype=torch.float64) for s in ([1.0, 2.0], [3.0, 0.5])]
    targets = [torch.tensor(t, dtype=torch.float64) for t in ([1.0, 2.0], [-1.0, 4.0])]
    state = quadratic_penalty.init(torch.zeros(2, dtype=torch.float64))
    for slope, target in zip(slopes, targets, strict=True):
        own_solution, hessian = target / slope, slope.square()
        state = quadratic_penalty.add_separate(state, own_solution, hessian)
    batch = sum(s * t for s, t in zip(slopes, targets, strict=True)) / sum(s.square() for s in slopes)
    torch.testing.assert_close(state.centre, batch, rtol=1e-12, atol=1e-12)


def test_no_task_seen_means_no_penalty():
    state = quadratic_penalty.init(torch.ones(3))
    assert quadratic_penalty.penalty(state, torch.zeros(3), strength=1e9) == 0


def test_an_anchor_counts_every_weight_that_any_task_has_trained_once():
    weights = torch.tensor([1.0, 2.0, 3.0])
    state = quadratic_penalty.add_anchor(
        quadratic_penalty.init(torch.zeros(3)), weights, torch.tensor([1.0, 1.0, 0.0])
    )
    assert quadratic_penalty.penalty(state, torch.zeros(3), strength=2.0) == 1 + 4
    state = quadratic_penalty.add_anchor(state, weights + 1, torch.tensor([1.0, 0.0, 1.0]))
    assert torch.equal(state.precision, torch.ones(3))
    assert torch.equal(state.centre, weights + 1)


def test_the_decay_of_the_paper_is_ours_with_another_strength():
    """Schwarz et al. 2018: the penalty lambda gamma F*, where F* <- gamma F* + F."""
    generator = torch.Generator().manual_seed(3)
    gamma, strength = 0.8, 12.5
    state, theirs = quadratic_penalty.init(torch.zeros(5)), torch.zeros(5)
    for _ in range(4):
        weights, fisher, probe = torch.rand(3, 5, generator=generator)
        state = quadratic_penalty.add_online(state, weights, fisher, decay=gamma)
        theirs = gamma * theirs + fisher
        expected = strength / 2 * (gamma * theirs * (probe - weights) ** 2).sum()
        found = quadratic_penalty.penalty(state, probe, strength=gamma * strength)
        torch.testing.assert_close(found, expected)
        assert found > 0
