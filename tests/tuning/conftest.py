"""Searches of a second or less, and nothing of Hydra left behind."""

import pytest
from small_runs import SMALL_SEARCH

from cl_bench.cli.main import main


@pytest.fixture(autouse=True)
def _as_before(process_as_before):
    pass


@pytest.fixture
def tune(tmp_path, capsys):
    """tune("strategy=ewc", ...): status, standard output and standard error of a small search in tmp_path."""

    def call(*arguments):
        status = main(["tune", *SMALL_SEARCH, *arguments, f"results_dir={tmp_path}"])
        return status, *capsys.readouterr()

    return call
