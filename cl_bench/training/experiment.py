"""The experiment: train on one task after another, test every task after every task."""

import hashlib
from collections.abc import Iterator
from typing import Any

from avalanche.benchmarks import CLScenario
from avalanche.training.templates import SupervisedTemplate

from cl_bench.records import Record
from cl_bench.training.generators import global_generators_restored
from cl_bench.training.plugins import FiniteLoss, Scores

STREAMS = ("test", "validation")


def experiment(
    strategy: SupervisedTemplate, benchmark: CLScenario, *, seed: int, test_on: str
) -> Iterator[Record]:
    """Yield the record of each test as it is measured: every task before the first task and after each one.

    The strategy and the benchmark may be ours or anybody's. Testing is isolated from training: it leaves the
    global generators as they were.

    Args:
        seed: written into the records, nothing else.
        test_on: `test`, or `validation` for tuning, which needs a benchmark with a validation stream.

    Raises:
        ValueError: where the benchmark has no such stream.
        NonFiniteLossError: when a training loss is nan or infinite; the records yielded before stand.
    """
    if test_on not in STREAMS:
        raise ValueError(f"test_on must be one of {', '.join(STREAMS)}, got {test_on=}")
    if test_on not in benchmark.streams:
        raise ValueError(
            f"the benchmark has no {test_on} stream, got {test_on=}: set benchmark.validation_share"
        )
    tested_stream = list(benchmark.streams[test_on])
    scores, finite = Scores(), FiniteLoss()
    strategy.plugins[:0] = [scores, finite]  # Avalanche's clock must stay the last plugin

    def test(after_task: int) -> Iterator[Record]:
        with global_generators_restored():
            strategy.eval(tested_stream)
        for on_task, row in enumerate(scores.rows, start=1):
            yield Record(seed, after_task, on_task, *row)

    yield from test(after_task=0)
    for number, experience in enumerate(benchmark.streams["train"], start=1):
        strategy.train(experience, eval_streams=[])
        yield from test(after_task=number)


def weights_sha256(strategy: Any) -> str:
    """A hash of all the strategy knows at the end: its network and, for ours, posterior or importances."""
    tensors = dict(strategy.model.state_dict())
    if hasattr(strategy, "state_tensors"):
        tensors |= strategy.state_tensors()
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
