"""The Bernoulli posterior against the authors' optimizer, step by step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cl_bench.posteriors import bernoulli

CASES = {
    # name: (stale mean, momentum, temperature, step size, KL weight, tolerance)
    "fp64_fresh": (False, 0.0, 1.0, 1e-4, 1.0, 1e-9),
    "fp64_stale": (True, 0.0, 1.0, 1e-4, 1.0, 1e-9),
    "fp64_fresh_momentum_3samples": (False, 0.9, 0.5, 1e-4, 0.5, 1e-9),
}


@pytest.fixture(scope="session")
def trajectories(data_root: Path):
    path = data_root.parent / "reference" / "bayesbinn_trajectories.npz"
    if not path.is_file():
        pytest.skip(f"no reference trajectories at {path}")
    return np.load(path)


def authors_network(dtype: torch.dtype) -> nn.Sequential:
    def normalisation(width: int) -> nn.Module:
        return nn.BatchNorm1d(width, eps=1e-4, momentum=0.15, affine=False)

    layers = [
        nn.Linear(8, 6, bias=False),
        normalisation(6),
        nn.ReLU(),
        nn.Linear(6, 3, bias=False),
        normalisation(3),
    ]
    return nn.Sequential(*layers).to(dtype)


def replay(arrays, case: str, *, stale, momentum, temperature, step_size, kl_weight):
    """The natural parameters before each step and after the last, [51, 66], and the losses [50].

    The scale of the gradients has mu of one step ago (`stale`, the authors' code), or as it is (the paper).
    """
    x, y, uniform, expected = (
        torch.from_numpy(arrays[f"{case}/{key}"]) for key in ("x", "y", "uniform", "natural")
    )
    network = authors_network(expected.dtype)
    state = bernoulli.init(expected[0])
    prior = torch.zeros_like(expected[0])
    visited, losses = [state.natural], []
    for index in range(len(x)):
        if index == 25:
            prior = state.natural.clone()
        gradients, loss_sum = [], 0.0
        for draws in uniform[index]:
            noise = bernoulli.logistic_noise(draws.to(expected.dtype))
            relaxed = bernoulli.relax(state.natural, noise, temperature=temperature)
            nn.utils.vector_to_parameters(relaxed, network.parameters())
            network.zero_grad()
            loss = nn.functional.cross_entropy(network(x[index]), y[index])
            loss.backward()
            gradient = torch.cat([parameter.grad.reshape(-1) for parameter in network.parameters()])
            scale = bernoulli.published_scale(
                relaxed,
                torch.tanh(state.previous if stale else state.natural),
                num_examples=1000,
                temperature=temperature,
            )
            gradients.append(gradient * scale)
            loss_sum += loss.item()
        state = bernoulli.step(
            state,
            torch.stack(gradients).mean(dim=0),
            prior,
            step_size=step_size,
            kl_weight=kl_weight,
            momentum=momentum,
        )
        visited.append(state.natural)
        losses.append(loss_sum / len(gradients))
    return torch.stack(visited), torch.tensor(losses, dtype=torch.float64), network


@pytest.mark.parametrize("case", CASES)
def test_every_step_equals_the_authors_optimizer_in_double_precision(trajectories, case):
    stale, momentum, temperature, step_size, kl_weight, tolerance = CASES[case]
    visited, losses, network = replay(
        trajectories,
        case,
        stale=stale,
        momentum=momentum,
        temperature=temperature,
        step_size=step_size,
        kl_weight=kl_weight,
    )
    expected = torch.from_numpy(trajectories[f"{case}/natural"])
    torch.testing.assert_close(visited, expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(losses, torch.from_numpy(trajectories[f"{case}/loss"]), rtol=1e-9, atol=1e-9)
    running = torch.from_numpy(trajectories[f"{case}/bn2_mean"])
    torch.testing.assert_close(network[4].running_mean, running, rtol=1e-9, atol=1e-9)


def test_the_published_setting_in_single_precision_equals_the_authors_up_to_rounding(trajectories):
    """In float32, 1 - mu^2 is a few units of rounding above |lambda| = 8 and 0 above 9.5, and steps of up to
    2,000 in lambda follow from one last bit of tanh: so 3e-4 of each value is asked, not the 1e-6 of a well-
    posed step."""
    visited, losses, _ = replay(
        trajectories,
        "fp32_stale_published",
        stale=True,
        momentum=0.0,
        temperature=1e-2,
        step_size=1e-3,
        kl_weight=1.0,
    )
    expected = torch.from_numpy(trajectories["fp32_stale_published/natural"])
    assert visited.dtype == torch.float32
    torch.testing.assert_close(visited, expected, rtol=3e-4, atol=1e-4)
    reference_losses = torch.from_numpy(trajectories["fp32_stale_published/loss"]).double()
    torch.testing.assert_close(losses, reference_losses, rtol=1e-4, atol=1e-4)
