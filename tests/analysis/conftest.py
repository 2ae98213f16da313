"""What the tests of the analysis share."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    """`synthetic.write_run`: a run folder without a run."""
    return runpy.run_path(str(Path(__file__).with_name("synthetic.py")))["write_run"]
