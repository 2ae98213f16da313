"""Runs in TensorBoard or Weights & Biases too: `tracking=tensorboard`, `tracking=wandb`.

A tracker is told of every row after it was written, and of nothing else: training, records and a run's name
are the same with it and without it.
"""

import importlib
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from cl_bench.lines import Row
from cl_bench.records import Probe, Record, State
from cl_bench.running.folder import RunFolder

NO_MEASURE = ("seed", "after_task", "on_task", "training_on", "step", "num_examples")


class Tracker(Protocol):
    """What a class under `_target_` in conf/tracking must have; it is made with `run` (its folder), `about`
    (its run.json so far) and the other settings of its file.
    """

    def log(self, scalars: dict[str, float], *, axis: str, at: int) -> None:
        """Numbers by name, at a place on the axis after_task or step."""

    def close(self, *, failed: bool) -> None:
        """Nothing more will come."""


@contextmanager
def tracked(folder: RunFolder) -> Iterator[None]:
    """Tell the configured tracker of the run's rows meanwhile."""
    chosen = folder.config.tracking
    if "_target_" not in chosen:
        yield
        return
    from cl_bench.running.build import build  # here, for it imports Avalanche

    tracker: Tracker = build(chosen, _partial_=True)(run=folder.path, about=folder.about)

    def listen(row: Row) -> None:
        axis, at = place(row)
        found = scalars(row)
        if found:
            tracker.log(found, axis=axis, at=at)

    folder.listeners.append(listen)
    failed = True
    try:
        yield
        failed = False
    finally:
        folder.listeners.remove(listen)
        tracker.close(failed=failed)


def scalars(row: Row) -> dict[str, float]:
    """A row's measures by name, such as accuracy/task_02; without those that it does not have (nan)."""
    if not isinstance(row, Record | State | Probe):
        return {}
    where = "" if isinstance(row, State) else f"/task_{row.on_task:02}"
    kind = {Record: "", State: "state/", Probe: "probe/"}[type(row)]
    measures = {name: float(value) for name, value in row._asdict().items() if name not in NO_MEASURE}
    return {f"{kind}{name}{where}": value for name, value in measures.items() if not math.isnan(value)}


def place(row: Row) -> tuple[str, int]:
    """The axis that the row is on, and where."""
    return ("step", row.step) if isinstance(row, Probe) else ("after_task", getattr(row, "after_task", 0))


class TensorBoard:
    """Event files in <run>/tensorboard: `tensorboard --logdir results`."""

    def __init__(self, *, run: Path, about: dict[str, Any]) -> None:
        writer = _module("torch.utils.tensorboard", package="tensorboard").SummaryWriter
        folder = run / "tensorboard"
        shutil.rmtree(folder, ignore_errors=True)  # of an earlier try: the run begins from the start
        self.writer = writer(log_dir=str(folder))
        settings = "\n".join(f"    {key}: {value}" for key, value in about["settings"].items())
        self.writer.add_text("settings", settings)  # indented: Markdown's verbatim text

    def log(self, scalars: dict[str, float], *, axis: str, at: int) -> None:
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, at)

    def close(self, *, failed: bool) -> None:
        self.writer.close()


class WeightsAndBiases:
    """One run there for each of ours, grouped by study."""

    def __init__(
        self, *, run: Path, about: dict[str, Any], project: str, entity: str | None, mode: str
    ) -> None:
        wandb = _module("wandb", package="wandb")
        self.run = wandb.init(
            project=project,
            entity=entity,
            mode=mode,
            dir=str(run),
            name=run.name,
            group=about["study"],
            config=about["settings"],
            reinit="create_new",  # seeds that are trained at once are several runs in one process
        )
        for axis, names in (("after_task", "*"), ("step", "probe/*")):
            self.run.define_metric(axis, hidden=True)
            self.run.define_metric(names, step_metric=axis)

    def log(self, scalars: dict[str, float], *, axis: str, at: int) -> None:
        self.run.log({**scalars, axis: at})

    def close(self, *, failed: bool) -> None:
        self.run.finish(exit_code=int(failed))


def _module(name: str, *, package: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"tracking={package} needs the package {package}, which cannot be imported ({error}): "
            f"install it with `pip install cl-bench[{package}]`, or use tracking=none"
        ) from error
