"""The reference setting on a few images."""

from pathlib import Path

import pytest

from speed.bench import TINY, Bench
from speed.ours import Subject


@pytest.fixture(autouse=True)
def _as_before(process_as_before: None) -> None:
    pass


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(TINY, "cpu", 1, tmp_path)


@pytest.fixture
def subject(bench: Bench) -> Subject:
    """Fine-tuning."""
    return Subject(bench.overrides("strategy=finetune"))
