"""Bayesian linear regression on one-hot labels: the exact posterior of an output layer.

The model of class k is y_k = w_k^T x + noise, with w_k ~ N(0, I / a) and noise ~ N(0, 1 / b), each class for
itself. The posterior after a task is the next prior. Since it is a function of sums over examples, it is the
same in one go and task by task, in every order. Source: Bishop 2006, "Pattern Recognition and Machine
Learning", section 3.3 (known, not read again; the tests derive it anew).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.posteriors.class_statistics import Statistics


class Posterior(NamedTuple):
    """The Gaussian posterior of an output layer: each class has a mean, and all have one covariance.

    Attributes:
        mean: of the weights, float64 [..., K, F].
        covariance: float64 [..., F, F].

    >>> bayesian_linear.Posterior(mean=torch.zeros(2, 3), covariance=torch.eye(3)).mean.shape
    torch.Size([2, 3])
    """

    mean: Tensor
    covariance: Tensor


def with_constant(features: Tensor) -> Tensor:
    """The features and a 1, whose weight is the bias.

    Args:
        features: [..., F].

    Returns:
        [..., F + 1].

    >>> bayesian_linear.with_constant(torch.tensor([5.0, 7.0]))
    tensor([5., 7., 1.])
    """
    return torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)


def posterior(state: Statistics, *, prior_precision: float, noise_precision: float) -> Posterior:
    """The posterior of the weights, given all examples in the statistics.

        covariance = (a I + b gram)^-1,   mean_k = b covariance sums_k

    Args:
        prior_precision: a, above 0.
        noise_precision: b, above 0.

    >>> from cl_bench.posteriors import class_statistics
    >>> state = class_statistics.init(2, 1)
    >>> state = class_statistics.add(state, torch.tensor([[2.0]]), torch.tensor([1]))
    >>> found = bayesian_linear.posterior(
    ...     state, prior_precision=1.0, noise_precision=1.0
    ... )
    >>> found.mean.tolist(), found.covariance.tolist()  # 2 / (1 + 4), 1 / (1 + 4)
    ([[0.0], [0.4]], [[0.2]])
    """
    identity = torch.eye(state.gram.shape[-1], dtype=state.gram.dtype, device=state.gram.device)
    precision = prior_precision * identity + noise_precision * state.gram
    covariance = torch.linalg.inv_ex(precision, check_errors=False).inverse
    return Posterior(noise_precision * state.sums @ covariance, covariance)


def predictive_variance(features: Tensor, covariance: Tensor, *, noise_precision: float) -> Tensor:
    """The variance of a class's target at new features, the same for all classes.

        s^2 = 1 / b + x^T covariance x

    Args:
        features: x [..., B, F].
        covariance: [..., F, F].

    Returns:
        float64 [..., B].

    >>> bayesian_linear.predictive_variance(
    ...     torch.tensor([[2.0]]), torch.tensor([[0.25]]).double(), noise_precision=2.0
    ... )
    tensor([1.5000], dtype=torch.float64)
    """
    x = features.to(covariance.dtype)
    return 1 / noise_precision + (x @ covariance * x).sum(dim=-1)


def class_logits(scores: Tensor, variance: Tensor) -> Tensor:
    """The logits whose softmax is the probability of each class.

        p(k | x) = N(e_k; m, s^2 I) / sum_j N(e_j; m, s^2 I) = softmax(m / s^2)_k

    Targets are one-hot, e_k. So this is the predictive density, with means m and variances s^2, under the
    condition that the target is one of them, and nothing is approximated. What is wrong is the model, whose
    noise is Gaussian.

    Args:
        scores: the predictive means m, [..., K].
        variance: s^2, [...].

    Returns:
        [..., K].

    >>> bayesian_linear.class_logits(torch.tensor([[0.0, 1.0]]), torch.tensor([0.5]))
    tensor([[0., 2.]])
    """
    return scores / variance.unsqueeze(-1)
