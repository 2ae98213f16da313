"""Nearest class mean: each image belongs to the class whose mean feature is nearest."""

from cl_bench.learner.fitted_head import FittedHead
from cl_bench.posteriors import linear_heads
from cl_bench.posteriors.linear_heads import Layer


class NearestClassMean(FittedHead):
    """The class whose mean feature is nearest, on the features of a frozen network.

    It keeps a mean and a count for each class, and one variance, from which probabilities come. It has no
    setting. See posteriors/linear_heads.py.

    Source: Mensink et al. 2013, "Distance-Based Image Classification: Generalizing to New Classes at
    Near-Zero Cost", section 3.1, without the metric that is learnt there (not read; the rule is common).
    """

    stackable = True
    full = False

    def solution(self, head: int) -> Layer:
        return linear_heads.nearest_mean(self.statistics[head])
