"""Packages as `cl-bench new` writes them, built and installed where no other test sees them."""

import os
import zipfile
from contextlib import chdir
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from cl_bench.new.package import KINDS, write


def install(folder: Path, target: Path) -> None:
    """Build the package's wheel and put its files where pip would."""
    with chdir(folder):
        wheel = build_wheel(str(folder))
    with zipfile.ZipFile(folder / wheel) as archive:
        archive.extractall(target)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: my_penalty, my_replay, my_bayesian. Their sources are in ../sources."""
    root = tmp_path_factory.mktemp("new")
    for kind in KINDS:
        install(write(f"my_{kind}", kind=kind, into=root / "sources"), root / "site")
    return root / "site"


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, seen by this process and by those it starts."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    return site
