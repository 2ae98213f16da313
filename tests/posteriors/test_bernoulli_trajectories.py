"""The Bernoulli posterior against the authors' optimizer, step by step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, jacrev, vmap

from cl_bench.posteriors import bernoulli

CASES = {
    # name: (stale mean, momentum, temperature, step size, KL weight, tolerance)
    "fp64_fresh": (False, 0.0, 1.0, 1e-4, 1.0, 1e-9),
    "fp64_stale": (True, 0.0, 1.0, 1e-4, 1.0, 1e-9),
    "fp64_fresh_momentum_3samples": (False, 0.9, 0.5, 1e-4, 0.5, 1e-9),
}
UNIT = 2.0**-24  # one rounding in float32 is off by at most this share of the result
LONGEST_SUM = 16  # the batch; a sum of n terms is off by at most n units of its largest terms


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


def take_step(network, state, prior, x, y, uniform, *, stale, momentum, temperature, step_size, kl_weight):
    """One step on the mini-batch x, y from `state`, and its mean loss. uniform: [weight samples, 66].

    The scale of the gradients has mu of one step ago (`stale`, the authors' code), or as it is (the paper).
    """
    gradients, loss_sum = [], 0.0
    for draws in uniform:
        noise = bernoulli.logistic_noise(draws.to(state.natural))
        relaxed = bernoulli.relax(state.natural, noise, temperature=temperature)
        nn.utils.vector_to_parameters(relaxed, network.parameters())
        network.zero_grad()
        loss = nn.functional.cross_entropy(network(x), y)
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
    return state, loss_sum / len(gradients)


def replay(arrays, case: str, **rule):
    """The natural parameters before each step and after the last, [51, 66], and the losses [50]."""
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
        state, loss = take_step(network, state, prior, x[index], y[index], uniform[index], **rule)
        visited.append(state.natural)
        losses.append(loss)
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


def layers(weights: Tensor, x: Tensor, shifts: Tensor) -> Tensor:
    """The outputs of the four layers that round, [288]: each is moved by its part of `shifts` [288]."""

    def normalised(z: Tensor) -> Tensor:
        return (z - z.mean(0)) / (z.var(0, correction=0) + 1e-4).sqrt()

    outputs, moves = [], shifts.split([96, 96, 48, 48])
    for inputs, shape in ((x, (6, 8)), (None, (3, 6))):
        inputs = outputs[-1].relu() if inputs is None else inputs
        own, weights = weights[: shape[0] * shape[1]].view(shape), weights[shape[0] * shape[1] :]
        outputs.append(inputs @ own.T + moves[len(outputs)].view(16, -1))
        outputs.append(normalised(outputs[-1]) + moves[len(outputs)].view(16, -1))
    return torch.cat([each.flatten() for each in outputs])


def gradient_and_its_rounding(weights: Tensor, x: Tensor, y: Tensor, weights_off: Tensor):
    """(gradient [66], how far rounding moves it, loss, how far rounding moves that), in double precision.

    Each output of a layer, and each gradient that a layer hands back, is off by at most LONGEST_SUM units of
    the layer's largest. To first order the gradient moves by the Jacobian times these. (The activation
    nearest to ReLU's kink is 2e-4, sixty times what rounding reaches.)
    """

    def loss(weights: Tensor, shifts: Tensor) -> Tensor:
        return nn.functional.cross_entropy(layers(weights, x, shifts)[-48:].view(16, 3), y)

    def off(values: Tensor) -> Tensor:
        parts = values.abs().split([96, 96, 48, 48])
        return LONGEST_SUM * UNIT * torch.cat([part.amax().expand_as(part) for part in parts])

    nothing = torch.zeros(288, dtype=torch.float64)
    outputs_off = off(layers(weights, x, nothing))
    gradient, handed_back = grad(loss, argnums=(0, 1))(weights, nothing)
    by_weights, by_outputs = jacrev(grad(loss), argnums=(0, 1))(weights, nothing)
    by_handed_back = jacrev(layers)(weights, x, nothing)
    gradient_off = by_weights.abs() @ weights_off + by_outputs.abs() @ outputs_off
    gradient_off = gradient_off + off(handed_back) @ by_handed_back.abs()
    loss_off = gradient.abs() @ weights_off + handed_back.abs() @ outputs_off
    return gradient, gradient_off, loss(weights, nothing), loss_off


def both_neighbours(exact: Tensor) -> Tensor:
    """The two float32 numbers around each value in double precision, [2, ...]: a sound tanh gives one."""
    nearest = exact.float()
    towards = torch.where(exact > nearest, torch.inf, -torch.inf).float()
    other = torch.where(exact == nearest, nearest, torch.nextafter(nearest, towards))
    return torch.stack([nearest, other])


def published_steps(natural, previous, prior, x, y, uniform):
    """(what each step may give [4, 50, 66], how far rounding moves it, losses [50], how far it moves those).

    The published setting in double precision, but for the scale. Where a tanh is nearly 1, its last bit
    changes 1 - tanh^2 up to a thousandfold. A tanh in float32 gives one of the two neighbours of the exact
    value: which one depends on the processor. The rest of the scale is + - * / alone, with the same bits
    everywhere (IEEE 754). So each choice of neighbours is a step of its own.
    """
    natural, prior, delta = natural.double(), prior.double(), torch.logit(uniform.double()) / 2
    inner = (natural + delta) / 1e-2
    inner_off = UNIT * ((1 + 2 * delta.abs()) / 1e-2 + 3 * inner.abs())  # logarithm; sum and quotient
    weights, weights_off = torch.tanh(inner), inner_off / torch.cosh(inner).square()  # its last bit apart
    gradient, gradient_off, losses, losses_off = vmap(gradient_and_its_rounding)(
        weights, x.double(), y, weights_off + 2 * UNIT
    )
    relaxed, mean = both_neighbours(weights)[:, None], both_neighbours(torch.tanh(previous.double()))
    numerator = 1 - relaxed * relaxed + 1e-10
    scale = (1000 * numerator / 1e-2 / (1 - mean * mean + 1e-10)).double()  # [2, 2, 50, 66]
    steps = natural - 1e-3 * (scale * gradient + natural - prior)
    # before the last subtraction no term is rounded more than four times
    relative = 4 * UNIT + 2 * weights_off / numerator
    moves_off = scale * (gradient_off + gradient.abs() * relative) + 4 * UNIT * (natural - prior).abs()
    steps_off = 1e-3 * moves_off + UNIT * steps.abs()
    return steps.flatten(0, 1), steps_off.flatten(0, 1), losses, losses_off + 4 * UNIT * losses


def test_each_step_of_the_published_setting_in_single_precision_is_the_rule_s_up_to_rounding(trajectories):
    """From each of the authors' states one step is taken: theirs and ours are the formula's up to rounding.

    A whole trajectory is no test in float32. Above |lambda| = 8 one last bit of tanh changes a step a
    thousandfold, and each step hands its rounding on to all later ones: the end depends on the processor. The
    bound of one step is the derivative of that step times the roundings in it.
    """
    x, y, uniform, expected, expected_losses = (
        torch.from_numpy(trajectories[f"fp32_stale_published/{key}"])
        for key in ("x", "y", "uniform", "natural", "loss")
    )
    before, previous = expected[:-1], torch.cat([expected[:1], expected[:-2]])
    prior = torch.zeros_like(before)
    prior[25:] = expected[25]
    rule = {"stale": True, "momentum": 0.0, "temperature": 1e-2, "step_size": 1e-3, "kl_weight": 1.0}
    states = [
        bernoulli.Bernoulli(*two, torch.zeros(66), torch.zeros(66))
        for two in zip(before, previous, strict=True)
    ]
    taken = [
        take_step(authors_network(torch.float32), *one, **rule)
        for one in zip(states, prior, x, y, uniform, strict=True)
    ]
    after = torch.stack([state.natural for state, _ in taken])
    assert after.dtype == torch.float32
    steps, off, losses, losses_off = published_steps(before, previous, prior, x, y, uniform[:, 0])
    our_losses = torch.tensor([loss for _, loss in taken])
    for found, found_losses in ((after, our_losses), (expected[1:], expected_losses)):
        beyond = ((found - steps).abs() - off).amin(0).amax(1)
        assert beyond.max() <= 0, f"steps {torch.nonzero(beyond > 0).flatten().tolist()}"
        assert ((found_losses - losses).abs() <= losses_off).all()
