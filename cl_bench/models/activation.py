"""Activations of hidden layers, by name.

| name | output       | gradient passed on                                          |
|------|--------------|------------------------------------------------------------|
| relu | max(x, 0)    | 1 where x > 0                                               |
| gate | 1[abs x > 1] | +1 where 1/2 < x < 3/2, -1 where -3/2 < x < -1/2, else 0     |
| sign | -1 or +1     | 1 where abs x <= 1                                         |

The gate is the binary activation of BiMU (arXiv 2605.30198); the sign, with sign(0) = +1, that of binarised
networks (Hubara et al. 2016). Their inputs should have a scale near 1, as after a normalisation. Their
gradients are surrogates: their own are 0 almost everywhere.
"""

from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS = ("relu", "gate", "sign")


class GateFunction(torch.autograd.Function):
    """1[|x| > 1] with the surrogate gradient above, elementwise; works under `vmap` and `grad`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(inputs: Tensor) -> Tensor:
        return (inputs.abs() > 1).to(inputs.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (inputs,) = ctx.saved_tensors
        near = ((inputs.abs() - 1).abs() < 0.5).to(gradient.dtype)
        return gradient * near * inputs.sign()


class Gate(nn.Module):
    """The binary gate, [...] -> [...] of 0 and 1."""

    def forward(self, inputs: Tensor) -> Tensor:
        return GateFunction.apply(inputs)


class SignFunction(torch.autograd.Function):
    """The sign with the surrogate gradient above, elementwise; works under `vmap` and `grad`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(inputs: Tensor) -> Tensor:
        return (inputs >= 0).to(inputs.dtype).mul(2).sub(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (inputs,) = ctx.saved_tensors
        return gradient * (inputs.abs() <= 1)


class Sign(nn.Module):
    """The sign, [...] -> [...] of -1 and +1."""

    def forward(self, inputs: Tensor) -> Tensor:
        return SignFunction.apply(inputs)


def make_activation(activation: str) -> nn.Module:
    """Return the module of that name.

    Raises:
        ValueError: for another name.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation=}")
    if activation == "relu":
        return nn.ReLU()
    return Gate() if activation == "gate" else Sign()
