"""A folder to try commands in, with small results where the pages have theirs."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import terminals

sys.path.append(str(Path(__file__).parent))
from shown_blocks import ROOT, SMALL, blocks


@pytest.fixture(scope="session")
def few_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two strategies and two seeds, by a fork."""
    folder = tmp_path_factory.mktemp("few")
    sweep = ["-m", "strategy=finetune,ewc", "seed=0,1", "benchmark=split_digits", "training.probe_every=2"]
    assert terminals.status_of(["run", *sweep, *SMALL, "study=few", f"results_dir={folder}"]) == 0
    return folder / "few"


@pytest.fixture
def workplace(tmp_path, monkeypatch, few_results):
    """An empty folder, but for results, the loose file of add_your_own.md, and my_method, installed."""
    from cl_bench.cli.package import write

    for study in ("default", "permuted_mnist", "split_mnist", "digits"):
        shutil.copytree(few_results, tmp_path / "results" / study)
    (tmp_path / "results" / "reference").symlink_to(ROOT / "results" / "reference")
    loose = next(block.text for block in blocks("python") if "class Modest" in block.text)
    (tmp_path / "my_module.py").write_text(loose)
    (tmp_path / "mine" / "strategy").mkdir(parents=True)
    settings = next(block.text for block in blocks("yaml") if "my_module.Modest" in block.text)
    (tmp_path / "mine" / "strategy" / "modest.yaml").write_text(settings)
    package = write("my_method", kind="penalty", into=tmp_path / "packages")
    information = package / "my_method-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-method\nVersion: 0.1.0\n")
    points = re.search(
        r"^\[project.entry-points.*?\n(.*?)^\[", (package / "pyproject.toml").read_text(), re.S | re.M
    )
    (information / "entry_points.txt").write_text("[cl_bench.conf]\n" + points[1].replace('"', ""))
    for place in (tmp_path, package):
        monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (tmp_path, package))))
    monkeypatch.chdir(tmp_path)
    return tmp_path
