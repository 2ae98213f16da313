"""The hook that adds the penalty of posteriors/quadratic_penalty.py to every training step."""

from typing import Any

from torch import Tensor

from cl_bench.learner.base import Learner
from cl_bench.learner.claims import Claims
from cl_bench.posteriors import quadratic_penalty
from cl_bench.validation import check_not_negative


class QuadraticPenalty(Learner):
    """The task's loss plus (curvature / 2) sum_i precision_i (theta_i - centre_i)^2, whose base this is.

    A subclass renews `penalty` (precision and centre) after each task; there is none before.

    Args:
        strength: of the penalty; 0 is fine-tuning.
    """

    may_freeze_later = False
    claims = Claims(
        first_task_is_finetuning=True,
        off={"strength": 0.0},
        by_example=True,
        pulls_nowhere_at_start="every",
    )
    kept = ("penalty",)

    def __init__(self, *, strength: float, **learner: Any) -> None:
        check_not_negative(strength=strength)
        super().__init__(**learner)
        self.strength = strength
        self.penalty = quadratic_penalty.init(self.flat.values.data)

    @property
    def curvature(self) -> float:
        """What multiplies the precision in the gradient: the strength, twice that without the half."""
        return self.strength

    def backward(self) -> None:
        super().backward()
        self.add_penalty_gradient()

    def add_penalty_gradient(self) -> None:
        """Add the penalty's gradient to that of the loss, in `flat.gradients`."""
        self.flat.gradients += quadratic_penalty.penalty_gradient(
            self.penalty, self.flat.values.data, strength=self.curvature
        )

    def added_loss(self) -> Tensor:
        """The penalty, a scalar, whose gradient `add_penalty_gradient` adds."""
        return quadratic_penalty.penalty(self.penalty, self.flat.values.data, strength=self.curvature)
