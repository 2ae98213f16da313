"""Early stopping: a task ends where the validation loss falls no more, at the best weights."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from torch.nn import functional as F

from cl_bench.deferred import deferred
from cl_bench.learner.isolated import as_before
from cl_bench.learner.state import put_knowledge_back, what_is_known
from cl_bench.learner.taking_part import taking_part

with deferred():
    from avalanche.core import SupervisedPlugin


class EarlyStopping:
    """Counts the epochs of a task since the lowest validation loss, and keeps what was known then.

    The loss is the mean negative log-likelihood of the strategy's predictions, in nats, on the validation
    images of the task alone. What is put back is the learner after that epoch: weights, buffers, optimizer,
    and what it declares in `kept` and `in_task`, such as a posterior or a path integral. Its random streams
    go on. Source: Prechelt 1998, "Early Stopping - But When?", whose criterion UP counts in strips of epochs.

    Args:
        patience: epochs without a lower loss after which the task ends.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.begin()

    def begin(self) -> None:
        """Know of no epoch of the task yet."""
        self.lowest_loss, self.waited = math.inf, 0
        self._best: dict[str, Any] | None = None

    def after_epoch(self, learner: Any, experience: Any) -> bool:
        """Test on a validation experience, and say whether the task ends here."""
        loss = validation_loss(learner, experience)
        if loss < self.lowest_loss:
            self.lowest_loss, self.waited, self._best = loss, 0, what_is_known(learner)
        else:
            self.waited += 1
        return self.waited >= self.patience

    def end(self, learner: Any) -> None:
        """Put the best epoch back, where it was not the last one."""
        if self._best is not None and self.waited:
            put_knowledge_back(learner, self._best)
        self.begin()

    def state(self) -> dict[str, Any]:
        return {"lowest_loss": self.lowest_loss, "waited": self.waited, "best": self._best}

    def restore(self, state: dict[str, Any]) -> None:
        self.lowest_loss, self.waited, self._best = state["lowest_loss"], state["waited"], state["best"]


def validation_of(experience: Any, eval_streams: Iterable[Any] | None) -> Any:
    """The validation experience of the task in training, among those handed to `train`.

    Raises:
        ValueError: where there is none.
    """
    for each in _experiences(eval_streams or ()):
        same_task = each.current_experience == experience.current_experience
        if same_task and each.origin_stream.name != experience.origin_stream.name:
            return each
    raise ValueError(
        "training.patience needs validation images of each task: set benchmark.validation_share above 0; or "
        "hand them over, strategy.train(experience, eval_streams=[validation_experience])"
    )


def _experiences(streams: Iterable[Any]) -> Iterator[Any]:
    for each in streams:
        if hasattr(each, "current_experience"):
            yield each
        else:
            yield from each


def validation_loss(learner: Any, experience: Any) -> float:
    """The mean loss of the learner's predictions on an experience, in nats; training is not disturbed."""
    measure = _Loss()
    with as_before(learner):
        learner.plugins = [measure, *taking_part(learner)]
        learner.settle()
        learner.eval([experience])
    return measure.total / measure.num_examples


class _Loss(SupervisedPlugin):
    """The summed loss of a test's predictions."""

    def __init__(self) -> None:
        super().__init__()
        self.total, self.num_examples = 0.0, 0

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        loss = F.nll_loss(strategy.mb_output.double(), strategy.mb_y, reduction="sum")
        self.total += float(loss)
        self.num_examples += len(strategy.mb_y)
