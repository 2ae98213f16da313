"""What the project does at each commit, merge and release: files that other tools read."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import cl_bench

ROOT = Path(__file__).resolve().parents[1]
HOOKS = {
    hook["id"]: hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repository["hooks"]
}
BAD = {
    "ruff-check": "import os\n",  # not used
    "ruff-format": "x=1\n",
    "mypy": 'def number() -> int:\n    return "one"\n',
}


def test_the_version_stands_once():
    written = re.compile(rf"""["' ]{re.escape(cl_bench.__version__)}["']?$""", re.MULTILINE)
    assert not written.search((ROOT / "pyproject.toml").read_text())
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == cl_bench.__version__


@pytest.mark.parametrize("name", BAD)
def test_a_hook_refuses_what_is_bad_and_takes_what_is_good(tmp_path, name):
    program, *options = shlex.split(HOOKS[name]["entry"])
    for number, (content, refused) in enumerate(((BAD[name], True), ('"""Nothing."""\n', False))):
        path = tmp_path / f"some_{number}.py"
        path.write_text(content)
        command = [str(Path(sys.executable).with_name(program)), *options, str(path)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        changed = path.read_text() != content
        assert (ended.returncode != 0 or changed) == refused, ended.stdout + ended.stderr


def test_the_hooks_are_those_of_make_lint():
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert lint is not None
    programs = {line.split("/")[1].split()[0] for line in lint[1].splitlines()}
    assert programs == {shlex.split(hook["entry"])[0] for hook in HOOKS.values()}
    assert HOOKS.keys() == BAD.keys()


def test_the_workflow_calls_what_continuous_integration_runs():
    (path,) = (ROOT / ".github" / "workflows").glob("*.yml")
    text = path.read_text()
    (job,) = yaml.safe_load(text)["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert "secrets." not in text
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_the_documentation_is_hosted_as_make_docs_builds_it():
    commands = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text())["build"]["commands"]
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text().replace("!!", ""))["site_dir"]
    assert commands[0] == "make docs"
    assert any(f"cp -r {site}/." in command for command in commands)
