"""What stands on an axis: a column of the records, its words, its unit and where its numbers can be."""

import math
from typing import NamedTuple

from cl_bench.records.errors import AnalysisError


class Measure(NamedTuple):
    """How a column of the records is drawn."""

    label: str
    scale: float = 1.0  # what is drawn over what is stored
    within: tuple[float, float] = (0.0, math.inf)  # as drawn


_PERCENT = (0.0, 100.0)
ACCURACY = Measure("accuracy (%)", 100, _PERCENT)
MEASURES = {
    "accuracy": ACCURACY,
    "nll": Measure("log loss (nats)"),
    "ece": Measure("calibration error (ECE, %)", 100, _PERCENT),
    "brier": Measure("Brier score"),
    "entropy": Measure("entropy (nats)"),
    "mutual_information": Measure("mutual information (nats)"),
}


def measure_of(column: str) -> Measure:
    """The measure of a column; each one that begins with accuracy is one.

    Raises:
        AnalysisError: for another column.
    """
    if column not in MEASURES and not column.startswith("accuracy_"):
        raise AnalysisError(f"metric={column!r} is none of {', '.join(MEASURES)}, which each test measures")
    if column in MEASURES:
        return MEASURES[column]
    return ACCURACY._replace(label=f"{column.replace('_', ' ')} (%)")
