"""Predictions of an ensemble, such as the weight samples of a posterior."""

import math

import torch
from torch import Tensor


def average_prediction(logits: Tensor) -> Tensor:
    """Log of the mean over samples of the predicted probabilities, [S, B, K] -> [B, K]."""
    return torch.logsumexp(logits.log_softmax(dim=-1), dim=0) - math.log(len(logits))
