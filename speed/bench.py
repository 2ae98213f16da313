"""How much is measured, on which device, and what a measurement is."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from speed.clock import Work, alternate, nothing


class Scale(NamedTuple):
    """How much work the table is. Data and streams are overrides of the configuration."""

    rounds: int
    warm_up: bool
    mnist: tuple[str, ...]
    small: tuple[str, ...]  # a stream, a network and batches so small that a step is all overhead
    two_tasks: tuple[str, ...]
    strategies: tuple[str, ...] | None  # by name; None: all that are found in conf/
    tested_tasks: tuple[int, int]  # few and many
    start: tuple[str, ...]
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
_START = ("strategy=finetune", "benchmark=permuted_digits", "training.epochs=1", "training.threads=1")
_SMALL = ("benchmark=permuted_digits", "model.hidden=[256,256]", "training.batch_size=32")
_CIFAR = (
    "benchmark=split_cifar10",
    "tuned=none",
    "benchmark.num_tasks=1",
    "benchmark.augmentation=crop_flip",
)

FULL = Scale(
    rounds=5,
    warm_up=True,
    mnist=("benchmark=permuted_mnist", "tuned=none"),  # the network of the bare loop
    small=(*_SMALL, "training.epochs=20"),
    two_tasks=(
        "benchmark=permuted_mnist",
        "tuned=none",
        "benchmark.num_tasks=2",
        "benchmark.num_train=12000",
    ),
    strategies=None,
    tested_tasks=(5, 50),
    start=_START,
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
    return "benchmark/dataset=digits", f"benchmark.dataset._target_=speed.small.{builder}"


# The same code on a few images of the same sizes: what comes out says nothing about speed.
TINY = Scale(
    rounds=1,
    warm_up=False,
    mnist=(*FULL.mnist, *_digits("small_mnist")),
    small=(*_SMALL, "training.epochs=1", "benchmark.num_train=64"),
    two_tasks=(*FULL.mnist, *_digits("small_mnist"), "benchmark.num_tasks=2", "benchmark.num_train=256"),
    strategies=("finetune", "ewc", "avalanche"),
    tested_tasks=(1, 3),
    start=(*_START, "benchmark.num_tasks=2", "benchmark.num_train=64"),
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
        """Return the overrides of the reference setting and `more`.

        The setting is an MLP 784-100-100-10 on permuted MNIST, or on another stream.
        """
        return [
            *(stream or self.scale.mnist),
            "training.epochs=1",
            "training.batch_size=128",
            "training.threads=1",
            f"training.device={self.device}",
            *more,
        ]

    def fewer(self, rounds: int) -> "Bench":
        """Return a bench with at most so many rounds: for works that take very long."""
        return self._replace(rounds=min(self.rounds, rounds))

    def alternate(
        self,
        works: Mapping[str, Work],
        *,
        synchronise: Work = nothing,
        warm_up: bool = True,
        before: Mapping[str, Work] | None = None,
    ) -> dict[str, list[float]]:
        return alternate(
            works,
            rounds=self.rounds,
            warm_up=warm_up and self.scale.warm_up,
            synchronise=synchronise,
            after_round=self.after_round,
            before=before,
        )


Group = Callable[[Bench], dict[str, Measurement]]


def cl_bench_command(*arguments: str) -> None:
    """Run `cl-bench ...` in a process of its own.

    Raises:
        RuntimeError: where it fails, with the end of what it said.
    """
    done = subprocess.run([sys.executable, "-m", "cl_bench", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"cl-bench {' '.join(arguments)} failed: {(done.stderr or done.stdout)[-800:]}")
