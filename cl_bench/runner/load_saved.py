"""The network and the strategy of a finished run, from the weights that training.save has left."""

import hashlib
import os
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from cl_bench.config.build import build_data, build_strategy, stream_of
from cl_bench.config.compose import register
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.knowledge import take_up
from cl_bench.learner.seed_stack import template_of
from cl_bench.learner.seeds import Seeds, global_generators_restored
from cl_bench.records import saved
from cl_bench.records.provenance import differences
from cl_bench.records.run_files import about_run, is_packed
from cl_bench.records.runs import find_folders
from cl_bench.records.text import one_line
from cl_bench.runner.bounded import within_memory
from cl_bench.runner.code_hashes import code_of
from cl_bench.runner.fingerprints import changes, targets
from cl_bench.runner.saved_files import Weights, read_weights
from cl_bench.runner.stored_config import MOST_SAID, check_settings, stored_config
from cl_bench.streams.benchmark import to_avalanche

MOST_OUTPUTS = 2**20  # of all heads together
MISFIT = "its saved weights do not fit what its settings make now"
ALONE = "network_alone"  # in a file of weights: why it has nothing else


class SavedWeightsError(ValueError):
    """A run has no weights that can be loaded; the message says what to do."""


class _Shapes(NamedTuple):
    """What a network needs to know of its stream; see `TaskStream`."""

    input_shape: tuple[int, ...]
    num_classes: int
    num_heads: int
    train: tuple[()] = ()  # its tasks are read when they are trained on


class _Saved(NamedTuple):
    """A run, as something that a stranger may have written."""

    run: Path
    about: dict[str, Any]
    config: DictConfig
    weights: Weights

    @property
    def seeds(self) -> Seeds:
        return Seeds(self.config.seed, self.config.seed_for)


def load_network(
    run: str | os.PathLike[str],
    *,
    after_task: int | None,
    trust: bool,
    device: str,
    model: Callable[..., nn.Module] | None = None,
) -> nn.Module:
    """Return the network of a run, as `cl_bench.load_network` says; no data are read."""
    found = _found(run, after_task=after_task, trust=trust, device=device)
    now = {"code": code_of(targets(found.config))}
    _warn(found.run, differences({"code": found.about.get("code")}, now))
    with fitting(found.run, MISFIT):
        shapes: Any = _shapes(found)
        strategy: Any = build_strategy(found.config, shapes, found.seeds, model=model)
        template_of(getattr(strategy, "network", strategy.model)).load_state_dict(found.weights.network)
        active = found.weights.knowledge.get("active_classes")
        if getattr(strategy, "heads", None) is not None and active is not None:
            strategy.heads.active = active.to(strategy.device)
    return strategy.model.eval()


def load_strategy(
    run: str | os.PathLike[str],
    *,
    after_task: int | None,
    trust: bool,
    device: str,
    model: Callable[..., nn.Module] | None = None,
) -> Any:
    """Return the strategy of a run, as `cl_bench.load_strategy` says; the run's data are read."""
    found = _found(run, after_task=after_task, trust=trust, device=device)
    about = found.weights.about
    if ALONE in about:
        raise SavedWeightsError(
            f"{found.run}: only the network of {one_line(about['strategy'])} was saved, "
            f"{one_line(about[ALONE])[:MOST_SAID]}; take cl_bench.load_network"
        )
    _warn(found.run, changes(found.config, found.about)[0])
    with fitting(found.run, MISFIT):
        stream = stream_of(found.config, build_data(found.config), found.seeds)
        strategy: Any = build_strategy(found.config, stream, found.seeds, model=model)
        experiences = list(to_avalanche(stream).streams["train"])[: about["after_task"]]
        with global_generators_restored():
            take_up(strategy, found.weights.knowledge, experiences)
    if weights_sha256(strategy) != [about.get("weights_sha256")]:
        raise SavedWeightsError(
            f"{found.run}: the strategy does not know what it knew: it is of other code or data, or the file "
            "is damaged; run it again with resume=false"
        )
    strategy.put_to_use()
    return strategy


def _found(run: str | os.PathLike[str], *, after_task: int | None, trust: bool, device: str) -> _Saved:
    register()
    folder = _run_folder(Path(run))
    about = about_run(folder)
    if not isinstance(about, dict):
        raise SavedWeightsError(f"{folder}: run.json must hold an object")
    path = _path(folder, about, after_task)
    config = stored_config(folder, trust=trust, how="call with trust=True")
    with open_dict(config):
        config.seed, config.seeds = about.get("seed"), None
        config.training.device = device
    check_settings(folder, config)
    weights = read_weights(path)
    told = {name: weights.about.get(name) for name in ("seed", "hash")}
    if told != {name: about.get(name) for name in told}:
        raise SavedWeightsError(f"{path} is of another run than the run.json beside it")
    return _Saved(folder, about, config, weights)


def _run_folder(run: Path) -> Path:
    found = find_folders(run)
    if len(found) > 1:
        raise SavedWeightsError(f"{run} holds {len(found)} runs: name the folder of one, such as {found[0]}")
    return found[0]


def _path(folder: Path, about: Mapping[str, Any], after_task: int | None) -> Path:
    """The file to load; it is as long as it was, and has the same hash."""
    tasks = [] if is_packed(folder) else saved.tasks_saved(folder, saved.WEIGHTS)
    if not tasks or (after_task is not None and after_task not in tasks):
        each = "" if after_task is None else saved.EACH
        there = f"only after task {', '.join(map(str, tasks))}; " if tasks else ""
        raise SavedWeightsError(
            f"{folder} has no saved weights{'' if after_task is None else f' after task {after_task}'}: "
            f"{there}make them with `{_command(about, f'training.save=[{saved.WEIGHTS}{each}]')}`"
        )
    path = (
        folder / saved.FOLDER / saved.name_of(saved.WEIGHTS, tasks[-1] if after_task is None else after_task)
    )
    saved.described(path, kind=saved.WEIGHTS)
    told = (about.get(saved.FACT) or {}).get(path.name)  # of a run that is not finished nothing is told
    if isinstance(told, Mapping):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != told.get("sha256"):
                raise SavedWeightsError(f"{path} is not as the run left it; run it again with resume=false")
    return path


def _command(about: Mapping[str, Any], save: str) -> str:
    """The command that does the run again and saves."""
    told = about.get("arguments")
    arguments = [each for each in told if isinstance(each, str)] if isinstance(told, list) else []
    kept = [each for each in arguments if not each.startswith("training.save=")]
    return one_line(shlex.join(["cl-bench", "run", *kept, save]))


def _shapes(found: _Saved) -> _Shapes:
    about = found.weights.about
    shape, outputs = about.get("input_shape"), (about.get("num_classes"), about.get("num_heads"))
    whole = [*(shape if isinstance(shape, list) else [None]), *outputs]
    if not all(type(each) is int and 1 <= each <= MOST_OUTPUTS for each in whole):
        raise SavedWeightsError(
            f"{found.run}: its weights must tell a network's shapes, got {whole}"[:MOST_SAID]
        )
    return _Shapes(tuple(whole[:-2]), *whole[-2:])


@contextmanager
def fitting(run: Path, problem: str) -> Iterator[None]:
    """Make an error in a sentence of what does not fit, and of what needs more memory than is free.

    Args:
        problem: what an error means, without its reason.
    """
    try:
        with within_memory(), torch.random.fork_rng(devices=[]):
            yield
    except OmegaConfBaseException as error:
        raise SavedWeightsError(f"{run}: this version needs a setting that it lacks: {error}") from error
    except (RuntimeError, LookupError, TypeError, AttributeError, ValueError) as error:
        said = one_line(" ".join(str(error).split()))[:MOST_SAID]
        raise SavedWeightsError(f"{run}: {problem}: {said}") from error


def _warn(run: Path, changed: list[str]) -> None:
    if changed:
        warnings.warn(f"{run} was made otherwise: {'; '.join(changed)}", stacklevel=4)
