"""Kronecker-factored curvature of Linear and Conv2d layers (KFAC), one term a task.

A layer's weights and biases side by side are the matrix W [O, I]; with the mean A [I, I] of a a^T over what
comes in (1 for the bias) and the mean G [O, O] of g g^T over what flows back, the Hessian of N examples is
about N A (x) G, whose product with a matrix V is N G V A. Blocks of different layers are independent.

Sources: Martens, Grosse, ICML 2015 (dense layers); Grosse, Martens, ICML 2016 (convolutions: A sums over the
places of an image, G is their mean); Ritter, Botev, Barber, "Online structured Laplace approximations for
overcoming catastrophic forgetting", NeurIPS 2018 (as the posterior of old tasks). A sum of Kronecker products
is none: `add` keeps one term a task, exact, with memory that grows; or it averages the factors to keep one
(ours; exact for tasks that have equal factors).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cl_bench.models.parameters import is_plain, tied, trainable
from cl_bench.posteriors.fisher import label_weights, log_probabilities
from cl_bench.posteriors.per_example import recorded

MEMORIES = ("separate", "merged")


class Block(NamedTuple):
    """Where a layer's matrix lies in the flat vector."""

    weight: slice
    bias: slice | None
    num_outputs: int  # O


class Factors(NamedTuple):
    """The term N A (x) G of a layer."""

    inputs: Tensor  # A [I, I]; [R, I, I] for stacked seeds
    outputs: Tensor  # G [O, O]; [R, O, O]
    num_examples: int  # N


Term = tuple[Factors, ...]  # one for each block


def layers_of(network: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """The layers that have a block; other parameters have none: those that two layers share, that are made
    from others by a parametrization, or of a layer a part of which is frozen.

    Raises:
        TypeError: for a grouped convolution, or one that is not padded with zeros.
    """
    shared = tied(network)
    layers = [
        module
        for module in network.modules()
        if (is_plain(module, nn.Linear) or is_plain(module, nn.Conv2d))
        and all(each.requires_grad and each not in shared for each in module.parameters(recurse=False))
    ]
    for layer in layers:
        if isinstance(layer, nn.Conv2d) and (layer.groups > 1 or layer.padding_mode != "zeros"):
            raise TypeError(f"KFAC knows ungrouped convolutions padded with zeros, got {layer}")
    return layers


def blocks_of(network: nn.Module) -> list[Block]:
    """One for each of `layers_of`, in the flat vector, which has the order of `trainable(network)`."""
    places: dict[Tensor, slice] = {}
    start = 0
    for parameter in trainable(network).values():
        places[parameter] = slice(start, start + parameter.numel())
        start += parameter.numel()
    return [
        Block(places[layer.weight], None if layer.bias is None else places[layer.bias], len(layer.weight))
        for layer in layers_of(network)
    ]


def num_inside(blocks: Sequence[Block]) -> int:
    """How many weights are in a block."""
    parts = [part for block in blocks for part in (block.weight, block.bias) if part is not None]
    return sum(part.stop - part.start for part in parts)


def outside(blocks: Sequence[Block], like: Tensor) -> Tensor:
    """1 for the weights that are in no block, 0 for the others; [P]."""
    mask = torch.ones_like(like)
    for block in blocks:
        for part in (block.weight, block.bias):
            if part is not None:
                mask[..., part] = 0
    return mask


def factors(
    network: nn.Module, batches: Iterable[Sequence], *, estimator: str, generator: torch.Generator
) -> Term:
    """A and G of every block, means over single examples; arguments as of `fisher.diagonal`."""
    layers = layers_of(network)
    inputs: list[Tensor | float] = [0.0] * len(layers)
    outputs: list[Tensor | float] = [0.0] * len(layers)
    num_examples = 0
    for images, labels, task in batches:
        logits, given, produced = recorded(network, (images, task), layers)
        weights = label_weights(logits.detach(), labels, estimator, generator)
        values = log_probabilities(logits)
        for index, (layer, tensor) in enumerate(zip(layers, given, strict=True)):
            rows = _rows_in(layer, tensor)
            inputs[index] = inputs[index] + torch.einsum("npi,npj->ij", rows, rows)
        for label in range(values.shape[-1]):
            back = torch.autograd.grad(values[:, label].sum(), produced, retain_graph=True)
            for index, (layer, tensor) in enumerate(zip(layers, back, strict=True)):
                rows = _rows_out(layer, tensor)
                weighted = rows * (weights[:, label] / rows.shape[1])[:, None, None]
                outputs[index] = outputs[index] + torch.einsum("npi,npj->ij", weighted, rows)
        num_examples += len(images)
    if not num_examples:
        raise ValueError("Kronecker factors need at least one example, got an empty data set")
    pairs = zip(inputs, outputs, strict=True)
    return tuple(
        Factors(torch.as_tensor(a) / num_examples, torch.as_tensor(g) / num_examples, num_examples)
        for a, g in pairs
    )


def _rows_in(layer: nn.Module, inputs: Tensor) -> Tensor:
    """What comes in, with 1 for a bias: [B, places, I]."""
    if isinstance(layer, nn.Conv2d):
        if isinstance(layer.padding, str):
            raise TypeError(f"KFAC needs the padding of a convolution as numbers, got {layer}")
        patches = F.unfold(inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        rows = patches.transpose(1, 2)
    else:
        rows = inputs.reshape(len(inputs), -1, inputs.shape[-1])
    return rows if layer.bias is None else F.pad(rows, (0, 1), value=1.0)


def _rows_out(layer: nn.Module, gradients: Tensor) -> Tensor:
    """What flows back, [B, places, O]."""
    if isinstance(layer, nn.Conv2d):
        return gradients.flatten(2).transpose(1, 2)
    return gradients.reshape(len(gradients), -1, gradients.shape[-1])


def stacked(terms: Sequence[Term]) -> Term:
    """One term of each seed as one term with a leading seed axis."""
    return tuple(
        Factors(
            torch.stack([f.inputs for f in each]),
            torch.stack([f.outputs for f in each]),
            each[0].num_examples,
        )
        for each in zip(*terms, strict=True)
    )


def add(terms: tuple[Term, ...], new: Term, *, memory: str) -> tuple[Term, ...]:
    """The terms after one more task: one more, or still one (`merged`)."""
    if memory == "separate" or not terms:
        return (*terms, new)
    (old,) = terms
    return (tuple(_average(a, b) for a, b in zip(old, new, strict=True)),)


def _average(old: Factors, new: Factors) -> Factors:
    num_examples = old.num_examples + new.num_examples
    share = new.num_examples / num_examples
    return Factors(
        torch.lerp(old.inputs, new.inputs, share), torch.lerp(old.outputs, new.outputs, share), num_examples
    )


def product(terms: Sequence[Term], blocks: Sequence[Block], vector: Tensor) -> Tensor:
    """The sum of all terms times a flat vector [P] (or [R, P]); 0 outside of the blocks."""
    result = torch.zeros_like(vector)
    for index, block in enumerate(blocks):
        matrix = _matrix(vector, block)
        total = torch.zeros_like(matrix)
        for term in terms:
            inputs, outputs, num_examples = term[index]
            total += num_examples * (outputs @ matrix @ inputs)
        columns = total.shape[-1] - (block.bias is not None)
        result[..., block.weight] = total[..., :columns].flatten(-2)
        if block.bias is not None:
            result[..., block.bias] = total[..., -1]
    return result


def _matrix(vector: Tensor, block: Block) -> Tensor:
    """Weights and biases side by side, [O, I] (or [R, O, I])."""
    weight = vector[..., block.weight].unflatten(-1, (block.num_outputs, -1))
    return weight if block.bias is None else torch.cat([weight, vector[..., block.bias, None]], dim=-1)
