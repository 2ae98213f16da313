"""What the tests of strangers' files share: a finished results folder, made without training."""

import shutil
from pathlib import Path

import pytest
from hostile.folders import write_base


@pytest.fixture(scope="session")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("hostile") / "results")


@pytest.fixture
def base(_base: Path, tmp_path: Path) -> Path:
    """A copy of its own for each test, with the runs `folders.GOOD` and `folders.BAD`."""
    return Path(shutil.copytree(_base, tmp_path / "results"))
