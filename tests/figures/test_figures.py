"""Figures show the numbers they are given, look the same everywhere, and leave matplotlib as it was."""

import hashlib
from colorsys import rgb_to_hsv
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cl_bench import figures
from cl_bench.analysis import average_curves, forgetting_curves, load, summary
from cl_bench.analysis.looks import chosen_tasks, families
from cl_bench.figures import layout
from cl_bench.figures.heatmap import mean_matrix
from cl_bench.records.runs import read_runs
from docs.hooks.strategy_parts import target_of

ROOT = Path(__file__).resolve().parents[2]

KNOWN = ["joint", "finetune", "ewc", "vcl", "bayesbinn", "straight_through", "avalanche"]


@pytest.fixture
def results(write_run, tmp_path):
    for seed in range(2):
        for strategy in ("ewc", "vcl"):
            write_run(tmp_path, strategy=strategy, seed=seed, num_tasks=3)
    return tmp_path


def test_known_strategies_look_the_same_in_any_company():
    together = figures.method_styles(KNOWN)
    for name in KNOWN:
        assert figures.method_styles([name])[name] == together[name]


def test_looks_follow_from_names_so_that_a_new_strategy_edits_nothing():
    names = [f"strategy_{number}" for number in range(14)]
    styles = figures.method_styles(names)
    assert len({style.color for style in styles.values()}) == 14
    assert len({style[1:] for style in styles.values()}) == 14
    assert figures.method_styles([names[3]])[names[3]].marker


def test_the_suite_has_a_look_for_every_strategy_and_families_have_one_hue():
    names = [path.stem for path in (ROOT / "conf" / "strategy").glob("*.yaml")]
    family = {name: target_of(name).rpartition(".")[2] for name in names}
    styles = figures.method_styles(names, family)
    assert len({style.color for style in styles.values()}) == len(names)
    assert len({style[1:] for style in styles.values()}) == len(names)
    assert styles["ewc"] == figures.method_styles(["ewc"])["ewc"]
    for one, other in (("ewc", "online_ewc"), ("bayesbinn", "bayesbinn_fixed_prior")):
        hues = [rgb_to_hsv(*to_rgb(styles[name].color))[0] for name in (one, other)]
        assert hues[0] == pytest.approx(hues[1], abs=0.02)


def test_a_reference_looks_the_same_whatever_its_label_adds():
    alone = figures.method_styles(["joint", "finetune"])
    for name in ("joint", "finetune"):
        assert figures.method_styles([f"{name} (cpu)", "ewc"])[f"{name} (cpu)"] == alone[name]


def test_families_are_the_classes_that_runs_name(write_run, tmp_path):
    for name, target in (("ewc", "a.EWC"), ("online_ewc", "a.EWC"), ("mine", None)):
        settings = {"strategy._target_": target} if target else {}
        write_run(tmp_path, strategy=name, settings=settings)
    assert families(read_runs(tmp_path)) == {"ewc": "EWC", "online_ewc": "EWC", "mine": "mine"}


def test_every_method_has_its_own_colour_and_its_own_marker_or_line():
    styles = figures.method_styles([*KNOWN, "replay", "si", "lwf", *(f"mesu rate={n}" for n in range(5))])
    assert len({style.color for style in styles.values()}) == len(styles)
    assert len({(style.marker, style.dashes) for style in styles.values()}) == len(styles)


def test_no_method_is_lost_on_white():
    for style in figures.method_styles([*KNOWN, "a", "b", *(f"joint k={n}" for n in range(9))]).values():
        red, green, blue = to_rgb(style.color)
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.8


def test_looks_do_not_depend_on_the_order_of_methods():
    methods = ["b", "a", "ewc strength=50", "ewc strength=1000"]
    assert figures.method_styles(methods) == figures.method_styles(methods[::-1])


def test_variants_get_lighter_in_the_order_of_their_values():
    styles = figures.method_styles([f"ewc strength={value}" for value in (1000, 50, 500)])
    brightness = [sum(to_rgb(styles[f"ewc strength={value}"].color)) for value in (50, 500, 1000)]
    assert brightness == sorted(brightness)


def test_drawing_and_saving_leave_the_settings_of_matplotlib_alone(results, tmp_path):
    before = dict(mpl.rcParams)
    frame = load(results)
    styles = figures.method_styles(["ewc", "vcl"])
    figure = figures.forgetting_figure(forgetting_curves(frame), average_curves(frame), styles=styles)
    figures.save(figure, tmp_path / "figure")
    assert dict(mpl.rcParams) == before


def test_forgetting_curves_are_drawn_in_percent_with_the_learned_part_bold(results):
    curves = forgetting_curves(load(results))
    task = curves[curves["on_task"] == 2]
    axes = Figure().subplots()
    figures.draw_forgetting(axes, task, styles=figures.method_styles(["ewc", "vcl"]))
    (line,) = [line for line in axes.lines if line.get_label() == "ewc"]
    learned = task[(task["method"] == "ewc") & (task["after_task"] >= 2)]
    assert line.get_xdata().tolist() == [2, 3]
    np.testing.assert_allclose(line.get_ydata(), 100 * learned["mean"])
    bands, before = axes.collections
    assert len(bands.get_paths()) == 2 * 2, "both ends of each method's, of two seeds: one artist for all"
    assert len(before.get_paths()) == 2


@pytest.mark.parametrize(("num_tasks", "panels"), [(1, 2), (5, 6), (10, 11), (12, 13), (13, 12), (50, 12)])
def test_there_is_a_panel_a_task_and_one_for_the_mean(write_run, tmp_path, num_tasks, panels):
    write_run(tmp_path, num_tasks=num_tasks)
    frame = load(tmp_path)
    styles = figures.method_styles(["ewc"])
    figure = figures.forgetting_figure(
        forgetting_curves(frame), average_curves(frame), styles=styles, title="T"
    )
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == panels
    assert titles[0] == "task 1"
    assert titles[-2:] == [f"task {num_tasks}", "mean of tasks seen"]
    assert ("tasks shown" in figure.get_suptitle()) == (num_tasks > 12)
    assert len(figure.legends) == 1


def test_chosen_tasks_are_the_first_the_last_and_evenly_spaced():
    chosen = chosen_tasks(100)
    assert (chosen[0], chosen[-1]) == (1, 100)
    assert set(np.diff(chosen)) <= {9, 10, 11}


def test_panels_fill_their_rows():
    assert [layout.grid(number) for number in (1, 4, 5, 6, 11)] == [(1, 1), (1, 4), (2, 3), (2, 3), (3, 4)]


def test_a_legend_of_long_names_fits_into_the_figure(write_run, tmp_path):
    for value in range(8):
        settings = {"strategy.a_setting_with_a_long_name": 1000 + value}
        write_run(tmp_path, strategy="bayesbinn", settings=settings, run_hash=f"{value:04x}")
    frame = load(tmp_path)
    styles = figures.method_styles(set(frame["method"]))
    figure = figures.forgetting_figure(forgetting_curves(frame), average_curves(frame), styles=styles)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert all(axes.get_position().y0 * figure.bbox.y1 > box.y1 for axes in figure.axes)


def test_the_comparison_shows_each_mean_and_lists_the_best_first(results):
    rows = summary(load(results))
    figure = figures.comparison_figure(rows, styles=figures.method_styles(["ewc", "vcl"]))
    points = {
        line.get_label(): line.get_xydata()[0]
        for line in figure.axes[0].lines
        if line.get_label() in ("ewc", "vcl")
    }
    for row in rows.to_dict("records"):
        expected = [100 * row["forgetting_mean"], 100 * row["average_accuracy_mean"]]
        np.testing.assert_allclose(points[row["method"]], expected)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(rows["method"])


def test_a_method_without_forgetting_has_no_point(write_run, tmp_path):
    write_run(tmp_path, num_tasks=1)
    with pytest.raises(ValueError, match="no method has a finite"):
        figures.comparison_figure(summary(load(tmp_path)), styles=figures.method_styles(["ewc"]))


def test_a_method_without_a_style_is_an_error(results):
    with pytest.raises(ValueError, match="there is none for vcl"):
        figures.comparison_figure(summary(load(results)), styles=figures.method_styles(["ewc"]))


def test_the_heatmap_shows_the_mean_matrix_of_each_method(results):
    curves = forgetting_curves(load(results))
    figure = figures.heatmap_figure(curves)
    panels = {axes.get_title(): axes for axes in figure.axes if axes.images}
    assert set(panels) == {"ewc", "vcl"}
    shown = panels["ewc"].images[0].get_array()
    np.testing.assert_allclose(shown, 100 * mean_matrix(curves[curves["method"] == "ewc"]))
    assert written_cells(panels["ewc"]) == {
        cell: f"{value:.0f}" for cell, value in np.ndenumerate(np.asarray(shown))
    }


def written_cells(axes):
    """(row, column) -> the number that stands there."""
    return {
        (round(y), round(x) - 1): written.get_label()
        for written in axes.collections
        for x, y in written.get_offsets()
    }


def banded_figure(write_run, tmp_path, *, num_tasks, test_last, **others):
    for strategy, last in {"ewc": test_last, **others}.items():
        write_run(tmp_path, strategy=strategy, num_tasks=num_tasks, test_last=last)
    frame = load(tmp_path)
    curves, averages = forgetting_curves(frame), average_curves(frame)
    styles = figures.method_styles(set(frame["method"]))
    return figures.forgetting_figure(curves, averages, styles=styles), figures.heatmap_figure(curves)


def test_a_task_of_a_long_stream_has_a_panel_of_the_part_where_it_was_tested(write_run, tmp_path):
    figure, _ = banded_figure(write_run, tmp_path, num_tasks=100, test_last=5)
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert len(panels) == 12
    limits = {
        title: tuple(round(limit) for limit in panels[title].get_xlim())
        for title in ("task 1", "task 50", "task 100", "mean of last 5 seen")
    }
    assert limits == {
        "task 1": (1, 5), "task 50": (50, 54), "task 100": (96, 100), "mean of last 5 seen": (-3, 103),
    }  # fmt: skip
    (line,) = [line for line in panels["task 50"].lines if line.get_label() == "ewc"]
    assert line.get_xdata().tolist() == [50, 51, 52, 53, 54]


@pytest.mark.parametrize(
    ("num_tasks", "others", "mean"),
    [
        (12, {}, "mean of last 2 seen"),
        (20, {"vcl": None}, "mean of tasks tested"),
        (20, {"vcl": 8}, "mean of tasks tested"),
        (2, {}, "mean of tasks seen"),
    ],
)
def test_the_panels_of_a_short_stream_or_of_full_tests_share_the_whole_stream(
    write_run, tmp_path, num_tasks, others, mean
):
    figure, heatmap = banded_figure(write_run, tmp_path, num_tasks=num_tasks, test_last=2, **others)
    assert {axes.get_xlim() for axes in figure.axes} == {(-0.03 * num_tasks, 1.03 * num_tasks)}
    assert figure.axes[-1].get_title() == mean
    assert heatmap.axes[0].get_ylabel() == "after task"


def test_the_heatmap_leaves_blank_what_was_not_tested(write_run, tmp_path):
    _, figure = banded_figure(write_run, tmp_path, num_tasks=4, test_last=2)
    (image,) = figure.axes[0].images
    shown = np.ma.getmaskarray(image.get_array())
    assert (~shown).tolist() == [
        [False, False, False, False],
        [True, False, False, False],
        [True, True, False, False],
        [False, True, True, False],
        [False, False, True, True],
    ]
    assert set(written_cells(figure.axes[0])) == {tuple(cell) for cell in np.argwhere(~shown).tolist()}
    assert not figure.axes[0].lines, "white stairs would hide the edge of what was tested"


def test_the_heatmap_of_a_long_stream_has_a_row_for_each_number_of_tasks_since(write_run, tmp_path):
    _, figure = banded_figure(write_run, tmp_path, num_tasks=30, test_last=3)
    matrix = mean_matrix(forgetting_curves(load(tmp_path)))
    shown = figure.axes[0].images[0].get_array()
    assert shown.shape == (3, 30)
    np.testing.assert_allclose(shown[:, 9], 100 * matrix[[10, 11, 12], 9])
    assert np.ma.getmaskarray(shown)[:, -1].tolist() == [False, True, True]
    assert figure.axes[0].get_ylabel() == "tasks since"


def test_the_same_figure_gives_the_same_bytes(results, tmp_path):
    hashes = []
    for name in ("first", "second"):
        figure = figures.heatmap_figure(forgetting_curves(load(results)), title="T")
        written = figures.save(figure, tmp_path / name / "heatmap-v1.0")
        assert [path.name for path in written] == ["heatmap-v1.0.png", "heatmap-v1.0.svg"]
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == [path.name for path in written]
        hashes.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in written])
    assert hashes[0] == hashes[1]


def test_methods_that_lie_on_each_other_are_shown_apart_in_the_last_panel():
    def panel(ends):
        """The last panel of a figure whose methods fall from 0.97 to these accuracies."""
        rows = [
            {"method": name, "after_task": after, "on_task": 1, "mean": mean, "low": mean, "high": mean}
            for name, end in ends.items()
            for after, mean in ((0, 0.1), (1, 0.97), (2, end))
        ]
        curves = pd.DataFrame(rows)
        averages = curves[curves["after_task"] > 0].drop(columns="on_task")
        return figures.forgetting_figure(curves, averages, styles=figures.method_styles(list(ends))).axes

    *others, last = panel({"ewc": 0.92, "vcl": 0.93, "bayesbinn": 0.94, "finetune": 0.3, "lwf": 0.2})
    low, high = last.get_ylim()
    assert 88 < low < 92
    assert 97 < high < 101
    assert all(axes.get_ylim()[0] < 20 for axes in others)
    assert last.get_title().replace("\n", " ").endswith("(zoom: 3 of 5)")
    *others, last = panel({"ewc": 0.92, "vcl": 0.6, "bayesbinn": 0.8, "finetune": 0.3, "lwf": 0.2})
    assert {axes.get_ylim() for axes in others} == {last.get_ylim()}


@pytest.mark.parametrize("suffix", [" (other code)", " learning_rate=0.1", " (cuda)"])
def test_a_reference_with_a_longer_label_looks_as_without(suffix):
    for name in ("finetune", "joint"):
        label = f"{name}{suffix}"
        assert figures.method_styles([label, "ewc"])[label] == figures.method_styles([name, "ewc"])[name]
