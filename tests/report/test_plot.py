"""`cl-bench plot`: every kind of figure, from whole, odd and broken results."""

import warnings

import pytest
from plotted import full_run, parts, write_run

from cl_bench.analysis import AnalysisError
from cl_bench.analysis.results import Results
from cl_bench.cli.main import main
from cl_bench.figures import method_styles
from cl_bench.report.build import report
from cl_bench.report.figure_kinds import KINDS, OVER_BENCHMARKS
from cl_bench.report.plot import plot

OF_ONE_BENCHMARK = [kind for kind in KINDS if kind not in ("variance", "confusion", *OVER_BENCHMARKS)]


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
        ("critical_difference", "these runs are of permuted_mnist; ranks need methods"),
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
