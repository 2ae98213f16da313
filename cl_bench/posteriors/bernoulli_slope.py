"""What the estimators of BayesBiNN's gradient cost: the bias of a cut slope, and a gradient without a slope.

A binary weight's natural gradient is dE[l(w)]/dmu. The relaxed estimator differentiates the loss at the
relaxed weight w_r, and multiplies with the slope r = dw_r/dmu (`bernoulli.sound_scale`):

    dE[l]/dmu ~ l'(w_r) r,   r = (1 - w_r^2) / (tau (1 - mu^2))

r grows with the confidence of a weight, to values that are rare and huge. Cut off at r_max, it has a mean
well below 1 for confident weights: what the data say counts less there, against the prior, than Bayes' rule
has it. `expected_slope` is the size of that bias.

The hard estimator differentiates at a draw w of -1 and +1, and takes the derivative as it is:

    dE[l]/dmu ~ l'(w)

It is exact for a loss that is linear in each weight, as E[l] is linear in each mu. Otherwise its error is
that of the trapezoid rule, from the curvature along one weight. It has neither a temperature nor a slope.

Source: Shekhovtsov and Yanush, "Reintroducing Straight-Through Estimators as Principled Methods for
Stochastic Binary Networks", 2021. For the bias and variance of both kinds: Shekhovtsov, "Bias-Variance
Tradeoffs in Single-Sample Binary Gradient Estimators", 2021 (arXiv 2110.03549).
"""

import torch
from torch import Tensor

from cl_bench.posteriors import bernoulli


def expected_slope(
    natural: Tensor, *, temperature: float, max_slope: float | None = None, num_points: int = 200_001
) -> Tensor:
    """The mean of the relaxed estimator's slope, cut off at `max_slope`: 1 would be no bias.

        E[min(r, r_max)],   r = sech^2((lambda + delta) / tau) / (tau sech^2(lambda)),   delta = logit(u) / 2

    Args:
        natural: lambda [P].
        temperature: tau.
        max_slope: r_max; None for no limit. Without one the mean is above 1 for confident weights: the
            relaxation itself is biased.
        num_points: of the trapezoid rule over delta.

    Returns:
        [P], a number without a unit.

    >>> natural = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0])
    >>> bernoulli_slope.expected_slope(natural, temperature=0.5, max_slope=5.0)
    tensor([0.8584, 1.0829, 0.6563, 0.2797, 0.1098])
    >>> bernoulli_slope.expected_slope(natural, temperature=0.5)
    tensor([0.8584, 1.0829, 1.3964, 1.5287, 1.5624])
    """
    magnitude = natural.double().abs().unsqueeze(-1)
    # around -lambda, where the slope is, and around 0, where the noise is
    reach = float(magnitude.max()) + 20.0 * max(temperature, 1.0)
    noise = torch.linspace(-reach, reach, num_points, dtype=torch.float64)
    density = (0.5 * bernoulli.log_sech_squared(noise).exp()).expand(len(magnitude), -1)
    relaxed = bernoulli.relax(magnitude.expand(-1, num_points), noise, temperature=temperature)
    slope = bernoulli.sound_scale(
        magnitude.expand(-1, num_points),
        noise,
        relaxed,
        num_examples=1,
        temperature=temperature,
        max_slope=max_slope,
    )
    return torch.trapezoid(slope * density, noise, dim=-1).to(natural.dtype)
