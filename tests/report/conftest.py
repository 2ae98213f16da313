"""What the tests of the page share."""

from collections.abc import Callable
from pathlib import Path

import plotted
import pytest


@pytest.fixture(scope="session")
def write_run() -> Callable[..., Path]:
    """`synthetic.write_run`: a run folder without a run."""
    return plotted.write_run


@pytest.fixture(scope="module")
def two_methods(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for seed in range(2):
        plotted.full_run(folder, seed=seed, strategy="vcl")
        plotted.full_run(folder, seed=seed, strategy="ewc", posterior=False)
    return folder
