"""`cl-bench` in this process: a process of its own takes seconds to import Avalanche."""

import pytest

from cl_bench.cli import main


@pytest.fixture(autouse=True)
def _as_before(process_as_before):
    """What a command sets for the process is put back after each test."""


@pytest.fixture
def run(tmp_path, capsys):
    """run("strategy=ewc"): status, standard output and standard error of `cl-bench run`, into tmp_path."""

    def call(*arguments):
        status = main(["run", *arguments, f"results_dir={tmp_path}"])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def command(capsys):
    """The same for any command line."""

    def call(*arguments):
        status = main(arguments)
        return status, *capsys.readouterr()

    return call
