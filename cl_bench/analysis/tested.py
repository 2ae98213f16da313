"""Which rows of a run belong to the tests that its metrics are over."""

import pandas as pd


def newest(rows: pd.DataFrame) -> pd.DataFrame:
    """The tests of the last `test_last` tasks, after each task; all of a run that has no such limit.

        on_task > after_task - test_last

    A run may test all tasks after the last one besides (`training.test_all_at_end`). Metrics are over the
    same number of tasks at every moment, and leave these tests out.

    Args:
        rows: of `load`, or others with its columns on_task, after_task and test_last.

    >>> frame = matrix_frame([[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]], method="ewc", test_last=1)
    >>> newest(frame[frame["after_task"] == 2])[["on_task", "accuracy"]]
       on_task  accuracy
    5        2       0.8
    """
    if "test_last" not in rows:
        return rows
    # None is nan, with which no comparison is true
    left_out = rows["on_task"] <= rows["after_task"] - rows["test_last"].astype(float)
    return rows[~left_out]
