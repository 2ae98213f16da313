"""`cl-bench run`: what it shows, and what it says of settings that are wrong."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cl_bench.cli.main import main

SMALL = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]")


def of_ours(shown):
    """The lines on standard error that are not Hydra's own."""
    return [line for line in shown.splitlines() if not line.startswith("Error executing job with overrides")]


def summaries(folder):
    return [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*/*/run.json"))]


def test_a_run_shows_its_table_and_where_its_records_are(run, tmp_path):
    status, shown, errors = run(*SMALL)
    assert (status, errors) == (0, "")
    assert "finetune" in shown
    assert "average accuracy" in shown
    (folder,) = tmp_path.glob("default/[!.]*")
    assert f"records: {folder}" in shown
    assert (folder / "run.log").exists()


def test_a_sweep_finishes_every_job_and_shows_one_table(run, tmp_path):
    sweep = ["-m", "strategy=finetune,ewc", "seed=0,1", "benchmark=split_digits", "training.epochs=1"]
    status, shown, errors = run(*sweep)
    assert (status, errors) == (0, "")
    found = summaries(tmp_path)
    assert sorted((run["strategy"], run["seed"], run["status"]) for run in found) == [
        (strategy, seed, "finished") for strategy in ("ewc", "finetune") for seed in (0, 1)
    ]
    rows = [line.split()[:2] for line in shown.splitlines()]
    assert ["finetune", "2"] in rows
    assert ["ewc", "2"] in rows
    assert "note:" not in shown
    assert f"records: {tmp_path / 'default'}" in shown


def test_a_sweep_in_which_one_job_fails_finishes_the_others_and_names_it(run, tmp_path):
    status, shown, errors = run("-m", "training.learning_rate=1e30,1e-3", "seed=0,1", *SMALL)
    assert status == 1
    found = {
        (run["settings"]["training.learning_rate"], run["seed"]): run["status"] for run in summaries(tmp_path)
    }
    assert found == {(1e30, 0): "failed", (1e30, 1): "failed", (1e-3, 0): "finished", (1e-3, 1): "finished"}
    assert "finished: 2 of 4 runs" in shown
    assert shown.count("NonFiniteLossError: the training loss is nan at task 1") == 1
    assert "  failed  2 runs  NonFiniteLossError: " in shown
    for folder in tmp_path.glob("default/*-s0-*"):
        if json.loads((folder / "run.json").read_text())["status"] == "failed":
            assert f"          {folder.name}, " in shown
            assert f"log: {folder / 'run.log'}" in shown
    (line,) = errors.splitlines()
    assert line.startswith("cl-bench: the training loss is nan at task 1, epoch 1, step 2")
    status, shown, errors = run("-m", "training.learning_rate=1e-3", "seed=0,1,2", *SMALL)
    assert (status, errors) == (0, "")
    assert "NonFiniteLossError" not in shown
    assert "finished: 3 of 3 runs\n2 runs of other commands have failed: cl-bench clean " in shown


def test_a_run_that_ended_just_before_is_not_one_of_this_command_s(run):
    assert run("strategy=finetune", *SMALL, "seed=3")[0] == 0
    _, shown, _ = run("-m", "strategy=finetune", "seed=0,1", *SMALL, "resume=false")
    assert "finished: 3 of 3 runs" in shown
    assert "finished before" not in shown
    _, shown, _ = run("-m", "strategy=finetune", "seed=0,1,2", *SMALL)
    assert "3 runs: 2 finished before, 1 run now" in shown


def test_a_sweep_tells_once_and_before_training_what_is_odd_about_its_tasks(run):
    _, _, errors = run("-m", "strategy=finetune,ewc", "seed=0,1", *SMALL, "benchmark.num_tasks=9")
    (line,) = errors.splitlines()
    assert line.startswith("cl-bench: split_digits: tasks 2, 3, 4, 5, 6 and 3 more of 9 have a single class")


def test_the_flag_for_a_sweep_may_stand_anywhere(run, tmp_path):
    status, _, _ = run(*SMALL, "seed=0,1", "--multirun")
    assert status == 0
    assert len(summaries(tmp_path)) == 2


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["training.epochs=abc"], ["epochs", "'abc'", "whole number"]),
        (["training.epochs=0"], ["epochs=0", "at least 1"]),
        (["strategy=bayesbinn", "model.weights=real"], ["bayesbinn", "model.weights"]),
        (["benchmark.num_tasks=0"], ["num_tasks=0", "at least 1"]),
        (["benchmark.num_tasks=abc"], ["num_tasks='abc'"]),
        (["benchmark.num_tasks=11"], ["num_tasks=11", "at most 10"]),
        (["benchmark.scenario=foo"], ["scenario='foo'", "task, domain, class"]),
        (["benchmark.class_order=[1,a]"], ["class_order=[1, 'a']"]),
        (["benchmark.validation_share=half"], ["validation_share='half'"]),
        (["training.device=foo"], ["training.device", "'foo'", "auto, cpu, cuda or gpu"]),
        (["training.learning_rate=-1"], ["learning_rate=-1", "positive"]),
        (["training.threads=0"], ["threads=0"]),
        (["seed=abc"], ["seed='abc'"]),
        (["benchmark/dataset=image_folder"], ["benchmark.dataset.path"]),
        (["benchmark/dataset=mnist", "data.root=/nowhere", "data.download=false"], ["mnist", "/nowhere"]),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it_and_its_value(
    run, tmp_path, monkeypatch, overrides, expected
):
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    status, shown, errors = run(*SMALL, *overrides)
    assert status in (1, 2)
    assert shown == ""
    (line,) = of_ours(errors)
    assert line.startswith("cl-bench: ")
    assert all(part in line for part in expected), line
    assert not list(tmp_path.rglob("records.csv"))


def test_the_traceback_is_in_the_log_of_the_run(run, tmp_path):
    run(*SMALL, "training.learning_rate=1e30")
    (log,) = tmp_path.rglob("run.log")
    assert "Traceback" in log.read_text()


def test_an_error_that_nobody_foresaw_is_one_line_with_its_type(run, monkeypatch):
    from cl_bench.runner import job as running

    def broken(config, **options):
        raise LookupError("what is this")

    monkeypatch.setattr(running, "execute", broken)
    status, _, errors = run(*SMALL)
    assert status == 1
    (line,) = of_ours(errors)
    assert line.startswith("cl-bench: LookupError: 'what is this'") or line.startswith(
        "cl-bench: LookupError: what"
    )


def test_an_interrupted_run_has_the_shells_status_for_it(run, monkeypatch):
    from cl_bench.runner import job as running

    def interrupted(config, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "execute", interrupted)
    status, _, errors = run(*SMALL)
    assert status == 130
    assert "cl-bench: interrupted; what was recorded is kept" in errors


def test_a_sweep_that_is_interrupted_before_its_first_run_leaves_nothing(run, tmp_path, monkeypatch):
    from cl_bench.runner import job as running

    def interrupted(config, **options):
        assert list(tmp_path.glob("default/*/run.log"))
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "execute", interrupted)
    status, shown, errors = run("-m", *SMALL, "seed=0,1")
    assert status == 130
    assert "cl-bench: interrupted; what was recorded is kept" in errors
    assert shown == ""
    assert not list(tmp_path.iterdir())


def test_the_command_itself_says_what_is_wrong_without_a_traceback(tmp_path):
    command = [
        sys.executable,
        "-m",
        "cl_bench",
        "run",
        *SMALL,
        "training.epochs=0",
        f"results_dir={tmp_path}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert of_ours(done.stderr) == ["cl-bench: epochs must be a whole number, at least 1, got epochs=0"]
    assert done.stdout == ""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that refuses even the superuser")
@pytest.mark.parametrize(
    "command",
    [
        ["run", *SMALL, "results_dir=/proc/cl_bench"],
        ["run", "-m", *SMALL, "strategy=finetune,ewc", "results_dir=/proc/cl_bench"],
        ["tune", *SMALL, "strategy=finetune", "results_dir=/proc/cl_bench"],
        ["merge", "{made}", "-o", "/proc/cl_bench"],
        ["table", "{made}", "-o", "/proc/cl_bench/table.tex"],
        ["plot", "forgetting", "{made}", "-o", "/proc/cl_bench/curves"],
        ["new", "my_method", "--kind", "penalty", "-o", "/proc/cl_bench"],
    ],
    ids=" ".join,
)
def test_a_folder_that_the_system_refuses_is_named_with_a_reason_and_what_to_do(command, capsys):
    made = str(Path(__file__).parents[2] / "results" / "reference" / "digits")
    assert main([each.format(made=made) for each in command]) == 1
    (said,) = of_ours(capsys.readouterr().err)
    assert "/proc/cl_bench" in said
    assert "No such file or directory" in said
    assert re.search("see that it is|choose another|is intact", said)
    assert "Errno" not in said


def test_a_reader_that_stops_reading_gets_no_traceback(tmp_path):
    command = f"'{sys.executable}' -m cl_bench list | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_a_run_of_several_seeds_ends_with_a_table_of_all(run):
    small = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]")
    status, shown, _ = run("strategy=finetune", *small, "seeds=[3,4]")
    assert status == 0
    assert "finished: 2 of 2 runs" in shown
    assert run("strategy=finetune", *small, "seed=3")[1].count("finished: 1 of 1 runs") == 1
