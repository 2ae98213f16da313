"""Avalanche plugins that the suite adds to every strategy, its own or anybody's."""

import warnings
from typing import Any

import torch
from avalanche.core import SupervisedPlugin
from avalanche.training.plugins import EvaluationPlugin
from torch.nn import functional as F
from tqdm import tqdm

from cl_bench.posteriors.prediction import log_probabilities


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


class Scores(SupervisedPlugin):
    """Accuracy (fraction), negative log-likelihood (nats an example) and number of examples: `rows` has, for
    each experience tested, a row for each seed that the strategy trains.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[float, float, int]]] = []

    def before_eval(self, strategy: Any, **kwargs: Any) -> None:
        self.rows = []

    def before_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        self._correct: Any = 0
        self._nll: Any = 0.0
        self._num_examples = 0

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        outputs, labels = strategy.mb_output, strategy.mb_y
        by_seed = (getattr(strategy, "num_seeds", None) or 1, -1)
        correct = outputs.argmax(dim=1) == labels
        nll = F.nll_loss(log_probabilities(outputs.double()), labels, reduction="none")
        self._correct = self._correct + correct.view(by_seed).sum(dim=1)
        self._nll = self._nll + nll.view(by_seed).sum(dim=1)
        self._num_examples += len(labels) // by_seed[0]

    def after_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        # read at the end only: a GPU is waited for once an experience
        pairs = zip(self._correct.tolist(), self._nll.tolist(), strict=True)
        examples = self._num_examples
        self.rows.append([(correct / examples, nll / examples, examples) for correct, nll in pairs])


class FiniteLoss(SupervisedPlugin):
    """Stops training when the loss is no longer finite, and says where.

    The losses of an epoch stay on the device and are looked at once at its end: a GPU is never waited for.
    """

    def before_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        self._losses: list[torch.Tensor] = []

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._losses.append(strategy.loss.detach().reshape(()))

    def after_training_epoch(self, strategy: Any, **kwargs: Any) -> None:
        if not self._losses:
            return
        finite = torch.isfinite(torch.stack(self._losses))
        if not bool(finite.all()):
            step = int((~finite).nonzero()[0]) + 1
            clock = strategy.clock
            raise NonFiniteLossError(
                f"the training loss is {float(self._losses[step - 1])} "
                f"at task {clock.train_exp_counter + 1}, epoch {clock.train_exp_epochs + 1}, step {step}; "
                "what was recorded before is kept; "
                "a smaller training.learning_rate or strategy.strength usually helps"
            )


class Progress(SupervisedPlugin):
    """A bar over the run with the time left; quiet when the output is no terminal."""

    def __init__(self, *, num_tasks: int, label: str, disable: bool | None = None) -> None:
        super().__init__()
        self._num_tasks = num_tasks
        self._bar = tqdm(
            total=float(num_tasks),
            desc=label,
            disable=disable,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        passes = max(len(strategy.dataloader), 1) * strategy.train_epochs
        self._step = 1 / getattr(strategy, "num_steps", passes)
        self._bar.set_postfix_str(f"task {strategy.clock.train_exp_counter + 1} of {self._num_tasks}")

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self._bar.update(self._step)

    def close(self) -> None:
        self._bar.close()
