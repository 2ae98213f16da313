"""Studies that wait for a GPU: CIFAR first, a strategy at a time, with all its seeds at once."""

import itertools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hydra.types import RunMode

from cl_bench.config.choices import choices, describe
from cl_bench.config.compose import CONFIG_NAME, loader, register
from cl_bench.config.sweep import values_of
from gpu.items import MEASURED, Answer, Asked, LeftOutError
from gpu.runs import SMALL, mean_accuracy, run, seconds_of


class Job(NamedTuple):
    """A part of a study: the settings of its sweep at one value each, and its seeds together."""

    study: str
    settings: tuple[str, ...]

    @property
    def name(self) -> str:
        said = [each for each in self.settings if not each.startswith("seeds=")]
        return " ".join([self.study, *said])


def waiting() -> list[str]:
    """List the studies of conf/experiment that are sized for a GPU, or of CIFAR, the worthiest first."""
    files = choices("experiment")
    return sorted(filter(lambda name: _waits(name, files[name]), files), key=lambda name: _worth(name, files))


def _waits(name: str, path: Path) -> bool:
    return "cifar" in name or "GPU" in describe(path)


def _worth(name: str, found: Mapping[str, Path]) -> tuple[bool, bool, str]:
    return "cifar" not in name, "GPU" not in describe(found[name]), name


def jobs(study: str) -> list[Job]:
    """List all parts of a study's own sweep."""
    register()
    source = loader()
    config = source.load_configuration(CONFIG_NAME, [f"experiment={study}"], RunMode.MULTIRUN)
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    values = values_of(source, params)
    seeds = values.pop("seed", None)
    together = () if seeds is None else (f"seeds=[{','.join(seeds)}]",)
    each = itertools.product(*([f"{key}={value}" for value in some] for key, some in values.items()))
    return [Job(study, (*settings, *together)) for settings in each]


_missing: dict[str, str] = {}  # studies without their data, and the sentence: it is not looked for again


def job(asked: Asked) -> Iterator[Answer]:
    """Yield the average accuracy of one part, from ordinary results.

    Raises:
        LeftOutError: where a data set is missing.
    """
    study, *settings = asked.arguments
    if study in _missing:
        raise LeftOutError(_missing[study])
    try:
        yield from _job(asked, study, *settings)
    except LeftOutError as why:
        _missing[study] = str(why)
        raise


def _job(asked: Asked, study: str, *settings: str) -> Iterator[Answer]:
    small = ("seeds=[0]", *SMALL["cifar" if "cifar" in study else "mnist"]) if asked.tiny else ()
    started = time.perf_counter()
    runs = run(asked, f"experiment={study}", *settings, *small)
    seconds = max(time.perf_counter() - started, seconds_of(runs))
    said = f"{len(runs)} seed{'s' * (len(runs) != 1)} in {seconds:.1f} s"
    yield Answer("average accuracy", MEASURED, 100 * mean_accuracy(runs), "%", said=said)
