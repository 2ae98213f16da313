"""How much is measured, on which device, and what a measurement is."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cl_bench.speed.clock import Work, alternate, nothing


class Scale(NamedTuple):
    """How much work the table is. Data and streams are overrides of the configuration."""

    rounds: int
    warm_up: bool
    mnist: tuple[str, ...]
    cifar: tuple[str, ...]
    ewc_tasks: int
    test_samples: int
    long_stream: tuple[str, ...]
    late_tasks: int  # so many of the long stream's last tasks are compared with its tasks 6 to 10
    report_seeds: int  # for each of two benchmarks and five methods
    report_tasks: int
    sweep: tuple[str, ...]
    headline: tuple[str, ...]


_METHODS = "strategy=finetune,ewc,vcl,bayesbinn"
_CIFAR = ("benchmark=split_cifar10", "benchmark.num_tasks=1", "benchmark.augmentation=crop_flip")

FULL = Scale(
    rounds=5,
    warm_up=True,
    mnist=("benchmark=permuted_mnist",),
    cifar=(*_CIFAR, "benchmark.num_train=10000"),
    ewc_tasks=5,
    test_samples=100,
    long_stream=("benchmark.num_tasks=1000", "benchmark.num_train=6000"),
    late_tasks=50,
    report_seeds=100,
    report_tasks=10,
    sweep=(_METHODS, "seed=0,1,2,3,4", "benchmark=permuted_digits", "training.epochs=10"),
    headline=(_METHODS, "seeds=[0,1,2,3,4]", "benchmark.num_tasks=10", "training.epochs=10"),
)


def _digits(builder: str) -> tuple[str, str]:
    return "benchmark/dataset=digits", f"benchmark.dataset._target_=cl_bench.speed.small.{builder}"


# The same code on a few images of the same sizes: what comes out says nothing about speed.
TINY = Scale(
    rounds=1,
    warm_up=False,
    mnist=(*FULL.mnist, *_digits("small_mnist")),
    cifar=(*_CIFAR, *_digits("small_cifar"), "benchmark.num_train=64"),
    ewc_tasks=2,
    test_samples=10,
    long_stream=("benchmark.num_tasks=14", "benchmark.num_train=200"),
    late_tasks=2,
    report_seeds=2,
    report_tasks=3,
    sweep=("strategy=finetune", "seed=0", "benchmark=permuted_digits", "training.epochs=1"),
    headline=("strategy=finetune,ewc", "seeds=[0,1]", "benchmark.num_tasks=2", "training.epochs=1"),
)


class Measurement(NamedTuple):
    """Paired numbers of each round: the work's, what it is measured against, and the physical limit's."""

    work: Sequence[float]
    reference: Sequence[float]
    limit: Sequence[float] | None = None
    note: str = ""
    in_seconds: bool = True


class Bench(NamedTuple):
    """What a group of measurements is told."""

    scale: Scale
    device: str  # cpu, cuda
    rounds: int
    folder: Path  # for files that are needed meanwhile
    after_round: Work = nothing

    def overrides(self, *more: str, stream: Sequence[str] = ()) -> list[str]:
        """The reference setting, MLP 784-100-100-10 on permuted MNIST or on another stream, and `more`."""
        return [
            *(stream or self.scale.mnist),
            "training.epochs=1",
            "training.batch_size=128",
            "training.threads=1",
            f"training.device={self.device}",
            *more,
        ]

    def alternate(
        self, works: Mapping[str, Work], *, synchronise: Work = nothing, warm_up: bool = True
    ) -> dict[str, list[float]]:
        return alternate(
            works,
            rounds=self.rounds,
            warm_up=warm_up and self.scale.warm_up,
            synchronise=synchronise,
            after_round=self.after_round,
        )


Group = Callable[[Bench], dict[str, Measurement]]


def cl_bench_command(*arguments: str) -> None:
    """`cl-bench ...` in a process of its own.

    Raises:
        RuntimeError: where it fails, with the end of what it said.
    """
    done = subprocess.run([sys.executable, "-m", "cl_bench", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"cl-bench {' '.join(arguments)} failed: {(done.stderr or done.stdout)[-800:]}")
