"""`cl_bench.strategy`: a strategy by the name of its choice, around a network for a stream."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from omegaconf import DictConfig
from torch import nn

from cl_bench.config.checked import SettingError, checked
from cl_bench.config.handed import OF_THE_SUITE
from cl_bench.learner.base import Learner
from cl_bench.learner.seeds import Seeds
from cl_bench.python.anybodys import as_tasks
from cl_bench.python.composed import OfStrategy, Stream, as_in_a_run, benchmark_of, seeds_of, shapes_of
from cl_bench.python.given import (
    accepted_plugins,
    maker,
    part_of_network,
    part_of_strategy,
    part_of_tasks,
    parts_of_plugins,
    warn_of_one_start,
)
from cl_bench.python.settings import (
    Folders,
    composed,
    folders_of,
    name_of_choice,
    placed,
    untuned,
    word,
    words_of_seeds,
)
from cl_bench.streams import TaskStream

HOMES = ("strategy", "training", "model")
OWN = "own"  # the name of a stream that is not of conf/benchmark


def strategy(
    name: str | type[Learner],
    stream: Any,
    *,
    model: str | nn.Module | Callable[..., nn.Module] | None = None,
    seed: int | None = None,
    seeds: Sequence[int] | None = None,
    seed_for: Mapping[str, int] | None = None,
    tuned: bool = True,
    plugins: Iterable[Any] | None = None,
    config_dir: Folders = None,
    **settings: Any,
) -> Any:
    """Build a strategy for a stream, as `cl-bench run strategy=NAME` does.

    Write `cl_bench.strategy("ewc", stream, strength=30.0, epochs=5, seed=3)`. Settings of the strategy, of
    its training and of its model are keywords. A name that is in two of these is given with dots, as in
    `**{"training.learning_rate": 1e-3}`. `heads=True` and `frozen=[...]` are of any network.
    Defaults are those of the command line: of conf/, and for a pair of benchmark and strategy the settings
    that were tuned for it.

    Args:
        name: a choice of conf/strategy, or of an installed package; or a class of your own.
        stream: of `cl_bench.stream`; or a `TaskStream` or benchmark of Avalanche's, which have no tuned
            settings.
        model: a choice of conf/model; or a class or function, which gets what its signature names of
            `input_shape`, `num_classes` and `num_heads`; or a module, of which a copy is trained. A module is
            a given start: its weights are those of every seed. None: the benchmark's, or the strategy's.
        seed: of first weights, batches and noise. None: the stream's.
        seeds: several seeds, trained at once, in place of `seed`. None: the stream's.
        seed_for: seeds for one purpose, such as `{"init": 3}`.
        tuned: whether settings that were tuned for the pair are used. There are none for a class.
        plugins: Avalanche's, or of your own, each an object. None: none.
        config_dir: a folder of more YAML files, or several, besides the stream's.

    Returns:
        A `cl_bench.strategies.Learner`, or of strategy=avalanche the strategy itself.

    Raises:
        ValueError: for a setting or a choice that is wrong, by name.
        TypeError: for a stream, a model, a class or a plugin that is none.
    """
    of_stream = stream.composed if isinstance(stream, Stream) else None
    tasks: TaskStream = as_tasks(stream)
    folders = (*folders_of(config_dir), *(of_stream.folders if of_stream else ()))
    words = list(of_stream.words) if of_stream else []
    parts: dict[str, Any] = dict(of_stream.parts) if of_stream else {}
    if of_stream is None:
        parts["benchmark"] = part_of_tasks(OWN, tasks.num_tasks)
    # nothing was tuned for a class: what is in its place until then is another's
    words += untuned(folders) if of_stream is None or not tuned or isinstance(name, type) else []
    make_model = maker(model)
    if isinstance(model, str):
        words.append(word("model", model))
    elif model is not None:
        of_model, settings = _of_the_suite(settings)
        parts["model"] = part_of_network(model, of_model)
    taking_part = accepted_plugins(plugins)
    if taking_part:
        parts["plugins"] = parts_of_plugins(taking_part)
    make, own = None, {}
    if isinstance(name, type):
        names = _own_settings(name)
        own = {key: value for key, value in settings.items() if key in names}
        settings = {key: value for key, value in settings.items() if key not in own}
        make, parts["strategy"] = partial(name, **own), part_of_strategy(name, dict.fromkeys(names) | own)
    else:
        words.append(word("strategy", name_of_choice("strategy", name)))
    base = composed(words, folders=folders, parts=parts)
    words += placed(base, settings, HOMES)
    if isinstance(name, type):
        parts["strategy"] = part_of_strategy(name, own)
    words += _seeds(base, of_stream, seed=seed, seeds=seeds, seed_for=seed_for)
    config = checked(composed(words, folders=folders, parts=parts))
    _check_same_tasks(config, of_stream)
    if config.seeds is not None and config.training.stacked is False:
        raise SettingError(
            f"from Python the seeds of one stream are trained at once, got seeds={list(config.seeds)} and "
            "stacked=False: take a stream for each seed, or cl_bench.sweep"
        )
    with as_in_a_run(config.training):
        built = _built(config, tasks, model=make_model, plugins=taking_part or None, make=make)
    warn_of_one_start(model, seeds_of(config))
    built.composed = OfStrategy(config, shapes_of(tasks))
    return built


def _built(config: DictConfig, tasks: TaskStream, **given: Any) -> Any:
    from cl_bench.config.build import build_strategy  # with Avalanche

    each = [Seeds(seed, config.seed_for) for seed in seeds_of(config)]
    return build_strategy(config, tasks, each[0] if config.seeds is None else each, **given)


def _of_the_suite(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part settings into those that the suite reads of any network, by their own names, and all others."""
    own = {name.removeprefix("model."): each for name, each in settings.items() if _is_of_the_suite(name)}
    return own, {name: each for name, each in settings.items() if not _is_of_the_suite(name)}


def _is_of_the_suite(name: str) -> bool:
    return name.removeprefix("model.") in OF_THE_SUITE


def _own_settings(given: type) -> set[str]:
    """Return the names of what the constructors of a class take, but for those of `Learner`.

    Raises:
        TypeError: for a class that is no Learner.
    """
    if not issubclass(given, Learner):
        raise TypeError(
            f"a class must be one of cl_bench.strategies.Learner, got {given.__name__}; one of Avalanche is "
            'given by its path: cl_bench.strategy("avalanche", stream, path="avalanche.training.EWC", '
            'settings={"ewc_lambda": 1.0}), or built by yourself and handed to cl_bench.train'
        )
    of_all = set(inspect.signature(Learner).parameters)
    constructors = (vars(each)["__init__"] for each in given.__mro__ if "__init__" in vars(each))
    names = {
        name
        for each in constructors
        if inspect.isfunction(each)
        for name, about in inspect.signature(each).parameters.items()
        if about.kind is not about.VAR_KEYWORD
    }
    return names - of_all


def _seeds(
    base: DictConfig,
    of_stream: Any,
    *,
    seed: int | None,
    seeds: Sequence[int] | None,
    seed_for: Mapping[str, int] | None,
) -> list[str]:
    """Write the seeds of a strategy: its own ones, and the one of the stream's order."""
    if of_stream is None:
        return words_of_seeds(base, seed=seed, seeds=seeds, seed_for=seed_for)
    if "order" in (seed_for or {}):
        raise SettingError("seed_for order is the stream's: give it to cl_bench.stream")
    if seed is None and seeds is None:
        return words_of_seeds(base, seed=None, seeds=None, seed_for=seed_for)
    order = of_stream.order_seed()
    own = [seed] if seeds is None else list(seeds)
    if order is None and own != of_stream.seeds:
        raise SettingError(
            f"a stream of the seeds {of_stream.seeds} needs a strategy of these: leave seed and seeds out, "
            f"got {own}"
        )
    words = words_of_seeds(base, seed=seed, seeds=seeds, seed_for=seed_for)
    words += ["seeds=null"] if seeds is None and of_stream.config.seeds is not None else []
    if order is not None and own != [order]:
        words.append(word("seed_for.order", order))
    return words


def _check_same_tasks(config: DictConfig, of_stream: Any) -> None:
    """Check that a strategy's choices leave the stream as it is."""
    if of_stream is None:
        return
    here, there = benchmark_of(config), benchmark_of(of_stream.config)
    changed = [key for key in there if here.get(key) != there.get(key)]
    if changed:
        written = ", ".join(f"{key}={here.get(key)!r}" for key in changed)
        raise SettingError(
            f"strategy={config.strategy.name} sets the benchmark's {written}: give that to cl_bench.stream"
        )
