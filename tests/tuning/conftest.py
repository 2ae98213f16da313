"""Searches of a second or less, and nothing of Hydra left behind."""

import pytest

from cl_bench.cli.main import main

SMALL = (
    "benchmark.num_tasks=2",
    "training.epochs=1",
    "model.hidden=[8]",
    *("model.normalisation=none", "model.activation=relu", "training.schedule=constant"),
    "tune.num_seeds=1",
    "tune.num_reported=5",
)


@pytest.fixture(autouse=True)
def _as_before(process_as_before):
    pass


@pytest.fixture
def tune(tmp_path, capsys):
    """tune("strategy=ewc", ...): status, standard output and standard error of a small search in tmp_path."""

    def call(*arguments):
        status = main(["tune", *SMALL, *arguments, f"results_dir={tmp_path}"])
        return status, *capsys.readouterr()

    return call
