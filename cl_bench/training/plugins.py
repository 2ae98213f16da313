"""Avalanche plugins that the suite adds to every strategy, its own or anybody's."""

import math
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from cl_bench.deferred import deferred
from cl_bench.posteriors import uncertainty
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.records import NUM_BINS

with deferred():
    from avalanche.core import SupervisedPlugin
    from avalanche.training.plugins import EvaluationPlugin


class NoMetrics(EvaluationPlugin):
    """An evaluator with nothing to measure: Avalanche's own copies experience and clock at each of the eight
    events of a step, which is a tenth of a small network's training.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has no loggers
            super().__init__()

    # events that it does not define are not there, instead of made up
    __getattribute__ = object.__getattribute__


class NonFiniteLossError(ArithmeticError):
    """The training loss became nan or infinite."""


class Score(NamedTuple):
    """What a test measures of one seed, in the order of a `Record`; see posteriors/uncertainty.py."""

    accuracy: float
    nll: float
    num_examples: int
    ece: float
    brier: float
    entropy: float
    mutual_information: float


class Bin(NamedTuple):
    """One bin of the confidence that is not empty, in the order of a `CalibrationBin`."""

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
        expected = getattr(strategy, "expected_entropy", None)
        by_example = (
            (predicted == labels).double(),
            F.nll_loss(log_p, labels, reduction="none"),
            log_confidence.exp(),
            uncertainty.brier(probabilities, labels),
            entropy,
            torch.full_like(entropy, torch.nan)
            if expected is None
            else uncertainty.mutual_information(entropy, expected),
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


def _score(sums: list[float], ece: float, num_examples: int) -> Score:
    accuracy, nll, _, brier, entropy, mutual_information = (_number(total / num_examples) for total in sums)
    return Score(accuracy, nll, num_examples, _number(ece), brier, entropy, mutual_information)


def _bins(flat: list[float]) -> list[Bin]:
    """Of the numbers of examples, sums of confidence, and numbers of right predictions, bin by bin."""
    rows = zip(*(flat[start : start + NUM_BINS] for start in range(0, len(flat), NUM_BINS)), strict=True)
    return [
        Bin(number, int(examples), _number(confidence / examples), correct / examples)
        for number, (examples, confidence, correct) in enumerate(rows, start=1)
        if examples
    ]


def _number(value: float) -> float:
    """nan is always the same object, so that rows of equal numbers are equal."""
    return value if value == value else math.nan


class FiniteLoss(SupervisedPlugin):
    """Stops training when the loss is no longer finite, and says where; counts the steps of a task.

    The losses of an epoch stay on the device and are looked at once at its end: a GPU is never waited for.
    """

    num_steps = 0  # of the task; those of the present epoch count at its end
    _steps_before = 0  # of the present epoch, before training was resumed in it

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.num_steps = 0

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self._losses: list[torch.Tensor] = []
        self._steps_before = 0

    def state(self) -> dict[str, int]:
        return {"num_steps": self.num_steps, "steps_of_epoch": self._steps_of_epoch}

    def restore(self, state: dict[str, int]) -> None:
        self.num_steps, self._steps_before, self._losses = state["num_steps"], state["steps_of_epoch"], []

    @property
    def _steps_of_epoch(self) -> int:
        return self._steps_before + len(getattr(self, "_losses", ()))

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._losses.append(strategy.loss.detach().reshape(()))

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self.num_steps += self._steps_of_epoch
        self.check(strategy)
        self._losses, self._steps_before = [], 0

    def check(self, strategy: Any) -> None:
        """Look at the losses of the present epoch.

        Raises:
            NonFiniteLossError: at the first that is nan or infinite.
        """
        if not self._losses:
            return
        finite = torch.isfinite(torch.stack(self._losses))
        if not bool(finite.all()):
            step = self._steps_before + int((~finite).nonzero()[0]) + 1
            clock = strategy.clock
            raise NonFiniteLossError(
                f"the training loss is {float(self._losses[step - self._steps_before - 1])} "
                f"at task {clock.train_exp_counter + 1}, epoch {clock.train_exp_epochs + 1}, step {step}; "
                "what was recorded before is kept; "
                "a smaller training.learning_rate or strategy.strength usually helps"
            )
