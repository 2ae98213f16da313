"""What `cl-bench` says without training: help, typing errors, lists, reports of nothing, completion."""

import subprocess
import sys
import time
from functools import partial

import pytest

from cl_bench.choices import GROUPS, choices, with_packages
from cl_bench.cli import VERBS, main
from cl_bench.kinds import KINDS

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
        (["run", "-m", "strategy=finetune,ewcc", "benchmark=split_digits"], "Did you mean ewc?"),
        (["run", "strategy"], "'strategy'"),
    ],
)
def test_a_typing_error_is_one_line_with_the_nearest_name(
    command, tmp_path, monkeypatch, arguments, expected
):
    monkeypatch.chdir(tmp_path)
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
