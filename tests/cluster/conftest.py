"""A sweep that takes seconds."""

import pytest


@pytest.fixture(scope="session")
def small():
    return (
        "benchmark=split_digits",
        "benchmark.num_tasks=2",
        "training.epochs=1",
        "model.hidden=[8]",
        "seed=0,1",
    )
