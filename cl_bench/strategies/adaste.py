"""AdaSTE: binary weights by an adaptive straight-through estimator."""

from typing import Any

from cl_bench.learner.binary import LatentLearner
from cl_bench.learner.claims import Claims
from cl_bench.posteriors import adaste, straight_through
from cl_bench.validation import check_not_negative, check_positive


class AdaSTE(LatentLearner):
    """The rule of posteriors/adaste.py (Le et al. 2022). It has nothing against forgetting.

    Training runs with the weights w of the latent theta, which turn binary as b grows. Tests, also before and
    between tasks, run with sign(theta). The sharpness b grows anew in each task, step by step and
    geometrically (ours: the learner does not know how many tasks will come). An optimizer moves theta by the
    scaled gradient.

    Args:
        a: of the weights' map; the authors' code has 0.01.
        initial_b, final_b: b in the first and in the last step of a task; the weights are fully binary from
            b = 1/a on.
        small_gradient: a gradient of this magnitude or less counts as 0 in the factor; 1e-3 in the authors'
            code.
    """

    stackable = True
    claims = Claims(against_forgetting=False)
    method = "adaste"

    def __init__(
        self, *, a: float, initial_b: float, final_b: float, small_gradient: float, **learner: Any
    ) -> None:
        check_positive(a=a, initial_b=initial_b, final_b=final_b)
        check_not_negative(small_gradient=small_gradient)
        if final_b < initial_b:
            raise ValueError(f"final_b must be at least {initial_b=}, as b grows, got {final_b=}")
        super().__init__(**learner)
        self.a, self.initial_b, self.final_b = a, initial_b, final_b
        self.small_gradient = small_gradient

    def differentiate(self, **kwargs: Any) -> None:
        last = self.num_steps - 1
        self.b = adaste.sharpness(self.steps_taken / max(last, 1), initial=self.initial_b, final=self.final_b)
        self.flat.set(adaste.weight(self.latent.data, a=self.a, b=self.b))
        super().differentiate(**kwargs)

    def optimizer_step(self) -> None:
        factor = adaste.gradient_factor(
            self.latent.data, self.flat.gradients, a=self.a, b=self.b, small_gradient=self.small_gradient
        )
        self.latent.grad = self.flat.gradients * factor
        super().optimizer_step()

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self.settle()

    def settle(self) -> None:
        self.flat.set(straight_through.binarise(self.latent.data))
