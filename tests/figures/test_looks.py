"""Colours are told apart, bands of few seeds hide nothing, and panels that share an axis show all of it."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cl_bench import figures
from cl_bench.analysis import average_curves, forgetting_curves, load, matrix_frame, summary
from cl_bench.report.figure_captions import caption
from docs.hooks.strategy_parts import target_of

ROOT = Path(__file__).resolve().parents[2]


def cielab(color):
    """CIELAB of #RRGGBB for the white of daylight (D65)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear / [0.9505, 1, 1.089])  # no colour here is nearly black
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_the_colours_of_families_are_told_apart():
    """Two shades of one blue are 21 apart, and were ewc and replay."""
    names = [path.stem for path in (ROOT / "conf" / "strategy").glob("*.yaml")]
    family = {name: target_of(name).rpartition(".")[2] for name in names}
    together = figures.method_styles(names, family)
    of_families = {name for name in names if family[name].casefold() == name.replace("_", "")} - {"joint"}
    assert len(of_families) > 15
    for one, other in combinations(sorted(of_families), 2):
        for styles in (together, figures.method_styles([one, other])):
            apart = np.linalg.norm(cielab(styles[one].color) - cielab(styles[other].color))
            assert apart > 25, (one, other, styles[one].color, styles[other].color)


def test_bands_of_two_seeds_are_thin_ends_and_those_of_three_are_shaded():
    """Student's interval of two seeds is 12.7 standard errors to each side, and would cover the panel."""
    point = {"after_task": [1, 2], "mean": 0.5, "low": 0.1, "high": 0.9}
    curves = pd.concat(
        pd.DataFrame(point | {"method": method, "num_seeds": number})
        for method, number in (("ewc", 2), ("si", 3))
    )
    axes = Figure().subplots()
    figures.draw_forgetting(axes, curves, styles=figures.method_styles(["ewc", "si"]))
    shaded, ends = axes.collections
    assert isinstance(shaded, PolyCollection)
    assert isinstance(ends, LineCollection)
    assert (len(shaded.get_paths()), len(ends.get_paths())) == (1, 2)
    assert [path.vertices[:, 1].round().tolist() for path in ends.get_paths()] == [[10, 10], [90, 90]]


@pytest.mark.parametrize("number", [2, 3])
def test_the_caption_says_what_thin_lines_are(write_run, tmp_path, number):
    for seed in range(number):
        write_run(tmp_path, seed=seed)
    rows = summary(load(tmp_path))
    said = "Of two seeds the thin lines are the ends of the interval."
    assert (said in caption("forgetting", rows)) == (number == 2)
    assert said not in caption("comparison", rows)


@pytest.mark.parametrize("width", [3.25, 6.75])
def test_the_title_of_the_mean_is_one_line(write_run, tmp_path, width):
    """A second line would push its row down."""
    write_run(tmp_path, num_tasks=5)
    frame = load(tmp_path)
    figure = figures.forgetting_figure(
        forgetting_curves(frame),
        average_curves(frame),
        styles=figures.method_styles(["ewc"]),
        width=width,
        tasks=[1, 5, "mean"],
    )
    assert figure.axes[-1].get_title() == ("mean" if width < 4 else "mean of tasks seen")


def ends(low, high):
    """A stream of two tasks whose accuracies lie between these."""
    matrix = np.array([[low, low], [high, low], [low, high]])
    return pd.concat(
        matrix_frame(matrix.tolist(), method="ewc", seed=seed, study="few", benchmark="digits")
        for seed in range(2)
    )


@pytest.mark.parametrize("kind", ["shared", "again"])
def test_limits_only_widen_what_is_shown_already(kind):
    """The second panel must not cut off the first, nor one method another that is drawn onto its axes."""
    if kind == "shared":
        first, second = Figure().subplots(1, 2, sharey=True)
    else:
        first = second = Figure().subplots()
    figures.forgetting(ends(0.1, 0.3), axes=first)
    (low, _) = first.get_ylim()
    figures.forgetting(ends(0.8, 0.9), axes=second)
    assert first.get_ylim() == second.get_ylim()
    assert first.get_ylim()[0] == low < 25
    assert first.get_ylim()[1] > 80


def test_limits_show_what_the_caller_drew_onto_axes_that_share_one():
    left, right = Figure().subplots(1, 2, sharey=True)
    left.plot([0, 1], [5, 10])
    figures.forgetting(ends(0.8, 0.9), axes=right)
    assert left.get_ylim()[0] < 6


def test_axes_of_their_own_are_as_close_as_before():
    axes = Figure().subplots()
    figures.forgetting(ends(0.8, 0.9), axes=axes)
    assert axes.get_ylim()[0] > 70
