"""The choices in conf/, ours and those of installed packages, read from file names alone."""

from importlib.metadata import EntryPoint

import pytest

from cl_bench.config import choices as module
from cl_bench.config.choices import GROUPS, choices, describe, with_packages
from cl_bench.config.places import conf_folder

FILES = [(group, name) for group in GROUPS for name in choices(group)]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Somebody's installed package, with a strategy of its own and one that has the name of ours."""
    folder = tmp_path / "somebodys_conf"
    (folder / "strategy").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "strategy" / "theirs.yaml").write_text("# Their strategy\nname: theirs\n")
    (folder / "strategy" / "ewc.yaml").write_text("# Their EWC\nname: ewc\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry_point = EntryPoint(name="somebody", value="somebodys_conf", group="cl_bench.conf")
    monkeypatch.setattr(module, "plugged_in", lambda: (entry_point,))
    return folder


@pytest.mark.parametrize(("group", "name"), FILES)
def test_every_choice_says_in_a_line_what_it_is(group, name):
    description = describe(choices(group)[name])
    assert 10 < len(description) < 130


@pytest.mark.parametrize("group", ["benchmark", "benchmark/dataset", "strategy", "model", "training"])
def test_choices_are_the_files_of_the_group(group):
    found = choices(group)
    assert found
    assert list(found) == sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))


def test_a_group_that_does_not_exist_has_no_choices():
    assert choices("strategie") == {}


def test_directives_to_hydra_are_no_description(tmp_path):
    path = tmp_path / "choice.yaml"
    path.write_text("# @package _global_\n#   What it is\n# more\nname: choice\n")
    assert describe(path) == "What it is"
    path.write_text("name: choice\n")
    assert describe(path) == ""


def test_an_installed_package_adds_choices_and_ours_win(package):
    found = choices("strategy")
    assert found["theirs"] == package / "strategy" / "theirs.yaml"
    assert found["ewc"] == conf_folder() / "strategy" / "ewc.yaml"
    assert list(found) == sorted(found)


def test_list_says_which_package_a_choice_comes_from(package, capsys):
    from cl_bench.cli.main import main

    assert with_packages("strategy")["theirs"] == (package / "strategy" / "theirs.yaml", "somebody")
    assert main(["list", "strategy"]) == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["theirs", "somebody", "Their", "strategy"] in words
    (ewc,) = [line for line in words if line[0] == "ewc"]
    assert ewc[1] == "cl_bench"


def test_what_a_package_adds_can_be_composed(package, monkeypatch):
    from cl_bench.config import compose as running

    entry_point = EntryPoint(name="somebody", value="somebodys_conf", group="cl_bench.conf")
    monkeypatch.setattr(running, "plugged_in", lambda: (entry_point,))
    assert running.compose(["strategy=theirs"]).strategy.name == "theirs"
    assert running.compose(["strategy=ewc"]).strategy.strength > 0
