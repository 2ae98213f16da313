"""Streams of tasks: `permuted`, `rotated` and `split`, over any data set, in three scenarios.

`TaskStream` is plain tensors. `to_avalanche` makes it a benchmark; it stands in streams/benchmark.py, which
imports Avalanche.
"""

from cl_bench.streams.builders import permuted, rotated, split
from cl_bench.streams.tasks import TaskData, TaskStream

__all__ = ["TaskData", "TaskStream", "permuted", "rotated", "split"]
