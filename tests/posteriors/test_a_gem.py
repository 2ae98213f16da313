"""A-GEM's projection against the quadratic programme that it solves."""

import pytest
import torch
from torch import Tensor

from cl_bench.posteriors import a_gem


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def solved(gradient: Tensor, reference: Tensor) -> Tensor:
    """The solution of the quadratic programme, as the better feasible one of its two active sets.

    Without the constraint it is g. With it as an equation the conditions of Karush, Kuhn and Tucker are a
    system of linear equations in z and the multiplier.
    """
    size = len(gradient)
    system = torch.zeros(size + 1, size + 1, dtype=torch.float64)
    system[:size, :size] = torch.eye(size)
    system[:size, size], system[size, :size] = -reference, reference
    active = torch.linalg.solve(system, torch.cat([gradient, torch.zeros(1, dtype=torch.float64)]))[:size]
    feasible = [each for each in (gradient, active) if each @ reference > -1e-12]
    return min(feasible, key=lambda each: float((each - gradient).norm()))


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_solution_of_the_quadratic_programme(seed):
    gradient, reference = random(2, 6, seed=seed)
    found = a_gem.project(gradient, reference)
    torch.testing.assert_close(found, solved(gradient, reference), rtol=1e-12, atol=1e-12)
    multiplier = (found - gradient) @ reference / reference.square().sum()
    assert multiplier >= 0
    torch.testing.assert_close(found, gradient + multiplier * reference, rtol=1e-12, atol=1e-12)
    for other in random(200, 6, seed=seed + 100):
        if other @ reference >= 0:
            assert (other - gradient).norm() >= (found - gradient).norm()


def test_both_cases_are_among_them():
    pairs = [random(2, 6, seed=seed) for seed in range(20)]
    assert {bool(gradient @ reference < 0) for gradient, reference in pairs} == {True, False}


def test_seeds_are_projected_one_by_one():
    gradients, references = random(2, 8, 5, seed=0)
    rows = [a_gem.project(*pair) for pair in zip(gradients, references, strict=True)]
    torch.testing.assert_close(a_gem.project(gradients, references), torch.stack(rows), rtol=0, atol=1e-15)


def test_what_does_not_point_against_it_stays_bit_for_bit():
    gradient = random(5, seed=0)
    for reference in (gradient, 3 * gradient, torch.zeros_like(gradient)):
        assert torch.equal(a_gem.project(gradient, reference), gradient)
    torch.testing.assert_close(a_gem.project(gradient, -2 * gradient), torch.zeros_like(gradient))
