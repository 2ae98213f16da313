"""The README's Python runs as it stands, and its commands name what exists."""

import re
import sys
from pathlib import Path

import pytest

from cl_bench.choices import choices
from cl_bench.running.compose import compose

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(
    r"^cl-bench (?:run|tune) (?:-m )?(?:--config-dir results )?(.*)$", README, flags=re.MULTILINE
)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty working folder that sees the committed results."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "reference").symlink_to(ROOT / "results" / "reference")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", PYTHON, ids=[f"block {number}" for number in range(1, len(PYTHON) + 1)])
def test_the_python_of_the_readme_runs(checkout, process_as_before, block):
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("command", COMMANDS)
def test_the_runs_of_the_readme_compose(command):
    for setting in command.split():
        key, _, values = setting.partition("=")
        for value in values.split(","):
            compose([f"{key}={value}"] if "." not in key else ["strategy=ewc", f"{key}={value}"])


def test_the_loose_strategy_of_the_readme_runs(checkout, process_as_before, monkeypatch, capsys):
    from cl_bench.cli import main

    class_block = next(block for block in PYTHON if "class Decay" in block)
    yaml_block = re.search(r"^```yaml\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    (checkout / "my_module.py").write_text(class_block)
    (checkout / "mine" / "strategy").mkdir(parents=True)
    (checkout / "mine" / "strategy" / "decay.yaml").write_text(yaml_block.group(1))
    monkeypatch.setattr(sys, "path", [str(checkout), *sys.path])
    few = ["training.epochs=1", "benchmark=split_digits", "benchmark.validation_share=0.8"]
    status = main(["run", "--config-dir", "mine", "strategy=decay", "strategy.rate=1e-3", *few])
    assert status == 0
    assert "decay" in capsys.readouterr().out


def test_the_kit_finds_what_the_readme_says_in_its_loose_strategy(tmp_path, monkeypatch):
    from cl_bench.testing import CHECKS, Subject
    from cl_bench.testing.check import FAIL, result_of

    block = next(block for block in PYTHON if "class Decay" in block)
    (tmp_path / "the_readme_s.py").write_text(block)
    monkeypatch.syspath_prepend(str(tmp_path))
    decay = Subject("the_readme_s:Decay", ["strategy.rate=1e-3"])
    for name in ("the_gradient_is_that_of_loss_and_penalty", "heads_of_other_tasks_stand_still"):
        (check,) = (check for check in CHECKS if check.name == name)
        assert result_of(check, decay).outcome == FAIL


def test_every_strategy_stands_in_the_table_of_methods():
    for name in choices("strategy"):
        assert f"`{name}`" in README
