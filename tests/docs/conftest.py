"""A folder to try commands in, with small results where the pages have theirs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import terminals

sys.path.append(str(Path(__file__).parent))
from shown_blocks import ROOT, SMALL, blocks

# files that a page shows under their names, to be put where their commands are tried
LOOSE = [block for block in blocks() if re.fullmatch(r"\w+\.py|mine/.*\.yaml", block.title)]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def few_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two strategies and two seeds, by a fork."""
    folder = tmp_path_factory.mktemp("few")
    sweep = ["-m", "strategy=finetune,ewc", "seed=0,1", "benchmark=split_digits", "training.probe_every=2"]
    assert terminals.status_of(["run", *sweep, *SMALL, "study=few", f"results_dir={folder}"]) == 0
    return folder / "few"


@pytest.fixture
def workplace(tmp_path, monkeypatch, few_results):
    """An empty folder, but for results, the files of add_your_own.md, and two installed packages."""
    for study in ("default", "comparison", "digits"):
        shutil.copytree(few_results, tmp_path / "results" / study)
    (tmp_path / "results" / "reference").symlink_to(ROOT / "results" / "reference")
    loose = next(block.text for block in blocks("python") if "class Modest" in block.text)
    (tmp_path / "my_module.py").write_text(loose)
    (tmp_path / "mine" / "strategy").mkdir(parents=True)
    settings = next(block.text for block in blocks("yaml") if "my_module.Modest" in block.text)
    (tmp_path / "mine" / "strategy" / "modest.yaml").write_text(settings)
    for block in LOOSE:
        (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / block.title).write_text(block.text)
    packages = [
        _installed(name, kind, tmp_path / "packages")
        for name, kind in (("my_method", "penalty"), ("my_bayesian", "bayesian"))
    ]
    for place in (tmp_path, *packages):
        monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (tmp_path, *packages))))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _installed(name: str, kind: str, into: Path) -> Path:
    """The folder of a package of `cl-bench new`, with what an installation would leave there."""
    from cl_bench.cli.package import write

    package = write(name, kind=kind, into=into)
    information = package / f"{name}-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 0.1.0\n"
    )
    points = re.search(
        r"^\[project.entry-points.*?\n(.*?)^\[", (package / "pyproject.toml").read_text(), re.S | re.M
    )
    assert points
    (information / "entry_points.txt").write_text("[cl_bench.conf]\n" + points[1].replace('"', ""))
    return package
