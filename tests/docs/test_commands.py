"""Every command and every block that README and docs show does what it says, or is a test's failure."""

import re
import tomllib
from pathlib import Path

import pytest
import shown_commands
import terminals
from omegaconf import OmegaConf
from shown_blocks import HOW_TO, blocks, commands, mentioned
from shown_commands import NOT_EXECUTED, check_mentioned, plan

from cl_bench.analysis.expected_numbers import expected_numbers
from cl_bench.cli import VERBS
from cl_bench.config.compose import compose

pytestmark = pytest.mark.usefixtures("process_as_before")
# what a fence may be; those that are not here fail
LANGUAGES = {"sh", "python", "yaml", "toml", "math", "text"}
COMMANDS = commands()
# files of a generated package have a title: tests/new has them
PYTHON = [block for block in blocks("python") if not block.title]
(INHERITS,) = [block for block in blocks("yaml") if "_self_" in block.text]


def test_every_fence_is_of_a_kind_that_is_tested():
    assert {block.language for block in blocks()} <= LANGUAGES


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_what_it_says_at_a_terminal(workplace, command, record_property, monkeypatch):
    monkeypatch.setattr(shown_commands, "main", terminals.status_of)
    reason, act = plan(command)
    record_property("not executed", reason)
    act()


def test_most_commands_are_executed_and_the_others_say_why():
    reasons = {command: plan(command)[0] for command in COMMANDS}
    assert set(reasons.values()) <= {"", *NOT_EXECUTED.values()}
    assert sum(not reason for reason in reasons.values()) > 15
    executed = [command for command, reason in reasons.items() if not reason]
    followed = [line for page in HOW_TO for line in page.read_text().splitlines()]  # see test_how_to.py
    given = re.findall(r"^(?:\S+=\S+ |eval .*)*cl-bench (\w+)", "\n".join([*executed, *followed]), flags=re.M)
    assert set(given) >= set(VERBS)


def test_a_command_that_nobody_knows_is_a_failure():
    for command in ("rm -rf results", "cl-bench fly", "git push"):
        with pytest.raises(AssertionError):
            plan(command)


@pytest.mark.parametrize("command", mentioned())
def test_a_command_in_a_sentence_names_what_exists(workplace, command):
    check_mentioned(command)


@pytest.mark.parametrize("page", list(dict.fromkeys(block.page for block in PYTHON)))
def test_the_blocks_of_python_of_a_page_run_one_after_another(workplace, page):
    names = {"__name__": "page"}
    for block in PYTHON:
        if block.page == page:
            exec(compile(block.text, page, "exec"), names)


def test_the_kit_finds_what_is_said_of_weight_decay(tmp_path, monkeypatch):
    from cl_bench.conformance.check import FAIL, result_of
    from cl_bench.testing import CHECKS, Subject

    text = next(block.text for block in PYTHON if "class Decay" in block.text)
    (tmp_path / "weight_decay.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    decay = Subject("weight_decay:Decay", ["strategy.rate=1e-3"])
    for name in ("the_gradient_is_that_of_loss_and_penalty", "heads_of_other_tasks_stand_still"):
        (check,) = (check for check in CHECKS if check.name == name)
        assert result_of(check, decay).outcome == FAIL


@pytest.mark.parametrize(
    "block", [block for block in blocks("yaml") if not block.title], ids=lambda block: block.page
)
def test_a_block_of_yaml_is_a_strategy_a_study_or_published_numbers(workplace, block):
    settings = OmegaConf.create(block.text)
    if "_target_" in settings:
        found = compose([f"hydra.searchpath=[{workplace / 'mine'}]", f"strategy={settings['name']}"])
        assert found.strategy == settings
    elif "_later_" in settings:  # a setting that came later, at its neutral value
        assert dict(settings).items() >= dict(settings["_later_"]).items()
    elif "expected" in settings:
        assert expected_numbers(OmegaConf.to_container(settings)["expected"])
    else:
        folder = workplace / "mine" / "experiment"
        folder.mkdir()
        (folder / f"{settings['study']}.yaml").write_text(block.text)
        found = compose([f"hydra.searchpath=[{workplace / 'mine'}]", f"experiment={settings['study']}"])
        assert found.study == settings["study"]


def test_a_strategy_that_inherits_is_composed(workplace):
    (workplace / INHERITS.title).write_text(INHERITS.text)
    name = Path(INHERITS.title).stem
    search = f"hydra.searchpath=[{workplace / 'mine'}]"
    found, vcl = (compose([search, f"strategy={each}", "tuned=none"]).strategy for each in (name, "vcl"))
    written = OmegaConf.create(INHERITS.text)
    assert found == {**vcl, **{key: written[key] for key in written if key != "defaults"}}
    assert found != vcl


def test_blocks_of_toml_parse():
    found = blocks("toml")
    assert found
    for block in found:
        assert tomllib.loads(block.text)
