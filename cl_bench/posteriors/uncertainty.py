"""How sure predictions are, and how far that can be trusted. Entropies are in nats.

An example has the label y and predicted probabilities p [K]. Its confidence is max_k p_k.

    Brier = sum_k (p_k - [k = y])^2     in [0, 2] (Brier 1950)
    H(p) = -sum_k p_k log p_k           the entropy

Let p be the mean of the predictions p_s of weight samples s. Its entropy has two parts: what the data leave
open, and what is not known of the weights, the mutual information (Houlsby et al. 2011; Depeweg et al. 2018).

    H(p) = mean_s H(p_s) + MI

Few samples disagree less with their own mean than with the true one: of S samples the difference is too
small by the factor (S - 1) / S, to first order. `mutual_information` divides by it.

The expected calibration error is over M bins of equal width of the confidence; bin m is ((m - 1) / M, m / M]
(Naeini et al. 2015; Guo et al. 2017).

    ECE = sum_m n_m / N |accuracy_m - confidence_m|
"""

from typing import NamedTuple

import torch
from torch import Tensor


def entropy(log_probabilities: Tensor, probabilities: Tensor | None = None) -> Tensor:
    """The entropy of predicted probabilities, in nats: 0 for a sure prediction.

        H(p) = -sum_k p_k log p_k

    A class that cannot be counts 0.

    Args:
        log_probabilities: log p [..., K].
        probabilities: p, where it is known already.

    Returns:
        [...], in [0, log K].

    >>> # 0 and log 2
    >>> uncertainty.entropy(torch.tensor([[1.0, 0.0], [0.5, 0.5]]).log()).abs()
    tensor([0.0000, 0.6931])
    """
    lowest = torch.finfo(log_probabilities.dtype).min  # 0 * -inf would be nan
    if probabilities is None:
        probabilities = log_probabilities.exp()
    return -(probabilities * log_probabilities.clamp_min(lowest)).sum(dim=-1)


def mutual_information(mean_entropy: Tensor, expected_entropy: Tensor, *, num_samples: int) -> Tensor:
    """The part of a prediction's entropy that comes from not knowing the weights, in nats.

        MI = S / (S - 1) (H(mean_s p_s) - mean_s H(p_s))

    The factor makes numbers of few samples and of many comparable. Without it, to second order about the true
    mean p, the expectation is

        (1 - 1/S) 1/2 sum_k Var(p_sk) / p_k

    The entropy of a mean of S samples is too low by the part with 1/S. Miller 1955 has that term for counts.
    What is left is of higher order. A single estimate may exceed the entropy of the mean prediction.

    It is not negative but for rounding, which is cut off. Sources: Houlsby et al. 2011; Depeweg et al. 2018.

    Args:
        mean_entropy: the entropy of the mean prediction, [...].
        expected_entropy: the mean of the members' entropies, [...].
        num_samples: S, the members. One member says nothing of their spread: nan.

    >>> # two weight samples that disagree
    >>> members = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    >>> mean_entropy = uncertainty.entropy(members.mean(dim=0).log())
    >>> expected_entropy = uncertainty.entropy(members.log()).mean()
    >>> uncertainty.mutual_information(
    ...     mean_entropy, expected_entropy, num_samples=2
    ... )
    tensor(0.7361)
    """
    if num_samples < 2:
        return torch.full_like(mean_entropy, torch.nan)
    return (mean_entropy - expected_entropy).clamp_min(0) * (num_samples / (num_samples - 1))


def brier(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The Brier score of each prediction: 0 for a sure and right one, 2 for a sure and wrong one.

        sum_k (p_k - [k = y])^2

    Source: Brier 1950, in the form for several classes.

    Args:
        probabilities: p [N, K].
        labels: y, int64 [N].

    Returns:
        [N], in [0, 2].

    >>> probabilities = torch.tensor([[1.0, 0.0], [0.5, 0.5], [1.0, 0.0]])
    >>> uncertainty.brier(probabilities, labels=torch.tensor([0, 0, 1]))
    tensor([0.0000, 0.5000, 2.0000])
    """
    right = probabilities.gather(1, labels.unsqueeze(1)).squeeze(1)
    # multiplied out; rounding below 0 is cut off
    return ((probabilities * probabilities).sum(dim=1) - 2 * right + 1).clamp_min(0)


class ConfidenceBins(NamedTuple):
    """The sums over the examples in each bin of the confidence.

    Attributes:
        num_examples: n_m, as floats, [..., M].
        confidence: the sum over its examples [..., M], not the mean: a bin may be empty.
        correct: how many of them were predicted right, [..., M].

    >>> bins = uncertainty.ConfidenceBins(
    ...     *torch.tensor([[0.0, 2.0], [0.0, 1.5], [0.0, 1.0]])
    ... )
    >>> (bins.correct.sum() / bins.num_examples.sum()).item()  # the accuracy
    0.5
    """

    num_examples: Tensor
    confidence: Tensor
    correct: Tensor


def confidence_bins(confidence: Tensor, correct: Tensor, *, num_bins: int) -> ConfidenceBins:
    """The examples by bins of equal width of their confidence.

        bin m is ((m - 1) / M, m / M]

    Sources: Naeini et al. 2015; Guo et al. 2017.

    Args:
        confidence: in [0, 1], float [..., N]; nan falls into the last bin.
        correct: 1 where the prediction was right and 0 where not, like `confidence`.
        num_bins: M.

    >>> confidence = torch.tensor([0.25, 0.75, 1.0])
    >>> correct = torch.tensor([0.0, 1.0, 1.0])
    >>> uncertainty.confidence_bins(confidence, correct, num_bins=2).num_examples
    tensor([1., 2.])
    """
    bins = (confidence * num_bins).ceil_().nan_to_num_(nan=num_bins).clamp_(1, num_bins).long() - 1
    rows = torch.stack([torch.ones_like(confidence), confidence, correct.to(confidence)])
    return ConfidenceBins(*sums_by_bin(rows, bins.expand_as(rows), num_bins=num_bins))


def sums_by_bin(values: Tensor, bins: Tensor, *, num_bins: int) -> Tensor:
    """The sums of values over the positions in each bin.

    Args:
        values: [..., N].
        bins: the bin of each position, from 0, int64 [..., N].
        num_bins: M.

    Returns:
        [..., M].

    >>> uncertainty.sums_by_bin(
    ...     torch.tensor([1.0, 2.0, 4.0]), bins=torch.tensor([0, 2, 2]), num_bins=3
    ... )
    tensor([1., 0., 6.])
    """
    if values.is_cuda:  # scattered sums would come in another order, and to other last digits, each time
        members = torch.nn.functional.one_hot(bins, num_bins).to(values)
        return (values.unsqueeze(-2) @ members).squeeze(-2)
    return values.new_zeros((*values.shape[:-1], num_bins)).scatter_add_(-1, bins, values)


def expected_calibration_error(bins: ConfidenceBins) -> Tensor:
    """The expected calibration error (ECE): how far confidence is from accuracy, on average over bins.

        ECE = sum_m n_m / N |accuracy_m - confidence_m|
            = 1/N sum_m |correct_m - sum of confidences_m|

    The second form needs no division by n_m. Sources: Naeini et al. 2015; Guo et al. 2017.

    Returns:
        [...], in [0, 1].

    >>> confidence = torch.full((4,), 0.75)
    >>> correct = torch.tensor([1.0, 1.0, 1.0, 0.0])
    >>> bins = uncertainty.confidence_bins(confidence, correct, num_bins=15)
    >>> # three of four right, as it said
    >>> uncertainty.expected_calibration_error(bins)
    tensor(0.)
    >>> overconfident = uncertainty.confidence_bins(
    ...     torch.ones(4), correct, num_bins=15
    ... )
    >>> uncertainty.expected_calibration_error(overconfident)
    tensor(0.2500)
    """
    gaps = (bins.correct - bins.confidence).abs().sum(dim=-1)
    return gaps / bins.num_examples.sum(dim=-1)


def auroc(positive: Tensor, negative: Tensor) -> Tensor:
    """The area under the receiver operating characteristic: how well a score tells positives from negatives.

        P(a > b) + P(a = b) / 2,   for a random positive a and negative b

    It is Mann and Whitney's U over the number of pairs.

    Args:
        positive, negative: scores [..., n] and [..., m], at least one each, none of them nan.

    Returns:
        [...], in [0, 1]; 1/2 where the score tells nothing.

    >>> # 3.5 of 4 pairs
    >>> uncertainty.auroc(torch.tensor([0.9, 0.6]), torch.tensor([0.6, 0.1]))
    tensor(0.8750, dtype=torch.float64)
    """
    ranked, positive = negative.sort(dim=-1).values, positive.contiguous()
    below, at_most = (torch.searchsorted(ranked, positive, right=right) for right in (False, True))
    pairs = positive.shape[-1] * negative.shape[-1]
    return (below + at_most).sum(dim=-1).double() / (2 * pairs)
