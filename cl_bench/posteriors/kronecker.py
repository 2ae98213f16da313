"""Kronecker-factored curvature of Linear and Conv2d layers (KFAC), one term a task.

A layer's weights and biases side by side are the matrix W [O, I]. A [I, I] is the mean of a a^T over what
comes in (1 for the bias), and G [O, O] the mean of g g^T over what flows back. The Hessian of N examples is
about N A (x) G, whose product with a matrix V is N G V A. Blocks of different layers are independent.

Martens, Grosse, ICML 2015, have dense layers. Grosse, Martens, ICML 2016, have convolutions: A sums over the
places of an image, G is their mean. Ritter, Botev, Barber, "Online structured Laplace approximations for
overcoming catastrophic forgetting", NeurIPS 2018, take it as the posterior of old tasks.

A sum of Kronecker products is no Kronecker product. `add` keeps one term a task, exact, with memory that
grows. Or it averages the factors to keep one (ours; exact for tasks that have equal factors).
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
    """The part of the flat vector that holds a layer's matrix W [O, I].

    Attributes:
        weight: where the weights are.
        bias: where the biases are; None without any.
        num_outputs: O.

    >>> block = kronecker.Block(weight=slice(0, 6), bias=None, num_outputs=3)
    >>> torch.arange(8.0)[block.weight].reshape(block.num_outputs, -1)
    tensor([[0., 1.],
            [2., 3.],
            [4., 5.]])
    """

    weight: slice
    bias: slice | None
    num_outputs: int


class Factors(NamedTuple):
    """The Kronecker-factored curvature N A (x) G of one layer.

    Attributes:
        inputs: A [I, I]; [R, I, I] for stacked seeds.
        outputs: G [O, O]; [R, O, O].
        num_examples: N.

    >>> one = kronecker.Factors(
    ...     inputs=torch.tensor([[5.0]]), outputs=torch.eye(2), num_examples=2
    ... )
    >>> # the curvature as a matrix [P, P]
    >>> one.num_examples * torch.kron(one.outputs, one.inputs)
    tensor([[10.,  0.],
            [ 0., 10.]])
    """

    inputs: Tensor
    outputs: Tensor
    num_examples: int


Term = tuple[Factors, ...]  # one for each block


def layers_of(network: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """The layers of a network that have a block of curvature: plain Linear and Conv2d layers.

    Other parameters have none: those that two layers share, those made from others by a parametrization, and
    those of a layer a part of which is frozen.

    Raises:
        TypeError: for a grouped convolution, or one that is not padded with zeros.

    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)
    ... )
    >>> kronecker.layers_of(network)
    [Linear(in_features=2, out_features=3, bias=True)]
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
    """The block of each of `layers_of`, in the flat vector, which has the order of `trainable(network)`.

    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)
    ... )
    >>> kronecker.blocks_of(network)
    [Block(weight=slice(0, 6, None), bias=slice(6, 9, None), num_outputs=3)]
    """
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
    """The number of weights that are in a block.

    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)
    ... )
    >>> # 3 * 2 weights and 3 biases
    >>> kronecker.num_inside(kronecker.blocks_of(network))
    9
    """
    parts = [part for block in blocks for part in (block.weight, block.bias) if part is not None]
    return sum(part.stop - part.start for part in parts)


def outside(blocks: Sequence[Block], like: Tensor) -> Tensor:
    """A mask of the weights that are in no block: 1 for these, 0 for the others.

    Args:
        like: a flat vector, [..., P].

    Returns:
        [..., P].

    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(1, 2), torch.nn.BatchNorm1d(2)
    ... )
    >>> kronecker.outside(kronecker.blocks_of(network), like=torch.zeros(8))
    tensor([0., 0., 0., 0., 1., 1., 1., 1.])
    """
    mask = torch.ones_like(like)
    for block in blocks:
        for part in (block.weight, block.bias):
            if part is not None:
                mask[..., part] = 0
    return mask


def factors(
    network: nn.Module, batches: Iterable[Sequence], *, estimator: str, generator: torch.Generator
) -> Term:
    """The Kronecker factors of every block, as means over single examples.

        A = 1/N sum_n a_n a_n^T,   G = 1/N sum_n E_{y ~ p(y | x_n)} [g_n g_n^T]

    Sources: Martens, Grosse 2015; for convolutions Grosse, Martens 2016.

    Args:
        network, batches, estimator, generator: as in `fisher.diagonal`.

    Raises:
        ValueError: for an unknown estimator or an empty data set.

    >>> from cl_bench.models import Heads
    >>> network = Heads(in_features=1, num_classes=2, num_heads=1, bias=False)
    >>> # so that p = 1/2 for both classes
    >>> _ = torch.nn.init.zeros_(network.linear.weight)
    >>> images, labels = torch.tensor([[1.0], [3.0]]), torch.tensor([0, 1])
    >>> (one,) = kronecker.factors(
    ...     network,
    ...     [(images, labels, 0)],
    ...     estimator="exact",
    ...     generator=torch.Generator(),
    ... )
    >>> one.inputs, one.outputs
    (tensor([[5.]]), tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]]))
    """
    layers = layers_of(network)
    if not layers:
        return ()
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
    """The terms of several seeds as one term with a leading seed axis.

    >>> term = (kronecker.Factors(torch.eye(3), torch.eye(2), num_examples=10),)
    >>> (both,) = kronecker.stacked([term, term])
    >>> both.inputs.shape, both.outputs.shape
    (torch.Size([2, 3, 3]), torch.Size([2, 2, 2]))
    """
    return tuple(
        Factors(
            torch.stack([f.inputs for f in each]),
            torch.stack([f.outputs for f in each]),
            each[0].num_examples,
        )
        for each in zip(*terms, strict=True)
    )


def add(terms: tuple[Term, ...], new: Term, *, memory: str) -> tuple[Term, ...]:
    """The terms after one more task: one more, or still one with averaged factors.

        merged: A <- (N_old A_old + N_new A_new) / (N_old + N_new), and G alike

    Source: Ritter, Botev, Barber 2018 (`separate`); `merged` is ours.

    Args:
        terms: those of the tasks so far.
        new: that of the new task.
        memory: `separate` or `merged`.

    >>> old = kronecker.Factors(torch.ones(1, 1), torch.eye(2), num_examples=10)
    >>> new = kronecker.Factors(torch.ones(1, 1) * 5, torch.eye(2), num_examples=30)
    >>> len(kronecker.add(((old,),), (new,), memory="separate"))
    2
    >>> ((merged,),) = kronecker.add(((old,),), (new,), memory="merged")
    >>> merged.inputs, merged.num_examples  # nearer to the task of more examples
    (tensor([[4.]]), 40)
    """
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
    """The curvature of all tasks times a flat vector; 0 outside of the blocks.

        sum over terms of N G V A,   for each block's matrix V [O, I]

    Source: Ritter, Botev, Barber 2018.

    Args:
        vector: [P] or, for stacked seeds, [R, P].

    Returns:
        Of the shape of `vector`.

    >>> block = kronecker.Block(weight=slice(0, 2), bias=None, num_outputs=2)
    >>> outputs = torch.tensor([[0.25, -0.25], [-0.25, 0.25]])
    >>> term = (kronecker.Factors(torch.tensor([[5.0]]), outputs, num_examples=2),)
    >>> kronecker.product([term], [block], torch.tensor([1.0, -1.0]))
    tensor([ 5., -5.])
    >>> # equal logits change no prediction
    >>> kronecker.product([term], [block], torch.ones(2))
    tensor([0., 0.])
    """
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
