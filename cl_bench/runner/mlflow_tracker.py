"""Runs in MLflow too: `tracking=mlflow`."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from cl_bench.records.atomic import write_whole
from cl_bench.runner.tracking import optional_module

ID_FILE = "mlflow_id.txt"
SQLITE = "sqlite:///"
DATABASE = "mlflow.db"
MOST_LETTERS = 6000  # of a parameter's value, as MLflow has it
MOST_PARAMETERS = 100  # that it takes at once


class MLflow:
    """One MLflow run for each run, the study as its experiment: `mlflow ui`.

    What an earlier try of the run has sent is deleted there: it may lack the last minutes, or go beyond the
    checkpoint that the run resumes from. The id there is in <run>/mlflow_id.txt.

    Args:
        uri: of the tracking store; None: a database in `root`, a file that several processes may write.
        root: the folder of all results.
    """

    def __init__(self, *, run: Path, about: dict[str, Any], uri: str | None, root: str) -> None:
        self._mlflow = optional_module("mlflow", package="mlflow")
        self._folder, self._about = run, about
        self._uri, self._root = uri, Path(root).absolute()

    @cached_property
    def run(self) -> tuple[Any, str]:
        """The client, and the id of the run that was begun there."""
        with _quiet():
            if self._uri is None:
                self._make_database()
            client = self._mlflow.MlflowClient(self._uri or f"{SQLITE}{self._root / DATABASE}")
            self._delete_earlier(client)
            begun = client.create_run(self._experiment(client), run_name=self._folder.name)
        write_whole(self._folder / ID_FILE, f"{begun.info.run_id}\n")
        parameter = self._mlflow.entities.Param
        settings = [
            parameter(key, str(value)[:MOST_LETTERS]) for key, value in self._about["settings"].items()
        ]
        for first in range(0, len(settings), MOST_PARAMETERS):
            client.log_batch(begun.info.run_id, params=settings[first : first + MOST_PARAMETERS])
        return client, begun.info.run_id

    def _make_database(self) -> None:
        """Put an empty database into place as a whole: two processes that begin at once make one."""
        path = self._root / DATABASE
        if path.exists():
            return
        with tempfile.TemporaryDirectory(dir=self._root, prefix=".mlflow-") as folder:
            new = Path(folder) / DATABASE
            self._mlflow.MlflowClient(f"{SQLITE}{new}").search_experiments()
            with suppress(FileExistsError):
                os.link(new, path)

    def _delete_earlier(self, client: Any) -> None:
        id_file = self._folder / ID_FILE
        if id_file.exists():
            with suppress(self._mlflow.MlflowException):  # it is not there, or was deleted
                client.delete_run(id_file.read_text().strip())

    def _experiment(self, client: Any) -> str:
        study = str(self._about["study"])
        with suppress(self._mlflow.MlflowException):  # it exists, perhaps since this moment
            return str(client.create_experiment(study))
        return str(client.get_experiment_by_name(study).experiment_id)

    def log(self, scalars: dict[str, float], *, axis: str, at: int) -> None:
        client, run_id = self.run
        metric = self._mlflow.entities.Metric
        client.log_batch(run_id, metrics=[metric(name, value, 0, at) for name, value in scalars.items()])

    def close(self, *, failed: bool) -> None:
        if "run" in vars(self):
            client, run_id = self.run
            client.set_terminated(run_id, "FAILED" if failed else "FINISHED")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log of a database's migrations from the terminal."""
    import logging

    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "alembic.runtime.migration")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
