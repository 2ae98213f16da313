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

    One sample at a time, so that memory does not grow with their number.

    Raises:
        ValueError: without any sample.
    """
    total: Tensor | None = None
    entropies: Tensor | None = None
    number = 0
    for logits in samples:
        prediction = log_probabilities(logits)
        total = prediction if total is None else torch.logaddexp(total, prediction)
        own = entropy(prediction)
        entropies = own if entropies is None else entropies.add_(own)
        number += 1
    if total is None or entropies is None:
        raise ValueError("an average needs at least one sample, got none")
    return Prediction(total - math.log(number), entropies / number)
