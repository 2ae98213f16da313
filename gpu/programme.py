"""Do items part by part within the time that there is; every result is on disk as soon as it is had."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cl_bench.records.atomic import write_whole
from cl_bench.records.text import counted
from gpu import rows
from gpu.budget import Budget
from gpu.items import DONE, FAIL, FAILED, FULL, LEFT_OUT, TINY, Answer, Asked, Item, LeftOutError, Part, Row
from gpu.page import PAGE, page
from gpu.process import ItemError, TimeIsOverError, WorkerDiedError

RESULTS = "results.csv"
NO_TIME = "no time was left for it"
NOT_TINY = "not in the tiny programme"


class Does(Protocol):
    """Whatever does items: a `process.Worker`."""

    def ask(self, work: str, given: Any, budget: Budget) -> Iterator[Any]: ...

    def close(self) -> None: ...


class Setting(NamedTuple):
    """What all items have in common."""

    output: Path
    device: str
    tiny: bool
    card: str  # the device in words
    new_worker: Callable[[], Does]
    tell: Callable[[str], object] = print


def scale_of(tiny: bool) -> str:
    return TINY if tiny else FULL


class Programme:
    """The parts, what is known of them, and what is left.

    Raises:
        ValueError: where the folder has results of another device or scale.
    """

    def __init__(self, parts: Sequence[Part], setting: Setting) -> None:
        self.parts, self._setting = parts, setting
        self._path = setting.output / RESULTS
        self._rows = rows.read(self._path)
        ours = setting.device, scale_of(setting.tiny)
        for row in self._rows:
            if (row.device, row.scale) != ours:
                raise ValueError(
                    f"{self._path} must be of one device and scale, got {row.device} {row.scale} there and "
                    f"{' '.join(ours)} now; give another --output"
                )
        self._lock = threading.RLock()
        self._idle: list[Does] = []  # workers
        self._errors: list[Exception] = []  # of ours: a full disk, say

    @property
    def rows(self) -> list[Row]:
        """The last row of every result."""
        return list(rows.newest(self._rows).values())

    def run(self, budget: Budget) -> bool:
        """Do all that is left and that there is time for. Return whether nothing failed."""
        self._setting.output.mkdir(parents=True, exist_ok=True)
        self._write_page()
        try:
            for number, part in enumerate(self.parts):
                self._do_part(part, budget.first_of([each.share for each in self.parts[number:]]))
        finally:
            self._close(keep=0)
        return not any(row.status == FAILED for row in self.rows if not row.result)

    def _left(self, part: Part) -> list[Item]:
        """List the items that are not finished."""
        ours = (item for item in part.items if item.in_tiny or not self._setting.tiny)
        return [item for item in ours if not rows.is_finished(self._rows, item.part, item.name)]

    def _do_part(self, part: Part, budget: Budget) -> None:
        """Let several workers take items in their order."""
        left = deque(self._left(part))
        number = min(part.workers, len(left)) if budget.left else 0
        # Ctrl-C ends the main thread, and the others with it
        threads = [
            threading.Thread(target=self._do_items, args=(left, budget), daemon=True) for _ in range(number)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]
        self._close(keep=1)
        self._leave(part, list(left), NO_TIME)
        if self._setting.tiny:
            self._leave(part, [item for item in part.items if not item.in_tiny], NOT_TINY)

    def _do_items(self, left: deque[Item], budget: Budget) -> None:
        with self._lock:
            worker = self._idle.pop() if self._idle else self._setting.new_worker()
        try:
            while budget.left and left and not self._errors:
                with self._lock:
                    item = left.popleft() if left else None  # another worker may have taken the last one
                if item is not None:
                    self._do(item, worker, budget)
        except Exception as error:
            self._errors.append(error)
        with self._lock:
            self._idle.append(worker)

    def _close(self, *, keep: int) -> None:
        while len(self._idle) > keep:
            self._idle.pop().close()

    def _do(self, item: Item, worker: Does, budget: Budget) -> None:
        started = last = time.monotonic()
        known, failed, status, why = rows.known_of(self._rows, item.part, item.name), 0, DONE, ""
        number = len(known)
        device, tiny, output = self._setting.device, self._setting.tiny, str(self._setting.output)
        asked = Asked(item.arguments, device, tiny, output, known, budget.left)
        try:
            for answer in worker.ask(item.work, asked, budget):
                now = time.monotonic()
                self._add(self._row(item, answer, now - last))
                last, number, failed = now, number + 1, failed + (answer.status == FAIL)
        except TimeIsOverError:
            status, why = LEFT_OUT, "its time was over"
        except LeftOutError as error:
            status, why = LEFT_OUT, str(error)
        except (ItemError, WorkerDiedError) as error:
            status, why = FAILED, str(error)
        if failed:
            status, why = FAILED, "; ".join(filter(None, [f"{failed} of {number} results are wrong", why]))
        self._end(item, status, why or f"{number} result{'s' * (number != 1)}", time.monotonic() - started)

    def _leave(self, part: Part, items: Sequence[Item], why: str) -> None:
        """Say of items that they were left out."""
        if items:
            self._add(*(self._row(item, Answer("", LEFT_OUT, said=why), None) for item in items))
            self._setting.tell(f"{part.name}: {counted(len(items), 'item')} {LEFT_OUT}, {why}")

    def _end(self, item: Item, status: str, said: str, seconds: float) -> None:
        self._add(self._row(item, Answer("", status, said=said), seconds))
        self._setting.tell(f"{item.part}: {item.name}: {status}, {seconds:.1f} s, {said}")

    def _row(self, item: Item, answer: Answer, seconds: float | None) -> Row:
        return Row(
            item.part, item.name, answer.name, answer.status, answer.value, answer.unit, answer.target,
            answer.reached, seconds, answer.said, self._setting.device, scale_of(self._setting.tiny),
            self._setting.card,
            datetime.now(UTC).isoformat(timespec="seconds"),
        )  # fmt: skip

    def _add(self, *added: Row) -> None:
        with self._lock:
            rows.append(self._path, *added)
            self._rows += added
            if not all(row.result for row in added):
                self._write_page()

    def _write_page(self) -> None:
        with self._lock:
            write_whole(self._setting.output / PAGE, page(self.parts, self.rows))
