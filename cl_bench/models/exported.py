"""A binary network as steps and packed bits, which cl_bench/packed.py computes with NumPy alone.

A step is a list: its name, then its settings; a text among them names an array. A layer whose inputs come
from a gate is an `xnor` step, whose sums are those of integers, and exact. Any other binary layer is `add`.
"""

from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from cl_bench.models.activation import Gate, Sign
from cl_bench.models.dropout import Dropout
from cl_bench.models.heads import BatchNormPerHead, Heads
from cl_bench.models.network import Network
from cl_bench.models.normalisation import Scale
from cl_bench.models.operations import is_signs
from cl_bench.models.parameters import is_plain

Steps = list[list[Any]]
Arrays = dict[str, np.ndarray]
SAME_IN_TESTS = (nn.Identity, Dropout, nn.Dropout)
KEEP_BITS = (*SAME_IN_TESTS, nn.Flatten, nn.MaxPool2d)  # what was 0 and 1 is so afterwards


class NotExportedError(ValueError):
    """A network has a part that the file has no step for; the message names it, and the rule."""


def exported(network: nn.Module) -> tuple[Steps, Arrays]:
    """Return the steps of a network as it is in tests, and the arrays that they name.

    Raises:
        NotExportedError: for weights other than -1 and +1, for affine normalisation, and for other modules
            than those of mlp and cnn.
    """
    if not isinstance(network, Network) or not isinstance(network.body, nn.Sequential):
        raise NotExportedError(
            "a network to be exported must be layers one after another and then heads, got "
            f"{type(network).__name__}; set model=mlp or model=cnn"
        )
    made = _Made()
    for name, module in network.body.named_children():
        made.add(f"body.{name}", module)
    made.add_heads("heads", network.heads)
    return made.steps, made.arrays


class _Made:
    """The steps so far, their arrays, and whether what they give is 0 and 1."""

    def __init__(self) -> None:
        self.steps: Steps = []
        self.arrays: Arrays = {}
        self._binary = False

    def add(self, name: str, module: nn.Module) -> None:
        """Add the steps of a module."""
        if is_plain(module, nn.Linear):
            self._add_product(name, module.weight, module.bias)
        elif is_plain(module, nn.Conv2d):
            self._add_convolution(name, module)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and not module.affine:
            self._add_batch(name, [module], places=2 if isinstance(module, nn.BatchNorm2d) else 0)
        elif isinstance(module, nn.GroupNorm) and not module.affine:
            self.steps.append(["group", module.num_groups, module.eps])
        elif _is_layer_norm(module):
            self.steps.append(["group", 1, module.eps])
        elif isinstance(module, Scale):
            self.steps.append(["scale", module.factor])
        elif isinstance(module, nn.MaxPool2d) and _is_of_squares(module):
            self.steps.append(["pool", module.kernel_size])
        elif isinstance(module, nn.ReLU | Gate | Sign | nn.Flatten):
            names: dict[type, str] = {nn.ReLU: "relu", Gate: "gate", Sign: "sign"}
            self.steps.append([names.get(type(module), "flatten")])
        elif not isinstance(module, SAME_IN_TESTS):
            raise NotExportedError(
                "a network to be exported must have modules of mlp and cnn alone, and normalisation without "
                f"parameters of its own, got {name}: {module}"
            )
        self._binary = isinstance(module, Gate) or (self._binary and isinstance(module, KEEP_BITS))

    def add_heads(self, name: str, heads: Heads) -> None:
        """Add the output layer, the choice of a head, and its normalisation."""
        self.add(f"{name}.linear", heads.linear)
        of_head = heads.normalisation
        if isinstance(of_head, BatchNormPerHead):
            self._add_batch(f"{name}.normalisation", list(of_head.heads))
        self.steps.append(["head", heads.num_heads])
        parts = of_head if isinstance(of_head, nn.Sequential) else [of_head]
        for number, part in enumerate(parts):
            if part is not None and not isinstance(part, BatchNormPerHead):
                self.add(f"{name}.normalisation.{number}", part)
        if heads.active is not None:
            self.arrays[f"{name}.active"] = heads.active.cpu().numpy()
            self.steps.append(["active", f"{name}.active"])

    def _add_product(self, name: str, weight: Tensor, bias: Tensor | None) -> None:
        if bias is not None or not is_signs(weight):
            raise NotExportedError(
                "a network to be exported must have weights of -1 and +1 and no biases, got others in "
                f"{name}; train it by a method of binary weights, such as strategy=bayesbinn"
            )
        rows = weight.detach().flatten(1).cpu().numpy()
        self.arrays[f"{name}.bits"] = np.packbits(rows > 0, axis=1)
        self.steps.append(["xnor" if self._binary else "add", f"{name}.bits"])

    def _add_convolution(self, name: str, module: nn.Conv2d) -> None:
        size = module.kernel_size[0]
        plain = {"stride": (1, 1), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
        wanted = plain | {"kernel_size": (size, size), "padding": (size // 2, size // 2)}
        got = {key: getattr(module, key) for key in wanted}
        if got != wanted or size % 2 == 0:
            raise NotExportedError(
                f"a convolution to be exported must have odd squares that keep the size, got {name}: {module}"
            )
        self.steps.append(["windows", size])
        self._add_product(name, module.weight, module.bias)
        self.steps.append(["maps"])

    def _add_batch(self, name: str, layers: list[Any], *, places: int = 0) -> None:
        """Add batch norm by its running statistics; of several heads side by side."""
        for key in ("running_mean", "running_var"):
            values = torch.cat([getattr(each, key) for each in layers])
            self.arrays[f"{name}.{key}"] = values.cpu().numpy().reshape(-1, *[1] * places)
        self.steps.append(["batch", f"{name}.running_mean", f"{name}.running_var", layers[0].eps])


def _is_layer_norm(module: nn.Module) -> TypeGuard[nn.LayerNorm]:
    """Whether it is layer norm of vectors, without parameters."""
    return (
        isinstance(module, nn.LayerNorm)
        and not module.elementwise_affine
        and len(module.normalized_shape) == 1
    )


def _is_of_squares(module: nn.MaxPool2d) -> bool:
    plain = (module.padding, module.dilation, module.ceil_mode) == (0, 1, False)
    return plain and isinstance(module.kernel_size, int) and module.stride == module.kernel_size
