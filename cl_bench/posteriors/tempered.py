"""The prior of generalised variational continual learning (GVCL): its precision counts more in the quadratic.

    beta KL_lambda(q_t || q_{t-1})

KL_lambda is the KL divergence of Gaussians in which the quadratic (m - m0)^2 / v0 is replaced by

    (m - m0)^2 (lambda (1/v0 - 1/v_first) + 1/v_first)

Source: Loo, Swaroop, Turner, "Generalized Variational Continual Learning", ICLR 2021, section 2. There beta
tempers the likelihood (beta -> 0 gives online EWC). The factor lambda is EWC's: it acts on what the data have
added to the first prior's precision 1/v_first.

Log-variances see the plain KL, as in the authors' code (yolky/gvcl, compute_kl). A precision below the first
prior's counts as nothing added, as there. The quadratic then keeps 1/v0 (ours; in their code 1/v_first, a
jump away from lambda 1).
"""

import math

from torch import Tensor

from cl_bench.posteriors import gaussian
from cl_bench.posteriors.gaussian import Gaussian


def added_precision(prior: Gaussian, *, first_log_variance: float, strength: float) -> Tensor:
    """The precision that the quadratic of GVCL has beyond that of the plain divergence.

        (lambda - 1) max(1 / v0 - 1 / v_first, 0)

    Source: Loo, Swaroop, Turner 2021, section 2. It is 0 where the data have added nothing, and for lambda 1.

    Args:
        prior: N(m0, v0), the posterior of the tasks before, [P].
        first_log_variance: log v_first, of the first prior.
        strength: lambda.

    Returns:
        [P].

    >>> prior = tempered.Gaussian(torch.zeros(2), torch.tensor([1.0, 0.25]).log())
    >>> # 9 (4 - 1)
    >>> tempered.added_precision(prior, first_log_variance=0.0, strength=10.0)
    tensor([ 0., 27.])
    """
    gained = (-prior.log_variance).exp() - math.exp(-first_log_variance)
    return (strength - 1) * gained.clamp_min(0)


def kl_divergence(posterior: Gaussian, prior: Gaussian, added: Tensor) -> Tensor:
    """The divergence of GVCL from the prior, in nats for each weight: a shift of the mean counts more.

        KL_lambda(q || p) = KL(q || p) + added (m - m0)^2 / 2

    Source: Loo, Swaroop, Turner 2021, section 2.

    Args:
        posterior, prior: N(m, v) and N(m0, v0), [P].
        added: `added_precision` of the prior, [P].

    Returns:
        [P].

    >>> posterior, prior = (
    ...     tempered.Gaussian(torch.tensor([m]), torch.zeros(1)) for m in (1.0, 0.0)
    ... )
    >>> tempered.kl_divergence(posterior, prior, added=torch.tensor([0.0]))
    tensor([0.5000])
    >>> tempered.kl_divergence(posterior, prior, added=torch.tensor([9.0]))
    tensor([5.])
    """
    return gaussian.kl_divergence(posterior, prior) + added * (posterior.mean - prior.mean).square() / 2


def kl_gradient(posterior: Gaussian, prior: Gaussian, added: Tensor) -> Gaussian:
    """The gradient of `kl_divergence` by the posterior's mean and log-variance.

        (m - m0) (1 / v0 + added) by m,   (v / v0 - 1) / 2 by log v

    Args:
        posterior, prior: N(m, v) and N(m0, v0), [P].
        added: `added_precision` of the prior, [P].

    Returns:
        The two gradients in the places of what they are by, [P] each.

    >>> posterior, prior = (
    ...     tempered.Gaussian(torch.tensor([m]), torch.zeros(1)) for m in (1.0, 0.0)
    ... )
    >>> tempered.kl_gradient(posterior, prior, added=torch.tensor([9.0]))
    Gaussian(mean=tensor([10.]), log_variance=tensor([0.]))
    """
    plain = gaussian.kl_gradient(posterior, prior)
    return plain._replace(mean=plain.mean + added * (posterior.mean - prior.mean))
