"""Several seeds trained at once, compared with each one alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cl_bench.config.build import build_strategy
from cl_bench.conformance.check import Failed, demand
from cl_bench.conformance.subject import SPLIT, Run, Subject, build_stream
from cl_bench.evaluation.states import stored_tensors
from cl_bench.learner.seeds import Seeds
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.stacked import stack_streams
from cl_bench.streams.tasks import TaskStream

SEEDS = (0, 1, 2)
# all images, as the tasks of all seeds must have one size; the last batch of an epoch is smaller
EQUAL = (*SPLIT, "benchmark.validation_share=0.0", "training.batch_size=100", "training.epochs=1")
TOLERANCE = 1e-8  # in double precision batched and single products differ by rounding only, at 1e-15


@contextmanager
def double_precision() -> Iterator[None]:
    """Make new tensors float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def in_double(stream: TaskStream) -> TaskStream:
    """Return the stream with images as float64."""
    for task in (*stream.train, *stream.validation, *stream.test):
        task.to_float = _Double(task.to_float)  # type: ignore[assignment]
    return stream


class _Double:
    def __init__(self, scale: object) -> None:
        self._scale = scale

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._scale(pixels).double()  # type: ignore[operator]


def _stacked(subject: Subject) -> Run:
    config = subject.run(*EQUAL).config
    seeds = [Seeds(seed) for seed in SEEDS]
    stream = stack_streams([in_double(build_stream(config, each)) for each in seeds])
    return Run(build_strategy(config, stream, seeds), to_avalanche(stream), stream, config)


def at_once_and_alone(subject: Subject) -> str:
    """Describe the largest difference of anything kept after two tasks, relative to what is large."""
    with double_precision():
        together = _stacked(subject)
        together.train()
        kept = stored_tensors(together.strategy)
        largest = 0.0
        for index, seed in enumerate(SEEDS):
            alone = subject.run(*EQUAL, seed=seed, change=in_double)
            alone.train()
            for name, tensor in stored_tensors(alone.strategy).items():
                demand(name in kept, f"{name} is kept of one seed, but not of several at once")
                if not tensor.numel():
                    continue
                difference = (kept[name][index].double() - tensor.double()).abs().max()
                largest = max(largest, float(difference / tensor.double().abs().max().clamp_min(1)))
    demand(largest < TOLERANCE, f"what is kept after two tasks differs by up to {largest:.2g}")
    return f"{len(SEEDS)} seeds: all that is kept after two tasks within {largest:.0e}"


def refuses_stacks(subject: Subject) -> str:
    """Describe the error for a stack; fail where there is none or where it does not say what to do."""
    try:
        _stacked(subject)
    except ValueError as error:
        demand("training.stacked" in str(error), f"the error does not name training.stacked: {error}")
        return "it does not say that it is stackable, and a stack is refused"
    raise Failed("it does not say that it is stackable, but takes a stack of networks")
