"""Memory aware synapses (MAS): a quadratic penalty with the sensitivity of logits as importances."""

from typing import Any

from cl_bench.learner.quadratic_penalty import QuadraticPenalty
from cl_bench.posteriors import quadratic_penalty, sensitivity


class MAS(QuadraticPenalty):
    """The loss of task t plus strength sum_i Omega_i (theta_i - theta*_i)^2, without a half.

    Omega is how much the squared length of the logits changes with each weight, a mean over single training
    examples, summed over tasks; theta* is the last solution. Source: Aljundi et al. 2018; see
    posteriors/sensitivity.py. The sum over tasks is that of the authors' published code
    (accumelate_reg_params); the paper says that importances accumulate.

    Args:
        strength: lambda of the paper; 0 is fine-tuning.
    """

    stackable = True
    claims = QuadraticPenalty.claims._replace(accumulates=True)

    @property
    def curvature(self) -> float:
        return 2 * self.strength

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        importance = self.join_seeds(
            self.measure(
                lambda network, batches, **_: sensitivity.importance(network, batches),
                gradients=lambda num_outputs: 1,
            )
        )
        self.penalty = quadratic_penalty.add_online(
            self.penalty, self.flat.values.data, importance, decay=1.0
        )
