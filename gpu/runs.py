"""Ordinary runs, as `cl-bench run` does them, and what is read of their folders."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from cl_bench.config.build import build_data
from cl_bench.config.checked import checked
from cl_bench.config.compose import compose
from cl_bench.data.image_data import DataError
from cl_bench.records.runs import Run, read_run
from cl_bench.runner.run import execute
from gpu.items import Asked, LeftOutError
from speed.bench import TINY

METHODS = ("finetune", "ewc", "vcl", "bayesbinn")
RESULTS = "results"  # of the programme's folder: what `cl-bench report` reads
NO_NETWORK = "data.download=false"
DIGITS = ("benchmark=permuted_digits", "benchmark.num_tasks=2", "training.epochs=2")
# of the tiny programme: few images of the data set's size, two tasks, small networks
_TINY = ("benchmark.num_train=100", "benchmark.num_tasks=2", "training.epochs=1", "training.batch_size=32")
SMALL = {
    "digits": _TINY,
    "mnist": (*TINY.mnist[1:], *_TINY),
    "cifar": (*TINY.cifar[-3:-1], *_TINY, "model.channels=[4,4]", "model.hidden=8"),
}


def methods(asked: Asked) -> tuple[str, ...]:
    """Return the methods that are run; in the tiny programme the first one."""
    return METHODS[:1] if asked.tiny else METHODS


def seeds(asked: Asked, number: int) -> str:
    """Return the setting for so many seeds; in the tiny programme for one."""
    return f"seeds=[{','.join(map(str, range(1 if asked.tiny else number)))}]"


def digits(asked: Asked, *settings: str) -> tuple[str, ...]:
    """Return the overrides of short runs on the embedded digits."""
    return (*DIGITS, *settings, *(SMALL["digits"] if asked.tiny else ()))


def run(asked: Asked, *overrides: str, folder: str | Path | None = None) -> list[Run]:
    """Run one configuration, with all its seeds, on the device; finished runs are read.

    Args:
        folder: of the results; that of the programme's results unless given.

    Raises:
        LeftOutError: where a data set is missing.
    """
    place = Path(asked.output, RESULTS) if folder is None else Path(folder)
    where = (NO_NETWORK, f"training.device={asked.device}", f"results_dir={place}")
    config = checked(compose([*where, *overrides]))
    try:
        check_data(config)
        return [read_run(path) for path in execute(config, show_progress=False)]
    except DataError as error:
        raise LeftOutError(str(error)) from error


_found: set[str] = set()  # data sets, as configured


def check_data(config: DictConfig) -> None:
    """Look for the data set before a run folder is made. Raises DataError where it is missing."""
    node = OmegaConf.to_yaml(config.benchmark.dataset, resolve=True)
    if node not in _found:
        build_data(config)
        _found.add(node)


def average_accuracy(run: Run) -> float:
    """Return the accuracy over all tasks after the last one, in [0, 1]."""
    last = [test.accuracy for test in run.records if test.after_task == run.num_tasks]
    return sum(last) / len(last)


def mean_accuracy(runs: Sequence[Run]) -> float:
    """Return the mean over runs of `average_accuracy`."""
    return sum(map(average_accuracy, runs)) / len(runs)


def seconds_of(runs: Sequence[Run]) -> float:
    """Return the wall seconds that the runs took, those before an interruption too."""
    return sum(run.wall_seconds for run in runs)
