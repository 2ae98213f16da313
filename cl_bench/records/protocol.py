"""Which tests a run makes. Training, the analysis and the progress bar follow this one rule."""

from cl_bench.validation import is_whole

TEST_LAST = "training.test_last"  # its dotted key in the settings of a run
TEST_ALL_AT_END = "training.test_all_at_end"
TEST_ON = "training.test_on"
# what is measured: of others of these, accuracies are no scores of the same thing, whatever the method
MEASURED = (TEST_LAST, "benchmark.scenario", "benchmark.num_tasks", TEST_ON)

TASK, CLASS = "task", "class"  # scenarios with outputs that are untrained until their task comes


def tasks_tested(
    after_task: int, *, num_tasks: int, test_last: int | None, all_at_end: bool = False
) -> range:
    """Return the tasks tested after training on tasks 1..after_task: the last so many, or all of the stream.

    With `test_last` nothing is tested before the first task, nor a task before it was learned. With
    `all_at_end` all tasks are tested after the last one.
    """
    if test_last is None or (all_at_end and after_task == num_tasks):
        return range(1, num_tasks + 1)
    return range(max(1, after_task - test_last + 1), after_task + 1)


def num_tests(*, num_tasks: int, test_last: int | None, all_at_end: bool = False) -> int:
    """Count the tests of a whole run, which has as many records."""
    return sum(
        len(tasks_tested(after_task, num_tasks=num_tasks, test_last=test_last, all_at_end=all_at_end))
        for after_task in range(num_tasks + 1)
    )


def check_test_last(test_last: int | None) -> None:
    """Check how many of the last tasks are tested. Raises ValueError."""
    if test_last is not None and not (is_whole(test_last) and 1 <= test_last < 2**63):
        raise ValueError(
            f"test_last must be a whole number, at least 1, or null, got test_last={test_last!r:.100}"
        )
