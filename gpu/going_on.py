"""A run that is stopped within a task and continues, in the ordinary way, beside one that is not."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cl_bench.deferred import deferred
from cl_bench.runner.stopped import Stopped
from gpu.items import FAIL, PASS, Answer, Asked
from gpu.runs import digits, methods, run

with deferred():
    from avalanche.core import SupervisedPlugin


class StopOnce(SupervisedPlugin):
    """A plugin that tells the process to stop after some steps of the second task, the first time.

    Args:
        path: of a file that says that it was told.
        step: of the task, from 1.
    """

    def __init__(self, *, path: str, step: int) -> None:
        super().__init__()
        self._path, self._step = Path(path), step

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        clock = strategy.clock
        if (
            clock.train_exp_counter == 1
            and clock.train_exp_iterations == self._step
            and not self._path.exists()
        ):
            self._path.touch()
            signal.raise_signal(signal.SIGTERM)

    def state(self) -> dict[str, int]:
        """Nothing that a checkpoint would need: without this the run would have none."""
        return {}

    def restore(self, state: dict[str, int]) -> None:
        """Nothing is put back."""


def stopped(asked: Asked) -> Iterator[Answer]:
    """Ask whether a stopped run ends at the weights and tests of a run that was not stopped."""
    for method in methods(asked):
        if method in asked.known:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "stopped")
            settings = (
                *digits(asked, f"strategy={method}"),
                f"+plugins=[{{_target_:{__name__}.{StopOnce.__name__},path:'{path}',step:3}}]",
            )
            try:
                run(asked, *settings, folder=folder)
            except Stopped:
                (gone_on,) = run(asked, *settings, folder=folder)
                (whole,) = run(asked, *settings, "resume=false", folder=folder)
                hashes = [each.about["weights_sha256"] for each in (gone_on, whole)]
                same = hashes[0] == hashes[1] and gone_on.records == whole.records
                where = gone_on.about.get("resumed", "from the beginning")
                status = PASS if same and "resumed" in gone_on.about else FAIL
                yield Answer(
                    method, status, said=f"it went on {where}: the end is {'' if same else 'not '}the same"
                )
            else:
                yield Answer(method, FAIL, said="it was not stopped")
