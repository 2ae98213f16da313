"""Log probabilities of classes, and their average over an ensemble such as a posterior's weight samples."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.posteriors.uncertainty import entropy


class Prediction(NamedTuple):
    """Of an ensemble."""

    log_probabilities: Tensor  # [B, K]
    # mean over its members of the entropy of each one's own prediction, nats [B]; None where the prediction
    # is no average of probabilities
    expected_entropy: Tensor | None


def log_probabilities(logits: Tensor) -> Tensor:
    """log softmax over classes, [B, K].

    Class by class in memory: on rows as short as ten classes torch's own kernel is five times slower.
    """
    return logits.T.contiguous().log_softmax(dim=0).T


def average_prediction(samples: Iterable[Tensor]) -> Prediction:
    """Log of the mean over samples of the predicted probabilities, from logits [B, K] of each.

    One sample at a time, so that memory does not grow with their number. Probabilities are added up in double
    precision, which costs a third of adding their logarithms. Where all of them are below exp(-745), which
    even that rounds to 0, the largest alone counts.

    Raises:
        ValueError: without any sample.
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
    return Prediction(mean.to(logits.dtype), entropies / number)
