"""The diagonal Fisher information of a classifier, exact: a squared gradient an example, never of a batch
mean.

    F_i = 1/N sum_n E_{y ~ p(y | x_n)} [(d log p(y | x_n) / d theta_i)^2]

Source: Kirkpatrick et al., PNAS 2017; on the estimators: Kunstner, Hennig, Balles, NeurIPS 2019.
`exact` takes the expectation over all classes, `sampled` draws one label from the prediction, `empirical`
takes the label of the data set.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

ESTIMATORS = ("exact", "sampled", "empirical")
CHUNK_ELEMENTS = 2**23  # per-example gradients at once: 32 MiB in float32; twice as fast as 128 MiB

Weigh = Callable[[Tensor], Tensor]  # logits [B, K] -> weight of each class in the expectation over y, [B, K]


def label_weights(logits: Tensor, labels: Tensor, estimator: str, generator: torch.Generator) -> Tensor:
    """The weight of each class in the expectation over y, [B, K]: p(y | x), or one-hot of a draw or label."""
    if estimator not in ESTIMATORS:
        raise ValueError(f"Fisher estimator must be one of {', '.join(ESTIMATORS)}, got {estimator=}")
    probabilities = logits.softmax(dim=-1)
    if estimator == "exact":
        return probabilities
    if estimator == "sampled":
        labels = torch.multinomial(probabilities, 1, generator=generator).squeeze(-1)
    return nn.functional.one_hot(labels, logits.shape[-1]).to(logits)


def is_dense(model: nn.Module, arguments: tuple) -> bool:
    """Whether `dense_squares` applies: every parameter belongs to a Linear layer, and each such layer is
    called once, on one vector an example.
    """
    owners = [module for module in model.modules() if list(module.parameters(recurse=False))]
    if not all(isinstance(module, nn.Linear) for module in owners):
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
    return len(calls) == len(owners) and {layer for layer, dims in calls if dims == 2} == set(owners)


def dense_squares(model: nn.Module, arguments: tuple, weigh: Weigh) -> list[Tensor]:
    """Sum over examples of the squared gradients of a network of Linear layers, without forming a gradient.

    The gradient of example n by a weight matrix is the outer product d_n a_n of what flows back and what came
    in, so the sum of squares is the matrix product (d^2)^T (a^2): about as cheap as one backward pass.
    """
    inputs: dict[nn.Module, Tensor] = {}
    outputs: dict[nn.Module, Tensor] = {}

    def remember(module: nn.Module, arguments: tuple[Tensor], output: Tensor) -> None:
        inputs[module], outputs[module] = arguments[0].detach(), output

    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    hooks = [layer.register_forward_hook(remember) for layer in layers]
    try:
        logits = model(*arguments)
    finally:
        for hook in hooks:
            hook.remove()
    # d log p_k / d logits = e_k - p, for all classes k at once [K, B, K]; weighed here, where it is small
    residuals = torch.eye(logits.shape[-1], device=logits.device)[:, None] - logits.detach().softmax(dim=-1)
    residuals *= weigh(logits.detach()).T.sqrt().unsqueeze(-1)
    back = torch.autograd.grad(
        logits, [outputs[layer] for layer in layers], grad_outputs=residuals, is_grads_batched=True
    )
    squares: dict[Tensor, Tensor] = {}
    for layer, gradient in zip(layers, back, strict=True):
        flow = gradient.square().sum(dim=0)
        squares[layer.weight] = flow.T @ inputs[layer].square()
        if layer.bias is not None:
            squares[layer.bias] = flow.sum(dim=0)
    return [squares[parameter] for parameter in model.parameters()]


def per_example_squares(model: nn.Module, arguments: tuple, weigh: Weigh) -> list[Tensor]:
    """Sum over examples of the squared gradients of any network, by vmap(grad) in chunks of examples."""
    images, *rest = arguments
    parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
    buffers = dict(model.named_buffers())
    with torch.no_grad():
        weights = weigh(model(images, *rest))

    def log_probability(values: dict[str, Tensor], image: Tensor, label: int) -> Tensor:
        logits = functional_call(model, values | buffers, (image.unsqueeze(0), *rest))
        return logits.log_softmax(dim=-1)[0, label]

    gradients = vmap(grad(log_probability), in_dims=(None, 0, None))
    chunk = max(1, CHUNK_ELEMENTS // sum(parameter.numel() for parameter in parameters.values()))
    totals = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    for label in range(weights.shape[-1]):
        positions = weights[:, label].nonzero().squeeze(1)  # one-hot weights leave most examples out
        for part in positions.split(chunk):
            if not len(part):  # an empty tensor splits into one empty part
                continue
            for name, gradient in gradients(parameters, images[part], label).items():
                totals[name] += torch.einsum("n,n...->...", weights[part, label], gradient.square())
    return list(totals.values())


def diagonal(
    model: nn.Module,
    batches: Iterable[Sequence],
    *,
    estimator: str,
    generator: torch.Generator,
) -> Tensor:
    """The diagonal Fisher information at the present weights, [P] in the order of `model.parameters()`.

    Args:
        model: called as model(images, task), in eval mode, so that examples do not see each other.
        batches: (images, labels, task) with an int task; their size changes nothing but the memory used.
        generator: draws the labels of `sampled`.

    Raises:
        ValueError: for an unknown estimator or an empty data set.
    """
    squares_of = None
    total: Tensor | None = None
    num_examples = 0
    for images, labels, task in batches:
        weigh = partial(label_weights, labels=labels, estimator=estimator, generator=generator)
        if squares_of is None:
            squares_of = dense_squares if is_dense(model, (images, task)) else per_example_squares
        squares = squares_of(model, (images, task), weigh)
        flat = torch.cat([square.reshape(-1) for square in squares])
        total = flat if total is None else total + flat
        num_examples += len(images)
    if total is None:
        raise ValueError("the Fisher information needs at least one example, got an empty data set")
    return total / num_examples
