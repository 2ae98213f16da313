"""The tests of all tasks of a stream, after a task: does each cost the same, however many there are?"""

from speed.bench import Bench, Measurement
from speed.ours import Subject


def stream_tests(bench: Bench) -> dict[str, Measurement]:
    """Time the tests of many tasks beside those of few, in seconds a task."""
    few, many = (
        Subject(bench.overrides("strategy=finetune", f"benchmark.num_tasks={number}"))
        for number in bench.scale.tested_tasks
    )
    seconds = bench.alternate({"few": few.test_all, "many": many.test_all}, synchronise=few.synchronise)
    num_few, num_many = bench.scale.tested_tasks
    return {
        "stream_tests": Measurement(
            [each / num_many for each in seconds["many"]],
            [each / num_few for each in seconds["few"]],
            note=f"{num_many} tasks beside {num_few}; seconds of one task's test",
        )
    }
