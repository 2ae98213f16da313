"""cl_bench: how much does each continual-learning method forget?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cl_bench.moved import keep_old_names
from cl_bench.version import __version__ as __version__

if TYPE_CHECKING:
    import os

    import pandas as pd
    from torch import nn

    from cl_bench.python.settings import Folders
    from cl_bench.python.strategies import strategy as strategy
    from cl_bench.python.streams import stream as stream
    from cl_bench.python.sweeps import sweep as sweep
    from cl_bench.python.training import train as train

keep_old_names()

# functions that are read when they are asked for: with them torch is
_LATER = {
    "stream": "cl_bench.python.streams",
    "strategy": "cl_bench.python.strategies",
    "train": "cl_bench.python.training",
    "sweep": "cl_bench.python.sweeps",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


def run(
    overrides: Sequence[str] = (),
    *,
    config_dir: Folders = None,
    results_dir: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Run one configuration and return its records, as `cl-bench run` would.

    Write run(["strategy=ewc", "seed=3"]), or run(["strategy=ewc", "seeds=[0,1,2]"]). A run that is finished
    already is read, not repeated; where it is of other code or data than now, a warning says so (see
    `resume`). Sweeps, a study's own too, belong to `cl_bench.sweep`.

    Args:
        config_dir: a folder of more YAML files, or several, as `--config-dir` is.
        results_dir: as the word results_dir=...: the folder that the study is written into.

    Returns:
        One row per record; see `cl_bench.analysis.load`.

    Raises:
        ValueError: for a bad configuration, by name.
        cl_bench.data.DataError: for a data set that is missing or damaged.
    """
    from cl_bench.analysis.results import Results
    from cl_bench.config.checked import checked
    from cl_bench.config.compose import compose
    from cl_bench.python.settings import folders_of, with_results_dir
    from cl_bench.report.outcomes import provenance_notes
    from cl_bench.runner.run import execute

    words = with_results_dir(overrides, results_dir)
    config = compose(words, config_dirs=folders_of(config_dir))
    results = Results.read(*execute(checked(config)))
    for note in provenance_notes(results.found):
        warnings.warn(note, stacklevel=2)
    return results.frame


def load_network(
    run: str | os.PathLike[str],
    *,
    after_task: int | None = None,
    trust: bool = False,
    device: str = "cpu",
    model: nn.Module | Callable[..., nn.Module] | None = None,
) -> nn.Module:
    """Return the network of a run in eval mode, with the weights that `training.save=[weights]` has left.

    It is called as network(images, task) where it has several heads. Of a method with a posterior it has the
    means. No data are read.

    Args:
        run: its folder, or one that holds no other run.
        after_task: after which it is wanted; None: the last one saved.
        trust: whether code is run that the run's config.yaml names, and neither conf/ nor an installed
            package does.
        device: as in training.device.
        model: the network that the run was given from Python, or what makes it, as it was given to
            `cl_bench.strategy`. None: the configuration builds it.

    Raises:
        ValueError: without saved weights, with the command that makes them; for a file that is damaged or
            does not fit.
    """
    from cl_bench.runner.load_saved import load_network

    return load_network(run, after_task=after_task, trust=trust, device=device, model=_maker(model))


def load_strategy(
    run: str | os.PathLike[str],
    *,
    after_task: int | None = None,
    trust: bool = False,
    device: str = "cpu",
    model: nn.Module | Callable[..., nn.Module] | None = None,
) -> Any:
    """Return the strategy of a run as it stood after the last task that `training.save=[weights]` has left.

    `strategy.predict(images, task)` gives log probabilities [B, K]: those of the run's tests, where these are
    repeated in their order. It can be trained further. The run's data are read.

    Args:
        run, after_task, trust, device, model: as in `load_network`.

    Raises:
        ValueError: as in `load_network`; and for a strategy whose state nobody can tell.
    """
    from cl_bench.runner.load_saved import load_strategy

    return load_strategy(run, after_task=after_task, trust=trust, device=device, model=_maker(model))


def _maker(model: Any) -> Callable[..., nn.Module] | None:
    """Return what makes a given network. Raises TypeError."""
    if model is None:
        return None
    from cl_bench.python.given import maker

    if isinstance(model, str):
        raise TypeError(f"model must be a torch.nn.Module, or what makes one, got {model!r}; see trust")
    return maker(model)
