"""What a test measures of a strategy: accuracy, losses, calibration, uncertainty."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from cl_bench.deferred import deferred
from cl_bench.posteriors import uncertainty
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.records.rows import NUM_BINS

with deferred():
    from avalanche.core import SupervisedPlugin


class Score(NamedTuple):
    """What a test measures of one seed, under the names of a `Record`; see posteriors/uncertainty.py."""

    accuracy: float
    nll: float
    num_examples: int
    ece: float
    brier: float
    entropy: float
    mutual_information: float


class Bin(NamedTuple):
    """One bin of the confidence that is not empty, under the names of a `CalibrationBin`."""

    bin: int  # from 1
    num_examples: int
    confidence: float
    accuracy: float


class Scores(SupervisedPlugin):
    """What the tests of one evaluation measure: a list with an entry for each experience tested.

    `rows` has a `Score` for each seed that the strategy trains, `bins` each one's bins of the confidence, and
    `confidences` those of single examples, [R, N] on the device, until `forget`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        self.rows: list[list[Score]] = []
        self.bins: list[list[list[Bin]]] = []
        self.confidences: list[Tensor] = []

    def before_eval(self, strategy: Any, **kwargs: Any) -> None:
        self.forget()

    def before_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        self._parts: list[Tensor] = []

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        labels, log_p = strategy.mb_y, log_probabilities(strategy.mb_output.double())
        log_confidence, predicted = log_p.max(dim=1)
        probabilities = log_p.exp()
        entropy = uncertainty.entropy(log_p, probabilities)
        by_example = (
            (predicted == labels).double(),
            F.nll_loss(log_p, labels, reduction="none"),
            log_confidence.exp(),
            uncertainty.brier(probabilities, labels),
            entropy,
            mutual_information(strategy, entropy),
        )
        num_seeds = getattr(strategy, "num_seeds", None) or 1
        # [6, R, B]: the seeds' examples come one after another
        self._parts.append(torch.stack(by_example).unflatten(1, (num_seeds, -1)))

    def after_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        values = torch.cat(self._parts, dim=2)
        self._parts = []
        correct, _, confidence, *_ = values
        bins = uncertainty.confidence_bins(confidence, correct, num_bins=NUM_BINS)
        error = uncertainty.expected_calibration_error(bins)
        # read here only and at once: a GPU is waited for once an experience
        measured = torch.cat([values.sum(dim=2).T, error[:, None], *bins], dim=1).tolist()
        num_examples = values.shape[2]
        self.rows.append([_score(row[:6], row[6], num_examples) for row in measured])
        self.bins.append([_bins(row[7:]) for row in measured])
        self.confidences.append(confidence.clone())


def mutual_information(strategy: Any, entropy: Tensor) -> Tensor:
    """The mutual information of label and weights in the strategy's newest prediction, nats [B].

    It is nan where the strategy does not tell how many weight samples its prediction is the average of, or
    has averaged none.

    Args:
        entropy: of the prediction, [B].
    """
    expected = getattr(strategy, "expected_entropy", None)
    if expected is None:
        return torch.full_like(entropy, torch.nan)
    number = getattr(strategy, "num_averaged", 1)
    return uncertainty.mutual_information(entropy, expected, num_samples=number)


def _score(sums: list[float], ece: float, num_examples: int) -> Score:
    accuracy, nll, _, brier, entropy, mutual_information = (_number(total / num_examples) for total in sums)
    return Score(accuracy, nll, num_examples, _number(ece), brier, entropy, mutual_information)


def _bins(flat: list[float]) -> list[Bin]:
    """The bins that hold examples.

    Args:
        flat: numbers of examples, then sums of confidence, then numbers of right predictions, bin by bin.
    """
    rows = zip(*(flat[start : start + NUM_BINS] for start in range(0, len(flat), NUM_BINS)), strict=True)
    return [
        Bin(number, int(examples), _number(confidence / examples), correct / examples)
        for number, (examples, confidence, correct) in enumerate(rows, start=1)
        if examples
    ]


def _number(value: float) -> float:
    """The number; nan is always the same object, so that rows of equal numbers are equal."""
    return math.nan if math.isnan(value) else value
