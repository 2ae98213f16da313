"""Does the device's memory stay what it is over a long stream?"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gpu.correctness import subject
from gpu.items import AT_MOST, FAIL, NOT_APPLICABLE, PASS, Answer, Asked
from gpu.runs import methods, run
from speed.clock import ratio
from speed.long_stream import flatness
from speed.task_clock import TaskClock, read_task_starts, resident_bytes

MOST = 1.1  # times what it was at tasks 6 to 10
TASKS, LATE = 50, 10
TINY_TASKS, TINY_LATE = 13, 2


class DeviceMemory(TaskClock):
    """A plugin that notes the memory of tensors on the device at the start of each task, as a `TaskStart`."""

    def bytes_held(self, strategy: Any) -> int:
        """Return the bytes of tensors on the device."""
        return allocated_bytes(strategy.device)


def allocated_bytes(device: torch.device) -> int:
    """Return the bytes of tensors on a GPU; on a CPU those of the whole process."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return torch.cuda.memory_allocated(device)
    return resident_bytes()


def flat(asked: Asked) -> Iterator[Answer]:
    """Divide the memory of the last tasks by that of tasks 6 to 10."""
    tasks, late = (TINY_TASKS, TINY_LATE) if asked.tiny else (TASKS, LATE)
    for method in methods(asked):
        if method in asked.known:
            continue
        if subject(method, "mlp", asked.device).claims.grows:
            yield Answer(method, NOT_APPLICABLE, said="it says that what it keeps grows with the tasks")
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "memory.csv")
            run(
                asked, "benchmark=permuted_digits", f"benchmark.num_tasks={tasks}", "benchmark.num_train=200",
                "training.epochs=1", "training.test_last=2", f"strategy={method}",
                f"+plugins=[{{_target_:{__name__}.{DeviceMemory.__name__},path:'{path}'}}]", folder=folder,
            )  # fmt: skip
            measurement = flatness(read_task_starts(path), late=late)["long_stream_memory"]
        value = ratio(measurement.work, measurement.reference).median
        said = f"{tasks} tasks, {measurement.note}"
        yield Answer(method, PASS if value <= MOST else FAIL, value, "times", f"{AT_MOST} {MOST}", said)
