"""The experiment: train on one task after another, test every task, or the newest, after every task."""

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cl_bench.deferred import deferred
from cl_bench.evaluation.finite_loss import FiniteLoss, check_predictions
from cl_bench.evaluation.foreign import ForeignTests
from cl_bench.evaluation.known_task import KnownTask
from cl_bench.evaluation.own_statistics import OwnStatistics, check_batch_norm
from cl_bench.evaluation.scores import Bin, Scores
from cl_bench.evaluation.states import States, stored_tensors
from cl_bench.learner.experiences import task_labels_of
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.models.stacked import StackedNetwork
from cl_bench.posteriors.uncertainty import auroc
from cl_bench.records.protocol import check_test_last, tasks_tested
from cl_bench.records.rows import CalibrationBin, Foreign, Record, State

with deferred():
    from avalanche.benchmarks import CLScenario
    from avalanche.training.templates import SupervisedTemplate

STREAMS = ("test", "validation")


class Start(NamedTuple):
    """The place at which an interrupted experiment resumes; see learner/state.py.

    The strategy must be as new, and of the same settings.
    """

    after_task: int = 0  # the last task that was trained on and tested
    between_tasks: dict[str, Any] | None = None  # the strategy's state then
    in_task: dict[str, Any] | None = None  # a later one, after a step of the next task
    seconds: float = 0.0  # that the training of that task has taken


Row = Record | State | CalibrationBin | Foreign


def experiment(
    strategy: SupervisedTemplate,
    benchmark: CLScenario,
    *,
    seed: int | Sequence[int],
    test_on: str,
    test_last: int | None,
) -> Iterator[Record]:
    """Yield the record of each test: every task before the first task and after each one.

    The records of `measurements`, which has the arguments and errors.
    """
    for rows in measurements(strategy, benchmark, seed=seed, test_on=test_on, test_last=test_last):
        yield from (row for row in rows if isinstance(row, Record))


def measurements(
    strategy: SupervisedTemplate,
    benchmark: CLScenario,
    *,
    seed: int | Sequence[int],
    test_on: str,
    test_last: int | None,
    test_all_at_end: bool = False,
    start: Start | None = None,
    also_test: Sequence[str] = (),
    foreign: Sequence[Sequence[Any]] = (),
) -> Iterator[list[Row]]:
    """Train on one task after another; before the first and after each one yield all that is measured.

    These are the record of each test, and of each seed the state of the strategy and the calibration of its
    tests. With `test_last`, for streams too long to test every task, only the newest tasks are tested. The
    strategy and the benchmark may be ours or anybody's. Testing is isolated from training: it leaves the
    global generators as they were.

    Args:
        seed: written into the rows, nothing else; a sequence for a strategy that trains several at once.
        test_on: `test`, or `validation` for tuning, which needs a benchmark with a validation stream.
        test_last: after each task, test only the last so many tasks seen; None: all tasks of the stream.
        test_all_at_end: test all tasks after the last one, whatever `test_last` says.
        start: resume there; what it has seen is not yielded again. None: begin.
        also_test: `task` measures the accuracy with the task known, too; see evaluation/known_task.py.
            `statistics` measures it with each task's own statistics of batch norm; see
            evaluation/own_statistics.py.
        foreign: other data sets that are tested after each task, see `foreign_experiences`.

    Raises:
        ValueError: where the benchmark has no such stream, or `test_last`, `also_test` or `start` does not
            fit.
        NonFiniteLossError: when a training loss is nan or infinite, or a prediction is nan; the rows yielded
            before stand.
    """
    check_batch_norm(also_test, strategy.model)
    tested, experiences = _tested(benchmark, test_on, test_last), list(benchmark.streams["train"])
    seeds = [seed] if isinstance(seed, int) else list(seed)
    examination = Examination(
        strategy,
        tested,
        seeds=seeds,
        test_last=test_last,
        test_all_at_end=test_all_at_end,
        known_task=KnownTask(experiences) if "task" in also_test else None,
        own_statistics=OwnStatistics(experiences) if "statistics" in also_test else None,
        foreign=foreign,
    )
    if start is None:
        start = Start()
        yield examination.after(0, seconds=0.0)
    else:
        _go_on(strategy, start, experiences, examination)
    spent = start.seconds
    for number, experience in enumerate(experiences[start.after_task :], start=start.after_task + 1):
        watched = validation_for(strategy, benchmark, number - 1)
        seconds = spent + _train(strategy, experience, watched)
        yield examination.after(number, seconds=seconds)
        spent = 0.0


def _tested(benchmark: CLScenario, test_on: str, test_last: int | None) -> list[Any]:
    """The experiences that are tested."""
    if test_on not in STREAMS:
        raise ValueError(f"test_on must be one of {', '.join(STREAMS)}, got {test_on=}")
    check_test_last(test_last)
    if test_on not in benchmark.streams:
        needed = "benchmark.validation_share" if test_on == "validation" else "a data set with test images"
        raise ValueError(f"the benchmark has no {test_on} stream, got {test_on=}: set {needed}")
    tested, num_tasks = list(benchmark.streams[test_on]), len(benchmark.streams["train"])
    if test_last is not None and len(tested) != num_tasks:
        raise ValueError(
            f"test_last needs a {test_on} experience for each of the {num_tasks} tasks, "
            f"got {test_last=} and {len(tested)}"
        )
    return tested


def _go_on(strategy: Any, start: Start, experiences: Sequence[Any], examination: "Examination") -> None:
    """Put the strategy to where an interrupted experiment was."""
    if start.between_tasks is not None:
        strategy.restore(start.between_tasks, experiences[: start.after_task])
        examination.go_on()
    if start.in_task is not None:
        strategy.go_on_in_task(start.in_task)


def validation_for(strategy: Any, benchmark: CLScenario, task: int) -> list[Any]:
    """What `train` is handed besides a task: its validation images for a strategy that stops early.

    Args:
        task: from 0.
    """
    if getattr(strategy, "early_stopping", None) is None:
        return []
    return list(benchmark.streams.get("validation", ()))[task : task + 1]


def _train(strategy: Any, experience: Any, watched: list[Any]) -> float:
    """Train on a task; returns the seconds that this took."""
    started = time.perf_counter()
    strategy.train(experience, eval_streams=watched)
    _synchronise(strategy)
    return time.perf_counter() - started


class Examination:
    """Tests of a strategy between its tasks, and what each seed that it trains has become.

    Args:
        experiences: one for each task that is tested.
        seeds: written into the rows.
        test_last: test only the last so many tasks seen; None: all.
        test_all_at_end: all tasks are tested after the last one.
        known_task: measures the accuracy with the task known, too.
        own_statistics: measures it with each task's own statistics of batch norm.
        foreign: data sets that are tested, too, see `ForeignTests`.
    """

    def __init__(
        self,
        strategy: Any,
        experiences: Sequence[Any],
        *,
        seeds: Sequence[int],
        test_last: int | None,
        test_all_at_end: bool = False,
        known_task: KnownTask | None = None,
        own_statistics: OwnStatistics | None = None,
        foreign: Sequence[Sequence[Any]] = (),
    ) -> None:
        self._strategy, self._experiences = strategy, experiences
        self._seeds = seeds
        self._tested = partial(
            tasks_tested, num_tasks=len(experiences), test_last=test_last, all_at_end=test_all_at_end
        )
        self._scores, self._finite_loss = Scores(), FiniteLoss()
        # Avalanche's clock must stay the last plugin
        self._own_statistics = own_statistics
        self._known_task, self._foreign = known_task, ForeignTests(foreign, seeds=seeds, test_last=test_last)
        besides = [known_task, self._foreign.tests if foreign else None]
        strategy.plugins[:0] = [self._scores, self._finite_loss, *filter(None, besides)]
        self._states = States(strategy, seeds)

    def go_on(self) -> None:
        """Take the strategy as it stands for where a task ended."""
        self._states.go_on()

    def after(self, after_task: int, *, seconds: float) -> list[Row]:
        """Test, and return the rows: first all records, then each seed's state and calibration.

        Args:
            after_task: the last task trained on; 0 before the first.
            seconds: that its training took.
        """
        tasks = self._tested(after_task)
        self._scores.forget()
        if tasks:
            with global_generators_restored():
                self._strategy.eval([self._experiences[task - 1] for task in tasks])
        check_predictions(self._scores.rows, tasks=tasks, after_task=after_task)
        known = self._known_task.accuracies if self._known_task is not None and tasks else None
        own = self._with_own_statistics(tasks)
        rows: list[Row] = [
            Record(
                seed=seed,
                after_task=after_task,
                on_task=on_task,
                **score._asdict(),
                accuracy_task_known=math.nan if known is None else known[place][index],
                accuracy_own_statistics=math.nan if own is None else own[place][index],
            )
            for place, (on_task, by_seed) in enumerate(zip(tasks, self._scores.rows, strict=True))
            for index, (seed, score) in enumerate(zip(self._seeds, by_seed, strict=True))
        ]
        states = self._states.after(
            after_task,
            seconds=seconds,
            num_steps=self._finite_loss.num_steps,
            ood_auroc=self._ood_auroc(tasks, after_task),
        )
        for index, state in enumerate(states):
            rows += [state, *_calibration(state, tasks, [by_seed[index] for by_seed in self._scores.bins])]
        self._scores.forget()
        rows += self._foreign.after(self._strategy, after_task, tasks)
        return rows

    def _with_own_statistics(self, tasks: Sequence[int]) -> list[list[float]] | None:
        """The accuracy of each seed on each task tested; None where it is not asked for."""
        if self._own_statistics is None:
            return None
        tested = [self._experiences[task - 1] for task in tasks]
        return self._own_statistics.accuracies(self._strategy, tasks, tested)

    def _ood_auroc(self, tasks: Sequence[int], after_task: int) -> list[float]:
        """The AUROC of each seed: confidence on tests of tasks seen against those of tasks to come.

        A task to come counts where a task seen had its head. A head that no task has trained tells of its
        first weights alone. So with one head per task the AUROC is nan.
        """
        seen = [place for place, task in enumerate(tasks) if task <= after_task]
        unseen = [place for place, task in enumerate(tasks) if task > after_task]
        if not (seen and unseen):
            return [math.nan] * len(self._seeds)
        heads = [task_labels_of(self._experiences[task - 1]) for task in tasks]
        trained = frozenset[int]().union(*(heads[place] for place in seen))
        unseen = [place for place in unseen if heads[place] <= trained]
        confidences = self._scores.confidences
        return _auroc([confidences[place] for place in seen], [confidences[place] for place in unseen])


def _calibration(state: State, tasks: Iterable[int], bins: list[list[Bin]]) -> Iterator[CalibrationBin]:
    """Rows of one seed's bins, which are given for each task tested."""
    for on_task, own in zip(tasks, bins, strict=True):
        for each in own:
            yield CalibrationBin(
                seed=state.seed, after_task=state.after_task, on_task=on_task, **each._asdict()
            )


def _auroc(positive: list[Tensor], negative: list[Tensor]) -> list[float]:
    """The AUROC of each seed, from its scores in several tests, [R, N] each; nan where there are none."""
    if not negative or any(bool(each.isnan().any()) for each in (*positive, *negative)):
        return [math.nan] * len(positive[0])
    return auroc(torch.cat(positive, dim=1), torch.cat(negative, dim=1)).tolist()


def _synchronise(strategy: Any) -> None:
    """Wait for the device, so that the clock tells what was computed."""
    device = torch.device(strategy.device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def weights_sha256(strategy: Any) -> list[str]:
    """A hash for each seed of all that the strategy knows at the end.

    That is its network and, for our strategies, its posterior or importances.
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
