"""What every test may ask for."""

import gc
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from remembering import remember

from cl_bench.config.choices import looking_in


def pytest_collection_finish() -> None:
    """What is imported by now stays: garbage, collected after each run, is not looked for in it, and no fork
    copies it for that.
    """
    remember()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests decode or download stays out of the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CL_BENCH_CACHE", str(tmp_path_factory.mktemp("cl_bench_cache")))
        yield


@pytest.fixture(autouse=True)
def _arithmetic_as_before() -> Iterator[None]:
    """Puts back what a run sets of torch for its process: Hypothesis, for one, needs denormal numbers."""
    remember()  # of what the test before has imported
    yield
    torch = sys.modules.get("torch")  # never imported for a test that does without
    if torch is not None:
        torch.set_flush_denormal(False)
        torch.set_deterministic_debug_mode("default")


@pytest.fixture(autouse=True)
def _folders_as_before() -> Iterator[None]:
    """Forgets the folders of configurations that a test has composed in Python: they count until the next."""
    with looking_in(()):
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets: $CL_BENCH_DATA, or `shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("CL_BENCH_DATA") or beside)
    if not root.is_dir():
        pytest.skip(f"no real data at {root}; set CL_BENCH_DATA")
    return root


@pytest.fixture
def process_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts back what a run in this process sets: Hydra's logging, arguments, environment; torch's threads."""
    import torch

    from cl_bench.runner.sweep_progress import SweepProgress

    root, threads = logging.getLogger(), torch.get_num_threads()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(SweepProgress, "folder", None)
    for name in ("HYDRA_FULL_ERROR", "COMP_LINE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    torch.set_num_threads(threads)
