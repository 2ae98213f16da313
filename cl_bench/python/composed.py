"""What a stream and a strategy know of the configuration that they were built from."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from omegaconf import DictConfig

from cl_bench.config.compose import plain
from cl_bench.data import ImageData
from cl_bench.learner.process import prepare_process, process_restored
from cl_bench.records.identity import identifying
from cl_bench.runner.assembly import NOISE
from cl_bench.streams import TaskStream


class OfStream(NamedTuple):
    """The configuration of a stream."""

    words: tuple[str, ...]  # of a command line
    folders: tuple[str, ...]  # of more YAML files
    parts: dict[str, Any]  # what stands for data that were given from Python
    config: DictConfig  # of a run on it
    data: ImageData
    streams: tuple[TaskStream, ...]  # one a seed

    @property
    def seeds(self) -> list[int]:
        return seeds_of(self.config)

    def order_seed(self) -> int | None:
        """The seed of the order of the tasks, where there is a single one."""
        own = self.config.seed_for.order
        if own is not None:
            return int(own)
        return self.seeds[0] if len(self.seeds) == 1 else None


class Stream(TaskStream):
    """A stream of tasks that knows the configuration that it was built from.

    Attributes:
        composed: that configuration; None for a stream that was made from another one by `_replace`.
    """

    composed: OfStream | None = None

    def __repr__(self) -> str:
        if self.composed is None:
            return super().__repr__()
        seeds = ", ".join(map(str, self.composed.seeds))
        tasks = f"{self.num_tasks} task" + "s" * (self.num_tasks != 1)
        return (
            f"<stream {self.composed.config.benchmark.name}: {tasks}, scenario {self.scenario}, seed {seeds}>"
        )


class OfStrategy(NamedTuple):
    """The configuration of a strategy."""

    config: DictConfig
    shapes: tuple[Any, ...]  # of its network: input shape, classes, heads


def seeds_of(config: DictConfig) -> list[int]:
    """Return the seeds of a run: `seeds`, or the one `seed`."""
    return [config.seed] if config.seeds is None else list(config.seeds)


def benchmark_of(config: DictConfig) -> Any:
    """Return what decides a benchmark: not where its data lie, nor what of them is tested."""
    return identifying(plain(config))["benchmark"]


def shapes_of(stream: TaskStream) -> tuple[Any, ...]:
    """Return what a network must know of a stream."""
    return tuple(stream.input_shape), stream.num_classes, stream.num_heads


@contextmanager
def process_apart() -> Iterator[None]:
    """Let the process be ours within the block, without Avalanche's remarks; afterwards it is as before."""
    with process_restored():
        warnings.filterwarnings("ignore", message=NOISE)
        yield


@contextmanager
def as_in_a_run(training: DictConfig) -> Iterator[None]:
    """Set the process as for a run of this configuration; afterwards it is as before."""
    with process_apart():
        prepare_process(
            threads=training.threads, precision=training.precision, deterministic=training.deterministic
        )
        yield
