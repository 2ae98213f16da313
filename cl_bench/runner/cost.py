"""What the predictions of a run cost: its network is built again, and its operations are counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import open_dict
from torch import Tensor

from cl_bench.config.build import build_data, build_strategy, stream_of
from cl_bench.config.compose import register
from cl_bench.evaluation.states import deployed_bits, predicting_bits
from cl_bench.learner.seeds import Seeds, global_generators_restored
from cl_bench.models.network import Network
from cl_bench.models.operations import Counted, operations
from cl_bench.records.run_files import about_run
from cl_bench.runner.bounded import within_memory
from cl_bench.runner.load_saved import fitting
from cl_bench.runner.stored_config import check_settings, stored_config


class Prediction(NamedTuple):
    """What one prediction of one example takes."""

    counted: Counted
    bits: int  # that each pass reads: weights, or the posterior that they are drawn from
    passes: int  # weight samples


class Cost(NamedTuple):
    """The cost of a method's predictions.

    Attributes:
        once: with one set of weights, such as the most probable ones.
        tested: as the run's tests predict; None where that is the same.
        bits_in_float32: of the network with one set of weights, each a number of 32 bits.
        binary: whether weights are -1 and +1.
    """

    once: Prediction
    tested: Prediction | None
    bits_in_float32: int
    binary: bool


def cost_of(run: Path, *, trust: bool = False) -> Cost:
    """Count what the predictions of a run cost. Its data are read, for their shapes; nothing is trained.

    The network is as before its first task, which costs what it does later.

    Args:
        run: its folder, or its path in a compact study.
        trust: whether code is run that the run's configuration names, and neither conf/ nor an installed
            package does.

    Raises:
        ValueError: for a run that cannot be built again, or whose operations torch's counter does not know.
        DataError: where its data are not there.
    """
    register()
    about = about_run(run)
    config = stored_config(run, trust=trust)
    with open_dict(config):
        config.seed, config.seeds = about["seed"], None
        config.training.update({"device": "cpu", "compile": False, "precision": "float32"})
    check_settings(run, config)
    seeds = Seeds(config.seed, config.seed_for)
    data = build_data(config)
    with fitting(run, "its settings make no network now"), global_generators_restored():
        stream = stream_of(config, data, seeds)
        strategy: Any = build_strategy(config, stream, seeds)
    with within_memory():
        return _cost(strategy, tuple(stream.input_shape))


def _cost(strategy: Any, input_shape: tuple[int, ...]) -> Cost:
    network = getattr(strategy, "network", strategy.model)
    network = getattr(network, "network", network)  # of Avalanche's own with several heads
    network.eval()
    deployed = deployed_bits(strategy)
    once = Prediction(operations(network, _forward(strategy, network), input_shape), deployed, 1)
    binary = getattr(strategy, "binary", False)
    in_float32 = deployed + (31 * strategy.num_weights if binary else 0)
    tested = None
    if hasattr(strategy, "put_to_use"):
        strategy.put_to_use()
        counted = operations(network, lambda images: strategy.predict(images, 0), input_shape)
        found = Prediction(counted, predicting_bits(strategy), strategy.num_averaged)
        same = counted.layers == once.counted.layers and found[1:] == once[1:]
        tested = None if same else found
    return Cost(once, tested, in_float32, binary)


def _forward(strategy: Any, network: Any) -> Callable[[Tensor], Any]:
    """How the network is called on images with one set of weights."""
    if hasattr(strategy, "logits"):
        return lambda images: strategy.logits(images, 0)
    return lambda images: network(images, 0) if isinstance(network, Network) else network(images)
