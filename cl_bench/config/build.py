"""Configuration -> data, stream, model, strategy."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from cl_bench.config.compose import plain
from cl_bench.config.handed import (
    SHAPES,
    check_own_settings,
    settings_of_the_suite,
    shapes_handed,
    without_those_of_others,
)
from cl_bench.config.run_rules import NOT_THE_STRATEGYS
from cl_bench.config.signatures import for_the_strategy
from cl_bench.config.tuned import reads_test
from cl_bench.data import ImageData
from cl_bench.data.accepted import accepted
from cl_bench.deferred import deferred
from cl_bench.learner.batches import heads_of
from cl_bench.learner.devices import device_named
from cl_bench.learner.links import TaskFree
from cl_bench.learner.seeds import Seeds
from cl_bench.models import Network
from cl_bench.models.adoption import adopted
from cl_bench.models.stacked import StackedNetwork
from cl_bench.records.identity import without_neutral, without_said
from cl_bench.streams import TaskStream
from cl_bench.streams.contents import check_stream

with deferred():  # half of what it imports is of use to few runs
    from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
    from avalanche.models import MultiTaskModule
    from avalanche.training.plugins import EvaluationPlugin
    from avalanche.training.templates import SupervisedTemplate


# known to give what is asked of them
OUR_NETWORKS = tuple(f"cl_bench.models.{name}" for name in ("mlp", "cnn", "resnet18"))


def build(node: DictConfig, *, without: Sequence[str] = (), **extra: Any) -> Any:
    """Call the node's `_target_` with its settings.

    Left out are `without`, its `name`, which is for people, and what says which settings came later.

    Raises whatever the target raises, without Hydra's wrapping. Raises ValueError for a target or a setting
    that does not exist.
    """
    left_out = {"name", *without}
    own = {key: value for key, value in _resolved(node).items() if key not in left_out}
    settings = without_said(own)
    try:
        return instantiate(settings, **extra, _convert_="all")
    except InstantiationException as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, TypeError | ImportError):
            raise error.__cause__ from None
        reason = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        raise ValueError(" ".join(str(reason).split())) from error


def _resolved(node: DictConfig) -> dict[str, Any]:
    resolved = OmegaConf.to_container(node, resolve=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def device_of(name: str) -> torch.device:
    """Return the device that training.device means here, see `device_named`."""
    return device_named(name, setting="training.device")


def build_stream(config: DictConfig, seeds: Seeds) -> tuple[TaskStream, str]:
    """Build the stream, and say in words what its data were read from."""
    data = build_data(config)
    return stream_of(config, data, seeds), data.source


def build_data(config: DictConfig) -> ImageData:
    """Build the data set, converted and checked, without test images where none may be read.

    Whatever its builder does, nothing that comes after can see a test image then.

    Raises:
        DataError: where what the builder returns is no data set, or can be read in more than one way.
    """
    node = config.benchmark.dataset
    return accepted(build(node), by=str(node.get("_target_")), with_test=reads_test(config))


def stream_of(config: DictConfig, data: ImageData, seeds: Seeds) -> TaskStream:
    """Build the stream of these data, with their notes.

    Raises:
        ValueError: where its builder returns no stream, or one that cannot be trained or tested on.
    """
    stream = build(config.benchmark, without=("dataset",), data=data, generator=seeds.generator("order"))
    if not isinstance(stream, TaskStream):
        raise ValueError(
            f"{config.benchmark.get('_target_')} must return a cl_bench.streams.TaskStream, got "
            f"{type(stream).__name__}"
        )
    check_stream(stream)
    return stream._replace(notes=tuple(dict.fromkeys([*data.notes, *stream.notes])))


def notes_of(stream: TaskStream, strategy: Any) -> list[str]:
    """Say in sentences what is odd about a run: its data, its tasks, and the network for them."""
    notes = list(stream.notes)
    if stream.scenario == "task" and stream.num_tasks > 1 and not _has_heads(strategy):
        notes.append(
            "the network has no head for each task, so that this is no task-incremental result "
            "(scenario=task): let it give features and set +model.heads=true (heads: true in its file), or "
            "use one of conf/model, or benchmark.scenario=domain"
        )
    return notes


def _has_heads(strategy: Any) -> bool:
    """Whether the network is told the task: ours with several heads, or Avalanche's with task labels."""
    network = strategy.model
    if isinstance(network, StackedNetwork):
        network = network.template
    if isinstance(network, Network):
        return network.heads.num_heads > 1
    return isinstance(network, MultiTaskModule)


def build_model(
    config: DictConfig, stream: TaskStream, seeds: Seeds, make: Callable[..., nn.Module] | None = None
) -> nn.Module:
    """Build the model at its seeded start, with heads and frozen parts as its settings say.

    Args:
        make: called in place of the configuration's target, with what its signature asks for.

    Raises:
        ValueError: for a network that cannot be trained on the stream.
    """
    network = _network(config, stream, seeds, make)
    if isinstance(network, Network):
        network.input_shape = tuple(stream.input_shape)
    return network


def _network(
    config: DictConfig, stream: TaskStream, seeds: Seeds, make: Callable[..., nn.Module] | None
) -> nn.Module:
    all_shapes = {name: getattr(stream, name) for name in SHAPES}
    node = without_those_of_others(_resolved(config.model))
    target = str(node.get("_target_"))
    names, is_open = _parameters_of(target if make is None else make)
    own = settings_of_the_suite(node, names)
    check_own_settings(**own)
    shapes = {name: all_shapes[name] for name in shapes_handed(node, names, is_open=is_open)}
    with torch.random.fork_rng(devices=[]):  # made on the CPU: no GPU is woken up for it
        torch.default_generator.manual_seed(seeds["init"])
        if make is None:
            network = build(OmegaConf.create(node), without=tuple(own), **shapes)
        else:
            network = make(**shapes)
        own.pop("gets", None)
        if isinstance(network, MultiTaskModule):  # Avalanche's, which strategy=avalanche calls in its own way
            return network
        if make is None and not any(own.values()) and target in OUR_NETWORKS:
            return network
        try:
            return adopted(network, **all_shapes, **own)
        except ValueError as error:
            raise ValueError(f"model={node.get('name')}: {error}") from error


def _parameters_of(target: str | Callable[..., Any]) -> tuple[list[str], bool]:
    """The names of the parameters of a class or function, and whether it takes others, too."""
    try:
        function = get_object(target) if isinstance(target, str) else target
        parameters = inspect.signature(function).parameters.values()
    except Exception:  # `build` says what is wrong with it
        return [], True
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    return named, any(each.kind is each.VAR_KEYWORD for each in parameters)


def build_strategy(
    config: DictConfig,
    stream: TaskStream,
    seeds: Seeds | Sequence[Seeds],
    *,
    device: torch.device | None = None,
    model: Callable[..., nn.Module] | None = None,
    plugins: Sequence[Any] | None = None,
    make: Callable[..., Any] | None = None,
) -> SupervisedTemplate:
    """Build the strategy around its model; for several seeds, around a stack of models and a stacked stream.

    Args:
        device: in place of training.device: one that no run has.
        model: called in place of the configuration's model, as that is.
        plugins: in place of the configuration's, where these only stand for objects from Python.
        make: called in place of the configuration's strategy, as that is.
    """
    if isinstance(seeds, Seeds):
        network = build_model(config, stream, seeds, model)
    else:
        built = (build_model(config, stream, each, model) for each in seeds)
        network = StackedNetwork([each if isinstance(each, Network) else TaskFree(each) for each in built])
    # what came later is off unless it is given; a strategy of before has no name for it
    training = plain(config.training)
    if make is None:  # resolved where it stands: a setting may refer to other parts
        own: Any = OmegaConf.to_container(config.strategy, resolve=True)
        training = for_the_strategy(own, training)
    else:
        training = without_neutral(training)
    learner = {key: value for key, value in training.items() if key not in NOT_THE_STRATEGYS}
    learner["device"] = device or device_of(config.training.device)
    strategy = (partial(build, config.strategy) if make is None else make)(
        model=network,
        seeds=seeds,
        plugins=list(map(build, config.plugins) if plugins is None else plugins),
        evaluator=_evaluator(config),
        **learner,
    )
    if hasattr(strategy, "input_shape"):
        strategy.input_shape = tuple(stream.input_shape)
    if not getattr(strategy, "mixes_heads", True) and any(
        len(heads_of(task).unique()) > 1 for task in stream.train
    ):
        raise ValueError(
            f"strategy={config.strategy.get('name')} must have tasks of one head each, got "
            f"blur={config.benchmark.get('blur')} with scenario=task; set benchmark.blur=0, or "
            "benchmark.scenario=domain or class"
        )
    return strategy


def _evaluator(config: DictConfig) -> EvaluationPlugin | None:
    """Return Avalanche's own metrics, for users who added loggers."""
    if not config.loggers:
        return None
    return EvaluationPlugin(
        accuracy_metrics(epoch=True, experience=True, stream=True),
        loss_metrics(epoch=True, experience=True),
        loggers=[build(logger) for logger in config.loggers],
    )
