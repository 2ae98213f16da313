"""Binary synapses with metaplasticity from uncertainty (BiMU).

Source: "BiMU", arXiv 2605.30198 (ICML 2026). The posterior is BayesBiNN's (posteriors/bernoulli.py): lambda
per weight, P(w = +1) = sigmoid(2 lambda), relaxed weight w = tanh((lambda + logit(u) / 2) / tau). The loss is
differentiated through the relaxation, and lambda moves against its gradient g by (G = a g, mu = tanh(lambda))

    lambda <- lambda - (eta G + lambda c / N) / (c + 2 G mu + 2 |G| + 1 / eta_max),
    c = k (1 - mu^2).

c is the curvature of the KL divergence. The terms in G brake a step towards lambda = 0 by 2 |G| (1 + |mu|),
and one away from it by 2 |G| (1 - |mu|) only. So certainty, once gained, resists. The pull lambda c / N to
lambda = 0 forgets slowly, which keeps synapses plastic: there are no task boundaries and no prior to carry.

The paper's: all of the rule, for one example a step. Ours: nothing here; see strategies/bimu.py for batches.
"""

import torch
from torch import Tensor


def gradient_of_natural(gradient: Tensor, relaxed: Tensor, *, temperature: float) -> Tensor:
    """The gradient of the loss by the natural parameter, from that at the relaxed weight.

        d loss / d lambda = g_w (1 - w^2) / tau

    Where float32 rounds |w| to 1 the result is 0 instead of less than 1e-7 g_w, and `step` moves nothing.

    Args:
        gradient: g_w [P].
        relaxed: w [P].
        temperature: tau.

    >>> bimu.gradient_of_natural(
    ...     torch.ones(2), relaxed=torch.tensor([0.0, 0.9]), temperature=1.0
    ... )
    tensor([1.0000, 0.1900])
    """
    return (1 - relaxed * relaxed).mul_(gradient).div_(temperature)


def step(
    natural: Tensor,
    gradient: Tensor,
    *,
    step_size: float,
    likelihood_weight: float,
    kl_weight: float,
    memory_window: float,
    max_step: float,
    active: Tensor | None = None,
) -> Tensor:
    """One step of the BiMU rule, which moves sure weights less, and least against what they are sure of.

        lambda <- lambda - (eta G + lambda c / N) / (c + 2 G mu + 2 |G| + 1 / eta_max)
        G = a g,   mu = tanh(lambda),   c = k (1 - mu^2)

    Source: arXiv 2605.30198. No weight moves whose gradient is exactly 0.

    Args:
        natural: lambda [P].
        gradient: g [P], by lambda, averaged over weight samples.
        step_size: eta, without unit.
        likelihood_weight: a.
        kl_weight: k.
        memory_window: N, in steps.
        max_step: eta_max, in units of lambda, for eta G = 1.
        active: 1 for the weights that may move, 0 for those that stay as they are; None for all.

    Returns:
        The new lambda [P].

    >>> natural = torch.tensor([3.0, 3.0, 3.0])
    >>> gradient = torch.tensor([1.0, -1.0, 0.0])  # towards 0, away from it, none
    >>> settings = dict(
    ...     step_size=1.0,
    ...     likelihood_weight=1.0,
    ...     kl_weight=1.0,
    ...     memory_window=1e6,
    ...     max_step=1.0,
    ... )
    >>> bimu.step(natural, gradient, **settings) - natural
    tensor([-0.2000,  0.9806,  0.0000])
    """
    mean = torch.tanh(natural)
    curvature = (1 - mean * mean).mul_(kl_weight)
    force = gradient * likelihood_weight  # G
    damping = force.abs().addcmul_(force, mean).mul_(2).add_(curvature).add_(1 / max_step)
    change = (natural * curvature).div_(memory_window).add_(force, alpha=step_size).div_(damping)
    moves = gradient != 0 if active is None else (gradient != 0) & (active > 0)
    return natural - change.mul_(moves)
