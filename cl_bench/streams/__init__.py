"""Streams of tasks: `permuted`, `rotated`, `split` and `sequence`, over any data, in three scenarios.

`TaskStream` is plain tensors. `to_avalanche` makes it a benchmark; it stands in streams/benchmark.py, which
imports Avalanche.
"""

from cl_bench.streams.builders import permuted, rotated, split
from cl_bench.streams.sequence import sequence
from cl_bench.streams.tasks import TaskData, TaskStream

__all__ = ["TaskData", "TaskStream", "permuted", "rotated", "sequence", "split"]
