"""Streaming linear discriminant analysis on frozen features."""

from typing import Any

from cl_bench.learner.fitted_head import FittedHead
from cl_bench.posteriors import linear_heads
from cl_bench.posteriors.linear_heads import CLASS_PRIORS, SHRINK_TO, Layer
from cl_bench.validation import check_choice, check_positive, check_share


class StreamingLDA(FittedHead):
    """Linear discriminant analysis on the features of a frozen network: class means and one covariance.

    The rule is that of posteriors/linear_heads.py.

    Source: Hayes and Kanan 2020, "Lifelong Machine Learning with Deep Streaming Linear Discriminant Analysis"
    (the authors' code was read). Their covariance depends on the order of the examples. Ours is
    exact, so that it does not. Theirs begins with an estimate on half of the classes, ours with nothing.

    Args:
        shrinkage: of the covariance, in (0, 1); 1e-4 in the authors' code.
        shrink_to: `identity`, as published, or `mean_variance`, the identity in the features' own units.
        class_priors: `uniform`, as published, or by `counts` of examples.
    """

    stackable = True

    def __init__(self, *, shrinkage: float, shrink_to: str, class_priors: str, **learner: Any) -> None:
        check_positive(shrinkage=shrinkage)
        check_share(shrinkage=shrinkage)
        check_choice("shrink_to", shrink_to, SHRINK_TO)
        check_choice("class_priors", class_priors, CLASS_PRIORS)
        super().__init__(**learner)
        self.shrinkage, self.shrink_to, self.class_priors = shrinkage, shrink_to, class_priors

    def solution(self, head: int) -> Layer:
        return linear_heads.discriminant(
            self.statistics[head],
            shrinkage=self.shrinkage,
            shrink_to=self.shrink_to,
            class_priors=self.class_priors,
        )
