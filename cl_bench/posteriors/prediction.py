"""Log probabilities of classes, and their average over an ensemble such as a posterior's weight samples."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.posteriors.uncertainty import entropy


class Prediction(NamedTuple):
    """The prediction of an ensemble, such as a posterior's weight samples.

    Attributes:
        log_probabilities: [B, K], of the ensemble's mean.
        expected_entropy: the mean over members of the entropy of each one's own prediction, nats [B]; None
            where the prediction is no average of probabilities.
        num_samples: S, the members that were averaged; `uncertainty.mutual_information` needs it.

    >>> logs = torch.tensor([[0.5, 0.5]]).log()
    >>> one = prediction.Prediction(
    ...     logs, expected_entropy=torch.zeros(1), num_samples=2
    ... )
    >>> one.log_probabilities.exp()  # of members that are sure, of either class
    tensor([[0.5000, 0.5000]])
    """

    log_probabilities: Tensor
    expected_entropy: Tensor | None
    num_samples: int = 1


def log_probabilities(logits: Tensor) -> Tensor:
    """The log probability of every class, in nats.

        log p_k = z_k - log sum_j exp(z_j)

    Class by class in memory: on rows as short as ten classes torch's own kernel is five times slower.

    Args:
        logits: z [B, K].

    Returns:
        [B, K].

    >>> prediction.log_probabilities(torch.zeros(1, 2))  # -log 2
    tensor([[-0.6931, -0.6931]])
    """
    return logits.T.contiguous().log_softmax(dim=0).T


def average_prediction(samples: Iterable[Tensor]) -> Prediction:
    """The prediction of an ensemble: the mean of its members' probabilities.

        log p = log 1/S sum_s p_s,   p_s = softmax(logits_s)

    One sample at a time, so that memory does not grow with their number. Probabilities are added up in double
    precision, which costs a third of adding their logarithms. Where all of them are below exp(-745), which
    even that rounds to 0, the largest alone counts.

    Args:
        samples: logits [B, K] of each member.

    Returns:
        The log of the mean [B, K], the mean of the members' entropies [B], and their number S.

    Raises:
        ValueError: without any sample.

    >>> samples = [
    ...     torch.tensor([[0.9, 0.1]]).log(),
    ...     torch.tensor([[0.1, 0.9]]).log(),
    ... ]
    >>> average = prediction.average_prediction(samples)
    >>> # each member is sure, together they are not
    >>> average.log_probabilities.exp()
    tensor([[0.5000, 0.5000]])
    >>> average.expected_entropy  # below log 2 = 0.6931, the entropy of the mean
    tensor([0.3251], dtype=torch.float64)
    """
    number = 0
    for logits in samples:
        log_p = log_probabilities(logits).double()
        p = log_p.exp()
        own = entropy(log_p, p)
        if number == 0:
            total, largest, entropies = p, log_p, own
        else:
            total, largest, entropies = total.add_(p), torch.maximum(largest, log_p), entropies.add_(own)
        number += 1
    if number == 0:
        raise ValueError("an average needs at least one sample, got none")
    mean = torch.where(total > 0, total.log(), largest) - math.log(number)
    # nan stays nan: a comparison with it is false, and the largest is nan, too
    return Prediction(mean.to(logits.dtype), entropies / number, number)
