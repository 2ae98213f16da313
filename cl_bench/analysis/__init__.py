"""Records -> matrices -> metrics -> means and intervals. Reads results folders, never trains.

Examples begin after `import numpy as np`, `import pandas as pd` and the import of what they call.

>>> frame = load("results/reference/digits")  # one row per record
>>> # one row per method
>>> table = summary(frame, states("results/reference/digits"))
>>> # the accuracy on each task as later tasks are learned
>>> curves = forgetting_curves(frame)
>>> sorted(curves["method"].unique())[:2]
['bayesbinn', 'ewc']
"""

from typing import Any

from cl_bench.analysis.curves import average_curves, forgetting_curves
from cl_bench.analysis.foreign import foreign_curves, read_foreign
from cl_bench.analysis.frame import calibration, load, matrix_frame, runs, states
from cl_bench.analysis.intervals import Interval, student_t
from cl_bench.analysis.matrix import RunMatrix, accuracy_matrix, matrices
from cl_bench.analysis.metrics import (
    METRICS,
    average_accuracy,
    average_anytime_accuracy,
    average_seen,
    backward_transfer,
    forgetting,
    forward_transfer,
    intransigence,
    learning_accuracy,
    when_learned,
    worst_task_accuracy,
)
from cl_bench.analysis.published import against_published
from cl_bench.analysis.stability_gap import probes
from cl_bench.analysis.summary import summary
from cl_bench.moved import moved_name
from cl_bench.records.errors import AnalysisError

__all__ = [
    "METRICS",
    "AnalysisError",
    "Interval",
    "RunMatrix",
    "accuracy_matrix",
    "against_published",
    "average_accuracy",
    "average_anytime_accuracy",
    "average_curves",
    "average_seen",
    "backward_transfer",
    "calibration",
    "foreign_curves",
    "forgetting",
    "forgetting_curves",
    "forward_transfer",
    "intransigence",
    "learning_accuracy",
    "load",
    "matrices",
    "matrix_frame",
    "probes",
    "read_foreign",
    "runs",
    "states",
    "student_t",
    "summary",
    "when_learned",
    "worst_task_accuracy",
]


def __getattr__(name: str) -> Any:
    return moved_name(__name__, name)
