"""Objectives over several past posteriors (temporal-difference VCL).

The posterior q_t of task t minimises, over the last n posteriors and with lambda in [0, 1],

    sum_{i<n} l_i E_q[-log p(D_{t-i} | w)] + sum_{i<n} k_i KL(q || q_{t-1-i})

    k_i = lambda^i / sum_{j<n} lambda^j,   l_i = sum_{j>=i} k_j

That is the TD(lambda) objective. With lambda = 1 it is the n-step objective, whose weights are k_i = 1/n and
l_i = (n - i)/n. With lambda = 0 or n = 1 it is VCL. It is the mean, by the weights k, of n objectives that
each go back to one posterior and take the likelihoods of all tasks since. Where inference is exact these all
have the same minimum. So a likelihood counts as often as there are posteriors from before its task.

The weights k sum to 1. So the KL terms are those of one prior, the `pooled` one, up to a constant.

Source: Melo, Abate, Gal, "Temporal-Difference Variational Continual Learning", NeurIPS 2025 (arXiv
2410.07812). The text of its version 4 was read, and equations 4 and 5 with their proofs in an earlier
version. The paper has n <= t, and the first prior is q_0. So task t takes min(n, t) posteriors here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from cl_bench.posteriors import gaussian
from cl_bench.posteriors.gaussian import Gaussian


def kl_weights(num_posteriors: int, *, decay: float) -> Tensor:
    """The weight of the divergence from each past posterior, the newest first.

        k_i = lambda^i / sum_{j<n} lambda^j

    Source: Melo et al. 2025, equation 5, which has (1 - lambda) / (1 - lambda^n) for one over the sum.

    Args:
        num_posteriors: n, at least 1.
        decay: lambda in [0, 1]; 0 is VCL, 1 the n-step objective.

    Returns:
        k [n], in double precision; the sum is 1.

    >>> temporal_difference.kl_weights(4, decay=1.0)
    tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
    >>> temporal_difference.kl_weights(2, decay=0.5)
    tensor([0.6667, 0.3333], dtype=torch.float64)
    >>> temporal_difference.kl_weights(2, decay=0.0)
    tensor([1., 0.], dtype=torch.float64)
    """
    powers = torch.tensor(float(decay), dtype=torch.float64) ** torch.arange(num_posteriors)
    return powers / powers.sum()


def likelihood_weights(num_posteriors: int, *, decay: float) -> Tensor:
    """The weight of each task's likelihood, that of the present task first.

        l_i = sum_{j>=i} k_j

    Source: Melo et al. 2025, equation 5, where it is lambda^i (1 - lambda^(n-i)) / (1 - lambda^n), and
    equation 4 with (n - i) / n.

    Args:
        num_posteriors, decay: of `kl_weights`.

    Returns:
        l [n], in double precision; the first is 1.

    >>> temporal_difference.likelihood_weights(4, decay=1.0)
    tensor([1.0000, 0.7500, 0.5000, 0.2500], dtype=torch.float64)
    """
    weights = kl_weights(num_posteriors, decay=decay)
    return weights.flip(0).cumsum(0).flip(0)


def pooled(posteriors: Sequence[Gaussian], weights: Tensor) -> Gaussian:
    """The one prior whose divergence is that from several, up to a constant.

        sum_i k_i KL(q || N(m_i, v_i)) = KL(q || N(m, v)) + a term without q

        1 / v = sum_i k_i / v_i,   m = v sum_i k_i m_i / v_i

    It is the normalised product of their densities to the powers k. Ours: the paper and its code add up the
    divergences, which have the same gradient.

    Args:
        posteriors: n Gaussians over P weights.
        weights: k [n]; they must sum to 1.

    Returns:
        A Gaussian of the same shape. A single one is returned as it is.

    >>> narrow, wide = (
    ...     temporal_difference.Gaussian(torch.tensor([mean]), torch.tensor([v]).log())
    ...     for mean, v in ((1.0, 0.5), (0.0, 1.0))
    ... )
    >>> found = temporal_difference.pooled([narrow, wide], torch.tensor([0.5, 0.5]))
    >>> found.mean, found.log_variance.exp()  # precision (2 + 1) / 2
    (tensor([0.6667]), tensor([0.6667]))
    """
    if len(posteriors) == 1:
        return posteriors[0]
    precisions = [
        weight * gaussian.precision(each) for weight, each in zip(weights.tolist(), posteriors, strict=True)
    ]
    precision = torch.stack(precisions).sum(dim=0)
    terms = [part * each.mean for part, each in zip(precisions, posteriors, strict=True)]
    return Gaussian(torch.stack(terms).sum(dim=0) / precision, -precision.log())


def example_weights(ages: Tensor, task_weights: Tensor) -> Tensor:
    """The weight of each remembered example, with which the mean over a memory stands for past likelihoods.

        a_r = u_i M / M_i   for an example r of the task i steps back

    So mean_r a_r loss_r = sum_i u_i (mean loss of the task's examples in the memory). For a mean loss over
    the present task, u_i = l_i N_{t-i} / N_t.

    Args:
        ages: i of each example, int64 [M], from 1.
        task_weights: u [n], by age; that of the present task is not used. Older examples have weight 0.

    Returns:
        a [M], of the kind of `task_weights`.

    >>> # three examples of the task before, one of the task before that
    >>> ages = torch.tensor([1, 1, 1, 2])
    >>> temporal_difference.example_weights(ages, torch.tensor([1.0, 0.6, 0.3]))
    tensor([0.8000, 0.8000, 0.8000, 1.2000])
    """
    padded = torch.cat([task_weights, task_weights.new_zeros(int(ages.max()) + 1)])
    return padded[ages] * len(ages) / ages.bincount()[ages]
