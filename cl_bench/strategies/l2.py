"""A penalty on the distance from the last solution."""

from typing import Any

from cl_bench.learner.experiences import heads_in
from cl_bench.learner.quadratic_penalty import QuadraticPenalty
from cl_bench.posteriors import quadratic_penalty


class L2(QuadraticPenalty):
    """The loss of task t plus (strength / 2) sum_i (theta_i - theta*_i)^2, theta* being the last solution.

    All weights count alike: what is left of EWC without its importances. It is the baseline `L2` of
    Kirkpatrick et al. 2017, figure 2A. Ours: a head that no task has used yet is left free.

    Args:
        strength: 0 is fine-tuning.
    """

    stackable = True

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        trained = self.flat.mask(self.other_heads(heads_in(self.experience)))
        self.penalty = quadratic_penalty.add_anchor(self.penalty, self.flat.values.data, trained)
