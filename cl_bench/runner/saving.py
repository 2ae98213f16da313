"""What training.save asks for, written into each seed's folder when the tests after a task are done."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cl_bench.evaluation.answers import Listener
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.evaluation.states import stored_bits
from cl_bench.learner.knowledge import knowledge_of
from cl_bench.learner.packing import pack
from cl_bench.learner.seed_stack import template_of
from cl_bench.records.rows import Record
from cl_bench.records.saved import FOLDER, PREDICTIONS, WEIGHTS, name_of
from cl_bench.runner.assembly import Parts
from cl_bench.runner.run_folder import RunFolder
from cl_bench.runner.saved_files import write_predictions, write_weights

log = logging.getLogger(__name__)


class Saving:
    """Writes weights and predictions of a run, or of several that are trained at once: each seed's own.

    Attributes:
        plugin: to be given to the strategy.
    """

    def __init__(self, folders: Sequence[RunFolder], parts: Parts) -> None:
        self._folders, self._strategy, self._stream = list(folders), parts.strategy, parts.stream
        self._plan = folders[0].plan(parts.stream.num_tasks)
        self._next_test = 0  # the task after which the coming test is
        self.plugin = Listener(lambda: self._plan.is_due(PREDICTIONS, self._next_test))

    def lacking(self, after_task: int) -> list[Path]:
        """The files that there should be after a task, and are not: a run cannot resume there."""
        due = self._plan.names(after_task)
        paths = [folder.path / FOLDER / name for folder in self._folders for name in due]
        return [path for path in paths if not path.is_file()]

    def resumes(self, after_task: int) -> None:
        """Note that the run resumes after the tests that follow a task."""
        self._next_test = after_task + 1

    def after_tests(self, rows: Sequence[Any]) -> None:
        """Write what is to be saved of the tests that these rows are of. Raises OSError."""
        after_task = rows[-1].after_task
        if self._plan.is_due(WEIGHTS, after_task):
            self._write_weights(after_task)
        if self._plan.is_due(PREDICTIONS, after_task):
            tasks = list(dict.fromkeys(row.on_task for row in rows if isinstance(row, Record)))
            self._write_predictions(after_task, tasks)
        self.plugin.forget()
        self._next_test = after_task + 1

    def _write_weights(self, after_task: int) -> None:
        hashes = weights_sha256(self._strategy)
        for index, folder in enumerate(self._folders):
            knowledge, why = self._knowledge(index)
            tensor = next((each for each in knowledge["network"].values() if each.is_floating_point()), None)
            about = self._about(folder, after_task) | {
                "input_shape": list(self._stream.input_shape),
                "num_classes": self._stream.num_classes,
                "num_heads": self._stream.num_heads,
                "dtype": "none" if tensor is None else str(tensor.dtype).removeprefix("torch."),
                "stored_bits": stored_bits(self._strategy),
                "weights_sha256": hashes[index],
                **({"network_alone": why} if why else {}),
            }
            folder.check()
            write_weights(folder.path / FOLDER / name_of(WEIGHTS, after_task), knowledge, about)

    def _knowledge(self, index: int) -> tuple[dict[str, Any], str]:
        """What the strategy knows of a seed, or its network alone and why."""
        strategy = self._strategy
        why = f"{type(strategy).__name__} does not tell its state"
        if hasattr(strategy, "go_on_in_task"):
            try:
                return knowledge_of(strategy, index, test_noise=self.plugin.test_noise), ""
            except TypeError as error:
                why = str(error)
        log.info("the network alone is saved: %s", why)
        network = template_of(getattr(strategy, "network", strategy.model))
        return {"network": pack(network, "network")}, why

    def _write_predictions(self, after_task: int, tasks: list[int]) -> None:
        for folder, answers in zip(self._folders, self.plugin.answers(), strict=True):
            folder.check()
            path = folder.path / FOLDER / name_of(PREDICTIONS, after_task)
            write_predictions(path, answers, tasks, self._about(folder, after_task))

    def _about(self, folder: RunFolder, after_task: int) -> dict[str, Any]:
        told = {name: folder.about[name] for name in ("benchmark", "strategy", "seed", "hash")}
        return told | {"scenario": self._stream.scenario, "after_task": after_task}
