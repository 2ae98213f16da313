"""The experiment: train on one task after another, test every task, or the newest, after every task."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from avalanche.benchmarks import CLScenario
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor

from cl_bench.protocol import check_test_last, tasks_tested
from cl_bench.records import Record
from cl_bench.training.generators import global_generators_restored
from cl_bench.training.plugins import FiniteLoss, Scores

STREAMS = ("test", "validation")


def experiment(
    strategy: SupervisedTemplate,
    benchmark: CLScenario,
    *,
    seed: int | Sequence[int],
    test_on: str,
    test_last: int | None,
) -> Iterator[Record]:
    """Yield the record of each test as it is measured: every task before the first task and after each one.

    With `test_last`, for streams too long for that: only the newest tasks after each one. The strategy and
    the benchmark may be ours or anybody's. Testing is isolated from training: it leaves the global generators
    as they were.

    Args:
        seed: written into the records, nothing else; a sequence for a strategy that trains several at once.
        test_on: `test`, or `validation` for tuning, which needs a benchmark with a validation stream.
        test_last: after each task, test only the last so many tasks seen; None: all tasks of the stream.

    Raises:
        ValueError: where the benchmark has no such stream, or `test_last` does not fit it.
        NonFiniteLossError: when a training loss is nan or infinite; the records yielded before stand.
    """
    if test_on not in STREAMS:
        raise ValueError(f"test_on must be one of {', '.join(STREAMS)}, got {test_on=}")
    check_test_last(test_last)
    if test_on not in benchmark.streams:
        needed = "benchmark.validation_share" if test_on == "validation" else "a data set with test images"
        raise ValueError(f"the benchmark has no {test_on} stream, got {test_on=}: set {needed}")
    tested_stream, num_tasks = list(benchmark.streams[test_on]), len(benchmark.streams["train"])
    if test_last is not None and len(tested_stream) != num_tasks:
        raise ValueError(
            f"test_last needs a {test_on} experience for each of the {num_tasks} tasks, "
            f"got {test_last=} and {len(tested_stream)}"
        )
    seeds = [seed] if isinstance(seed, int) else list(seed)
    scores, finite = Scores(), FiniteLoss()
    strategy.plugins[:0] = [scores, finite]  # Avalanche's clock must stay the last plugin

    def test(after_task: int) -> Iterator[Record]:
        tasks = tasks_tested(after_task, num_tasks=len(tested_stream), test_last=test_last)
        if not tasks:
            return
        with global_generators_restored():
            strategy.eval([tested_stream[task - 1] for task in tasks])
        for on_task, rows in zip(tasks, scores.rows, strict=True):
            for number, row in zip(seeds, rows, strict=True):
                yield Record(number, after_task, on_task, *row)

    yield from test(after_task=0)
    for number, experience in enumerate(benchmark.streams["train"], start=1):
        strategy.train(experience, eval_streams=[])
        yield from test(after_task=number)


def weights_sha256(strategy: Any) -> list[str]:
    """Of each seed, a hash of all the strategy knows at the end: its network and, for ours, posterior or
    importances.
    """
    num_seeds = getattr(strategy, "num_seeds", None)
    # a stack of networks has the same names and a leading axis
    network = strategy.model if num_seeds is None else strategy.model.template
    tensors = dict(network.state_dict())
    if hasattr(strategy, "state_tensors"):
        tensors |= strategy.state_tensors()
    if num_seeds is None:
        return [_sha256(tensors)]
    return [_sha256({name: tensor[index] for name, tensor in tensors.items()}) for index in range(num_seeds)]


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
