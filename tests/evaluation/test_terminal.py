"""What is seen at a terminal: bars of one line, cleared at the end, and Ctrl-C."""

import json
import re
import sys
import time

import pytest
import terminals

from cl_bench.cli.main import main

SMALL = ("benchmark=permuted_digits", "benchmark.num_tasks=3", "training.epochs=1", "model.hidden=[16]")
LONG = ("benchmark=permuted_digits", "training.epochs=2000", "model.hidden=[16]")


def status_by_seed(folder):
    found = [json.loads(path.read_text()) for path in folder.glob("results/*/*/run.json")]
    return {about["seed"]: about["status"] for about in found}


def wait_for_rows(folder, number):
    """Until a run has so many tests; a sweep's workers begin when they please."""
    deadline = time.monotonic() + terminals.PATIENCE
    while not any(path.read_bytes().count(b"\n") > number for path in folder.glob("results/*/*/records.csv")):
        assert time.monotonic() < deadline, "no run has begun"
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("columns", "task", "accuracy"),
    [
        (40, "2/3", r"3/3, \d+\.\d %"),
        (80, "task 2 of 3", r"\d % after task 3"),
        (200, "task 2 of 3", r"\d % after task 3"),
    ],
)
def test_a_run_has_one_line_that_tells_the_task_and_the_newest_accuracy(
    tmp_path, monkeypatch, columns, task, accuracy
):
    monkeypatch.chdir(tmp_path)
    terminal = terminals.forked(["run", *SMALL], columns=columns).until("100%")
    assert terminal.most_lines == 1, terminal.written
    assert terminal.end() == 0
    assert "loading torch and Avalanche ..." in terminal.written
    assert task in terminal.written
    assert re.search(accuracy, terminal.written)
    assert terminal.lines[0].startswith("default: permuted_digits")
    assert not any("%|" in line or task in line for line in terminal.lines)


def test_the_line_fits_where_the_answer_goes_to_a_file(tmp_path):
    """The line of `make bench`, in a narrow terminal."""
    few = ("benchmark=split_digits", "strategy=finetune,ewc", "seed=0", "training.epochs=1")
    line = f"{sys.executable} -m cl_bench run experiment=digits {' '.join(few)} >/dev/null"
    terminal = terminals.command(line, cwd=tmp_path, columns=50, program=("sh", "-c"))
    assert terminal.end() == 0, terminal.written
    assert terminal.most_lines == 1
    assert terminal.lines == []
    assert "of 2 runs" in terminal.written


def test_the_time_left_is_not_told_before_there_is_something_to_judge_it_by(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    terminal = terminals.forked(["run", *LONG]).until("<")
    assert terminal.written.partition("<")[0][-5:] >= "00:02"  # elapsed
    assert terminal.press("c").end() == 130


def test_ctrl_c_interrupts_a_run_which_the_same_command_finishes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["run", *LONG, "training.epochs=60", "benchmark.num_tasks=2"]
    terminal = terminals.forked(command).until("task 2 of 2").press("c")
    assert terminal.end() == 130
    assert (
        terminal.lines[-1] == "cl-bench: interrupted; what was recorded is kept: the same command continues"
    )
    assert not any("%|" in line for line in terminal.lines)
    assert status_by_seed(tmp_path) == {0: "interrupted"}
    (run,) = tmp_path.glob("results/default/[!.]*")
    assert (run / "checkpoint" / "step").exists()
    assert terminals.status_of(command) == 0
    assert status_by_seed(tmp_path) == {0: "finished"}
    assert json.loads((run / "run.json").read_text())["resumed"].startswith("after task 1")


def test_ctrl_c_in_a_sweep_says_what_was_interrupted_and_what_has_not_begun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    terminal = terminals.forked(["run", "-m", *LONG, "seed=0,1", "hydra/launcher=basic"])
    wait_for_rows(tmp_path, 5)
    assert terminal.press("c").end() == 130
    assert "Traceback" not in terminal.written
    assert status_by_seed(tmp_path) == {0: "interrupted"}
    shown = "\n".join(terminal.lines)
    assert "finished: 0 of 2 runs" in shown
    assert "interrupted  permuted_digits-finetune-s0" in shown
    assert "1 of 2 runs of the last sweep have not begun: seed=1" in " ".join(terminal.lines)


def test_a_sweep_in_processes_works_at_a_terminal_and_ctrl_c_ends_all_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweep = ["run", "-m", "hydra/launcher=local", "strategy=finetune", "seed=0,1"]
    terminal = terminals.command([*sweep, *LONG], cwd=tmp_path)
    wait_for_rows(tmp_path, 5)
    assert terminal.press("c").end() == 130
    assert "Traceback" not in terminal.written
    assert "interrupted" in status_by_seed(tmp_path).values()
    assert set(status_by_seed(tmp_path).values()) <= {"interrupted", "running"}
    terminal = terminals.forked([*sweep, *SMALL, "study=small"], columns=60)  # whose workers are no forks
    assert terminal.end() == 0, terminal.written
    assert "finished: 2 of 2 runs" in terminal.lines
    assert "loading torch" in terminal.written
    assert not any("% 2.0 of 2 runs" in line for line in terminal.lines)


@pytest.mark.parametrize("columns", [40, 200])
@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "results"],
        ["plot", "forgetting", "results", "-o", "forgetting.png"],
        [
            "tune",
            "strategy=finetune",
            *SMALL,
            "tune.trials=2",
            "tune.num_seeds=1",
            "training.learning_rate=1e-3,1e-2",
        ],
    ],
    ids=lambda arguments: arguments[0],
)
def test_other_commands_leave_their_answer_alone_on_the_screen(tmp_path, monkeypatch, arguments, columns):
    monkeypatch.chdir(tmp_path)
    if arguments[0] != "tune":
        assert main(["run", *SMALL, "training.device=cpu"]) == 0
    terminal = terminals.forked(arguments, columns=columns)
    assert terminal.end() == 0, terminal.written
    assert "Traceback" not in terminal.written
    assert terminal.lines
    assert not any("%|" in line or line.endswith(" ...") for line in terminal.lines), terminal.lines
