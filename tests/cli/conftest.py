"""`cl-bench` in this process: a process of its own takes seconds to import Avalanche.

And packages as `cl-bench new` writes them, built and installed where no other test sees them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cl_bench.cli.main import main
from cl_bench.cli.package import KINDS, write

# as the package's README says, with nothing to fetch from
PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-index", "--no-deps")


@pytest.fixture(autouse=True)
def _as_before(process_as_before):
    """What a command sets for the process is put back after each test."""


@pytest.fixture
def run(tmp_path, capsys):
    """run("strategy=ewc"): status, standard output and standard error of `cl-bench run`, into tmp_path."""

    def call(*arguments):
        status = main(["run", *arguments, f"results_dir={tmp_path}"])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def command(capsys):
    """The same for any command line."""

    def call(*arguments):
        status = main(arguments)
        return status, *capsys.readouterr()

    return call


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: my_penalty, my_replay, my_bayesian. Their sources are in ../sources."""
    root = tmp_path_factory.mktemp("new")
    sources = [str(write(f"my_{kind}", kind=kind, into=root / "sources")) for kind in KINDS]
    subprocess.run([*PIP, "--target", str(root / "site"), *sources], check=True)
    return root / "site"


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, seen by this process and by those it starts."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))
    return site
