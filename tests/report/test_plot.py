"""`cl-bench plot`: every kind of figure, from whole, odd and broken results."""

import runpy
import warnings
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from cl_bench.analysis import AnalysisError
from cl_bench.analysis.results import Results
from cl_bench.cli.main import main
from cl_bench.figures import method_styles
from cl_bench.report.build import report
from cl_bench.report.figure_kinds import KINDS, OVER_BENCHMARKS
from cl_bench.report.figure_parts import LONGEST_NAME, _file_name, _unique, parts_of_kinds
from cl_bench.report.plot import plot

HERE = Path(__file__).parents[1]  # tests
write_run = runpy.run_path(str(HERE / "analysis" / "synthetic.py"))["write_run"]
measure = runpy.run_path(str(HERE / "figures" / "full_runs.py"))["measure"]
OF_ONE_BENCHMARK = [kind for kind in KINDS if kind not in ("variance", "confusion", *OVER_BENCHMARKS)]


def full_run(folder, *, seed=0, num_tasks=3, diverged=False, posterior=True, **settings):
    run = write_run(folder, seed=seed, num_tasks=num_tasks, **settings)
    return measure(run, seed=seed, num_tasks=num_tasks, diverged=diverged, posterior=posterior)


def parts(results, kind, *, together):
    return parts_of_kinds(results, [kind], together=together)[kind]


def make(kind, folder, *, together=False, width=7.2):
    """The figures of a kind, not saved."""
    results = Results.read(folder)
    styles = method_styles(run.method for run in results.found)
    found = parts(results, kind, together=together)
    return [KINDS[kind](part.results, styles=styles, title=part.title, width=width) for part in found]


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="module")
def two_methods(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for seed in range(2):
        full_run(folder, seed=seed, strategy="vcl")
        full_run(folder, seed=seed, strategy="ewc", posterior=False)
    return folder


def lines(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


# The kinds


@pytest.mark.parametrize("kind", OF_ONE_BENCHMARK)
@pytest.mark.parametrize("width", [7.2, 3.3])
def test_every_kind_fits_the_width_it_is_drawn_for(two_methods, kind, width):
    (figure,) = make(kind, two_methods, width=width)
    figure.draw_without_rendering()
    assert figure.get_figwidth() <= width + 0.8  # a colour bar stands beside its panels
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_a_method_has_one_colour_in_all_figures(two_methods):
    colours = set()
    for kind in ("forgetting", "comparison", "pareto", "uncertainty", "stability_gap", "drift"):
        (figure,) = make(kind, two_methods)
        colours |= {line.get_color() for axes in figure.axes for line in lines(axes, "vcl")}
    assert colours == {method_styles(["vcl"])["vcl"].color}


def test_the_front_is_drawn_through_the_methods_on_it(two_methods):
    (figure,) = make("pareto", two_methods)
    assert [axes.get_xlabel().split(";")[0] for axes in figure.axes] == ["stored (bits)", "training (s)"]
    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert lines(axes, "vcl")[0].get_xdata()[0] > 0


def test_calibration_has_a_panel_a_method_with_two_lines(two_methods):
    (figure,) = make("calibration", two_methods)
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == ["ewc", "vcl"]
    assert all("ECE 20 → 20 %" in axes.get_title() for axes in figure.axes)
    # bins 3 and 9 of 15, at 20 and 60 % confidence; accuracy 50 %
    learned, end = lines(figure.axes[0], "just learned")[0], lines(figure.axes[0], "after the last task")[0]
    for line in (learned, end):
        assert line.get_xdata().tolist() == pytest.approx([20, 60])
        assert line.get_ydata().tolist() == pytest.approx([50, 50])


def test_only_methods_that_measure_it_are_in_a_panel(two_methods):
    (figure,) = make("uncertainty", two_methods)
    entropy, information = figure.axes[0], figure.axes[2]
    assert {line.get_label() for line in entropy.lines} == {"ewc", "vcl"}
    assert {line.get_label() for line in information.lines} == {"vcl"}
    assert lines(entropy, "vcl")[0].get_xdata().tolist() == [1, 2, 3]
    assert lines(figure.axes[1], "vcl")[0].get_xdata().tolist() == [0, 1, 2]
    (drift,) = make("drift", two_methods)
    assert lines(drift.axes[0], "vcl")[0].get_ydata().tolist() == pytest.approx([50.5] * 3)
    assert not lines(drift.axes[0], "ewc")


def test_foreign_data_have_a_panel_a_data_set_and_a_line_a_method_that_measures_it(two_methods):
    (figure,) = make("out_of_distribution", two_methods)
    (panel,) = figure.axes
    assert panel.get_title() == "letters"
    assert lines(panel, "vcl")[0].get_xdata().tolist() == [1, 2, 3]
    assert lines(panel, "vcl")[0].get_ydata().tolist() == pytest.approx([0.895] * 3)
    results = Results.read(two_methods)
    styles = method_styles(["ewc", "vcl"])
    doubt = KINDS["out_of_distribution"](results, metric="mutual_information", styles=styles)
    assert lines(doubt.axes[0], "vcl")[0].get_ydata().tolist() == pytest.approx([0.7] * 3)
    assert not lines(doubt.axes[0], "ewc")


def test_the_stability_gap_has_a_panel_for_each_task_that_others_follow(two_methods):
    (figure,) = make("stability_gap", two_methods)
    assert [axes.get_title() for axes in figure.axes] == ["task 1", "task 2", "mean over new tasks"]
    assert lines(figure.axes[1], "vcl")[0].get_xdata().tolist() == [6, 8, 10, 12]
    assert lines(figure.axes[2], "vcl")[0].get_ydata().tolist() == pytest.approx([0, 0])


def test_shares_of_the_variance_are_bars_that_sum_to_all_of_it(tmp_path):
    for init in range(2):
        for order in range(3):
            settings = {"seed_for.init": init, "seed_for.order": order}
            decay = 0.01 + 0.1 * init + 0.03 * order * init
            write_run(tmp_path, settings=settings, decay=decay, run_hash=f"{10 * init + order:04x}")
    (figure,) = make("variance", tmp_path)
    assert [axes.get_title() for axes in figure.axes] == ["average accuracy", "forgetting"]
    for axes in figure.axes:
        assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(100)


def test_ranks_are_drawn_best_first_with_bars_over_what_is_alike(tmp_path):
    for benchmark in "abc":
        for strategy, decay in {"ewc": 0.01, "finetune": 0.3, "vcl": 0.1}.items():
            write_run(tmp_path, benchmark=benchmark, strategy=strategy, decay=decay)
    (figure,) = make("critical_difference", tmp_path)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ewc", "vcl", "finetune"]
    ranks = [line.get_xdata()[0] for line in axes.lines[:3]]
    assert ranks == [1, 2, 3]
    # 2.343 * sqrt(3 * 4 / (6 * 3)) = 1.91: neighbours are alike, first and last are not
    assert [line.get_ydata().tolist() for line in axes.lines[3:5]] == [[-0.25, 1.25], [0.75, 2.25]]
    assert "critical difference 1.91" in axes.texts[0].get_text()


# Odd results


@pytest.mark.parametrize("kind", OF_ONE_BENCHMARK)
def test_one_seed_is_drawn_without_intervals(tmp_path, kind):
    full_run(tmp_path)
    (figure,) = make(kind, tmp_path)
    figure.draw_without_rendering()


@pytest.mark.parametrize("kind", OF_ONE_BENCHMARK)
def test_a_run_that_diverged_or_was_cut_off_in_a_line_harms_no_figure(tmp_path, kind):
    full_run(tmp_path, strategy="vcl", seed=0)
    full_run(tmp_path, strategy="vcl", seed=1, diverged=True)
    torn = full_run(tmp_path, strategy="vcl", seed=2)
    for name in ("states.csv", "calibration.csv", "probes.csv"):
        (torn / name).write_bytes((torn / name).read_bytes()[:-3])
    (figure,) = make(kind, tmp_path)
    figure.draw_without_rendering()


def test_twenty_methods_with_long_names_have_a_legend_that_fits(tmp_path):
    for value in range(20):
        settings = {"strategy.a_setting_with_a_rather_long_name": 1000 + value}
        write_run(tmp_path, strategy="bayesbinn", settings=settings, run_hash=f"{value:04x}")
    (figure,) = make("comparison", tmp_path, width=3.3)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert figure.axes[0].get_tightbbox().y0 > box.y1


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pareto", "no states.csv"),
        ("calibration", "no calibration.csv"),
        ("uncertainty", "no entropy in records.csv"),
        ("out_of_distribution", "no ood.csv: run with training.ood"),
        ("stability_gap", "no probes.csv: run with training.probe_every"),
        ("drift", "no states.csv"),
        ("variance", "run -m seed_for.init=0,1,2"),
        ("critical_difference", "ranks need 3 benchmarks or more, these runs are of permuted_mnist"),
    ],
)
def test_what_a_folder_lacks_is_said_in_a_sentence(tmp_path, kind, said):
    write_run(tmp_path)
    with pytest.raises(AnalysisError, match=said):
        plot(kind, tmp_path)
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    ("kind", "said"), [("calibration", "tested after a later one"), ("stability_gap", "while a later one")]
)
def test_a_stream_of_one_task_has_nothing_before_and_after(tmp_path, kind, said):
    full_run(tmp_path, num_tasks=1)
    with pytest.raises(AnalysisError, match=said):
        plot(kind, tmp_path)


def test_methods_without_a_posterior_have_no_drift(tmp_path):
    full_run(tmp_path, posterior=False)
    with pytest.raises(AnalysisError, match="none of these methods has a posterior"):
        plot("drift", tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_is_drawn_of_runs_that_are_not_complete(tmp_path, kind):
    write_run(tmp_path, last_task=1, status="failed", error="no")
    with pytest.raises(AnalysisError, match="no run is complete"):
        plot(kind, tmp_path)


# Files and folders


def test_one_folder_has_its_figures_beside_its_runs(two_methods):
    made = plot("pareto", two_methods)
    names = [str(path.relative_to(two_methods)) for path in made.paths]
    assert names == ["figures/pareto-permuted_mnist.png", "figures/pareto-permuted_mnist.svg"]
    assert made.notes == []


def test_the_ending_of_the_output_says_its_format(two_methods, tmp_path):
    plot("comparison", two_methods, output=tmp_path / "one.pdf")
    plot("comparison", two_methods, output=tmp_path / "two", width=3.3)
    plot("comparison", two_methods, output=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "comparison-permuted_mnist.png", "comparison-permuted_mnist.svg", "one.pdf", "two.png", "two.svg",
    ]  # fmt: skip


def test_an_ending_that_is_not_written_is_an_error(two_methods, tmp_path):
    with pytest.raises(AnalysisError, match=r"must be \.png, \.svg, \.pdf or none, got output='.*one\.jpg'"):
        plot("comparison", two_methods, output=tmp_path / "one.jpg")
    assert not list(tmp_path.iterdir())


def test_what_follows_a_dot_may_be_part_of_the_name(two_methods, tmp_path):
    made = plot("comparison", two_methods, output=tmp_path / "run-1.2")
    assert [path.name for path in made.paths] == ["run-1.2.png", "run-1.2.svg"]


def test_several_benchmarks_add_their_names_to_the_output(tmp_path):
    write_run(tmp_path, benchmark="a-1")
    write_run(tmp_path, benchmark="b", num_tasks=1)
    made = plot("heatmap", tmp_path, output=tmp_path / "out.png")
    assert [path.name for path in made.paths] == ["out-a-1.png", "out-b.png"]
    made = plot("comparison", tmp_path, output=tmp_path / "other.png")
    assert [path.name for path in made.paths] == ["other-a-1.png"]
    assert made.notes == [
        "b has no comparison figure: forgetting is of a task that is tested again after a later one."
    ]


def test_the_command_says_which_file_is_of_which_benchmark(tmp_path, capsys):
    for benchmark in ("a-1", "b"):
        write_run(tmp_path, benchmark=benchmark)
    out = str(tmp_path / "out.png")
    assert main(["plot", "heatmap", str(tmp_path), "-o", out, "--no-title"]) == 0
    files = capsys.readouterr().out.splitlines()
    assert files == [f"{tmp_path}/out-a-1.png  (a-1)", f"{tmp_path}/out-b.png  (b)"]
    assert main(["plot", "heatmap", str(tmp_path), "-o", out, "--title", "Ours"]) == 0
    assert capsys.readouterr().out.splitlines() == files, (
        "the title is the figure's, the benchmark the file's"
    )


@pytest.mark.parametrize("output", ["x", "x.png", "x.svg", "x.pdf", "figures/"])
def test_no_figure_takes_the_place_of_another(two_methods, tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "results"
    write_run(other)
    first = plot("comparison", two_methods, output=output)
    files = {path: path.read_bytes() for path in first.paths}
    others = [plot("drift", two_methods, output=output), plot("comparison", other, output=output)]
    assert {path: path.read_bytes() for path in files} == files
    made = [path for one in others for path in one.paths]
    assert len({*made, *files}) == 3 * len(files)
    assert all(path.exists() for path in made)
    assert "holds something else, and is kept" in others[1].notes[0]
    again = plot("comparison", two_methods, output=output)
    assert again == first, "a figure made anew is in its old place"


def test_a_file_of_somebody_elses_is_kept(two_methods, tmp_path):
    (tmp_path / "x.svg").write_text("a drawing of my own")
    made = plot("comparison", two_methods, output=tmp_path / "x")
    assert [path.name for path in made.paths] == ["x-comparison.png", "x-comparison.svg"]
    assert (tmp_path / "x.svg").read_text() == "a drawing of my own"


def test_names_that_are_one_on_some_disks_or_too_long_for_any_have_files_of_their_own():
    names = ["Digits", "digits", "d" * 200 + "1", "d" * 200 + "2", "\u4e2d" * 200]
    taken = set()
    found = [_unique(_file_name(name), taken) for name in names]
    assert len({name.casefold() for name in found}) == len(names)
    assert all(len(name.encode()) <= LONGEST_NAME + 2 for name in found)


def test_several_folders_are_put_together_and_told_apart_by_study(tmp_path, monkeypatch):
    for study in ("one", "two"):
        write_run(tmp_path, study=study, strategy="ewc")
    write_run(tmp_path, study="two", strategy="vcl")
    results = Results.read(tmp_path / "one", tmp_path / "two").told_apart()
    (part,) = parts(results, "comparison", together=True)
    assert sorted(part.results.summary["method"]) == ["ewc (one)", "ewc (two)", "vcl"]
    assert len(parts(Results.read(tmp_path), "comparison", together=False)) == 2
    monkeypatch.chdir(tmp_path)
    made = plot("comparison", "one", "two")
    assert [str(path) for path in made.paths] == [
        "comparison-permuted_mnist.png",
        "comparison-permuted_mnist.svg",
    ]


def test_ranks_go_over_the_benchmarks_of_all_folders(tmp_path):
    for study, benchmark in (("one", "a"), ("one", "b"), ("two", "c")):
        for strategy in ("ewc", "vcl"):
            write_run(tmp_path, study=study, benchmark=benchmark, strategy=strategy)
    made = plot("critical_difference", tmp_path / "one", tmp_path / "two", output=tmp_path / "ranks.svg")
    assert made.paths == [tmp_path / "ranks.svg"]
    with pytest.raises(AnalysisError, match="these runs are of a, b; ranks need"):
        plot("critical_difference", tmp_path)


def test_tables_of_a_part_are_those_of_its_runs_alone(two_methods, tmp_path):
    for study, benchmark in (("one", "a"), ("one", "b"), ("two", "a")):
        write_run(tmp_path, study=study, benchmark=benchmark)
    results = Results.read(tmp_path)
    assert len(results.summary) == len(results.matrices) == 3
    kept = results.only(study="one", benchmark="a")
    fresh = Results([run for run in results.found if (run.study, run.benchmark) == ("one", "a")])
    assert_frame_equal(kept.summary.reset_index(drop=True), fresh.summary)
    assert_frame_equal(kept.curves.reset_index(drop=True), fresh.curves)
    assert [run.run for run in kept.matrices] == [run.run for run in fresh.matrices]


# The command and the report


def test_help_lists_every_kind_with_what_it_shows(capsys):
    assert main(["plot", "--help"]) == 0
    shown = capsys.readouterr().out
    for kind, function in KINDS.items():
        assert f"  {kind} " in shown
        assert function.__doc__ in shown


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, ""),
        (["comparison"], 2, "required: DIR"),
        (["comparisons", "{}"], 2, "no kind of figure 'comparisons'; did you mean comparison?"),
        (["comparison", "{}", "--width", "wide"], 2, "invalid float value"),
        (["comparison", "{}", "--width", "0"], 1, "must be 2 inches or more, got width=0.0"),
        (["comparison", "{}", "--width", "nan"], 1, "must be 2 inches or more"),
        (["uncertainty", "{}", "--width", "2", "-o", "{}/narrow.png"], 0, ""),
        (["comparison", "{}/nowhere"], 1, "there is no folder"),
        (["drift", "{}", "-o", "{}/drift.png"], 0, ""),
        (["variance", "{}"], 1, "no part of the seed was varied alone"),
    ],
)
def test_the_command_says_what_is_wrong(two_methods, capsys, arguments, status, said):
    assert main(["plot", *(argument.format(two_methods) for argument in arguments)]) == status
    printed, wrong = capsys.readouterr()
    assert said in wrong
    assert "Traceback" not in printed + wrong


def test_a_report_draws_every_kind_that_there_are_numbers_for(two_methods):
    drawn = {path.name.split("-")[0] for path in report(two_methods).paths if path.suffix == ".png"}
    assert drawn == set(OF_ONE_BENCHMARK)


def test_a_broken_file_costs_a_report_its_figure_and_is_noted(tmp_path):
    (full_run(tmp_path) / "calibration.csv").write_text("a,b\n1,2\n")
    found = report(tmp_path)
    assert not any(path.match("calibration-*") for path in found.paths)
    assert any(path.match("drift-*.png") for path in found.paths)
    (note,) = [note for note in found.notes if "calibration" in note]
    assert note.startswith("study: ewc on permuted_mnist, seed 0: ")
    assert "line 1: the header must be" in note
    assert note.endswith("the run counts without that file.")


def test_one_broken_file_costs_no_other_run_its_figure(tmp_path):
    for seed in range(2):
        full_run(tmp_path, seed=seed)
    (full_run(tmp_path, seed=2) / "calibration.csv").write_text("a,b\n1,2\n")
    made = plot("calibration", tmp_path)
    assert made.paths
    assert "seed 2: " in made.notes[0]
