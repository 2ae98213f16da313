"""What the tests of compact studies share."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    """`synthetic.write_run`: a run folder without a run."""
    return runpy.run_path(str(Path(__file__).parents[1] / "analysis" / "synthetic.py"))["write_run"]
