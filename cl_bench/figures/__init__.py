"""Numbers from the analysis -> matplotlib figures, object by object: no window, no global state."""

from cl_bench.analysis.looks import MethodStyle, method_styles
from cl_bench.figures.comparison import comparison_figure, draw_comparison
from cl_bench.figures.estimates import aggregate_figure, draw_estimates, improvement_figure
from cl_bench.figures.forgetting import draw_forgetting, forgetting_figure
from cl_bench.figures.heatmap import draw_heatmap, heatmap_figure
from cl_bench.figures.performance_profile import draw_performance_profile, performance_profile_figure
from cl_bench.figures.style import house_style, save

__all__ = [
    "MethodStyle",
    "aggregate_figure",
    "comparison_figure",
    "draw_comparison",
    "draw_estimates",
    "draw_forgetting",
    "draw_heatmap",
    "draw_performance_profile",
    "forgetting_figure",
    "heatmap_figure",
    "house_style",
    "improvement_figure",
    "method_styles",
    "performance_profile_figure",
    "save",
]
