"""What `cl-bench` says without training: help, typing errors, lists, reports of nothing, completion."""

import re
import subprocess
import sys
import time
from functools import partial

import pytest

from cl_bench.cli import VERBS
from cl_bench.cli.main import main
from cl_bench.config.choices import GROUPS, all_groups, choices, with_packages
from cl_bench.config.places import conf_folder
from cl_bench.report.figure_kinds import KINDS

# Help


def test_help_imports_nothing_slow_and_answers_at_once():
    script = "import sys; from cl_bench.cli.main import main; main(['--help'])"
    script += "; print(*sys.modules, file=sys.stderr)"
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - started)
    loaded = set(done.stderr.split())
    assert "cl_bench.cli.main" in loaded
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
        (["run", "strategy=ewcc"], "Did you mean strategy=ewc?"),
        (["run", "benchmark/dataset=minst"], "Did you mean benchmark/dataset=mnist or "),
        (["run", "experiment=digit"], "Did you mean experiment=digits?"),
        (["run", "training.epoch=3"], "there is no setting training.epoch. Did you mean training.epochs=3?"),
        (["run", "strateg=ewc"], "there is no setting strateg. Did you mean strategy"),
        (["run", "-m", "strategy=finetune,ewcc", "benchmark=split_digits"], "Did you mean strategy=ewc?"),
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
    from cl_bench.cli import list as listing
    from cl_bench.cli import main as cli
    from cl_bench.config import choices as module

    for function in (choices, with_packages):
        without = partial(lambda found, group: {} if group == "experiment" else found(group), function)
        for place in (module, cli, listing):
            monkeypatch.setattr(place, function.__name__, without, raising=False)
    for arguments in (["list"], ["--help"]):
        status, shown, errors = command(*arguments)
        assert (status, errors) == (0, "")
        assert "experiment=\n" not in shown
        assert "experiment        =" not in shown
        assert "strategy" in shown
    assert command("list", "experiment")[0] == 2


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["strategy", "--help"]])
def test_list_answers_help(command, arguments):
    status, shown, errors = command("list", *arguments)
    assert (status, errors) == (0, "")
    assert shown.startswith("usage: cl-bench list")
    assert all(group in shown for group in all_groups())


@pytest.mark.parametrize("group", [*all_groups(), "tuned/permuted_mnist", "tuned/permuted_mnist/"])
def test_every_group_in_conf_is_listed(command, group):
    status, shown, errors = command("list", group)
    assert (status, errors) == (0, "")
    inside = choices(group.strip("/")) or {place.name for place in (conf_folder() / group).iterdir()}
    assert inside
    assert all(name in shown for name in inside)


def test_list_shows_settings_that_are_empty_by_default(command):
    for group, name, setting in (
        ("strategy", "avalanche", "strategy.settings={}"),
        ("training", "default", "training.optimizer_settings={}"),
        ("training", "default", "training.ood=[]"),
    ):
        status, shown, _ = command("list", group, name)
        assert status == 0
        assert setting in shown


def test_one_strategy_is_shown_with_its_settings_its_source_and_what_is_tuned_for_it(command):
    status, shown, _ = command("list", "strategy", "ewc")
    assert status == 0
    assert "strategy.strength=1000.0         lambda; 0 is fine-tuning" in shown
    assert "Sources: Kirkpatrick et al. 2017" in shown
    assert "  permuted_digits: strategy.strength=" in shown
    assert "  permuted_mnist: as comparison_permuted_mnist/ewc" in shown
    _, searched = shown.split("What cl-bench tune searches")
    for key in ("strategy.strength", "training.learning_rate", "training.schedule", "model.normalisation"):
        assert re.search(rf"^  {key}=\S*,\S+$", searched, re.M), "the network's, too, of a file of its own"


@pytest.mark.parametrize(
    ("group", "name", "expected"),
    [
        ("strategy", "bayesbinn_fixed_prior", "carry_prior=false           false keeps the first prior"),
        ("strategy", "bayesbinn_fixed_prior", "model.weights=binary"),
        ("strategy", "finetune", "Settings, with their defaults"),
        ("benchmark", "split_mnist", "benchmark.num_tasks=5"),
        ("benchmark", "split", "unit ([0, 1]), standardised, raw (features as they are)"),
        ("benchmark/dataset", "image_folder", "benchmark.dataset.path=???"),
        ("model", "mlp", "model.hidden=[100, 100]"),
        ("training", "default", "training.epochs=5"),
        ("tracking", "wandb", "tracking.mode=online"),
        ("experiment", "digits", "study: digits"),
        ("search", "ewc", "strategy.strength"),
        ("hydra/launcher", "slurm", "timeout_min"),
    ],
)
def test_one_choice_of_every_group_is_shown(command, group, name, expected):
    status, shown, errors = command("list", group, name)
    assert (status, errors) == (0, "")
    assert expected in shown


def test_a_comment_over_several_lines_is_shown_to_its_end(command):
    _, shown, _ = command("list", "training", "default")
    (line,) = [line for line in shown.splitlines() if "training.patience=" in line]
    assert "a lower validation loss (needs benchmark.validation_share), and go back to its best" in line


def test_a_comment_of_its_own_is_not_the_end_of_another(tmp_path):
    from cl_bench.cli.list import _comments

    path = tmp_path / "mine.yaml"
    lines = ("rate: 1   # one", "          # two", "# of the file", "width: 2", "          # of nothing")
    path.write_text("\n".join([*lines, "name: x  # y", "  # z"]))
    assert _comments(path, "model") == {"model.rate": "one two", "model.name": "y"}


def test_showing_a_choice_imports_neither_torch_nor_avalanche():
    script = "import sys; from cl_bench.cli.main import main; main(['list', 'strategy', 'vcl']); "
    script += "assert not {'torch', 'avalanche', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nonsense"], "there is no group 'nonsense'; groups: experiment"),
        (["ewc"], "type cl-bench list strategy ewc"),
        (["strategy", "ewcc"], "there is no strategy=ewcc; did you mean ewc?"),
        (["strategy", "ewc", "vcl"], "one choice is shown at a time"),
        (["search", "mnist"], "there is no search=mnist; choices: "),
    ],
)
def test_what_cannot_be_listed_is_said_in_a_line(command, arguments, expected):
    status, shown, errors = command("list", *arguments)
    assert (status, shown) == (2, "")
    (line,) = errors.splitlines()
    assert expected in line


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"run"}))
def test_every_verb_answers_help(command, verb):
    status, shown, _ = command(verb, "--help")
    assert status == 0
    assert shown


def test_a_path_may_begin_with_the_home_folder_in_every_verb(command, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "empty").mkdir()
    for arguments in (
        ["report", "~/empty"],
        ["plot", "comparison", "~/empty", "--output=~/a.png"],
        ["merge", "~/empty", "-o", "~/new"],
        ["verify", "~/empty"],
    ):
        status, _, errors = command(*arguments)
        assert status == 1
        assert f"{tmp_path}/empty" in errors
        assert "~" not in errors
    assert "~nobody_here" in command("report", "~nobody_here/x")[2]


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
    assert complete(monkeypatch, capsys, "cl-bench list ") == all_groups()
    assert complete(monkeypatch, capsys, "cl-bench list strategy ") == list(choices("strategy"))
    assert complete(monkeypatch, capsys, "cl-bench plot ") == list(KINDS)
    assert complete(monkeypatch, capsys, "cl-bench report ") == []


def test_completion_bash_prints_what_the_shell_evaluates(command):
    status, shown, _ = command("completion", "bash")
    assert status == 0
    assert "complete " in shown
    assert "query=bash" in shown
    assert subprocess.run(["bash", "-n"], input=shown, text=True, check=False).returncode == 0
    assert command("completion", "fish")[0] == 2
