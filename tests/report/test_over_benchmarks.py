"""Figures and tables over several benchmarks, from folders of runs."""

import math
import runpy
import warnings
from pathlib import Path

import pandas as pd
import pytest

from cl_bench.analysis import AnalysisError
from cl_bench.analysis.bootstrap import iqm
from cl_bench.analysis.results import Results
from cl_bench.analysis.run_metrics import run_metrics
from cl_bench.cli.main import main
from cl_bench.figures import method_styles
from cl_bench.figures.forgetting_over_benchmarks import forgetting_over_benchmarks_figure, in_order
from cl_bench.report.build import report
from cl_bench.report.over_benchmarks import (
    OF_SEVERAL_BENCHMARKS,
    forgetting_over_benchmarks,
    tables_over_benchmarks,
)
from cl_bench.report.plot import plot

HERE = Path(__file__).parents[1]  # tests
write_run = runpy.run_path(str(HERE / "analysis" / "synthetic.py"))["write_run"]
NAMES = [kind.__name__ for kind in OF_SEVERAL_BENCHMARKS]
DECAYS = {"joint": 0.0, "ewc": 0.1, "vcl": 0.15, "finetune": 0.5}


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="module")
def two_benchmarks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for place, benchmark in enumerate(("a", "b")):
        for strategy, decay in DECAYS.items():
            for seed in range(3):
                write_run(folder, benchmark=benchmark, strategy=strategy, seed=seed + 10 * place, decay=decay)
    write_run(folder, benchmark="a", strategy="si")
    return folder


def drawn(folder, kind, **more):
    results = Results.read(folder)
    styles = method_styles(run.method for run in results.found)
    (make,) = [each for each in OF_SEVERAL_BENCHMARKS if each.__name__ == kind]
    figure = make(results, styles=styles, **{"title": "study", "width": 7.2} | more)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("width", [7.2, 3.3])
def test_a_figure_fits_its_width_and_says_who_is_left_out(two_benchmarks, kind, width):
    figure = drawn(two_benchmarks, kind, width=width)
    assert figure.get_figwidth() <= width
    said = " ".join(figure.get_suptitle().split())
    assert said == "study; without si (not run on b)"
    words = [*figure.texts, *(text for axes in figure.axes for text in (axes.xaxis.label, axes.title))]
    words += [label for axes in figure.axes for label in axes.get_yticklabels()]
    for text in [*figure.legends, *words]:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("kind", NAMES)
def test_without_a_title_there_is_none(two_benchmarks, kind):
    assert drawn(two_benchmarks, kind, title="").get_suptitle() == ""


def test_the_best_method_is_compared_with_each_other_one_but_joint_is_not_the_best(two_benchmarks):
    (axes,) = drawn(two_benchmarks, "improvement").axes
    assert axes.get_xlabel() == "chance that a run of ewc has the better\naverage accuracy (%)"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["joint", "vcl", "finetune"]


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"against": "vcl"}, "vcl"),
        ({"against": "vcl", "labels": ["vcl=VCL (ours)"]}, "VCL (ours)"),
        ({"against": "VCL (ours)", "labels": ["vcl=VCL (ours)"]}, "VCL (ours)"),
        ({"methods": "finetune,joint", "labels": ["joint=All data"]}, "finetune"),
    ],
)
def test_another_method_may_be_compared_and_have_its_label(two_benchmarks, tmp_path, options, first):
    plot("improvement", two_benchmarks, output=tmp_path / "x.svg", **options)
    assert f"chance that a run of {first} has" in (tmp_path / "x.svg").read_text()


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("improvement", {"against": "si"}, "'si' was not run on all benchmarks: choose one of"),
        ("aggregate", {"against": "ewc"}, "aggregate has no use for against; kinds that have: improvement"),
        ("aggregate", {"metric": "ece"}, "there is no metric 'ece' to compare over benchmarks"),
        ("aggregate", {"interval": "se"}, "bootstrapped, at 95 %: leave interval='se' out, or give none"),
        ("performance_profile", {"methods": "ewc"}, "needs 2 methods or more"),
        ("performance_profile", {"metric": "normalised_accuracy", "methods": "ewc,vcl"}, "among the methods"),
    ],
)
def test_what_cannot_be_drawn_is_said(two_benchmarks, tmp_path, kind, options, said):
    with pytest.raises(AnalysisError, match=said):
        plot(kind, two_benchmarks, output=tmp_path / "x.svg", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", NAMES)
def test_intervals_are_left_out_where_none_are_wanted(two_benchmarks, kind):
    results = Results.read(two_benchmarks, interval="none")
    styles = method_styles(run.method for run in results.found)
    (make,) = [each for each in OF_SEVERAL_BENCHMARKS if each.__name__ == kind]
    with_them = drawn(two_benchmarks, kind)
    without = make(results, styles=styles, title=None, width=7.2)
    number = [
        sum(len(axes.patches) + len(axes.collections) for axes in figure.axes)
        for figure in (with_them, without)
    ]
    assert number[0] > number[1] == 0


def test_no_marker_of_an_aggregate_is_cut_at_the_edge(two_benchmarks):
    for axes in drawn(two_benchmarks, "aggregate").axes:
        low, high = axes.get_xlim()
        ends = [x for line in axes.lines for x in line.get_xdata()]
        margin = 0.05 * (high - low)
        assert low + margin < min(ends)
        assert max(ends) < high - margin


def test_a_score_normalised_between_fine_tuning_and_joint_training_is_drawn(two_benchmarks):
    figure = drawn(two_benchmarks, "aggregate", metric="normalised_accuracy")
    assert "normalised accuracy (finetune 0, joint 1) on 2 benchmarks" in figure.get_supxlabel().replace(
        "\n", " "
    )
    means = next(axes for axes in figure.axes if axes.get_title().startswith("mean"))
    markers = {round(float(line.get_xdata()[0]), 6) for line in means.lines if len(line.get_xdata()) == 1}
    assert {0.0, 1.0} <= markers


@pytest.mark.parametrize("kind", NAMES)
def test_one_benchmark_is_not_enough_and_methods_must_be_the_same(tmp_path, kind):
    write_run(tmp_path / "one", benchmark="a", strategy="ewc")
    with pytest.raises(AnalysisError, match="over 2 benchmarks or more, these runs are of a"):
        plot(kind, tmp_path / "one")
    write_run(tmp_path / "two", benchmark="b", strategy="vcl")
    with pytest.raises(AnalysisError, match="2 methods or more that were all run on each of a, b"):
        plot(kind, tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize("kind", NAMES)
def test_the_command_draws_the_benchmarks_of_several_folders_together(tmp_path, monkeypatch, kind, capsys):
    for study, benchmark in (("one", "a"), ("two", "b")):
        for strategy in ("ewc", "vcl"):
            write_run(tmp_path, study=study, benchmark=benchmark, strategy=strategy)
    monkeypatch.chdir(tmp_path)
    assert main(["plot", kind, "one", "two", "-o", "x.pdf"]) == 0
    assert capsys.readouterr().out == "x.pdf\n"
    assert (tmp_path / "x.pdf").exists()


def test_a_report_draws_them_and_has_their_numbers(two_benchmarks):
    made = {path.name: path for path in report(two_benchmarks).paths}
    assert {f"{name}-study.png" for name in NAMES} <= made.keys()
    aggregates = pd.read_csv(made["aggregates.csv"]).set_index(["method", "statistic"])
    values = run_metrics(Results.read(two_benchmarks).frame)
    strata = [rows["average_accuracy"] for _, rows in values[values["method"] == "ewc"].groupby("benchmark")]
    assert tuple(aggregates.loc[("ewc", "IQM"), ["value", "low", "high"]]) == pytest.approx(iqm(strata))
    assert set(pd.read_csv(made["improvements.csv"])["first"]) == {"ewc"}
    assert set(pd.read_csv(made["performance_profiles.csv"])["method"]) == set(DECAYS)
    page = (two_benchmarks / "report.html").read_text()
    assert "Joint training" in page
    for name in NAMES:
        assert name.replace("_", " ") in page


def test_a_study_of_one_benchmark_has_no_such_tables(tmp_path):
    write_run(tmp_path, strategy="ewc")
    write_run(tmp_path, strategy="vcl")
    assert tables_over_benchmarks(run_metrics(Results.read(tmp_path).frame)) == {}


# Forgetting on several benchmarks


def panels(folder, **more):
    results = Results.read(folder)
    styles = method_styles(run.method for run in results.found)
    figure = forgetting_over_benchmarks(results, styles=styles, **{"title": "", "width": 7.2} | more)
    figure.draw_without_rendering()
    return figure


def test_each_benchmark_has_a_panel_and_all_have_one_legend(two_benchmarks):
    figure = panels(two_benchmarks)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b"]
    (legend,) = figure.legends
    shown = [text.get_text() for text in legend.get_texts()]
    assert shown == ["ewc", "finetune", "joint", "si", "vcl"]
    averages = Results.read(two_benchmarks).averages
    for axes in figure.axes:
        rows = averages[averages["benchmark"] == axes.get_title()]
        lines = {line.get_label(): line for line in axes.lines}
        assert set(lines) == set(rows["method"])
        for method, line in lines.items():
            mean = rows.loc[rows["method"] == method, "mean"]
            assert list(line.get_ydata()) == pytest.approx(list(100 * mean))
            first = figure.axes[0].lines
            (same,) = [each for each in first if each.get_label() == method]
            assert line.get_color() == same.get_color()


def test_no_bar_of_a_task_hides_another_and_each_is_the_interval(two_benchmarks):
    axes = panels(two_benchmarks).axes[0]
    rows = Results.read(two_benchmarks).averages
    places = {line.get_label(): line.get_xdata()[-1] for line in axes.lines}
    assert len(set(places.values())) == len(DECAYS) + 1
    ends = {tuple(segment[-1]) for bars in axes.collections for segment in bars.get_segments()}
    high = rows[(rows["benchmark"] == "a") & (rows["method"] == "ewc")]["high"].iloc[-1]
    assert any(x == pytest.approx(places["ewc"]) and y == pytest.approx(100 * high) for x, y in ends)


@pytest.mark.parametrize(
    ("ends", "scale"),
    [
        ((0.99, 0.9), "function"),  # 1 and 10 % of errors
        ((0.9, 0.8), "linear"),
        ((0.99, 0.3, 0.2), "linear"),  # most have little left
    ],
)
def test_an_axis_is_logarithmic_in_errors_that_differ_much(ends, scale):
    curves = pd.DataFrame({"method": list("xyz")[: len(ends)], "after_task": 1, "mean": ends})
    curves = curves.assign(low=curves["mean"], high=curves["mean"], benchmark="a")
    styles = method_styles(curves["method"])
    (axes,) = forgetting_over_benchmarks_figure(curves, styles=styles).axes
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    assert low < 100 * min(ends)
    assert high > 100 * max(ends)


def test_accuracies_without_an_error_are_drawn():
    curves = pd.DataFrame({"method": ["x", "y"], "after_task": 1, "mean": [1.0, 0.6]})
    curves = curves.assign(low=math.nan, high=math.nan, benchmark="a")
    (axes,) = forgetting_over_benchmarks_figure(curves, styles=method_styles("xy")).axes
    (line,) = [line for line in axes.lines if line.get_label() == "x"]
    assert axes.get_ylim()[1] > line.get_ydata()[0] >= 99.9


def test_rows_are_of_one_kind_of_stream_and_the_easier_data_come_first():
    means = {"split_b": 0.9, "permuted_b": 0.5, "split_a": 0.95, "permuted_a": 0.9}
    curves = pd.DataFrame({"benchmark": list(means), "after_task": 2, "mean": means.values()})
    assert in_order(curves) == ["permuted_a", "permuted_b", "split_a", "split_b"]


def test_one_benchmark_has_no_panels(tmp_path):
    write_run(tmp_path, benchmark="a", strategy="ewc")
    with pytest.raises(AnalysisError, match="needs 2 benchmarks or more, these runs are of a"):
        plot("forgetting_over_benchmarks", tmp_path)


def test_benchmarks_are_chosen_by_name_or_pattern(tmp_path):
    for benchmark in ("split_a", "split_b", "permuted_a"):
        write_run(tmp_path, benchmark=benchmark, strategy="ewc")
    folder, place = str(tmp_path), tmp_path / "x.svg"
    assert (
        main(["plot", "forgetting_over_benchmarks", folder, "--benchmarks", "split*", "-o", str(place)]) == 0
    )
    assert "permuted_a" not in place.read_text()
    made = plot("heatmap", tmp_path, benchmarks="split_b,permuted_a", output=tmp_path / "y.svg")
    assert {path.name for path in made.paths} == {"y-split_b.svg", "y-permuted_a.svg"}
    with pytest.raises(
        AnalysisError, match="no benchmark 'rotated' in these runs; there are permuted_a, split_a"
    ):
        plot("heatmap", tmp_path, benchmarks="rotated")
