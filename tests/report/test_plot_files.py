"""`cl-bench plot`: which files it writes, of which folders' runs, and what it leaves alone."""

import pytest
from matplotlib.figure import Figure
from pandas.testing import assert_frame_equal
from plotted import parts, write_run

from cl_bench import figures
from cl_bench.analysis import AnalysisError, load
from cl_bench.analysis.results import Results
from cl_bench.cli.main import main
from cl_bench.report.figure_parts import LONGEST_NAME, _file_name, _unique
from cl_bench.report.plot import plot


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


def test_the_method_that_stands_in_the_way_of_ranks_is_named(tmp_path):
    for benchmark in "abc":
        for strategy in ("ewc", "vcl", "si")[: 3 if benchmark == "b" else 2]:
            write_run(tmp_path, study="one", benchmark=benchmark, strategy=strategy)
    with pytest.raises(AnalysisError, match="si was not run on a, c; leave it out"):
        plot("critical_difference", tmp_path)
    with pytest.raises(AnalysisError, match="si was not run on a, c; leave it out"):
        figures.critical_difference(load(tmp_path), axes=Figure().subplots())
    assert plot("critical_difference", tmp_path, methods=["ewc", "vcl"]).paths
    with pytest.raises(AnalysisError, match="of ewc alone"):
        plot("critical_difference", tmp_path, methods=["ewc"])


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
