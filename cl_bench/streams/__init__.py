"""Streams of tasks: `permuted`, `rotated` and `split`, over any data set, in three scenarios.

`TaskStream` is plain tensors; `to_avalanche` in streams/benchmark.py, which imports Avalanche, makes it a
benchmark.
"""

from cl_bench.streams.builders import permuted, rotated, split
from cl_bench.streams.tasks import TaskData, TaskStream

__all__ = ["TaskData", "TaskStream", "permuted", "rotated", "split"]
