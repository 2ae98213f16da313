"""Belief propagation through dense layers of sign units with binary weights.

Source: Lucibello, Pittorino, Perugini, Zecchina, "Deep learning via message passing algorithms based on
belief propagation", arXiv 2110.14583. A layer has weights w_ki of -1 and +1, with P(w) proportional to
exp(theta w), and units x_k = sign(sum_i w_ki x_i). One iteration goes forward,

    m = tanh(theta + H),   s = 1 - m^2   (weights)
    x = tanh(a + B),       d = 1 - x^2   (units; those of the first layer are the image, with d = 0)
    omega_kn = sum_i m_ki x_in,   V_kn = sum_i m_ki^2 d_in + s_ki x_in^2 + s_ki d_in,

and then backward, with the slopes g of log evidences (posteriors/sign_units.py has a, g and Gamma):

    H_ki = sum_n x_in g_kn,   B_in = sum_k m_ki g_kn.

`mf` is just that. `bpi` takes g without the input's own part, at omega_kn - m_ki x_in. `amp` has that to
first order in m_ki x_in, and Onsager's terms. After the last iteration the posterior exp((theta + H) w), to
the power rho, is the prior of the next batch (PasP).

Read: the paper's text as submitted to ICLR 2022, with its appendices, and the authors' code (DeepMP.jl). Of
its four forms BP is not here: with one iteration, as in the paper, it is `bpi`. The output layer is `mf` in
every form, as in that code. In `amp` a dash marks the iteration before. The paper's H and B (equations 116
and 118) have no dashes, which is the same at a fixed point. Without them the first iteration would take away
what nobody has sent yet. The expansion that they come from (equations 96 to 99) has them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.posteriors.sign_units import Moments, binary, curvature, slope, sums, upward

FORMS = ("bpi", "amp", "mf")
AT_ONCE = 2**24  # products of examples, units and inputs that `bpi` holds in memory


class Layer(NamedTuple):
    """The weights of a layer before a batch.

    Attributes:
        natural: theta [K, N] of K units with N inputs; of a fixed layer the weights themselves.
        fixed: whether the weights are known numbers, which nothing moves.

    >>> message_passing.Layer(torch.zeros(2, 3)).fixed
    False
    """

    natural: Tensor
    fixed: bool = False


class Messages(NamedTuple):
    """What a layer has after an iteration.

    Attributes:
        field: H [K, N], to its weights.
        down: B [B, N], to the units that are its inputs.
        slope: g [B, K].
        weights: m [K, N].
        units: x [B, N].

    >>> layer = message_passing.Layer(torch.zeros(2, 3))
    >>> start = message_passing.start(layer, layer.natural.tanh(), batch_size=4)
    >>> message_passing.Messages(*start).down.shape
    torch.Size([4, 3])
    """

    field: Tensor
    down: Tensor
    slope: Tensor
    weights: Tensor
    units: Tensor


def start(layer: Layer, means: Tensor, *, batch_size: int) -> Messages:
    """The messages of a layer before the first iteration of a batch: none.

    Source: Lucibello et al. 2021, equations 56 to 59 and 102 to 106.

    Args:
        means: m [K, N] of the newest iteration, of the batch before, which `damping` averages with.

    >>> layer = message_passing.Layer(torch.zeros(2, 3))
    >>> message_passing.start(layer, layer.natural.tanh(), batch_size=1).slope
    tensor([[0., 0.]])
    """
    *seeds, units, inputs = layer.natural.shape
    of_inputs = means.new_zeros(*seeds, batch_size, inputs)
    slopes = means.new_zeros(*seeds, batch_size, units)
    return Messages(torch.zeros_like(means), of_inputs, slopes, means, of_inputs)


def moments(layer: Layer) -> Moments:
    """The moments of a layer's weights, whose fields are theta; fixed weights have no variance.

    >>> message_passing.moments(message_passing.Layer(torch.tensor([[0.5]]))).mean
    tensor([[0.4621]])
    """
    if layer.fixed:
        return Moments(layer.natural, torch.zeros_like(layer.natural))
    return binary(layer.natural)


def damped(layer: Layer, old: Messages, *, damping: float) -> Moments:
    """The moments of a layer's weights in an iteration.

        m = alpha m' + (1 - alpha) tanh(theta + H),   s = 1 - m^2

    Source: Lucibello et al. 2021, equations 134 and 135.

    >>> layer = message_passing.Layer(torch.tensor([[0.5]]))
    >>> old = message_passing.start(layer, torch.tensor([[0.0]]), batch_size=1)
    >>> message_passing.damped(layer, old, damping=0.5).mean
    tensor([[0.2311]])
    """
    if layer.fixed:
        return moments(layer)
    mean = torch.lerp((layer.natural + old.field).tanh_(), old.weights, damping)
    return Moments(mean, 1 - mean * mean)


def sweep(
    layers: Sequence[Layer],
    before: Sequence[Messages],
    images: Tensor,
    output_slope: Callable[[Moments], Tensor],
    *,
    form: str,
    damping: float,
) -> list[Messages]:
    """One iteration: forward through all layers, and backward.

    Source: Lucibello et al. 2021, equations 72 to 83 (`bpi`), 84 to 95 (`mf`), 107 to 118 (`amp`).

    Args:
        layers: from the first to the output layer.
        before: the messages of the iteration before, or `start`.
        images: the inputs [B, N] of the first layer.
        output_slope: the slopes [B, K] of outputs by their sums, such as `sign_units.class_slope` of labels.
        form: of the layers below the output layer: `bpi`, `amp`, `mf`.
        damping: alpha, see `damped`.

    Returns:
        The messages of each layer.

    >>> layer = message_passing.Layer(torch.zeros(2, 1))
    >>> old = message_passing.start(layer, torch.zeros(2, 1), batch_size=1)
    >>> def output_slope(total):  # the first output is to grow, the second to fall
    ...     return torch.tensor([[1.0, -1.0]])
    >>> (after,) = message_passing.sweep(
    ...     [layer], [old], torch.ones(1, 1), output_slope, form="mf", damping=0.0
    ... )
    >>> after.field
    tensor([[ 1.],
            [-1.]])
    """
    inputs = Moments(images, torch.zeros_like(images))
    passed: list[tuple[Moments, Moments, Moments]] = []
    for number, (layer, old) in enumerate(zip(layers, before, strict=True)):
        if number:
            inputs = binary(upward(passed[-1][-1]) + old.down)
        weights = damped(layer, old, damping=damping)
        total = sums(weights, inputs)
        if form == "amp" and number < len(layers) - 1:
            total = Moments(total.mean - reaction(old, weights, inputs), total.variance)
        passed.append((weights, inputs, total))
    after: list[Messages] = []
    for (weights, inputs, total), old in zip(reversed(passed), reversed(before), strict=True):
        down = after[-1].down if after else None
        g = output_slope(total) if down is None else slope(down, total)
        if down is not None and form == "bpi":
            field, to_inputs = without_the_own_part(down, weights.mean, inputs.mean, total)
        else:
            field, to_inputs = g.mT @ inputs.mean, g @ weights.mean
        if down is not None and form == "amp":
            corrections = first_order(g, old, weights, inputs, total)
            field, to_inputs = field + corrections[0], to_inputs + corrections[1]
        to_inputs, field = to_inputs.to(images.dtype), field.to(images.dtype)
        after.append(Messages(field, to_inputs, g, weights.mean, inputs.mean))
    return after[::-1]


def without_the_own_part(down: Tensor, m: Tensor, x: Tensor, total: Moments) -> tuple[Tensor, Tensor]:
    """The fields that units send to weights and inputs, each without what it sent itself (`bpi`).

        H_ki = sum_n x_in g,   B_in = sum_k m_ki g,   g at omega_kn - m_ki x_in

    Source: Lucibello et al. 2021, equations 78, 81 and 83.

    Args:
        down: b [B, K], the fields that come down to the units.
        m, x: mean weights [K, N] and mean inputs [B, N].
        total: omega and V [B, K].

    Returns:
        H [K, N] and B [B, N].

    >>> m, x = torch.tensor([[0.5, 0.5]]), torch.ones(1, 2)
    >>> total = message_passing.Moments(torch.ones(1, 1), torch.full((1, 1), 1.5))
    >>> down = torch.full((1, 1), 9.0)
    >>> message_passing.without_the_own_part(down, m, x, total)[0]
    tensor([[0.4551, 0.4551]])
    >>> message_passing.slope(down, total)  # at the whole omega
    tensor([[0.2944]])
    """
    num_examples = max(1, AT_ONCE // m.numel())
    parts = (each.split(num_examples, dim=-2) for each in (down, x, *total))
    field, back = torch.zeros_like(m), []
    for b, inputs, omega, v in zip(*parts, strict=True):
        own = m.unsqueeze(-3) * inputs.unsqueeze(-2)  # [B, K, N]
        g = slope(b.unsqueeze(-1), Moments(omega.unsqueeze(-1) - own, v.unsqueeze(-1)))
        field = field + (g * inputs.unsqueeze(-2)).sum(dim=-3)
        back.append((g * m.unsqueeze(-3)).sum(dim=-2))
    return field, torch.cat(back, dim=-2)


def reaction(old: Messages, weights: Moments, inputs: Moments) -> Tensor:
    """What a unit's sum owes to its own message of the iteration before, in `amp` (Onsager's reaction).

        g' sum_i (s_ki x_i x'_i + m_ki m'_ki d_i) - g'^2 sum_i s_ki m'_ki x'_i d_i

    Source: Lucibello et al. 2021, equation 112.

    Returns:
        [B, K].

    >>> layer = message_passing.Layer(torch.zeros(2, 3))
    >>> old = message_passing.start(layer, torch.zeros(2, 3), batch_size=1)
    >>> units = message_passing.Moments(torch.ones(1, 3), torch.zeros(1, 3))
    >>> weights = message_passing.moments(layer)
    >>> message_passing.reaction(old, weights, units)  # nothing came before
    tensor([[0., 0.]])
    """
    (m, s), (x, d) = weights, inputs
    first = (x * old.units) @ s.mT + d @ (m * old.weights).mT
    return old.slope * (first - old.slope * ((old.units * d) @ (s * old.weights).mT))


def first_order(
    g: Tensor, old: Messages, weights: Moments, inputs: Moments, total: Moments
) -> tuple[Tensor, Tensor]:
    """What `amp` adds to the fields of `mf`: the corrections for what weights and inputs sent themselves.

        H: sum_n m x^2 Gamma - m' g' d (g + m x Gamma)
        B: sum_k x m^2 Gamma - x' g' s (g + m x Gamma)

    Source: Lucibello et al. 2021, equations 96 to 101; 116 and 118 without dashes.

    >>> m, x = torch.tensor([[0.5, 0.5]]), torch.ones(1, 2)
    >>> total = message_passing.Moments(torch.ones(1, 1), torch.full((1, 1), 1.5))
    >>> old = message_passing.start(message_passing.Layer(m), m, batch_size=1)
    >>> weights, inputs = (
    ...     message_passing.Moments(m, 1 - m * m),
    ...     message_passing.Moments(x, 0 * x),
    ... )
    >>> g = torch.tensor([[0.2944]])
    >>> g + message_passing.first_order(g, old, weights, inputs, total)[0]
    tensor([[0.4359, 0.4359]])
    """
    (m, s), (x, d) = weights, inputs
    gamma = curvature(g, total)
    both, with_gamma = old.slope * g, old.slope * gamma
    field = m * (gamma.mT @ x.square()) - old.weights * (both.mT @ d + m * (with_gamma.mT @ (d * x)))
    back = x * (gamma @ m.square()) - old.units * (both @ s + x * (with_gamma @ (s * m)))
    return field, back


def output_sums(layers: Sequence[Layer], images: Tensor) -> Moments:
    """The sums of outputs under the posterior, in one pass forward: the paper's Bayesian prediction.

    Source: Lucibello et al. 2021, section 4.4. `sign_units.class_scores` makes a prediction of it.

    Args:
        layers: with the posterior's fields.
        images: [B, N].

    Returns:
        omega and V [B, K].

    >>> layer = message_passing.Layer(torch.tensor([[1.0], [-1.0]]))
    >>> message_passing.output_sums([layer], torch.ones(1, 1)).mean
    tensor([[ 0.7616, -0.7616]])
    """
    first, *others = layers
    total = sums(moments(first), Moments(images, torch.zeros_like(images)))
    for layer in others:
        total = sums(moments(layer), binary(upward(total)))
    return total


def posterior_as_prior(
    natural: Tensor, field: Tensor, *, likelihood_weight: float, power: float | Tensor
) -> Tensor:
    """The prior of the next batch: the posterior of this one, to a power (PasP).

        theta <- rho (theta + eta H)

    Source: Lucibello et al. 2021, equation 3. With rho = eta = 1 it is Bayes' rule for the likelihood
    exp(H w). The weight eta of the batch's likelihood is ours; 1 is the paper's.

    Args:
        natural: theta [P].
        field: H [P], of the last iteration.
        likelihood_weight: eta.
        power: rho, of all or of each weight [P]; below 1 it forgets, above 1 it grows surer by itself.

    >>> natural, field = torch.tensor([1.0, 1.0]), torch.tensor([0.5, -0.5])
    >>> message_passing.posterior_as_prior(
    ...     natural, field, likelihood_weight=1.0, power=0.9
    ... )
    tensor([1.3500, 0.4500])
    """
    return torch.add(natural, field, alpha=likelihood_weight) * power
