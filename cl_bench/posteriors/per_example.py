"""Sums over examples of what becomes of each example's own gradient: of squares, or of magnitudes.

    sum_n sum_s weight_ns m(d scalar_s(f(x_n)) / d theta)
    m the square or the absolute value

For a network of Linear layers no gradient need be formed. The gradient of example n by a weight matrix is the
outer product d_n a_n of what flows back and what came in. As m(x y) = m(x) m(y), the sum is the matrix
product m(d)^T m(a), about as cheap as one backward pass. A network that has convolutions and normalisations,
too, goes layer by layer (per_example_layers.py). Any other goes by vmap(grad).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from cl_bench.models.parameters import is_plain, tied, trainable
from cl_bench.posteriors import per_example_layers

CHUNK_ELEMENTS = 2**23  # per-example gradients at once: 32 MiB in float32; twice as fast as 128 MiB
FLOW_ELEMENTS = 2**24  # of what flows back to all layers at once

Scalars = Callable[[Tensor], Tensor]  # logits [B, K] -> the S numbers that are differentiated, [B, S]
Weigh = Callable[[Tensor], Tensor]  # logits [B, K] -> the weight of each of them in the sum, [B, S]
Magnitude = Callable[[Tensor], Tensor]  # torch.square or torch.abs: m(x y) = m(x) m(y) is relied on


def mean(
    model: nn.Module,
    batches: Iterable[Sequence],
    *,
    scalars: Scalars,
    weigh: Callable[..., Tensor],
    magnitude: Magnitude,
) -> Tensor:
    """The mean over examples of squares or magnitudes of each example's own gradient.

        1/N sum_n sum_s weight_ns m(d scalar_s(f(x_n)) / d theta)
        m the square or the absolute value

    Args:
        model: called as model(images, task), in eval mode, so that examples do not see each other.
        batches: (images, labels, task) with an int task; their size changes nothing but the memory used.
        scalars: logits [B, K] -> the S numbers that are differentiated, [B, S].
        weigh: (logits, labels=labels) -> weights [B, S]; called once a batch.
        magnitude: m, `torch.square` or `torch.abs`.

    Returns:
        [P], in the order of `trainable(model)`.

    Raises:
        ValueError: for an empty data set.

    >>> from cl_bench.models import Heads
    >>> network = Heads(in_features=1, num_classes=2, num_heads=1, bias=False)
    >>> images, labels = torch.tensor([[1.0], [-3.0]]), torch.tensor([0, 1])
    >>> per_example.mean(
    ...     network,
    ...     [(images, labels, 0)],
    ...     scalars=lambda logits: logits.sum(dim=1, keepdim=True),
    ...     weigh=lambda logits, labels: torch.ones(len(labels), 1),
    ...     magnitude=torch.abs,  # 1 and 3; the gradient of the mean is -1
    ... )
    tensor([2., 2.])
    """
    sums_of = None
    total: Tensor | None = None
    num_examples = 0
    for images, labels, task in batches:
        arguments = (images, task)
        if sums_of is None:
            sums_of = vmap_sums
            if is_dense(model, arguments):
                sums_of = dense_sums
            elif is_layered(model, arguments):
                sums_of = layered_sums
        sums = sums_of(model, arguments, scalars, partial(weigh, labels=labels), magnitude)
        flat = torch.cat([part.reshape(-1) for part in sums])
        total = flat if total is None else total + flat
        num_examples += len(images)
    if total is None:
        raise ValueError("gradients of single examples need at least one example, got an empty data set")
    return total / num_examples


def is_dense(model: nn.Module, arguments: tuple) -> bool:
    """Whether `dense_sums` can be used: every trained parameter belongs to one Linear layer, called once.

    Each such layer must be called on one vector an example.

    >>> images = torch.zeros(1, 1, 4, 4)
    >>> dense = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    >>> per_example.is_dense(dense, (images,))
    True
    >>> per_example.is_dense(torch.nn.Conv2d(1, 2, 3), (images,))
    False
    """
    return all(is_plain(layer, nn.Linear) for layer in _owners(model)) and is_layered(model, arguments)


def is_layered(model: nn.Module, arguments: tuple) -> bool:
    """Whether `layered_sums` can be used: every trained parameter belongs to one known layer, called once.

    A Linear layer must be called on one vector an example, as must a layer norm.

    >>> images = torch.zeros(1, 1, 4, 4)
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.GroupNorm(1, 2))
    >>> per_example.is_layered(network, (images,))
    True
    >>> per_example.is_layered(torch.nn.ConvTranspose2d(1, 2, 3), (images,))
    False
    """
    owners = _owners(model)
    shared = tied(model)
    for layer in owners:
        own = set(layer.parameters(recurse=False))
        if not per_example_layers.is_known(layer) or shared & own:
            return False
    calls: list[tuple[nn.Module, int]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, _: calls.append((layer, inputs[0].dim())))
        for layer in owners
    ]
    images, *rest = arguments
    try:
        with torch.no_grad():
            model(images[:1], *rest)
    finally:
        for hook in hooks:
            hook.remove()
    right = {layer for layer, dims in calls if dims == 2 or not per_example_layers.takes_vectors(layer)}
    return len(calls) == len(owners) and right == set(owners)


def dense_sums(
    model: nn.Module, arguments: tuple, scalars: Scalars, weigh: Weigh, magnitude: Magnitude
) -> list[Tensor]:
    """The sums of `mean` for a network of Linear layers, without forming any example's gradient.

        sum_n m(d_n a_n) = m(d)^T m(a)
        d what flows back [B, O],   a what came in [B, I]

    Args:
        arguments: those that the model is called with, the images first.

    Returns:
        One sum for each trained parameter, of its shape.

    >>> layer = torch.nn.Linear(2, 1, bias=False)
    >>> images = torch.tensor([[1.0, 2.0], [-1.0, 2.0]])
    >>> per_example.dense_sums(
    ...     layer, (images,), lambda f: f, torch.ones_like, torch.square
    ... )
    [tensor([[2., 8.]])]
    """
    layers = _owners(model)
    logits, inputs, outputs = recorded(model, arguments, layers)
    weights = weigh(logits.detach())
    values = scalars(logits)
    number = values.shape[-1]
    # backwards for all scalars at once, [S, B, S]
    selected = torch.eye(number, device=values.device, dtype=values.dtype).unsqueeze(1)
    back = torch.autograd.grad(
        values, outputs, grad_outputs=selected.expand(-1, len(values), -1), is_grads_batched=True
    )
    flows = [(weights.T.unsqueeze(-1) * magnitude(gradient)).sum(dim=0) for gradient in back]
    sums: dict[Tensor, Tensor] = {}
    for layer, flow, given in zip(layers, flows, inputs, strict=True):
        sums[layer.weight] = flow.T @ magnitude(given)
        if layer.bias is not None:
            sums[layer.bias] = flow.sum(dim=0)
    return [sums[parameter] for parameter in trainable(model).values()]


def layered_sums(
    model: nn.Module, arguments: tuple, scalars: Scalars, weigh: Weigh, magnitude: Magnitude
) -> list[Tensor]:
    """The sums of `mean` for a network of layers that are known, each by its own formula.

    See per_example_layers.py.

    Args:
        arguments: those that the model is called with, the images first.

    Returns:
        One sum for each trained parameter, of its shape.

    >>> layer = torch.nn.Conv2d(1, 1, 1, bias=False)
    >>> images = torch.tensor([1.0, 2.0]).view(1, 1, 1, 2)
    >>> per_example.layered_sums(
    ...     layer,
    ...     (images,),
    ...     lambda f: f.sum(dim=(1, 2, 3)).unsqueeze(1),
    ...     lambda f: torch.ones(1, 1),
    ...     torch.square,
    ... )
    [tensor([[[[9.]]]])]
    """
    layers = _owners(model)
    images, *rest = arguments
    with torch.no_grad():
        logits, _, outputs = recorded(model, arguments, layers)
        weights = weigh(logits)
        elements = weights.shape[-1] * sum(each[0].numel() for each in outputs)  # of one example
        del outputs
    totals = {parameter: torch.zeros_like(parameter) for parameter in trainable(model).values()}
    every = torch.arange(len(images), device=weights.device)
    for part in every.split(max(1, FLOW_ELEMENTS // elements)):
        logits, inputs, outputs = recorded(model, (images[part], *rest), layers)
        columns = scalars(logits).unbind(dim=-1)
        back = [torch.autograd.grad(each.sum(), outputs, retain_graph=True) for each in columns]
        for layer, given, flows in zip(layers, inputs, zip(*back, strict=True), strict=True):
            found = per_example_layers.sums(layer, given, torch.stack(flows), weights[part], magnitude)
            own = [each for each in (layer.weight, layer.bias) if each is not None]
            for parameter, each in zip(own, found, strict=True):
                if parameter in totals:  # trained
                    totals[parameter] += each
    return list(totals.values())


def _owners(model: nn.Module) -> list[Any]:
    """The modules with trained parameters of their own."""
    return [
        module
        for module in model.modules()
        if any(parameter.requires_grad for parameter in module.parameters(recurse=False))
    ]


def recorded(
    model: nn.Module, arguments: tuple, layers: Sequence[nn.Module]
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The logits, and of each layer what came in and what went out.

    Inputs are detached; outputs have their graph.

    Args:
        arguments: those that the model is called with.

    Returns:
        Logits [B, K], and two lists of a tensor a layer.

    Raises:
        TypeError: for a layer that is not called exactly once.

    >>> network = torch.nn.Sequential(
    ...     torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)
    ... )
    >>> layers = [network[0], network[2]]
    >>> logits, inputs, outputs = per_example.recorded(
    ...     network, (torch.zeros(5, 2),), layers
    ... )
    >>> [tuple(each.shape) for each in inputs]
    [(5, 2), (5, 3)]
    >>> [tuple(each.shape) for each in outputs]
    [(5, 3), (5, 1)]
    """
    calls: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {layer: [] for layer in layers}
    hooks = [
        layer.register_forward_hook(
            lambda layer, given, output: calls[layer].append((given[0].detach(), output))
        )
        for layer in layers
    ]
    try:
        logits = model(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
    for layer in layers:
        if len(calls[layer]) != 1:
            raise TypeError(f"every layer must be called once, got {len(calls[layer])} calls of {layer}")
    pairs = [calls[layer][0] for layer in layers]
    return logits, [given for given, _ in pairs], [output for _, output in pairs]


def vmap_sums(
    model: nn.Module, arguments: tuple, scalars: Scalars, weigh: Weigh, magnitude: Magnitude
) -> list[Tensor]:
    """The sums of `mean` for any network, by vmap(grad) in chunks of examples.

    Args:
        arguments: those that the model is called with, the images first.

    Returns:
        One sum for each trained parameter, of its shape.

    >>> layer = torch.nn.Linear(2, 1, bias=False)
    >>> images = torch.tensor([[1.0, 2.0], [-1.0, 2.0]])
    >>> per_example.vmap_sums(
    ...     layer, (images,), lambda f: f, torch.ones_like, torch.square
    ... )
    [tensor([[2., 8.]])]
    """
    images, *rest = arguments
    with torch.no_grad():
        weights = weigh(model(images, *rest))
    gradients = single_gradients(model, rest, scalars)
    parameters = trainable(model)
    chunk = max(1, CHUNK_ELEMENTS // sum(parameter.numel() for parameter in parameters.values()))
    totals = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    counts = (weights != 0).cpu()  # one-hot weights leave most examples out; a GPU is waited for once a batch
    for index in range(weights.shape[-1]):
        for positions in counts[:, index].nonzero().squeeze(1).split(chunk):
            if not len(positions):  # an empty tensor splits into one empty part
                continue
            part = positions.to(weights.device, non_blocking=True)
            for name, gradient in gradients(images[part], index).items():
                totals[name] += torch.einsum("n,n...->...", weights[part, index], magnitude(gradient))
    return list(totals.values())


def single_gradients(
    model: nn.Module, rest: Sequence, scalars: Scalars
) -> Callable[[Tensor, int], dict[str, Tensor]]:
    """A function that gives each example's own gradient of a scalar of the logits.

    The model is called as model(images, *rest), in eval mode, and differentiated at its present weights.

    Args:
        scalars: logits [B, K] -> the S numbers that are differentiated, [B, S].

    Returns:
        (images, index) -> the gradients of scalar `index` by every trained parameter, by name, [B, ...].

    >>> layer = torch.nn.Linear(2, 1, bias=False)
    >>> gradients = per_example.single_gradients(
    ...     layer, (), scalars=lambda logits: logits
    ... )
    >>> # the gradient of w x by w is x
    >>> gradients(torch.tensor([[1.0, 2.0], [-1.0, 2.0]]), 0)["weight"]
    tensor([[[ 1.,  2.]],
    <BLANKLINE>
            [[-1.,  2.]]])
    """
    parameters = {name: parameter.detach() for name, parameter in trainable(model).items()}
    buffers = dict(model.named_buffers())

    def scalar(values: dict[str, Tensor], image: Tensor, index: int) -> Tensor:
        logits = functional_call(model, values | buffers, (image.unsqueeze(0), *rest))
        return scalars(logits)[0, index]

    return partial(vmap(grad(scalar), in_dims=(None, 0, None)), parameters)
