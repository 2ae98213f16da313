"""The critical-difference figure has room for its names and its bars, of 3 methods and of 38."""

import math

import numpy as np
import pandas as pd
import pytest

from cl_bench.analysis.looks import method_styles
from cl_bench.figures.critical_difference import _columns, critical_difference_figure


def figure(number, *, width, critical=1.5):
    """`number` methods, the best of which is the first on every benchmark: its rank lies on the edge."""
    methods = [f"method_{place}" for place in range(number)]
    rows = pd.DataFrame(
        {
            "metric": "average_accuracy",
            "method": methods,
            "average_rank": np.arange(1.0, number + 1),
            "critical_difference": critical,
            "p_friedman": 0.01,
            "num_benchmarks": 4,
        }
    )
    return critical_difference_figure(rows, styles=method_styles(methods), width=width)


@pytest.mark.parametrize("width", [2.6, 3.4, 5.6])
@pytest.mark.parametrize("number", [3, 14, 38])
def test_no_marker_touches_a_name(number, width):
    drawn = figure(number, width=width)
    drawn.draw_without_rendering()
    (axes,) = drawn.axes
    names = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert len(names) == number
    in_points = drawn.dpi / 72
    for line in axes.lines:
        if line.get_marker() in ("None", "|"):
            continue
        x, y = axes.transData.transform((line.get_xdata()[0], line.get_ydata()[0]))
        half = line.get_markersize() / 2 * in_points
        for name in names:
            assert x - half > name.x1 or not name.y0 < y < name.y1, (number, width)


@pytest.mark.parametrize(
    ("joined", "columns"),
    [
        ([], []),
        ([(0, 3)], [0]),
        ([(0, 1), (1, 2), (2, 3)], [0, 1, 0]),
        ([(0, 2), (1, 3), (2, 4), (3, 5), (4, 6)], [0, 1, 2, 0, 1]),
        ([(0, 4), (1, 5), (5, 7), (6, 9)], [0, 1, 0, 1]),
    ],
)
def test_bars_share_a_column_where_they_have_no_method_in_common(joined, columns):
    assert _columns(joined) == columns


@pytest.mark.filterwarnings("error:constrained_layout not applied")
@pytest.mark.parametrize("critical", [1.5, 6.0, 13.0, 20.0])
def test_the_bars_of_many_methods_leave_room_for_the_ranks(critical):
    drawn = figure(38, width=5.6, critical=critical)
    drawn.draw_without_rendering()
    (axes,) = drawn.axes
    assert axes.get_position().width > 0.4
    places = {line.get_xdata()[0] for line in axes.lines if line.get_marker() == "None"}
    assert max(places) <= 1.33
    bars = 38 - math.floor(critical)
    assert len(places) == min(bars, math.floor(critical) + 1), "those that share a method stand side by side"
