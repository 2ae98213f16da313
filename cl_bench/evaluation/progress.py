"""The bar of a run."""

from collections.abc import Sequence
from typing import Any

from cl_bench.deferred import deferred
from cl_bench.evaluation.terminal import Bar
from cl_bench.records.rows import Record

with deferred():
    from avalanche.core import SupervisedPlugin


class Progress(SupervisedPlugin):
    """A bar over the run with the time left and what was measured last; see evaluation/terminal.py."""

    def __init__(self, *, num_tasks: int, label: str, hidden: bool | None = None) -> None:
        super().__init__()
        self._num_tasks = num_tasks
        self._bar = Bar(total=num_tasks, label=label, hidden=hidden)
        self._task, self._done, self._measured = 0, 0.0, ""

    def before_training_exp(self, strategy: Any, **kwargs: Any) -> None:
        passes = max(len(strategy.dataloader), 1) * strategy.train_epochs
        self._num_steps = getattr(strategy, "num_steps", passes)
        self._task = strategy.clock.train_exp_counter + 1
        self._show()

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        if self._bar.hidden:
            return
        clock = strategy.clock  # the last plugin: it does not count this step yet
        self._done = clock.train_exp_counter + (clock.train_exp_iterations + 1) / self._num_steps
        self._show()

    def measured(self, rows: Sequence[Any]) -> None:
        """Show the mean accuracy on the tasks seen, of all that was measured after the newest one."""
        seen = [row for row in rows if isinstance(row, Record) and 1 <= row.on_task <= row.after_task]
        if self._bar.hidden or not seen:
            return
        mean = sum(record.accuracy for record in seen) / len(seen)
        self._measured = f", {100 * mean:.1f} %"
        if not self._bar.narrow:
            self._measured += f" after task {seen[0].after_task}"
        self._show()
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()

    def _show(self) -> None:
        where = "{}/{}" if self._bar.narrow else "task {} of {}"
        self._bar.show(self._done, where.format(self._task, self._num_tasks) + self._measured)
