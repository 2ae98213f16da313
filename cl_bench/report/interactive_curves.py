"""Forgetting curves as traces of Plotly's, of which the page shows the chosen methods, tasks and seeds."""

import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.looks import Dashes, Marker, MethodStyle, chosen_tasks, for_dark, ordered
from cl_bench.analysis.matrix import RunMatrix
from cl_bench.report.packed import packed

MEAN_TASK, MEAN_SEED = "mean of tasks seen", "mean and 95 % interval"
MOST_SEEDS = 10  # that have lines of their own; the mean is over all
MOST_POINTS = 200  # of a line

_SYMBOLS: dict[Marker, str] = {
    **{"o": "circle", "s": "square", "D": "diamond", "X": "x", "P": "cross", "*": "star", "8": "octagon"},
    **{"^": "triangle-up", "v": "triangle-down", "<": "triangle-left", ">": "triangle-right"},
    **{"p": "pentagon", "h": "hexagon", "d": "diamond-tall"},
    # of strategies from elsewhere
    **{"H": "hexagon2", (4, 1, 0): "star-diamond", (6, 1, 0): "hexagram", (3, 1, 0): "star-triangle-up"},
}


class Curves(NamedTuple):
    """One benchmark's interactive figure."""

    traces: list[dict[str, Any]]  # in `meta` of each: what of the choices it belongs to
    layout: dict[str, Any]
    choices: dict[str, list[str]]  # method, task, seed -> the names that can be chosen
    chosen: dict[str, list[str]]  # at first
    colors: dict[str, tuple[str, str, str]]  # method -> on light, on dark, and the dashes of its line
    notes: list[str]  # what is left out

    def packed(self) -> str:
        """What the page's script draws from, compressed: the traces of many methods are alike."""
        drawn = {"traces": self.traces, "layout": self.layout, "colors": self.colors}
        return packed(json.dumps(drawn, separators=(",", ":"), allow_nan=False))


def interactive_curves(
    curves: pd.DataFrame,
    averages: pd.DataFrame,
    runs: Sequence[RunMatrix],
    *,
    styles: Mapping[str, MethodStyle],
) -> Curves:
    """`curves` and `averages` are one benchmark's rows of `analysis.forgetting_curves` and
    `analysis.average_curves`; `runs` all its matrices, of incomplete runs too. Percent.
    """
    methods = ordered({run.method for run in runs}, styles)
    num_tasks = max(run.num_tasks for run in runs)
    tasks = chosen_tasks(num_tasks)
    seeds = sorted({run.seed for run in runs})
    lines = _Lines(styles)
    means, of_tasks = _Curves(averages, ["method"]), _Curves(curves, ["method", "on_task"])
    for method in methods:
        lines.add_means(method, MEAN_TASK, means.of(method))
        for task in tasks:
            lines.add_means(method, f"task {task}", of_tasks.of((method, task)))
        for run in runs:
            if run.method == method and run.seed in seeds[:MOST_SEEDS]:
                lines.add_run(run, tasks)
    names = {
        "method": methods,
        "task": [MEAN_TASK, *(f"task {task}" for task in tasks)],
        "seed": [*([MEAN_SEED] if len(curves) else []), *(f"seed {seed}" for seed in seeds[:MOST_SEEDS])],
    }
    notes = []
    if len(tasks) < num_tasks:
        notes.append(f"{len(tasks)} of {num_tasks} tasks can be chosen, evenly spaced.")
    if len(seeds) > MOST_SEEDS:
        notes.append(f"{MOST_SEEDS} of {len(seeds)} seeds can be chosen; means and intervals are over all.")
    if num_tasks > MOST_POINTS:
        notes.append(f"Lines are drawn through at most {MOST_POINTS} points.")
    return Curves(
        lines.traces,
        _layout(num_tasks),
        names,
        {"method": methods, "task": [MEAN_TASK], "seed": names["seed"][:1] if len(curves) else names["seed"]},
        {method: _colors(styles[method]) for method in methods},
        notes,
    )


class _Curves:
    """The numbers of each curve in the order of the stream, by what the curve is of."""

    def __init__(self, table: pd.DataFrame, by: list[str]) -> None:
        table = table.sort_values("after_task", kind="stable")
        names = ("after_task", "mean", "low", "high", "num_seeds")
        self._columns = {name: table[name].to_numpy() for name in names}
        # one column by its name, several by their names: of a list of one the keys are tuples
        self._places = table.groupby(by if len(by) > 1 else by[0], sort=False).indices

    def of(self, key: Any) -> dict[str, np.ndarray]:
        places = self._places.get(key, np.empty(0, dtype=int))
        return {name: column[places] for name, column in self._columns.items()}


class _Lines:
    """The traces of all methods, collected one by one."""

    def __init__(self, styles: Mapping[str, MethodStyle]) -> None:
        self.traces: list[dict[str, Any]] = []
        self._styles = styles

    def add_means(self, method: str, task: str, curve: Mapping[str, np.ndarray]) -> None:
        """A line, and the band of its interval where there is one."""
        length = len(curve["after_task"])
        if not length:
            return
        shown = _thinned(length)
        after = curve["after_task"][shown].tolist()
        mean, low, high = (_percent(curve[name][shown].tolist()) for name in ("mean", "low", "high"))
        number = int(curve["num_seeds"][0])
        has_interval = all(bound is not None for bound in low)
        line: dict[str, Any] = {"x": after, "y": mean, "mode": "lines+markers"}
        line |= self._look(method, width=2, size=8)
        said = f"{number} seed{'s' * (number > 1)}"
        if has_interval:
            band: dict[str, Any] = {
                "x": after + after[::-1],
                "y": high + low[::-1],
                "fill": "toself",
                "mode": "lines",
            }
            band |= {"line": {"width": 0}, "opacity": 0.18, "hoverinfo": "skip"}
            self._add(method, task, MEAN_SEED, band)
            line["customdata"] = list(zip(low, high, strict=True))
            said = "95 % interval %{customdata[0]:.2f} to %{customdata[1]:.2f}, " + said
        self._add(method, task, MEAN_SEED, line | {"hovertemplate": _hover(said)})

    def add_run(self, run: RunMatrix, tasks: Iterable[int]) -> None:
        """Thin lines, one a task and one of the average."""
        seed = f"seed {run.seed}"
        own = {} if run.complete else {"hovertemplate": _hover(f"{seed}, not complete")}
        on, after, accuracy = run.by_task()
        values = {f"task {task}": (after[on == task], accuracy[on == task]) for task in tasks}
        seen = run.average_so_far()  # a row that is not whole has no average
        known = np.flatnonzero(~np.isnan(seen))
        values[MEAN_TASK] = (1 + known, seen[known])
        for task, (after, accuracy) in values.items():
            shown = _thinned(len(after))
            if len(shown):
                line = {"x": after[shown].tolist(), "y": _percent(accuracy[shown])}
                line |= {"mode": "lines+markers"} | own
                self._add(run.method, task, seed, line | self._look(run.method, width=1, size=5))

    def _look(self, method: str, *, width: float, size: float) -> dict[str, Any]:
        style = self._styles[method]
        return {
            "line": {"width": width, "dash": _dash(style.dashes)},
            "marker": {"symbol": _SYMBOLS.get(style.marker, "circle"), "size": size},
        }

    def _add(self, method: str, task: str, seed: str, trace: dict[str, Any]) -> None:
        # Plotly reads a few tags in names
        name = html.escape(f"{method}, {task}")
        meta = {"method": method, "task": task, "seed": seed}
        self.traces.append({"type": "scatter", "name": name, "meta": meta} | trace)


def _hover(said: str) -> str:
    return "%{fullData.name}<br>after task %{x}: <b>%{y:.2f} %</b><br>" + said + "<extra></extra>"


def _layout(num_tasks: int) -> dict[str, Any]:
    axis = {"zeroline": False, "fixedrange": True}  # a finger scrolls the page
    return {
        "height": 270,
        "margin": {"l": 52, "r": 12, "t": 8, "b": 40},
        "showlegend": False,
        "hovermode": "closest",
        # what most lines say stands once: in a page of many studies it would be a tenth of the bytes
        "template": {"data": {"scatter": [{"hovertemplate": _hover("%{fullData.meta.seed}")}]}},
        "xaxis": {**axis, "title": {"text": "after task"}, "tick0": 0, "dtick": math.ceil(num_tasks / 10)},
        # intervals may go beyond what an accuracy can be
        "yaxis": {
            **axis,
            "title": {"text": "accuracy (%)"},
            "autorangeoptions": {"clipmin": -2, "clipmax": 102},
        },
    }


def _thinned(length: int) -> np.ndarray:
    """Places of at most MOST_POINTS of so many points, the first and the last among them."""
    if length <= MOST_POINTS:
        return np.arange(length)
    return np.unique(np.linspace(0, length - 1, MOST_POINTS).round().astype(int))


def _percent(fractions: Iterable[float]) -> list[float | None]:
    return [None if math.isnan(each) else round(100 * float(each), 4) for each in fractions]


def _colors(style: MethodStyle) -> tuple[str, str, str]:
    return style.color, for_dark(style.color), _dash(style.dashes)


def _dash(dashes: Dashes) -> str:
    """Matplotlib's dashes, in line widths, for a line of two pixels."""
    if isinstance(dashes, str):
        return "solid"
    return ",".join(f"{2 * length:g}px" for length in dashes[1])
