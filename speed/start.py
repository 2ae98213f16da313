"""What a run costs that hardly trains, from Enter to the end."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

from speed.bench import Bench, Measurement

MEGABYTE = 10**6


class Spent(NamedTuple):
    """What a process took, of itself and of those it waited for."""

    cpu_seconds: float
    peak_bytes: int


def start(bench: Bench) -> dict[str, Measurement]:
    """Time a run of one short epoch a task, and the same command when it is finished."""
    first, again = [], []
    for _ in range(bench.rounds):
        results = tempfile.mkdtemp(dir=bench.folder)
        command = ("run", *bench.scale.start, f"training.device={bench.device}", f"results_dir={results}")
        first.append(spent(command))
        again.append(spent(command))
        bench.after_round()
    return {
        "start": _beside_one([each.cpu_seconds for each in first]),
        "start_memory": _beside_one([each.peak_bytes / MEGABYTE for each in first], in_seconds=False),
        "start_again": _beside_one([each.cpu_seconds for each in again]),
    }


def _beside_one(numbers: Sequence[float], *, in_seconds: bool = True) -> Measurement:
    return Measurement(numbers, [1.0] * len(numbers), in_seconds=in_seconds)


def spent(arguments: Sequence[str]) -> Spent:
    """Return what `cl-bench` with these arguments takes.

    Raises:
        RuntimeError: where it fails.
    """
    command = [sys.executable, "-m", "cl_bench", *arguments]
    done = subprocess.run(
        [sys.executable, "-m", "speed.child_usage", *command], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"cl-bench {' '.join(arguments)} failed: {done.stderr[-800:]}")
    return Spent(**json.loads(done.stdout))
