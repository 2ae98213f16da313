"""An evaluator for strategies whose tests the suite measures itself."""

import warnings

from cl_bench.deferred import deferred

with deferred():
    from avalanche.training.plugins import EvaluationPlugin


class NoMetrics(EvaluationPlugin):
    """An evaluator with nothing to measure.

    Avalanche's own copies experience and clock at each of the eight events of a step. That is a tenth of a
    small network's training.
    """

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has no loggers
            super().__init__()

    # events that it does not define are not there, instead of made up
    __getattribute__ = object.__getattribute__
