"""Configuration -> data, stream, model, strategy."""

from collections.abc import Sequence
from typing import Any

import torch
from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates import SupervisedTemplate
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from cl_bench.data import ImageData
from cl_bench.models.stacked import StackedNetwork
from cl_bench.running.run_rules import NOT_THE_STRATEGYS
from cl_bench.running.tuned import reads_test
from cl_bench.streams import TaskStream
from cl_bench.training.generators import Seeds
from cl_bench.validation import check_device


def build(node: DictConfig, *, without: Sequence[str] = (), **extra: Any) -> Any:
    """Call the node's `_target_` with its settings, less `without` and its `name`, which is for people.

    Raises whatever the target raises, without Hydra's wrapping; ValueError for a target or a setting that is
    not there.
    """
    resolved = OmegaConf.to_container(node, resolve=True)
    assert isinstance(resolved, dict)
    settings = {str(key): value for key, value in resolved.items() if key not in ("name", *without)}
    try:
        return instantiate(settings, **extra, _convert_="all")
    except InstantiationException as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, TypeError | ImportError):
            raise error.__cause__ from None
        reason = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        raise ValueError(" ".join(str(reason).split())) from error


def device_of(name: str) -> torch.device:
    """`auto` takes the GPU where there is one."""
    check_device(name)
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"training.device={name} needs a CUDA device and torch sees none; use training.device=cpu"
        )
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def build_stream(config: DictConfig, seeds: Seeds) -> tuple[TaskStream, str]:
    """The stream, and in words what its data were read from."""
    data = build_data(config)
    return stream_of(config, data, seeds), data.source


def build_data(config: DictConfig) -> ImageData:
    """The data set, without test images where none are to be read: whatever its builder does, nothing that
    comes after can see one.
    """
    data: ImageData = build(config.benchmark.dataset)
    return data if reads_test(config) else data.without_test()


def stream_of(config: DictConfig, data: ImageData, seeds: Seeds) -> TaskStream:
    """The stream of these data."""
    return build(config.benchmark, without=("dataset",), data=data, generator=seeds.generator("order"))


def build_model(config: DictConfig, stream: TaskStream, seeds: Seeds) -> nn.Module:
    """The model at its seeded start."""
    with torch.random.fork_rng():
        torch.manual_seed(seeds["init"])
        return build(
            config.model,
            input_shape=stream.input_shape,
            num_classes=stream.num_classes,
            num_heads=stream.num_heads,
        )


def build_strategy(
    config: DictConfig, stream: TaskStream, seeds: Seeds | Sequence[Seeds]
) -> SupervisedTemplate:
    """The strategy around its model; around a stack of models for several seeds and a stacked stream."""
    if isinstance(seeds, Seeds):
        model = build_model(config, stream, seeds)
    else:
        model = StackedNetwork([build_model(config, stream, each) for each in seeds])
    learner = {key: value for key, value in config.training.items() if key not in NOT_THE_STRATEGYS}
    learner["device"] = device_of(config.training.device)
    return build(
        config.strategy,
        model=model,
        seeds=seeds,
        plugins=[build(plugin) for plugin in config.plugins],
        evaluator=_evaluator(config),
        **learner,
    )


def _evaluator(config: DictConfig) -> EvaluationPlugin | None:
    """Avalanche's own metrics, for whoever added loggers."""
    if not config.loggers:
        return None
    return EvaluationPlugin(
        accuracy_metrics(epoch=True, experience=True, stream=True),
        loss_metrics(epoch=True, experience=True),
        loggers=[build(logger) for logger in config.loggers],
    )
