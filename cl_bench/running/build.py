"""Configuration -> data, stream, model, strategy."""

from typing import Any

import torch
from avalanche.benchmarks import CLScenario
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.templates import SupervisedTemplate
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from cl_bench.streams import TaskStream
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.training.generators import Seeds


def build(node: DictConfig, **extra: Any) -> Any:
    """Call the node's `_target_` with its settings; its `name` is for people.

    Raises whatever the target raises, without Hydra's wrapping.
    """
    settings = OmegaConf.masked_copy(node, [key for key in node if key != "name"])
    try:
        return instantiate(settings, **extra, _convert_="all")
    except InstantiationException as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, TypeError):
            raise error.__cause__ from None
        raise ValueError(str(error).splitlines()[0]) from error


def device_of(name: str) -> torch.device:
    """`auto` takes the GPU where there is one."""
    if name not in ("auto", "cpu") and not name.startswith("cuda"):
        raise ValueError(f"training.device must be auto, cpu or cuda, got {name!r}")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"training.device={name} needs a CUDA device and torch sees none; use training.device=cpu")
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def build_stream(config: DictConfig, seeds: Seeds) -> tuple[TaskStream, str]:
    """The stream, and in words what its data were read from."""
    data = build(config.benchmark.dataset)
    settings = OmegaConf.masked_copy(config.benchmark, [key for key in config.benchmark if key != "dataset"])
    return build(settings, data=data, generator=seeds.generator("order")), data.source


def build_strategy(config: DictConfig, stream: TaskStream, seeds: Seeds) -> SupervisedTemplate:
    """The model at its seeded start, and the strategy around it."""
    with torch.random.fork_rng():
        torch.manual_seed(seeds["init"])
        model = build(
            config.model,
            input_shape=stream.input_shape,
            num_classes=stream.num_classes,
            num_heads=stream.num_heads,
        )
    learner = OmegaConf.to_container(config.training)
    assert isinstance(learner, dict)
    for key in ("threads", "test_on"):
        learner.pop(key)
    learner["device"] = device_of(config.training.device)
    return build(
        config.strategy,
        model=model,
        seeds=seeds,
        plugins=[build(plugin) for plugin in config.plugins],
        evaluator=_evaluator(config),
        **learner,
    )


def build_benchmark(stream: TaskStream) -> CLScenario:
    return to_avalanche(stream)


def _evaluator(config: DictConfig) -> EvaluationPlugin:
    """Avalanche's own metrics for whoever added loggers; otherwise none, and silent."""
    from avalanche.evaluation.metrics import accuracy_metrics, loss_metrics

    if not config.loggers:
        return EvaluationPlugin(suppress_warnings=True)
    return EvaluationPlugin(
        accuracy_metrics(epoch=True, experience=True, stream=True),
        loss_metrics(epoch=True, experience=True),
        loggers=[build(logger) for logger in config.loggers],
    )
