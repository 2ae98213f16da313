"""What methods have in common whose memory of old tasks is one quadratic penalty."""

from typing import Any

from torch import Tensor

from cl_bench.learner.claims import Claims
from cl_bench.learner.second_pass import Measured
from cl_bench.posteriors import quadratic_penalty
from cl_bench.validation import check_not_negative


class Anchored(Measured):
    """Base: the task's loss plus (curvature / 2) sum_i precision_i (theta_i - centre_i)^2.

    A subclass renews `penalty` (precision and centre) after each task; there is none before.

    Args:
        strength: of the penalty; 0 is fine-tuning.
    """

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
        """To that of the loss, in `flat.gradients`."""
        self.flat.gradients += quadratic_penalty.penalty_gradient(
            self.penalty, self.flat.values.data, strength=self.curvature
        )

    def added_loss(self) -> Tensor:
        """What `add_penalty_gradient` adds the gradient of, a scalar."""
        return quadratic_penalty.penalty(self.penalty, self.flat.values.data, strength=self.curvature)
