"""Step sizes by uncertainty (uncertainty-guided continual Bayesian networks, UCB).

A weight that a posterior is sure of is one that earlier tasks need. So the step size of its mean falls with
the deviation of its Gaussian:

    alpha_mu = alpha (sigma / sigma_0)^power,   alpha_sigma = alpha

Source: Ebrahimi, Elhoseiny, Darrell, Rohrbach, "Uncertainty-guided Continual Learning with Bayesian Neural
Networks", ICLR 2020 (arXiv 1906.02425), where alpha_mu is alpha sigma. Read were the abstract and the
authors' code (SaynaEbrahimi/UCB), not the paper's text. Two things are ours. sigma is taken relative to the
deviation sigma_0 at the start, so that all tasks have one scale of step sizes. And there is the power.
"""

import torch
from torch import Tensor


def rate_factors(log_variance: Tensor, *, initial_log_variance: float, power: float) -> Tensor:
    """What the step size of each mean is multiplied by.

        (sigma / sigma_0)^power = exp(power (log v - log v_0) / 2)

    Source: Ebrahimi et al. 2020, with power 1 and without sigma_0.

    Args:
        log_variance: log v of the posterior when the task begins, [P].
        initial_log_variance: log v_0 of every weight before the first task.
        power: 0 gives every mean the same step size.

    Returns:
        [P], without unit.

    >>> deviation = torch.tensor([1.0, 0.5, 0.1])
    >>> ucb.rate_factors(2 * deviation.log(), initial_log_variance=0.0, power=1.0)
    tensor([1.0000, 0.5000, 0.1000])
    """
    return torch.exp((log_variance - initial_log_variance) * (power / 2))
