"""Runs in TensorBoard or Weights & Biases too: `tracking=tensorboard`, `tracking=wandb`.

A tracker is told of every row after it was written, and of nothing else: training, records and a run's name
are the same with it and without it. Where a run continues after a kill, its files of rows end at a
checkpoint. The tracker is told of these rows first, in their order. So it lacks none of them, whatever the
killed process had sent.
"""

import importlib
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from cl_bench import records
from cl_bench.records.atomic import write_whole
from cl_bench.records.row_files import Row
from cl_bench.records.rows import Probe, Record, State
from cl_bench.runner.run_folder import RunFolder

NO_MEASURE = ("seed", "after_task", "on_task", "training_on", "step", "num_examples")


class Tracker(Protocol):
    """What a class under `_target_` in conf/tracking must have.

    It is made with `run` (its folder), `about` (its run.json, to which the run adds) and the other settings
    of its file. The run does not yet know then whether it continues. What a tracker keeps of an earlier try
    is therefore to be opened, or replaced, when it is first told of a row.
    """

    def log(self, scalars: dict[str, float], *, axis: str, at: int) -> None:
        """Take numbers by name, at a point of the axis after_task or step.

        A tracker is told of all the run's rows, from the first, also where the run continues.
        """

    def close(self, *, failed: bool) -> None:
        """Close the tracker: nothing more will come."""


@contextmanager
def tracked(folder: RunFolder) -> Iterator[None]:
    """Tell the configured tracker of the run's rows meanwhile."""
    chosen = folder.config.tracking
    if "_target_" not in chosen:
        yield
        return
    from cl_bench.config.build import build  # here, for it imports Avalanche

    tracker: Tracker = build(chosen, _partial_=True)(run=folder.path, about=folder.about)
    told = False

    def tell(*rows: Row) -> None:
        for row in rows:
            axis, at = place(row)
            measures = scalars(row)
            if measures:
                tracker.log(measures, axis=axis, at=at)

    def listen(row: Row) -> None:
        nonlocal told
        tell(*([row] if told else rows_so_far(folder.path)))  # the row is in its file already
        told = True

    folder.listeners.append(listen)
    failed = True
    try:
        yield
        if not told:  # it was killed after its last row
            tell(*rows_so_far(folder.path))
        failed = False
    finally:
        folder.listeners.remove(listen)
        tracker.close(failed=failed)


def rows_so_far(run: Path) -> list[Row]:
    """Read the run's rows as they were written: of each task the probes, the tests, the state."""
    rows: list[Row] = []
    for kind in (Probe, Record, State):
        path = run / records.FILES[kind]
        rows += records.read(path, kind) if path.exists() else []
    return sorted(rows, key=_task)  # which leaves the rows of a task as they are


def _task(row: Any) -> int:
    return row.training_on if isinstance(row, Probe) else row.after_task


def scalars(row: Row) -> dict[str, float]:
    """Return a row's measures by name, such as accuracy/task_02, without those that it lacks (nan)."""
    if not isinstance(row, Record | State | Probe):
        return {}
    where = "" if isinstance(row, State) else f"/task_{row.on_task:02}"
    kind = {Record: "", State: "state/", Probe: "probe/"}[type(row)]
    measures = {name: float(value) for name, value in row._asdict().items() if name not in NO_MEASURE}
    return {f"{kind}{name}{where}": value for name, value in measures.items() if not math.isnan(value)}


def place(row: Row) -> tuple[str, int]:
    """Return the axis that the row is on, and where."""
    return ("step", row.step) if isinstance(row, Probe) else ("after_task", getattr(row, "after_task", 0))


class TensorBoard:
    """Event files in <run>/tensorboard: `tensorboard --logdir results`.

    They are written anew from the first row on: those of an earlier try may lack its last minutes, or go
    beyond the checkpoint that the run resumes from.
    """

    def __init__(self, *, run: Path, about: dict[str, Any]) -> None:
        self._writer_class = optional_module("torch.utils.tensorboard", package="tensorboard").SummaryWriter
        self._folder, self._about = run / "tensorboard", about

    @cached_property
    def writer(self) -> Any:
        shutil.rmtree(self._folder, ignore_errors=True)
        writer = self._writer_class(log_dir=str(self._folder))
        settings = "\n".join(f"    {key}: {value}" for key, value in self._about["settings"].items())
        writer.add_text("settings", settings)  # indented: Markdown's verbatim text
        return writer

    def log(self, scalars: dict[str, float], *, axis: str, at: int) -> None:
        for name, value in scalars.items():
            self.writer.add_scalar(name, value, at)

    def close(self, *, failed: bool) -> None:
        if "writer" in vars(self):
            self.writer.close()


class WeightsAndBiases:
    """One W&B run for each run, grouped by study; a run that continues does so there too.

    Each row has a number, its index among all rows of the run: what is there already is not sent again. The
    id there is in <run>/wandb_id.txt. Offline nothing can be asked of what is there, so that the files of
    earlier tries are replaced, as those of TensorBoard.
    """

    def __init__(
        self, *, run: Path, about: dict[str, Any], project: str, entity: str | None, mode: str
    ) -> None:
        self._wandb = optional_module("wandb", package="wandb")
        self._folder, self._about, self._mode = run, about, mode
        self._settings = {"project": project, "entity": entity, "mode": mode}
        self._num_rows = self._num_there = 0

    @cached_property
    def run(self) -> Any:
        id_file = self._folder / "wandb_id.txt"
        if self._mode == "offline":
            shutil.rmtree(self._folder / "wandb", ignore_errors=True)
        goes_on = "resumed" in self._about and id_file.exists() and self._mode != "offline"
        run = self._wandb.init(
            **self._settings,
            dir=str(self._folder),
            name=self._folder.name,
            group=self._about["study"],
            config=self._about["settings"],
            reinit="create_new",  # seeds that are trained at once are several runs in one process
            **({"id": id_file.read_text().strip(), "resume": "allow"} if goes_on else {}),
        )
        write_whole(id_file, f"{run.id}\n")
        self._num_there = run.step
        for axis, names in (("after_task", "*"), ("step", "probe/*")):
            run.define_metric(axis, hidden=True)
            run.define_metric(names, step_metric=axis)
        return run

    def log(self, scalars: dict[str, float], *, axis: str, at: int) -> None:
        run = self.run
        if self._num_rows >= self._num_there:
            run.log({**scalars, axis: at}, step=self._num_rows)
        self._num_rows += 1

    def close(self, *, failed: bool) -> None:
        if "run" in vars(self):
            self.run.finish(exit_code=int(failed))


def optional_module(name: str, *, package: str) -> ModuleType:
    """Import a module of a package that users install who want it.

    Raises:
        ValueError: where it is not there; it names the extra.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"tracking={package} needs the package {package}, which cannot be imported ({error}): "
            f"install it with `pip install {package}`, or use tracking=none"
        ) from error
