"""Classification networks of torchvision, by name, with heads of ours in the place of their last layer."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cl_bench.models.dropout import Dropout
from cl_bench.models.heads import Heads
from cl_bench.models.network import Network

NUM_OUTPUTS = 1000  # of torchvision's last layers, by which they are found
# an output in the midst of the network, which torchvision has in training alone
WITHOUT_OTHERS: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# the names in the files of torchvision's DenseNets are of an older torch
OLD_NAME = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.\w+)$")


class PreparedImages(nn.Module):
    """A network whose images are brought to its channels and size first.

    Args:
        network: torchvision's; its name here is `prepared`.
        repeats: how often the channel of a grey image is repeated.
        size: of the images that the network gets, by bilinear interpolation; None: as they are.
    """

    def __init__(self, network: nn.Module, *, repeats: int, size: int | None) -> None:
        super().__init__()
        self.prepared = network
        self.repeats, self.size = repeats, size

    def forward(self, images: Tensor) -> Tensor:
        """Return features [B, F] of images [B, C, H, W]."""
        if self.size is not None and tuple(images.shape[-2:]) != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode="bilinear", align_corners=False)
        return self.prepared(images.expand(-1, self.repeats, -1, -1) if self.repeats > 1 else images)


def torchvision(
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    num_heads: int,
    architecture: str,
    weights: str | None,
    small_images: bool,
    resize: int | None,
    download: bool,
) -> Network:
    """Build a classification network of torchvision, with heads in the place of its last layer.

    Nothing else of it is changed, but for three things. Its dropout draws from the run's generators.
    `small_images` takes the stride out of its first convolution, and the first pooling away. Grey images
    become three equal channels. The auxiliary outputs of GoogLeNet and Inception are left out.

    Args:
        architecture: a name of `torchvision.models.list_models(module=torchvision.models)`.
        weights: None: random first weights; a name of the network's weights, such as `IMAGENET1K_V1` or
            `DEFAULT`, which torchvision downloads once; or a file, .safetensors or of `torch.save`. The last
            layer's are not read.
        small_images: for images of 32 pixels, say, where a network for 224 would leave one pixel.
        resize: height and width that images are brought to; None: as they are.
        download: whether weights by name may be fetched, where torch's folder has not got them.

    Raises:
        ValueError: for an unknown architecture, weights that do not fit or cannot be had, or images that the
            network cannot take.
    """
    if resize is not None and resize < 1:
        raise ValueError(f"resize must be positive, got {resize=}")
    network = _built(architecture)
    if weights is not None:
        _load(network, architecture, weights, download=download)
    width = _without_last_layer(network, architecture)
    if small_images:
        _for_small_images(network, architecture)
    _replace_dropout(network)
    repeats = _repeats(network, architecture, input_shape)
    if repeats > 1 or resize is not None:
        network = PreparedImages(network, repeats=repeats, size=resize)
    return Network(network, Heads(width, num_classes, num_heads, bias=True))


def _built(architecture: str) -> nn.Module:
    from torchvision import models

    names = models.list_models(module=models)
    if architecture not in names:
        near = get_close_matches(architecture, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        raise ValueError(
            f"architecture must be a classification network of torchvision, got {architecture=}; {hint}"
        )
    return models.get_model(architecture, weights=None, **WITHOUT_OTHERS.get(architecture, {}))


def _last_layer(network: nn.Module, architecture: str) -> str:
    """Name the layer that makes the outputs."""
    found = [
        name
        for name, each in network.named_modules()
        if getattr(each, "out_features", None) == NUM_OUTPUTS
        or getattr(each, "out_channels", None) == NUM_OUTPUTS
    ]
    if not found:
        raise ValueError(f"{architecture} must have a layer of {NUM_OUTPUTS} outputs to replace, got none")
    return found[-1]


def _without_last_layer(network: nn.Module, architecture: str) -> int:
    """Take the last layer away, and return the width of the features that it got."""
    name = _last_layer(network, architecture)
    layer = network.get_submodule(name)
    network.set_submodule(name, nn.Identity())
    width: Any = getattr(layer, "in_features", None) or layer.in_channels
    return int(width)


def _first_convolution(network: nn.Module) -> nn.Conv2d:
    return next(each for each in network.modules() if isinstance(each, nn.Conv2d))


def _for_small_images(network: nn.Module, architecture: str) -> None:
    """Take the stride out of the first convolution, and the first pooling away: no weight is new."""
    first = _first_convolution(network)
    if first.stride == first.kernel_size:
        raise ValueError(
            f"small_images=true takes the stride out of a network's first convolution, got {architecture}, "
            "which cuts images into patches: set resize=224 in its place"
        )
    if first.stride == (1, 1):
        return
    first.stride = (1, 1)
    names = [name for name, each in network.named_modules() if isinstance(each, nn.MaxPool2d)]
    if names:
        network.set_submodule(names[0], nn.Identity())


def _replace_dropout(network: nn.Module) -> None:
    """Put dropout that draws from the run's generators in the place of torch's."""
    for name, each in list(network.named_modules()):
        if type(each) is nn.Dropout:
            network.set_submodule(name, Dropout(each.p))


def _repeats(network: nn.Module, architecture: str, input_shape: tuple[int, int, int]) -> int:
    needed, given = _first_convolution(network).in_channels, input_shape[0]
    if given not in (1, needed):
        raise ValueError(
            f"{architecture} takes images of {needed} channels, or grey ones, got {given} channels"
        )
    return needed // given


# Weights


def _load(network: nn.Module, architecture: str, weights: str, *, download: bool) -> None:
    """Give the network weights, all but those of its last layer and of auxiliary outputs."""
    from torchvision.models import get_model_weights

    choices = get_model_weights(architecture).__members__
    if weights in choices:
        state = _downloaded(choices[weights], architecture, weights, download=download)
    elif Path(weights).is_file():
        state = _read(Path(weights))
    else:
        raise ValueError(
            f"weights must be null, {', '.join(choices)} or a file, got {weights=}: there is no such file"
        )
    last = f"{_last_layer(network, architecture)}."
    own = network.state_dict()
    state = {OLD_NAME.sub(r"\1\2", name): each for name, each in state.items()}
    state = {name: each for name, each in state.items() if not name.startswith((last, *AUXILIARY))}
    missing = [name for name in own if not name.startswith(last) and name not in state]
    # before torch 0.4.1 batch norm did not count its batches
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    shapes = [name for name in state if name in own and state[name].shape != own[name].shape]
    for what, names in (("without", missing), ("with unknown", unknown), ("with other sizes of", shapes)):
        if names:
            raise ValueError(
                f"weights must be those of {architecture}, got {weights} {what} {', '.join(names[:3])}"
                + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            )
    network.load_state_dict(state, strict=False)


def _read(path: Path) -> Mapping[str, Tensor]:
    """Read a file of weights, which can execute nothing. Raises ValueError."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            "weights must be a file of tensors by name, such as torch.save(network.state_dict(), ...) makes, "
            f"got {path}: {reason}"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(each, Tensor) for each in state.values()):
        raise ValueError(f"weights must be a file of tensors by name, got other things in {path}")
    return state


def _downloaded(choice: Any, architecture: str, weights: str, *, download: bool) -> Mapping[str, Tensor]:
    """Return weights from torch's folder, or from where they are published. Raises ValueError."""
    place = Path(torch.hub.get_dir()) / "checkpoints" / choice.url.rpartition("/")[2]
    cannot = f"cannot get the weights {weights} of {architecture}: {place} was looked for"
    to_do = "Put the file there, or name it in model.weights"
    if not download and not place.is_file():
        raise ValueError(f"{cannot}, and data.download is false. {to_do}, or set data.download=true")
    try:
        return choice.get_state_dict(progress=False, check_hash=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{cannot}, and {choice.url} tried ({type(error).__name__}: {reason}). {to_do}"
        ) from error
