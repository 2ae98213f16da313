"""What every test may ask for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests decode or download stays out of the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CL_BENCH_CACHE", str(tmp_path_factory.mktemp("cl_bench_cache")))
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets: $CL_BENCH_DATA, or `shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("CL_BENCH_DATA") or beside)
    if not root.is_dir():
        pytest.skip(f"no real data at {root}; set CL_BENCH_DATA")
    return root
