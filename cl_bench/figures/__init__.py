"""Numbers from the analysis -> matplotlib figures, object by object: no window, no global state."""

from cl_bench.analysis.looks import MethodStyle, method_styles
from cl_bench.figures.comparison import comparison_figure, draw_comparison
from cl_bench.figures.forgetting import draw_forgetting, forgetting_figure
from cl_bench.figures.heatmap import draw_heatmap, heatmap_figure
from cl_bench.figures.style import house_style, save

__all__ = [
    "MethodStyle",
    "comparison_figure",
    "draw_comparison",
    "draw_forgetting",
    "draw_heatmap",
    "forgetting_figure",
    "heatmap_figure",
    "house_style",
    "method_styles",
    "save",
]
