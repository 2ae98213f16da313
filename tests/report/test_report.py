"""From a results folder to its report; and what the right side of the border may import."""

import json
import runpy
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from cl_bench.analysis import AnalysisError
from cl_bench.records import atomic as files
from cl_bench.records import row_files as lines
from cl_bench.report.build import report

measure = runpy.run_path(str(Path(__file__).parents[1] / "figures" / "full_runs.py"))["measure"]
write_run = runpy.run_path(str(Path(__file__).parents[1] / "analysis" / "synthetic.py"))["write_run"]

PAGE_FILES = ["runs.csv", "table.tex", *(["summary.parquet"] if find_spec("pyarrow") else []), "report.html"]


def names(paths, folder):
    return [str(path.relative_to(folder)) for path in paths]


def test_a_report_writes_tables_and_figures(tmp_path):
    for seed in range(2):
        for strategy in ("ewc", "joint"):
            write_run(tmp_path, strategy=strategy, seed=seed)
    found = report(tmp_path)
    assert names(found.paths, tmp_path) == [
        "summary.csv",
        "forgetting_curves.csv",
        "comparison.csv",
        "statistics.csv",
        *(
            f"figures/{kind}-permuted_mnist.{suffix}"
            for kind in ("forgetting", "comparison", "heatmap")
            for suffix in ("png", "svg")
        ),
        *PAGE_FILES,
    ]
    assert all(path.stat().st_size for path in found.paths)
    assert pd.read_csv(tmp_path / "summary.csv")["num_seeds"].tolist() == [2, 2]
    assert len(pd.read_csv(tmp_path / "forgetting_curves.csv")) == 2 * 4 * 3
    assert "study: permuted_mnist (domain-incremental, 3 tasks)" in found.text
    assert found.notes == []


def test_a_report_says_which_method_is_better_and_how_sure_it_is(tmp_path):
    for seed in range(3):
        write_run(tmp_path, strategy="ewc", seed=seed, decay=0.01)
        write_run(tmp_path, strategy="finetune", seed=seed, decay=0.3 + 0.01 * seed)
    found = report(tmp_path)
    table, said = found.text.split("permuted_mnist: accuracy after the last task")
    assert "finetune" in table
    assert "more accurate than finetune; p" in said
    assert "Wilcoxon's test cannot decide with 3 seeds" in said
    (row,) = pd.read_csv(tmp_path / "comparison.csv").query("metric == 'average_accuracy'").to_dict("records")
    assert (row["first"], row["second"], row["num_seeds"]) == ("ewc", "finetune", 3)
    assert f"{100 * row['difference']:.1f} points" in said
    methods = pd.read_csv(tmp_path / "statistics.csv").query("metric == 'average_accuracy'")
    assert methods["method"].tolist() == ["ewc", "finetune"]


def test_seeds_by_part_are_no_repetitions_and_have_their_share_of_the_variance(tmp_path):
    for init in range(3):
        for order in range(2):
            write_run(
                tmp_path,
                settings={"seed_for.init": init, "seed_for.order": order or None},
                decay=0.01 + 0.1 * init,
                run_hash=f"{10 * init + order:04x}",
            )
    found = report(tmp_path)
    shares = pd.read_csv(tmp_path / "seed_variance.csv").query("metric == 'average_accuracy'")
    assert shares["part"].tolist() == ["init", "order", "interaction"]
    assert shares["share"].tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    assert "study: ewc on permuted_mnist, average accuracy: init 100 %" in found.text
    # ewc init=0 order=1 and the like are not the same seed run again
    assert not any("was run" in note for note in found.notes)


def test_what_was_probed_in_training_is_reported(tmp_path):
    run = write_run(tmp_path)
    rows = ["seed,training_on,step,on_task,accuracy,nll,num_examples"]
    rows += ["0,1,4,1,0.9,0.3,50", "0,2,6,1,0.4,1.0,50", "0,2,6,2,0.5,1.0,50", "0,2,8,1,0.8,0.5,50"]
    (run / "probes.csv").write_text("\n".join([*rows, "0,2,8,2,0.9,0.4,50", ""]))
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(about | {"probe_seconds": 1.25}))
    found = report(tmp_path)
    assert "minimum accuracy 40.0, worst-case accuracy 65.0" in found.text
    assert "costs an old one 50.0 points at the lowest; 0 % recover; probing took 1.2 s a run" in found.text
    assert pd.read_csv(tmp_path / "continual_evaluation.csv")["gap_depth"].tolist() == pytest.approx([0.5])


def test_a_second_report_overwrites_the_first_and_leaves_nothing_behind(tmp_path):
    write_run(tmp_path)
    first = report(tmp_path)
    before = {path: path.read_bytes() for path in first.paths}
    second = report(tmp_path)
    assert second == first
    assert {path: path.read_bytes() for path in second.paths} == before
    files = {path for path in tmp_path.rglob("*") if path.is_file() and "study" not in path.parts}
    assert files == set(first.paths)


def test_several_studies_and_benchmarks_do_not_clash(tmp_path):
    write_run(tmp_path, study="a-b", benchmark="c")
    write_run(tmp_path, study="a", benchmark="b-c")
    write_run(tmp_path, study="a", benchmark="d/e")
    found = report(tmp_path)
    assert len(set(found.paths)) == len(found.paths) == 4 + (3 * 3 + 1) * 2 + len(PAGE_FILES)
    assert {path.name for path in found.paths if path.match("heatmap-*.png")} == {
        "heatmap-a-b-c.png", "heatmap-a-b-c-2.png", "heatmap-a-d_e.png",
    }  # fmt: skip
    assert found.text.count("(domain-incremental, 3 tasks)") == 3


def test_figures_of_an_earlier_report_are_kept_and_named(tmp_path):
    write_run(tmp_path, study="one")
    report(tmp_path)
    write_run(tmp_path, study="two")
    found = report(tmp_path)
    assert "forgetting-permuted_mnist.png" in " ".join(found.notes)
    assert (tmp_path / "figures" / "forgetting-permuted_mnist.png").exists()


def test_notes_say_what_failed_what_is_unfinished_and_what_is_left_out(tmp_path):
    write_run(tmp_path, seed=0)
    for seed in (1, 2):
        write_run(tmp_path, seed=seed, status="failed", last_task=1, error="Traceback\n\nValueError: no good")
    write_run(tmp_path, seed=3, status="running", last_task=2)
    broken = write_run(tmp_path, seed=4)
    (broken / "run.json").write_text("{")
    waiting = write_run(tmp_path, seed=5, status="running", strategy="vcl")
    (waiting / "records.csv").unlink()
    notes = report(tmp_path).notes
    assert notes[0] == "study: ewc on permuted_mnist, seeds 1 and 2 failed: ValueError: no good"
    assert notes[1].startswith("study: ewc on permuted_mnist, seed 3 has not finished")
    assert notes[1].endswith("tested up to task 2 of 3.")
    assert notes[2].startswith("study: vcl on permuted_mnist, seed 5 has not finished")
    assert notes[3].startswith(f"{broken} is broken and left out: run.json is unreadable")
    assert notes[4].startswith("study: ewc on permuted_mnist: 3 of 4 runs left out of tables and figures")
    assert notes[5] == "study: permuted_mnist: one seed only, so no interval: ewc."
    assert len(notes) == 6


def test_a_seed_that_was_run_twice_is_noted(tmp_path):
    write_run(tmp_path, run_hash="aaaa")
    write_run(tmp_path, run_hash="bbbb")
    assert "seed 0 was run 2 times, and each counts" in " ".join(report(tmp_path).notes)


@pytest.mark.parametrize("settings", [{"num_tasks": 1}, {"num_tasks": 3, "test_last": 1}])
def test_where_no_task_is_tested_again_there_is_no_comparison(tmp_path, settings):
    write_run(tmp_path, **settings)
    found = report(tmp_path)
    assert not any(path.match("figures/comparison*") for path in found.paths)
    assert "forgetting is of a task that is tested again after a later one" in " ".join(found.notes)


def test_a_stream_of_a_thousand_tasks_with_the_newest_tested_is_reported_in_a_moment(tmp_path):
    write_run(tmp_path, num_tasks=1000, test_last=5)
    start = time.perf_counter()
    found = report(tmp_path)
    assert time.perf_counter() - start < 30  # it takes 4 s; the bound leaves room for a busy machine
    assert len(pd.read_csv(tmp_path / "forgetting_curves.csv")) == 1000 * 5 - (4 + 3 + 2 + 1)
    assert len(found.paths) == 10 + len(PAGE_FILES)
    assert len(found.notes) == 1, "one seed only"
    assert "1000 tasks, the last 5 tested" in found.text


def test_a_folder_of_failures_is_a_report_without_figures(tmp_path):
    write_run(tmp_path, status="failed", last_task=1, error="out of memory")
    found = report(tmp_path)
    assert names(found.paths, tmp_path) == [
        "summary.csv", "forgetting_curves.csv", "comparison.csv", "statistics.csv", *PAGE_FILES,
    ]  # fmt: skip
    assert pd.read_csv(tmp_path / "comparison.csv").empty
    assert "There are no figures: no run is complete." in found.notes


def test_a_folder_of_broken_runs_is_a_report_without_a_table(tmp_path):
    run = write_run(tmp_path)
    (run / "run.json").write_text("")
    found = report(tmp_path)
    assert found.text == ""
    assert "is broken" in found.notes[0]


def test_an_empty_folder_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(AnalysisError, match=r"no runs in .*run an experiment first"):
        report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_right_side_never_imports_what_trains(tmp_path):
    """torch, Avalanche, Hydra and OmegaConf; nor matplotlib before a figure is drawn."""
    write_run(tmp_path)
    code = (
        "import json, sys; import cl_bench.records.rows, cl_bench.analysis, cl_bench.report.build\n"
        "early = 'matplotlib' in sys.modules\n"
        "import cl_bench.figures; cl_bench.report.build.report(sys.argv[1])\n"
        "heavy = {'torch', 'avalanche', 'hydra', 'omegaconf', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "print(json.dumps([early, sorted(heavy)]))"
    )
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=root, check=True
    )
    assert json.loads(ran.stdout) == [False, []]


def test_a_report_without_figures_draws_none_and_imports_nothing_to_draw_with(tmp_path):
    for seed in range(2):
        for benchmark in ("a", "b", "c"):
            write_run(tmp_path, benchmark=benchmark, seed=seed, strategy="ewc")
            write_run(tmp_path, benchmark=benchmark, seed=seed, strategy="vcl", decay=0.2)
    code = (
        "import json, sys; from cl_bench.cli.report import main\n"
        "status = main([sys.argv[1], '--no-figures'])\n"
        "slow = {'matplotlib', 'PIL', 'scipy.stats', 'plotly.offline', 'pandas.io.formats.style', 'torch'}\n"
        "print(json.dumps([status, sorted(slow & set(sys.modules))]))"
    )
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=root, check=True
    )
    assert json.loads(ran.stdout.splitlines()[-1]) == [0, []]
    assert not (tmp_path / "figures").exists()
    assert (tmp_path / "report.html").exists()
    ranked = pd.read_csv(tmp_path / "statistics.csv")["average_rank"]
    assert ranked.notna().all(), "three benchmarks have ranks, whose quantile is known without scipy.stats"


def test_with_and_without_figures_the_numbers_are_the_same_bytes(tmp_path):
    for place in ("with", "without"):
        for seed in range(2):
            measure(write_run(tmp_path / place, seed=seed, num_tasks=3), seed=seed, num_tasks=3)
    report(tmp_path / "with"), report(tmp_path / "without", figures=False)
    names = [path.name for path in (tmp_path / "with").glob("*.csv")]
    assert "continual_evaluation.csv" in names
    for name in [*names, "table.tex"]:
        one, other = ((tmp_path / place / name).read_bytes() for place in ("with", "without"))
        assert one.replace(b"with/", b"") == other.replace(b"without/", b""), name


def test_a_report_without_figures_opens_five_files_a_run(tmp_path, monkeypatch):
    for seed in range(3):
        measure(write_run(tmp_path, seed=seed, num_tasks=2), seed=seed, num_tasks=2)
    opened = []
    read = files.read_whole
    for module in (files, lines):
        monkeypatch.setattr(
            module, "read_whole", lambda path, **most: opened.append(path) or read(path, **most)
        )
    report(tmp_path, figures=False)
    of_runs = [Path(path).name for path in opened if Path(path).parent.parent == tmp_path / "study"]
    names = ("ood.csv", "probes.csv", "records.csv", "run.json", "states.csv")
    assert sorted(of_runs) == [name for name in names for _ in range(3)]
