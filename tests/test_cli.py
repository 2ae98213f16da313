"""The command `cl-bench`, mostly in this process: a process of its own takes seconds to import Avalanche."""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from cl_bench.choices import GROUPS, choices, with_packages
from cl_bench.cli import VERBS, main
from cl_bench.kinds import KINDS

pytestmark = pytest.mark.usefixtures("process_as_before")
SMALL = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]")


@pytest.fixture
def run(tmp_path, capsys):
    """run("strategy=ewc"): status, standard output and standard error of `cl-bench run`, into tmp_path."""

    def call(*arguments):
        status = main(["run", *arguments, f"results_dir={tmp_path}"])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def command(capsys):
    """The same for any command line."""

    def call(*arguments):
        status = main(arguments)
        return status, *capsys.readouterr()

    return call


def of_ours(shown):
    """The lines on standard error that are not Hydra's own."""
    return [line for line in shown.splitlines() if not line.startswith("Error executing job with overrides")]


def summaries(folder):
    return [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*/*/run.json"))]


# Help


def test_help_imports_nothing_slow_and_answers_at_once():
    script = (
        "import sys; from cl_bench.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - started)
    loaded = set(done.stderr.split())
    assert "cl_bench.cli" in loaded
    assert not loaded & {"torch", "hydra", "omegaconf", "pandas", "numpy", "avalanche", "matplotlib"}
    assert min(seconds) < 1


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"], []])
def test_help_shows_every_verb_and_every_choice(command, arguments):
    status, shown, _ = command(*arguments)
    assert status == 0
    assert all(f"cl-bench {verb}" in shown for verb in VERBS)
    lines = {
        line.split(" = ")[0].strip(): line.split(" = ")[1].split(", ")
        for line in shown.splitlines()
        if " = " in line
    }
    assert lines == {group: list(choices(group)) for group in GROUPS if choices(group)}


def test_a_version_is_shown(command):
    import cl_bench

    assert command("--version") == (0, f"{cl_bench.__version__}\n", "")


def test_run_help_shows_every_setting_and_trains_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["run", "--help"])
    assert left.value.code in (0, None)
    shown = capsys.readouterr().out
    assert "learning_rate: 0.001" in shown
    assert "bayesbinn" in shown
    assert not list(tmp_path.iterdir())


# Typing errors


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["rum"], "there is no verb 'rum'; did you mean run?"),
        (["strategy=ewc"], "did you mean `cl-bench run strategy=ewc ...`?"),
        (["-m"], "did you mean `cl-bench run -m ...`?"),
        (["xyz"], "there is no verb 'xyz'; see cl-bench --help"),
        (["list", "strategie"], "there is no group 'strategie'; did you mean strategy?"),
        (["list", "xyz"], "there is no group 'xyz'; groups: experiment, benchmark"),
        (["run", "strategy=ewcc"], "there is no strategy=ewcc; choices: "),
        (["run", "strategy=ewcc"], "Did you mean ewc?"),
        (["run", "benchmark/dataset=minst"], "Did you mean mnist?"),
        (["run", "experiment=digit"], "Did you mean digits?"),
        (["run", "training.epoch=3"], "there is no setting training.epoch. Did you mean epochs?"),
        (["run", "strateg=ewc"], "there is no setting strateg. Did you mean strategy"),
        (["run", "-m", "strategy=finetune,ewcc"], "Did you mean ewc?"),
        (["run", "strategy"], "'strategy'"),
    ],
)
def test_a_typing_error_is_one_line_with_the_nearest_name(
    command, tmp_path, monkeypatch, arguments, expected
):
    monkeypatch.chdir(tmp_path)
    if "-m" in arguments[1:]:
        arguments = [*arguments, *SMALL]
    status, _, shown = command(*arguments)
    assert status == 2
    (line,) = shown.splitlines()
    assert line.startswith("cl-bench: ")
    assert expected in line


def test_a_typing_error_leaves_no_folder(run, tmp_path):
    run("strategy=ewcc")
    assert not list(tmp_path.iterdir())


# List


def test_list_shows_every_choice_with_its_description(command):
    status, shown, _ = command("list")
    assert status == 0
    for group in GROUPS:
        for name in choices(group):
            (line,) = [
                line for line in shown.partition(f"{group}=\n")[2].splitlines() if line.split()[:1] == [name]
            ][:1]
            assert len(line.split()) > 3


def test_list_of_a_group_shows_that_group_alone(command):
    status, shown, _ = command("list", "strategy")
    assert status == 0
    first, *rest = shown.splitlines()
    assert first == "strategy="
    assert [line.split()[0] for line in rest] == list(choices("strategy"))


def test_groups_without_a_choice_are_left_out(command, monkeypatch):
    import cl_bench.cli as cli

    for function in (choices, with_packages):
        without = partial(lambda found, group: {} if group == "experiment" else found(group), function)
        monkeypatch.setattr(cli, function.__name__, without)
    for arguments in (["list"], ["--help"]):
        status, shown, errors = command(*arguments)
        assert (status, errors) == (0, "")
        assert "experiment=\n" not in shown
        assert "experiment        =" not in shown
        assert "strategy" in shown
    assert command("list", "experiment")[0] == 2


# Report


def test_a_report_on_an_empty_folder_is_one_line_and_status_1(command, tmp_path):
    status, shown, errors = command("report", str(tmp_path))
    assert (status, shown) == (1, "")
    (line,) = errors.splitlines()
    assert line.startswith("cl-bench: no runs in")


@pytest.mark.parametrize(("arguments", "expected"), [([], 2), (["a", "b"], 2), (["--help"], 0)])
def test_report_wants_one_folder(command, arguments, expected):
    status, shown, _ = command("report", *arguments)
    assert status == expected
    assert shown.startswith("usage: cl-bench report DIR")


# Completion


def complete(monkeypatch, capsys, line):
    monkeypatch.setenv("COMP_LINE", line)
    assert main(["-sc", "query=bash"]) == 0
    return capsys.readouterr().out.split()


def test_completion_offers_the_choices_of_a_group(monkeypatch, capsys):
    found = complete(monkeypatch, capsys, "cl-bench run strategy=")
    assert found == [f"strategy={name}" for name in choices("strategy")]
    assert complete(monkeypatch, capsys, "cl-bench run strategy=ew") == ["strategy=ewc"]


def test_completion_offers_settings(monkeypatch, capsys):
    assert "training.epochs=" in complete(monkeypatch, capsys, "cl-bench run seed=1 training.")


@pytest.mark.parametrize("line", ["cl-bench ", "cl-bench", "cl-bench r"])
def test_completion_offers_the_verbs_first(monkeypatch, capsys, line):
    assert complete(monkeypatch, capsys, line) == list(VERBS)


def test_completion_offers_groups_to_list(monkeypatch, capsys):
    assert complete(monkeypatch, capsys, "cl-bench list ") == list(GROUPS)
    assert complete(monkeypatch, capsys, "cl-bench plot ") == list(KINDS)
    assert complete(monkeypatch, capsys, "cl-bench report ") == []


def test_completion_bash_prints_what_the_shell_evaluates(command):
    status, shown, _ = command("completion", "bash")
    assert status == 0
    assert "complete " in shown
    assert "query=bash" in shown
    assert subprocess.run(["bash", "-n"], input=shown, text=True, check=False).returncode == 0
    assert command("completion", "fish")[0] == 2


# Run


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
    assert shown.count("NonFiniteLossError: the training loss is nan at task 1") == 2
    for folder in tmp_path.glob("default/*-s0-*"):
        if json.loads((folder / "run.json").read_text())["status"] == "failed":
            assert f"failed  {folder.name}" in shown
            assert f"log: {folder / 'run.log'}" in shown
    (line,) = of_ours(errors)
    assert line.startswith("cl-bench: the training loss is nan at task 1, epoch 1, step 2")


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
        (["training.device=foo"], ["training.device", "'foo'", "auto, cpu or cuda"]),
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
    run(*SMALL, "training.epochs=0")
    (log,) = tmp_path.rglob("run.log")
    assert "Traceback" in log.read_text()


def test_an_error_that_nobody_foresaw_is_one_line_with_its_type(run, monkeypatch):
    from cl_bench.running import main as running

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
    from cl_bench.running import main as running

    def interrupted(config, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "execute", interrupted)
    status, _, errors = run(*SMALL)
    assert status == 130
    assert "cl-bench: interrupted; what was recorded is kept" in errors


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
    assert done.returncode == 1
    assert of_ours(done.stderr) == ["cl-bench: epochs must be a whole number, at least 1, got epochs=0"]
    assert done.stdout == ""


def test_a_reader_that_stops_reading_gets_no_traceback(tmp_path):
    command = f"'{sys.executable}' -m cl_bench list | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
