"""The prior of generalised variational continual learning (GVCL): its precision counts more in the quadratic.

    beta KL_lambda(q_t || q_{t-1}): the KL divergence of Gaussians with (m - m0)^2 / v0 replaced by
    (m - m0)^2 (lambda (1/v0 - 1/v_first) + 1/v_first)

Source: Loo, Swaroop, Turner, "Generalized Variational Continual Learning", ICLR 2021, section 2: beta tempers
the likelihood (beta -> 0 gives online EWC), lambda is EWC's and acts on what the data have added to the first
prior's precision 1/v_first. As in the authors' code (yolky/gvcl, compute_kl), log-variances see the plain KL,
and a precision below the first prior's counts as nothing added; the quadratic then keeps 1/v0 (ours; in their
code 1/v_first, a jump away from lambda 1).
"""

import math

from torch import Tensor

from cl_bench.posteriors import gaussian
from cl_bench.posteriors.gaussian import Gaussian


def added_precision(prior: Gaussian, *, first_log_variance: float, strength: float) -> Tensor:
    """(lambda - 1) max(1/v0 - 1/v_first, 0): what the quadratic has beyond the plain 1/v0, [P]."""
    gained = (-prior.log_variance).exp() - math.exp(-first_log_variance)
    return (strength - 1) * gained.clamp_min(0)


def kl_divergence(posterior: Gaussian, prior: Gaussian, added: Tensor) -> Tensor:
    """KL_lambda in nats for each weight, [P]; `added` is `added_precision`."""
    return gaussian.kl_divergence(posterior, prior) + added * (posterior.mean - prior.mean).square() / 2


def kl_gradient(posterior: Gaussian, prior: Gaussian, added: Tensor) -> Gaussian:
    """The gradient of `kl_divergence`."""
    plain = gaussian.kl_gradient(posterior, prior)
    return plain._replace(mean=plain.mean + added * (posterior.mean - prior.mean))
