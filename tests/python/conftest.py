"""Small streams, and the same runs by overrides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_runs import as_before  # noqa: F401

import cl_bench
from cl_bench.records.run_files import about_run

SMALL = {"epochs": 1, "batch_size": 64}


def overrides(benchmark: str, strategy: str, **settings: Any) -> list[str]:
    """The words of a command line, with dots as they are there."""
    return [f"benchmark={benchmark}", f"strategy={strategy}", *(f"{k}={v}" for k, v in settings.items())]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[pd.DataFrame, list[str]]]:
    """run(words): its frame without the study, and the hash of each run's weights, by name."""

    def run(words: list[str]) -> tuple[pd.DataFrame, list[str]]:
        folder = tmp_path / "by_overrides"
        frame = cl_bench.run([*words, f"results_dir={folder}"])
        hashes = [about_run(folder / "default" / name)["weights_sha256"] for name in frame["run"].unique()]
        return frame.drop(columns="study"), hashes

    return run
