"""The experiment: train on one task after another, test every task, or the newest, after every task."""

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cl_bench.deferred import deferred
from cl_bench.evaluation.finite_loss import FiniteLoss
from cl_bench.evaluation.scores import Bin, Scores
from cl_bench.evaluation.states import States, stored_tensors
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.models.stacked import StackedNetwork
from cl_bench.posteriors.uncertainty import auroc
from cl_bench.records.protocol import check_test_last, tasks_tested
from cl_bench.records.rows import CalibrationBin, Record, State

with deferred():
    from avalanche.benchmarks import CLScenario
    from avalanche.training.templates import SupervisedTemplate

STREAMS = ("test", "validation")


class Start(NamedTuple):
    """Where an interrupted experiment goes on; see learner/state.py.

    The strategy must be as new, and of the same settings.
    """

    after_task: int = 0  # the last task that was trained on and tested
    between_tasks: dict[str, Any] | None = None  # the strategy's state then
    in_task: dict[str, Any] | None = None  # a later one, after a step of the next task
    seconds: float = 0.0  # that the training of that task has taken


class AfterTask(NamedTuple):
    """What follows the records of one seed's tests after a task, or before the first."""

    state: State
    calibration: tuple[CalibrationBin, ...]


def experiment(
    strategy: SupervisedTemplate,
    benchmark: CLScenario,
    *,
    seed: int | Sequence[int],
    test_on: str,
    test_last: int | None,
) -> Iterator[Record]:
    """Yield the record of each test as it is measured: every task before the first task and after each one.

    The records of `measurements`, which has the arguments and errors.
    """
    found = measurements(strategy, benchmark, seed=seed, test_on=test_on, test_last=test_last)
    yield from (each for each in found if isinstance(each, Record))


def measurements(
    strategy: SupervisedTemplate,
    benchmark: CLScenario,
    *,
    seed: int | Sequence[int],
    test_on: str,
    test_last: int | None,
    start: Start | None = None,
) -> Iterator[Record | AfterTask]:
    """Yield the record of each test, every task before the first task and after each one, and after those of
    a task for each seed the state of the strategy and the calibration of its tests.

    With `test_last`, for streams too long for that: only the newest tasks after each one. The strategy and
    the benchmark may be ours or anybody's. Testing is isolated from training: it leaves the global generators
    as they were.

    Args:
        seed: written into the records, nothing else; a sequence for a strategy that trains several at once.
        test_on: `test`, or `validation` for tuning, which needs a benchmark with a validation stream.
        test_last: after each task, test only the last so many tasks seen; None: all tasks of the stream.
        start: go on from there; what it has seen is not yielded again. None: begin.

    Raises:
        ValueError: where the benchmark has no such stream, or `test_last` or `start` does not fit.
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
    states = States(strategy, seeds)

    def test(after_task: int) -> Iterator[Record | AfterTask]:
        tasks = tasks_tested(after_task, num_tasks=len(tested_stream), test_last=test_last)
        scores.forget()
        if tasks:
            with global_generators_restored():
                strategy.eval([tested_stream[task - 1] for task in tasks])
        for on_task, rows in zip(tasks, scores.rows, strict=True):
            for number, row in zip(seeds, rows, strict=True):
                yield Record(number, after_task, on_task, *row)
        num_seen = sum(task <= after_task for task in tasks)
        measured = states.after(
            after_task,
            seconds=seconds,
            num_steps=finite.num_steps,
            ood_auroc=_ood_auroc(scores.confidences, num_seen, len(seeds)),
        )
        for index, state in enumerate(measured):
            yield AfterTask(state, _calibration(state, tasks, [by_seed[index] for by_seed in scores.bins]))
        scores.forget()

    seconds, experiences = 0.0, list(benchmark.streams["train"])
    if start is None:
        start = Start()
        yield from test(after_task=0)
    elif start.between_tasks is not None:
        strategy.restore(start.between_tasks, experiences[: start.after_task])
        states.go_on()
    if start.in_task is not None:
        strategy.go_on_in_task(start.in_task)
    for number, experience in enumerate(experiences[start.after_task :], start=start.after_task + 1):
        started = time.perf_counter()
        strategy.train(experience, eval_streams=[])
        _synchronise(strategy)
        seconds = time.perf_counter() - started
        if number == start.after_task + 1:
            seconds += start.seconds
        yield from test(after_task=number)


def _calibration(state: State, tasks: Iterable[int], bins: list[list[Bin]]) -> tuple[CalibrationBin, ...]:
    """Rows of one seed's bins, which are given for each task tested."""
    return tuple(
        CalibrationBin(state.seed, state.after_task, on_task, *each)
        for on_task, own in zip(tasks, bins, strict=True)
        for each in own
    )


def _ood_auroc(confidences: list[Tensor], num_seen: int, num_seeds: int) -> list[float]:
    """Of each seed: the confidence on the first `num_seen` tests against that on the others, [R, N] each."""
    if not 0 < num_seen < len(confidences):
        return [math.nan] * num_seeds
    seen, unseen = torch.cat(confidences[:num_seen], dim=1), torch.cat(confidences[num_seen:], dim=1)
    if bool(seen.isnan().any() | unseen.isnan().any()):
        return [math.nan] * num_seeds
    return auroc(seen, unseen).tolist()


def _synchronise(strategy: Any) -> None:
    """Wait for the device, so that the clock tells what was computed."""
    device = torch.device(strategy.device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def weights_sha256(strategy: Any) -> list[str]:
    """Of each seed, a hash of all the strategy knows at the end: its network and, for ours, posterior or
    importances.
    """
    tensors, num_seeds = stored_tensors(strategy), getattr(strategy, "num_seeds", 1)
    if not isinstance(getattr(strategy, "network", None), StackedNetwork):
        return [_sha256(tensors)]
    return [_sha256({name: tensor[index] for name, tensor in tensors.items()}) for index in range(num_seeds)]


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
