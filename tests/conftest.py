"""What every test may ask for."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets: $CL_BENCH_DATA, or `shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("CL_BENCH_DATA") or beside)
    if not root.is_dir():
        pytest.skip(f"no real data at {root}; set CL_BENCH_DATA")
    return root
