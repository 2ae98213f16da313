"""Numbers from the analysis -> matplotlib figures, object by object: no window, no global state.

There is one function a kind of figure. It draws one panel onto axes of one's own:

>>> frame = load("results/reference/digits")
>>> frame = frame[frame["benchmark"] == "permuted_digits"]
>>> axes = Figure().subplots()
>>> figures.forgetting(frame, axes=axes, labels={"bayesbinn": "BayesBiNN (ours)"})
>>> axes.get_xlabel()
'after task'
"""

from cl_bench.analysis.looks import MethodStyle, method_styles

# The modules of the kinds first: their names are those of the functions below.
from cl_bench.figures.comparison import comparison_figure, draw_comparison
from cl_bench.figures.estimates import aggregate_figure, draw_estimates, improvement_figure
from cl_bench.figures.forgetting import draw_forgetting, forgetting_figure
from cl_bench.figures.heatmap import draw_heatmap, heatmap_figure
from cl_bench.figures.performance_profile import draw_performance_profile, performance_profile_figure
from cl_bench.figures.style import house_style, save

from cl_bench.figures.accuracy_panels import (  # isort: skip
    comparison,
    confusion,
    critical_difference,
    forgetting,
    heatmap,
    pareto,
)
from cl_bench.figures.belief_panels import (  # isort: skip
    calibration,
    drift,
    out_of_distribution,
    stability_gap,
    uncertainty,
    variance,
)
from cl_bench.figures.over_benchmarks_panels import (  # isort: skip
    aggregate,
    forgetting_over_benchmarks,
    improvement,
    performance_profile,
)

__all__ = [
    "MethodStyle",
    "aggregate",
    "aggregate_figure",
    "calibration",
    "comparison",
    "comparison_figure",
    "confusion",
    "critical_difference",
    "draw_comparison",
    "draw_estimates",
    "draw_forgetting",
    "draw_heatmap",
    "draw_performance_profile",
    "drift",
    "forgetting",
    "forgetting_figure",
    "forgetting_over_benchmarks",
    "heatmap",
    "heatmap_figure",
    "house_style",
    "improvement",
    "improvement_figure",
    "method_styles",
    "out_of_distribution",
    "pareto",
    "performance_profile",
    "performance_profile_figure",
    "save",
    "stability_gap",
    "uncertainty",
    "variance",
]
