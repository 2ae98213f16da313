"""A stream of very many tasks: do the last ones cost what the first ones did?"""

from collections.abc import Sequence
from itertools import pairwise

from speed.bench import Bench, Measurement, cl_bench_command
from speed.clock import median
from speed.memory import MIB
from speed.task_clock import TaskStart, read_task_starts

EARLY = slice(5, 10)  # tasks 6 to 10: the first ones warm up


def long_stream(bench: Bench) -> dict[str, Measurement]:
    """Do one run in a process of its own."""
    clock = bench.folder / "tasks.csv"
    cl_bench_command(
        "run",
        *bench.overrides("strategy=finetune", "training.test_last=5", *bench.scale.long_stream),
        f"results_dir={bench.folder}",
        f"plugins=[{{_target_:speed.task_clock.TaskClock,path:'{clock}'}}]",
    )
    return flatness(read_task_starts(clock), late=bench.scale.late_tasks)


def flatness(starts: Sequence[TaskStart], *, late: int) -> dict[str, Measurement]:
    """Compare each of the last `late` tasks with the median of tasks 6 to 10: time, and memory at start."""
    if len(starts) < EARLY.stop + 1 + late:
        raise ValueError(f"the stream must have more than {EARLY.stop + late} tasks, got {len(starts)}")
    # from one start to the next: with its tests; of the last task there is no end
    seconds = [after.seconds - before.seconds for before, after in pairwise(starts)]
    memory = [start.resident_bytes / MIB for start in starts]
    early_seconds, early_memory = median(seconds[EARLY]), median(memory[EARLY])
    note = f"{len(starts):,} tasks in {starts[-1].seconds - starts[0].seconds:.0f} s"
    return {
        "long_stream_time": Measurement(seconds[-late:], [early_seconds] * late, note=note),
        "long_stream_memory": Measurement(
            memory[-late:],
            [early_memory] * late,
            note=f"{early_memory:.0f} MiB, then {median(memory[-late:]):.0f} MiB",
            in_seconds=False,
        ),
    }
