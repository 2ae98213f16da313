"""One panel of each kind is drawn onto axes of one's own: the same numbers as in the figures."""

import doctest
import inspect

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cl_bench import analysis, figures
from cl_bench.analysis import AnalysisError, average_curves, forgetting_curves, load, matrix_frame, summary
from cl_bench.analysis.curves import seen_and_unseen
from cl_bench.analysis.looks import method_styles
from cl_bench.figures import accuracy_panels, belief_panels, over_benchmarks_panels
from cl_bench.figures.uncertainty import uncertainty_figure
from cl_bench.report.figure_kinds import KINDS

PANELS = {
    name: function
    for module in (accuracy_panels, belief_panels, over_benchmarks_panels)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
}
SIDES = {"task": ["tasks seen"], "domain": ["tasks seen", "tasks to come"]}
READ = {name: getattr(analysis, name) for name in analysis.__all__} | {"np": np, "pd": pd, "Figure": Figure}


@pytest.fixture
def frame(write_run, tmp_path):
    for seed in range(3):
        for strategy, decay in {"ewc": 0.1, "vcl": 0.2, "mine": 0.05}.items():
            write_run(tmp_path, strategy=strategy, seed=seed, decay=decay)
    return load(tmp_path)


def drawn(axes, label):
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return line


@pytest.mark.parametrize("name", PANELS)
def test_the_examples_of_a_panel_are_what_it_draws(name):
    (example,) = doctest.DocTestFinder().find(PANELS[name], name, globs=READ | PANELS)
    assert example.examples
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example)
    assert result.failed == 0


def test_the_help_of_a_panel_sends_nobody_to_a_page_that_help_has_not():
    for module in (accuracy_panels, belief_panels, over_benchmarks_panels):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            assert "this page" not in (function.__doc__ or ""), name


@pytest.mark.parametrize("name", PANELS)
@pytest.mark.parametrize(
    ("axes", "said"),
    [(None, "None"), (np.full(2, None), r"an array of 2: take one, as in axes\[0\]"), (Figure(), "Figure")],
    ids=["none", "several", "a figure"],
)
def test_what_is_no_axes_is_refused(frame, name, axes, said):
    needed = inspect.signature(PANELS[name]).parameters.values()
    tables = [frame for each in needed if each.kind is each.POSITIONAL_OR_KEYWORD]
    method = {"method": "ewc"} if "method" in inspect.signature(PANELS[name]).parameters else {}
    with pytest.raises(AnalysisError, match=rf"^axes must be the matplotlib Axes of one panel, got .*{said}"):
        PANELS[name](*tables, axes=axes, **method)


@pytest.mark.parametrize("limits", [5, (50, 0), (0, 1, 2), (0, float("nan")), ("low", "high")])
def test_limits_of_colours_are_two_numbers(frame, limits):
    with pytest.raises(AnalysisError, match="limits must be two numbers, the lower first"):
        figures.heatmap(frame, axes=Figure().subplots(), method="ewc", limits=limits)


def test_every_kind_of_figure_has_a_panel_that_the_package_offers():
    assert set(PANELS) == set(KINDS)
    assert all(getattr(figures, name) is function for name, function in PANELS.items())


def test_a_panel_shows_the_numbers_of_the_analysis_under_labels_in_the_order_chosen(frame):
    axes = Figure().subplots()
    figures.forgetting(frame, axes=axes, methods="vcl,ewc", labels={"ewc": "EWC (λ=30)"}, interval="iqr")
    assert axes.get_legend_handles_labels()[1] == ["vcl", "EWC (λ=30)"]
    curves = average_curves(frame)
    seeds = [run.measures.seen for run in analysis.matrices(frame) if run.method == "ewc"]
    np.testing.assert_allclose(drawn(axes, "EWC (λ=30)").get_ydata(), 100 * np.median(seeds, axis=0))
    figures.forgetting(frame, axes=axes, methods="mine", task=2)
    curves = forgetting_curves(frame)
    rows = curves[(curves["method"] == "mine") & (curves["on_task"] == 2) & (curves["after_task"] >= 2)]
    np.testing.assert_allclose(drawn(axes, "mine").get_ydata(), 100 * rows["mean"])


def test_methods_keep_their_looks_whoever_else_is_shown(frame):
    colours = []
    for methods in (None, "vcl"):
        axes = Figure().subplots()
        figures.comparison(frame, axes=axes, methods=methods, labels="vcl=VCL")
        colours.append(drawn(axes, "VCL").get_color())
    assert len(set(colours)) == 1


def test_intransigence_is_against_joint_also_where_that_is_not_shown(write_run, tmp_path):
    for strategy, decay in {"joint": 0.0, "ewc": 0.2}.items():
        write_run(tmp_path, strategy=strategy, decay=decay)
    frame = load(tmp_path)
    axes = Figure().subplots()
    figures.comparison(frame, axes=axes, methods="ewc", metrics=("average_accuracy", "intransigence"))
    rows = summary(frame).set_index("method")
    assert drawn(axes, "ewc").get_xdata() == pytest.approx([100 * rows["intransigence_mean"]["ewc"]])


def test_panels_keep_the_settings_of_the_caller(frame):
    before = dict(mpl.rcParams)
    figure = Figure(figsize=(3, 2))
    left, right = figure.subplots(1, 2)
    figures.forgetting(frame, axes=left)
    figures.heatmap(frame, axes=right, method="ewc")
    figure.draw_without_rendering()
    assert dict(mpl.rcParams) == before
    assert len(figure.axes) == 2
    assert not figure.legends


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"methods": "ecw"}, "no method 'ecw' in these runs; did you mean ewc"),
        ({"interval": "sd"}, "an interval is one of t, se, iqr, none, got interval='sd'"),
        ({"metric": "loss"}, "metric='loss' is none of accuracy, nll"),
        ({"task": 4}, "tasks are numbers from 1 to 3 here, or mean, got 4"),
        ({"task": 0}, "tasks are numbers from 1 to 3"),
        ({"metric": "ece"}, "no complete run has measured ece"),
    ],
)
def test_a_slip_is_refused_in_words(frame, choices, said):
    axes = Figure().subplots()
    with pytest.raises(AnalysisError, match=said):
        figures.forgetting(frame, axes=axes, **choices)


def test_a_frame_of_several_benchmarks_is_no_panel():
    frames = [matrix_frame([[0.1], [0.9]], method="ewc", benchmark=name) for name in "ab"]
    with pytest.raises(AnalysisError, match=r"of one benchmark, these rows are of 2 \(a, b\): choose one"):
        figures.forgetting(pd.concat(frames), axes=Figure().subplots())


def test_with_a_head_a_task_nothing_is_drawn_of_tasks_to_come():
    made = [matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc", scenario=each) for each in SIDES]
    for scenario, rows in zip(SIDES, made, strict=True):
        rows = rows.assign(entropy=rows["accuracy"])
        curves = seen_and_unseen(rows, "entropy")
        figure = uncertainty_figure({"entropy": curves}, curves.iloc[:0], styles=method_styles(["ewc"], {}))
        assert [axes.get_title() for axes in figure.axes] == SIDES[scenario]
        figures.uncertainty(rows, axes=Figure().subplots())
        if scenario == "task":
            with pytest.raises(AnalysisError, match="of tasks to come that have a trained head"):
                figures.uncertainty(rows, axes=Figure().subplots(), seen=False)
