"""One row per run, its metrics in columns: what comparisons and shares of variance start from."""

import math
from collections.abc import Sequence

import pandas as pd

from cl_bench.analysis.losses import metrics_of, name_for
from cl_bench.analysis.matrix import RunMatrix, matrices
from cl_bench.analysis.registry import MATRIX, WITH_REFERENCE, registered
from cl_bench.analysis.summary import reference_accuracies

RUN = ("study", "benchmark", "method", "strategy", "seed", "run")


def run_metrics(
    frame: pd.DataFrame, *, column: str = "accuracy", accuracies: Sequence[RunMatrix] | None = None
) -> pd.DataFrame:
    """The metrics of every run with a complete matrix, one row per run.

    Columns: study, benchmark, method, strategy, seed, run, and the metrics of `metrics_of(column)`. The last
    one is intransigence (of a loss: intransigence_<column>) against `joint` of the same seed, nan without
    one.

    Args:
        frame: records, as `load` gives them.
        column: of the records: accuracy, or a loss.
        accuracies: the frame's `matrices`, where they are known already; of use for the accuracy only.

    Raises:
        ValueError: for a column of which it is not known whether low or high is better.

    >>> frame = matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc")
    >>> run_metrics(frame)[["method", "average_accuracy", "forgetting"]].round(4)
      method  average_accuracy  forgetting
    0    ewc              0.75         0.2
    """
    metrics = metrics_of(column)
    sign = 1 if column == "accuracy" else -1
    if column == "accuracy" and accuracies is not None:
        found = list(accuracies)
    else:
        found = matrices(frame.assign(accuracy=sign * frame[column]))  # higher is better
    undefined_in = {name_for(metric.name, column): metric.undefined_in for metric in registered(MATRIX)}
    joint = reference_accuracies(found)
    against = {name_for(metric.name, column): metric.compute for metric in registered(WITH_REFERENCE)}
    rows = []
    for run in found:
        if run.complete:
            reference = joint.get((run.study, run.benchmark, run.num_tasks, run.seed))
            row = {key: getattr(run, key) for key in RUN}
            if column == "accuracy":
                row |= run.measures.metrics
            else:
                matrix = sign * run.accuracy
                row |= {
                    key: math.nan if run.scenario in undefined_in[key] else metric(matrix)
                    for key, metric in metrics.items()
                }
            row |= {
                name: math.nan if reference is None else compute(run.accuracy, reference)
                for name, compute in against.items()
            }
            rows.append(row)
    return pd.DataFrame(rows, columns=[*RUN, *metrics, *against])
