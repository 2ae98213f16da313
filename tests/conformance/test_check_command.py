"""`cl-bench check` and `StrategyContract`, on strategies of ours, of folders, packages and Avalanche."""

import inspect
import json
import os
import re
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cl_bench.cli.check import chosen, timed
from cl_bench.cli.main import main
from cl_bench.config import choices, compose
from cl_bench.conformance import catalogue
from cl_bench.conformance.avalanche import DIFFERS, STOCK, known, page
from cl_bench.conformance.check import FAIL, NOT_APPLICABLE, PASS, Check, Failed, NotApplicable, result_of
from cl_bench.conformance.searched import what_tuning_searches_is_taken
from cl_bench.testing import CHECKS, Claims, StrategyContract, Subject, examine

QUICK = [check for check in CHECKS if check.name in ("it_is_built_from_its_settings", DIFFERS)]
YAML = """# L2 of somebody else
name: mine
_target_: cl_bench.strategies.L2
strength: 3.0
"""


@pytest.fixture
def two_checks(monkeypatch):
    monkeypatch.setattr(catalogue, "CHECKS", tuple(QUICK))


def lines_of(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("two_checks")
def test_it_prints_a_line_a_check_and_exits_with_0_where_none_fails(capsys):
    assert main(["check", "ewc", "strategy.mode=online"]) == 0
    first, second, empty, summary = lines_of(capsys)
    assert re.match(rf"pass +[\d.]+ s  {QUICK[0].name} +EWC of a network with ", first)
    assert re.match(rf"pass +[\d.]+ s  {QUICK[1].name}  ", second)
    assert (empty, summary) == ("", "ewc: 2 passed, 0 failed, 0 do not apply")


@pytest.mark.usefixtures("two_checks")
def test_a_failure_says_what_usually_causes_it_and_exits_with_1(capsys):
    assert main(["check", "broken_strategies:PenaltyIsZero", *SETTINGS_OF_EWC]) == 1
    _, failure, asked, cause, again, _, summary = lines_of(capsys)
    assert re.match(rf"fail +[\d.]+ s  {QUICK[1].name}  ", failure)
    assert asked == f"      asked: {QUICK[1].question}"
    assert cause == f"      usually: {QUICK[1].cause}"
    assert again == f"      again: --only {QUICK[1].name}"
    assert summary.endswith("1 passed, 1 failed, 0 do not apply")


SETTINGS_OF_EWC = (
    *("strategy.strength=3.0", "strategy.mode=separate", "strategy.decay=1.0"),
    "strategy.fisher_estimator=exact",
)


@pytest.mark.usefixtures("two_checks")
def test_a_strategy_that_cannot_be_built_fails_once(capsys):
    assert main(["check", "cl_bench.strategies:EWC"]) == 1
    failure, *_ = lines_of(capsys)
    missing = ("strength", "mode", "decay", "fisher_estimator")
    assert all(f"+strategy.{name}=..." in failure for name in missing), "all that have no value are named"


@pytest.mark.usefixtures("two_checks")
def test_settings_of_base_classes_are_missed_too_and_may_be_given_as_run_says(capsys):
    assert main(["check", "cl_bench.strategies:DER", "+strategy.alpha=1"]) == 1
    failure = lines_of(capsys)[0]
    assert "strategy.memory_size" in failure
    assert "strategy.beta" in failure
    assert "strategy.alpha" not in failure


@pytest.mark.usefixtures("two_checks")
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("strategy.strenght=3", "there is no setting strategy.strenght. Did you mean strategy.strength=3?"),
        ("strategy.mode=3", "mode must be one of separate, online, got mode=3"),
        ("trainin.epochs=3", "there is no setting trainin"),
    ],
)
def test_a_wrong_setting_is_said_as_run_says_it(capsys, setting, said):
    assert main(["check", "ewc", setting]) == 1
    assert said in lines_of(capsys)[0]


def test_only_asks_the_question_of_that_name_or_those_that_hold_the_word(capsys):
    assert main(["check", "finetune", "--only", DIFFERS, "--only=it_is_built"]) == 0
    lines = lines_of(capsys)
    assert [line.split()[3] for line in lines[:-2]] == ["it_is_built_from_its_settings", DIFFERS]


def test_only_refuses_what_no_question_is_called(capsys):
    assert main(["check", "finetune", "--only", "the_same_sed_gives_the_same_bits"]) == 2
    said = capsys.readouterr().err
    assert "did you mean the_same_seed_gives_the_same_bits?" in said
    assert "--list" in said


def test_a_whole_name_is_that_question_alone():
    names = ["a", "a_and_b", "c"]
    checks = [Check(each, "", _named(each)) for each in names]
    assert [each.name for each in chosen(checks, ["a"])] == ["a"]
    assert [each.name for each in chosen(checks, ["and", "c"])] == ["a_and_b", "c"]
    assert chosen(checks, []) == checks


def _named(name: str):
    def look(subject: Subject) -> str:
        return ""

    look.__name__ = name
    return look


def test_list_has_every_name_and_question(capsys):
    assert main(["check", "--list"]) == 0
    lines = lines_of(capsys)
    assert lines[::2] == [check.name for check in CHECKS]
    assert [line.strip() for line in lines[1::2]] == [check.question for check in CHECKS]


def test_the_seconds_are_of_the_cpu_and_of_children_too():
    def results():
        yield 1
        code = "import time\nwhile time.process_time() < 0.5: pass"
        subprocess.run([sys.executable, "-c", code], check=True)
        yield 2
        time.sleep(0.5)
        yield 3

    (_, first), (_, second), (_, third) = timed(results())
    assert first < 0.3
    assert second >= 0.45
    assert third < 0.3


SEARCHED = {
    "strategy.strength: 1,10": "pass",
    "strategy.weight: 1,10": "there is no setting strategy.weight",
    "strategy.strength: -1,1": "strategy.strength=-1 is not taken: strength must",
    "training.learning_rate: tag(log,interval(0,1))": "an interval must have 0 < start < end",
    "+strategy.new: 1,2": "+strategy.new=1 is not taken",
    "strategy.strength: 3": "a search space must give several values",
    "strategy.strength: interval(1,oops)": "interval(1,oops)",
    "training.epochs: range(0,3)": "training.epochs=0 is not taken: epochs must",
}


@pytest.mark.parametrize("searched", SEARCHED)
def test_what_a_package_s_search_says_is_tried(tmp_path, searched):
    for group, text in {"strategy": YAML, "search": f"# what is tried\n{searched}\n"}.items():
        (tmp_path / group).mkdir()
        (tmp_path / group / "mine.yaml").write_text(text)
    result = result_of(what_tuning_searches_is_taken, Subject("mine", config_dirs=[tmp_path]))
    if SEARCHED[searched] == "pass":
        assert result.outcome == PASS, result
    else:
        assert result.outcome == FAIL, result
        assert SEARCHED[searched] in result.seen
        assert str(tmp_path / "search" / "mine.yaml") in result.seen


@pytest.mark.usefixtures("two_checks")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ewx", "Did you mean strategy=ewc?"),
        ("my_mod.Mine", "A class is written my_mod:Mine."),
        ("no_module:Mine", "package.module:Class, got no_module:Mine: No module named 'no_module'"),
        ("cl_bench.strategies:Nobody", "got cl_bench.strategies:Nobody: "),
        ("no_python:Mine", "got no_python:Mine: invalid syntax (no_python.py, line 1)"),
    ],
)
def test_a_name_that_does_not_exist_is_a_slip_and_no_failed_question(
    capsys, tmp_path, monkeypatch, name, said
):
    (tmp_path / "no_python.py").write_text("class Mine(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["check", name]) == 2
    printed, wrong = capsys.readouterr()
    assert not printed
    assert said in wrong
    assert len(wrong.splitlines()) == 1


@pytest.mark.usefixtures("two_checks")
def test_a_strategy_of_a_loose_folder_is_found(capsys, tmp_path):
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "mine.yaml").write_text(YAML)
    assert main(["check", "mine", "--config-dir", str(tmp_path)]) == 0
    assert lines_of(capsys)[0].endswith("parameters")


@pytest.mark.usefixtures("two_checks")
def test_a_strategy_of_an_installed_package_is_found(capsys, tmp_path, monkeypatch):
    package = tmp_path / "another_conf"
    (package / "strategy").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "strategy" / "theirs.yaml").write_text(YAML)
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = EntryPoint("theirs", "another_conf", "cl_bench.conf")
    for module in (choices, compose):
        monkeypatch.setattr(module, "plugged_in", lambda: (entry,))
    assert main(["check", "theirs"]) == 0
    assert re.match(r"pass +[\d.]+ s  it_is_built_from_its_settings +L2 ", lines_of(capsys)[0])


def test_a_wrong_command_line_prints_the_usage():
    assert main(["check"]) == 2
    assert main(["check", "ewc", "mas"]) == 2
    assert main(["check", "--help"]) == 0


def test_its_help_imports_neither_torch_nor_avalanche():
    code = (
        "import sys, json; from cl_bench.cli.main import main; main(['check', '--help']);"
        "print(json.dumps([name for name in ('torch', 'avalanche') if name in sys.modules]))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(choices.__file__).parents[2])}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert json.loads(ended.stdout.splitlines()[-1]) == []


def test_what_a_check_raises_is_its_outcome():
    def raising(error: Exception) -> Check:
        def look(subject: Subject) -> str:
            raise error

        return Check("a?", "b", look)

    subject = Subject("finetune")
    assert result_of(Check("a?", "b", lambda subject: "c"), subject)[1:3] == (PASS, "c")
    assert result_of(raising(Failed("wrong")), subject)[1:3] == (FAIL, "wrong")
    assert result_of(raising(NotApplicable("no")), subject)[1:3] == (NOT_APPLICABLE, "no")
    outcome, seen = result_of(raising(KeyError("key")), subject)[1:3]
    assert (outcome, seen.partition(" (")[0]) == (FAIL, "KeyError: 'key'")


def test_an_error_names_the_line_of_the_strategy_that_led_to_it():
    from broken_strategies import NeedsTaskLabelsInSecret

    (check,) = [each for each in CHECKS if each.name == "it_runs_in_each_scenario_it_declares"]
    subject = Subject("finetune", [f"strategy._target_=broken_strategies.{NeedsTaskLabelsInSecret.__name__}"])
    source, first = inspect.getsourcelines(NeedsTaskLabelsInSecret)
    line = first + next(number for number, text in enumerate(source) if "raise KeyError" in text)
    assert result_of(check, subject).seen.endswith(f"(at broken_strategies.py, line {line})")


def test_an_error_of_ours_names_no_line():
    result = result_of(QUICK[0], Subject("ewx"))
    assert "there is no strategy=ewx" in result.seen
    assert " (at " not in result.seen


def test_a_failure_says_what_failed_before_it_that_it_rests_on():
    def fails(subject: Subject) -> str:
        raise Failed("wrong")

    root, other = Check("root?", "b", fails), Check("other?", "b", fails)
    passes = Check("passes?", "b", lambda subject: "c")
    on_root = Check("first?", "b", fails, rests_on=(passes, root))
    on_both = Check("both?", "b", fails, rests_on=(root, other))
    found = list(examine(Subject("finetune"), [root, passes, on_root, on_both, other]))
    assert [result.perhaps_by for result in found] == [(), (), (root,), (root,), ()]
    assert str(found[2]) == "fail  first?  wrong\n      may be a consequence of: root?\n      usually: b"


def test_a_check_rests_on_checks_that_are_asked_before_it():
    for number, check in enumerate(CHECKS):
        assert set(check.rests_on) <= set(CHECKS[:number]), check.name


class TestL2AsAClass(StrategyContract):
    strategy = "cl_bench.strategies:L2"
    settings = ("strategy.strength=3.0",)
    claims = Claims(against_forgetting=True, off={"strength": 0.0})  # for a class that cannot be edited


def test_on_a_cpu_avalanche_s_synaptic_intelligence_is_fine_tuning():
    name = "avalanche.training:SynapticIntelligence"
    result = result_of(QUICK[1], Subject(name, STOCK["SynapticIntelligence"].settings, **known(name)))
    assert (result.outcome, "bit for bit" in result.seen) == (FAIL, True)


def test_the_page_has_a_column_a_class_a_row_a_check_and_the_cause_of_each_failure():
    check = next(check for check in CHECKS if check.name == DIFFERS)
    text = page(
        {
            "SynapticIntelligence": [check_result(check, FAIL, "equal")],
            "LwF": [check_result(check, PASS, "other")],
            "GEM": [check_result(check, FAIL, "equal")],
        }
    )
    assert "| asked | SynapticIntelligence | LwF | GEM |" in text
    assert f"| {check.question} | **fail** | pass | **fail** |" in text
    assert f"- **SynapticIntelligence**: *{check.question}* equal. On a CPU " in text
    assert f"- **GEM**: *{check.question}* equal. Nobody has looked into it yet." in text


def check_result(check: Check, outcome: str, seen: str):
    from cl_bench.conformance.check import Result

    return Result(check, outcome, seen)


def test_causes_are_of_checks_that_exist():
    assert {name for stock in STOCK.values() for name in stock.causes} <= {check.name for check in CHECKS}
