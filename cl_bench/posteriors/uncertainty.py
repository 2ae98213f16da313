"""How sure predictions are, and how far that can be trusted. Entropies are in nats.

For an example with label y and predicted probabilities p [K]: confidence max_k p_k; Brier score
sum_k (p_k - [k = y])^2 (Brier 1950, the form for several classes, in [0, 2]); entropy
H(p) = -sum_k p_k log p_k. Where p is the mean of the predictions p_s of weight samples s,
H(p) = mean_s H(p_s) + mutual information: the first part is what the data leave open, the second, epistemic
one what is not known of the weights (Houlsby et al. 2011; Depeweg et al. 2018).

Calibration: the expected calibration error over M bins of equal width of the confidence, bin m being
((m - 1) / M, m / M], is ECE = sum_m n_m / N |accuracy_m - confidence_m| (Naeini et al. 2015; Guo et al.
2017).
"""

from typing import NamedTuple

import torch
from torch import Tensor


def entropy(log_probabilities: Tensor, probabilities: Tensor | None = None) -> Tensor:
    """H(p) [...], of log p [..., K], and of p where it is known already; a class that cannot be counts 0."""
    lowest = torch.finfo(log_probabilities.dtype).min  # 0 * -inf would be nan
    if probabilities is None:
        probabilities = log_probabilities.exp()
    return -(probabilities * log_probabilities.clamp_min(lowest)).sum(dim=-1)


def mutual_information(mean_entropy: Tensor, expected_entropy: Tensor) -> Tensor:
    """H(mean_s p_s) - mean_s H(p_s), which is not negative but for rounding, cut off here."""
    return (mean_entropy - expected_entropy).clamp_min(0)


def brier(probabilities: Tensor, labels: Tensor) -> Tensor:
    """sum_k (p_k - [k = y])^2 for each example, [N], of p [N, K] and y, int64 [N]."""
    right = probabilities.gather(1, labels.unsqueeze(1)).squeeze(1)
    # multiplied out; rounding below 0 is cut off
    return ((probabilities * probabilities).sum(dim=1) - 2 * right + 1).clamp_min(0)


class ConfidenceBins(NamedTuple):
    """Of the examples in each bin, [..., M]."""

    num_examples: Tensor  # n_m, as floats
    confidence: Tensor  # sum over its examples, not the mean: a bin may be empty
    correct: Tensor  # how many


def confidence_bins(confidence: Tensor, correct: Tensor, *, num_bins: int) -> ConfidenceBins:
    """Examples by bin.

    Args:
        confidence: in [0, 1], float [..., N]; nan falls into the last bin.
        correct: 1 where the prediction was right and 0 where not, like `confidence`.
    """
    bins = (confidence * num_bins).ceil_().nan_to_num_(nan=num_bins).clamp_(1, num_bins).long() - 1
    rows = torch.stack([torch.ones_like(confidence), confidence, correct.to(confidence)])
    return ConfidenceBins(*sums_by_bin(rows, bins.expand_as(rows), num_bins=num_bins))


def sums_by_bin(values: Tensor, bins: Tensor, *, num_bins: int) -> Tensor:
    """Sums [..., M] of values [..., N] over the positions in each bin, int64 [..., N] from 0."""
    if values.is_cuda:  # scattered sums would come in another order, and to other last digits, each time
        members = torch.nn.functional.one_hot(bins, num_bins).to(values)
        return (values.unsqueeze(-2) @ members).squeeze(-2)
    return values.new_zeros((*values.shape[:-1], num_bins)).scatter_add_(-1, bins, values)


def expected_calibration_error(bins: ConfidenceBins) -> Tensor:
    """ECE [...]; sum_m |correct_m - sum of confidences_m| / N is the same without a division by n_m."""
    gaps = (bins.correct - bins.confidence).abs().sum(dim=-1)
    return gaps / bins.num_examples.sum(dim=-1)


def auroc(positive: Tensor, negative: Tensor) -> Tensor:
    """Area under the receiver operating characteristic of a score, [...]: P(a > b) + P(a = b) / 2 for a
    random positive a and negative b; Mann and Whitney's U over the number of pairs.

    Args:
        positive, negative: scores [..., n] and [..., m], at least one each, none of them nan.
    """
    ranked, positive = negative.sort(dim=-1).values, positive.contiguous()
    below, at_most = (torch.searchsorted(ranked, positive, right=right) for right in (False, True))
    pairs = positive.shape[-1] * negative.shape[-1]
    return (below + at_most).sum(dim=-1).double() / (2 * pairs)
