"""The features of a network that stays as it is, written once: `cl-bench features`."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from cl_bench.config.build import build_data, build_model, device_of
from cl_bench.data import ImageData
from cl_bench.data.fingerprint import digest
from cl_bench.data.own_files import ABOUT, CLASS_NAMES, FEATURES_OF
from cl_bench.learner.process import prepare_process
from cl_bench.learner.seeds import Seeds
from cl_bench.models.frozen_features import frozen_features
from cl_bench.records.atomic import write_whole
from cl_bench.runner.load_saved import load_network
from cl_bench.runner.trained_weights import load_weights, sha256
from cl_bench.streams.scaling import scaling_of
from cl_bench.streams.transforms import padded
from cl_bench.version import __version__

AS_THEY_ARE = "cl_bench.streams.split"  # the benchmark that shows images as the data set has them


class Written(NamedTuple):
    """What was written."""

    path: Path
    num_train: int
    num_test: int
    shape: tuple[int, ...]  # of one example's features
    num_bytes: int
    source: str


class _Shapes(NamedTuple):
    """What a network needs to know; see `TaskStream`."""

    input_shape: tuple[int, int, int]
    num_classes: int
    num_heads: int = 1


def write_features(
    config: DictConfig, *, checkpoint: Path | None, layer: str | None, output: Path
) -> Written:
    """Write the features of all training and test images of a data set, with their labels.

    Test images are read, because they are data here. No label has a part in the features. The same command
    writes the same bytes.

    Args:
        config: of `cl-bench run`, of which the data set, `benchmark.pixels`, `benchmark.padding`, the model,
            `training.device`, `threads` and `test_batch_size` are used; the seed's first weights where there
            is no checkpoint.
        checkpoint: a file of weights (.safetensors, or a state_dict), or the folder of a run that has saved
            its weights (training.save=[weights]), whose network is taken in place of `model`.
        layer: as in `frozen_features`.

    Raises:
        ValueError: for settings, weights or a layer that do not fit.
        OSError: where a file cannot be read or written.
    """
    _check(config, output)
    training = config.training
    prepare_process(threads=training.threads, precision=training.precision)
    device = device_of(training.device)
    data = padded(build_data(config), config.benchmark.padding)
    network, weights = _network(config, data, checkpoint)
    network.to(device)
    scale = scaling_of(data, config.benchmark.pixels)

    def of(images: Tensor) -> Tensor:
        batches = (scale(part.to(device)) for part in images.split(training.test_batch_size))
        return frozen_features(network, batches, layer=layer)

    x, x_test = of(data.train_images), of(data.test_images)
    part = "body" if layer is None else layer
    source = f"features of {data.name} ({data.source}) by {part} of {weights}"
    about = {
        FEATURES_OF: source,
        CLASS_NAMES: data.class_names,
        "made_by": {
            "cl_bench": __version__,
            "data": digest(data),
            "pixels": config.benchmark.pixels,
            "padding": config.benchmark.padding,
            "model": OmegaConf.to_container(config.model, resolve=True),
            "layer": layer,
        },
    }
    tensors = {"x": x, "y": data.train_labels, "x_test": x_test, "y_test": data.test_labels}
    content = _bytes(tensors, about)
    write_whole(output, content)
    return Written(output, len(x), len(x_test), tuple(x.shape[1:]), len(content), source)


def _check(config: DictConfig, output: Path) -> None:
    if output.suffix.lower() != ".safetensors":
        raise ValueError(f"the file of features must end in .safetensors, got {output}; rename it")
    if not output.parent.is_dir():
        raise ValueError(f"the folder of {output} must exist, got none; make it")
    if config.benchmark.get("_target_") != AS_THEY_ARE:
        raise ValueError(
            f"features are made of images as they are, got benchmark={config.benchmark.name}; leave it out, "
            "and set benchmark/dataset=... alone"
        )
    if config.training.test_on != "test":
        raise ValueError(
            "features are made of training and test images, got training.test_on="
            f"{config.training.test_on}; leave it out: a run on the features takes it"
        )


def _network(config: DictConfig, data: ImageData, checkpoint: Path | None) -> tuple[nn.Module, str]:
    """Return the network with its weights, and what it is in words."""
    if checkpoint is not None and checkpoint.is_dir():
        network = load_network(checkpoint, after_task=None, trust=False, device="cpu")
        return network, f"the run {checkpoint.resolve().name} (weights {weights_hash(network)})"
    channels, height, width = data.train_images.shape[1:]
    shapes: Any = _Shapes((channels, height, width), len(data.class_names))
    network = build_model(config, shapes, Seeds(config.seed, config.seed_for))
    name = f"{config.model.name}"
    if checkpoint is None:
        return network, f"{name} at its start (seed {config.seed})"
    if not checkpoint.is_file():
        raise ValueError(f"checkpoint must be a file of weights or the folder of a run, got {checkpoint}")
    load_weights(network, checkpoint)
    return network, f"{name} (checkpoint {checkpoint.name}, sha256 {sha256(checkpoint)[:16]})"


def weights_hash(network: nn.Module) -> str:
    """Hash the names and values of all weights and buffers: sixteen hexadecimal digits."""
    found = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        found.update(f"\0{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]


def _bytes(tensors: dict[str, Tensor], about: dict[str, Any]) -> bytes:
    from safetensors.torch import save

    # one text: several would be written in any order
    text = json.dumps(about, sort_keys=True, default=str)
    return save({name: each.contiguous() for name, each in tensors.items()}, {ABOUT: text})
