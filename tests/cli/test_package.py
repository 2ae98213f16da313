"""What `cl-bench new` writes, and what it refuses."""

import ast
import tomllib

import pytest
import yaml

from cl_bench.cli.main import main
from cl_bench.cli.package import KINDS, render, write


def test_there_are_three_kinds():
    assert KINDS == ("bayesian", "penalty", "replay")


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_has_a_class_a_yaml_a_test_and_a_readme(kind):
    files = render("my_method", kind=kind)
    assert set(files) == {
        *("pyproject.toml", "README.md", "my_method/__init__.py", "my_method/strategy.py"),
        *("my_method/conf/strategy/my_method.yaml", "my_method/conf/search/my_method.yaml"),
        "tests/test_my_method.py",
    }
    assert not [path for path, text in files.items() if "{" + "{" in text or "NAME" in text]
    points = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]["cl_bench.conf"]
    assert points == {"my_method": "my_method.conf"}
    found = yaml.safe_load(files["my_method/conf/strategy/my_method.yaml"])
    found = found.get("strategy", found)
    assert found["_target_"] == "my_method.strategy.MyMethod"
    classes = [
        node.name for node in ast.parse(files["my_method/strategy.py"]).body if isinstance(node, ast.ClassDef)
    ]
    assert "MyMethod" in classes


def test_the_smallest_kind_has_a_method_of_ten_lines():
    tree = ast.parse(render("my_method", kind="penalty")["my_method/strategy.py"])
    (method,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    functions = [node for node in method.body if isinstance(node, ast.FunctionDef)]
    hooks = [node for node in functions if node.name not in ("__init__", "added_loss")]
    lines = sum(node.end_lineno - node.lineno + 1 for node in hooks)
    assert lines <= 10


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["my-method", "--kind", "penalty"], 2, "one that Python can import"),
        (["2fast", "--kind", "penalty"], 2, "one that Python can import"),
        (["MyMethod", "--kind", "penalty"], 2, "small letters"),
        (["_", "--kind", "penalty"], 2, "one that Python can import"),
        (["class", "--kind", "penalty"], 2, "taken by Python"),
        (["json", "--kind", "penalty"], 2, "taken by Python"),
        (["ewc", "--kind", "penalty"], 2, "strategy=ewc exists already"),
        (["my_method", "--kind", "magic"], 2, "invalid choice: 'magic'"),
        (["my_method"], 2, "--kind"),
        ([], 2, "name"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path, monkeypatch, capsys, arguments, status, expected):
    monkeypatch.chdir(tmp_path)
    assert main(["new", *arguments]) == status
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_is_refused_from_python_too():
    with pytest.raises(ValueError, match=r"one of bayesian, penalty, replay, got kind='magic'"):
        render("my_method", kind="magic")


def test_an_existing_folder_is_left_as_it_is(tmp_path, capsys):
    (tmp_path / "my_method").mkdir()
    (tmp_path / "my_method" / "precious").write_text("work of weeks")
    assert main(["new", "my_method", "--kind", "replay", "-o", str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["my_method", "precious"]


def test_the_command_says_what_to_do_next(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my_method", "--kind", "bayesian"]) == 0
    shown = capsys.readouterr().out
    for line in (
        "pip install --no-build-isolation -e my_method",
        "cl-bench check my_method",
        "strategy=my_method",
    ):
        assert line in shown
    assert (tmp_path / "my_method" / "pyproject.toml").exists()


def test_help_is_no_error(capsys):
    assert main(["new", "--help"]) == 0
    assert "--kind {bayesian,penalty,replay}" in capsys.readouterr().out


def test_a_package_may_go_into_a_folder_that_is_not_there_yet(tmp_path):
    assert write("my_method", kind="penalty", into=tmp_path / "a" / "b") == tmp_path / "a" / "b" / "my_method"
