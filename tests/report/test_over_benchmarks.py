"""Figures and tables over several benchmarks, from folders of runs."""

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
from cl_bench.report.build import report
from cl_bench.report.over_benchmarks import OF_SEVERAL_BENCHMARKS, tables_over_benchmarks
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
