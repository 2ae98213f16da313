"""What a prediction costs, in operations: counted by torch, and told apart by what weights and inputs are.

| weights  | inputs                    | an operation is                              |
|----------|---------------------------|----------------------------------------------|
| real     | any                       | a multiplication and an addition             |
| -1 or +1 | real                      | an addition, of the input or of its negative |
| -1 or +1 | 0 or 1, or else -1 or +1  | an XNOR of two bits, and the count of ones   |

Counted are the products of `torch.utils.flop_counter.FlopCounterMode`, whose two flops are one operation
here: layers, convolutions with their padding, products of matrices. What works on each number alone, such as
normalisation and activations, that counter does not know; `uncounted` names it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

MULTIPLY_ADDS, ADDITIONS, BINARY = KINDS = ("multiply_adds", "additions", "binary_operations")
OUTSIDE = "outside of layers"
EXAMPLES = 64  # that show whether the inputs of a layer are binary

Forward = Callable[[Tensor], Any]  # images [B, ...] -> whatever is predicted


class Layer(NamedTuple):
    """The operations of one layer for one example."""

    name: str  # as in `network.named_modules`, or OUTSIDE
    kind: str  # of KINDS
    number: int


class Counted(NamedTuple):
    """The operations of one example."""

    layers: list[Layer]  # in the order of their first calls
    uncounted: list[str]  # operations of torch for which the counter has no formula

    def total(self, kind: str) -> int:
        """Sum the operations of a kind."""
        return sum(layer.number for layer in self.layers if layer.kind == kind)


def operations(network: nn.Module, forward: Forward, input_shape: tuple[int, ...]) -> Counted:
    """Count the operations of a prediction for one example, in the modes that the network is in.

    A layer's inputs are binary where those of random images are: whatever makes them, an activation or code
    of one's own. The images are real numbers.

    Args:
        network: whose layers are told apart.
        forward: predicts images [B, *input_shape]; it may call the network several times.
        input_shape: of one image.

    Raises:
        ValueError: where the counter knows no operation of it.
    """
    images = torch.randn(EXAMPLES, *input_shape, generator=torch.Generator().manual_seed(0))
    counter, seen = FlopCounterMode(display=False), _Uncounted()
    with torch.no_grad():
        with _kinds(network) as kinds:
            forward(images)
        with seen, counter, _flops(network, counter.get_total_flops) as flops:
            forward(images[:1])
    total = counter.get_total_flops() // 2
    if not total:
        raise ValueError(
            f"cannot count the operations of {type(network).__name__}: torch's counter has a formula for "
            f"none of {', '.join(sorted(seen.names)) or 'what it calls'}"
        )
    layers = [
        Layer(name, kinds.get(name, MULTIPLY_ADDS), number // 2) for name, number in flops.items() if number
    ]
    rest = total - sum(layer.number for layer in layers)
    layers += [Layer(OUTSIDE, MULTIPLY_ADDS, rest)] if rest else []
    return Counted(layers, sorted(seen.names))


def is_signs(values: Tensor) -> bool:
    """Whether a tensor holds -1 and +1 alone."""
    return values.is_floating_point() and values.numel() > 0 and bool((values.abs() == 1).all())


def is_bits(values: Tensor) -> bool:
    """Whether a tensor has two values, of which one bit tells: 0 and 1, or -1 and +1."""
    found = values.unique() if values.numel() else values
    return found.tolist() in ([0, 1], [-1, 1])


class _Uncounted(TorchDispatchMode):
    """Notes the operations that the counter has no formula for; views of a tensor compute nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = getattr(func, "_overloadpacket", func)
        if packet not in flop_registry and not getattr(func, "is_view", False):
            self.names.add(str(getattr(packet, "__name__", packet)))
        return func(*args, **(kwargs or {}))


@contextmanager
def _kinds(network: nn.Module) -> Iterator[dict[str, str]]:
    """Map each module that is called meanwhile to the kind of its operations."""
    found: dict[str, str] = {}

    def look(name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        weight, first = getattr(module, "weight", None), inputs[0] if inputs else None
        kind = MULTIPLY_ADDS
        if isinstance(weight, Tensor) and is_signs(weight):
            kind = BINARY if isinstance(first, Tensor) and is_bits(first) else ADDITIONS
        found[name] = min(kind, found.get(name, kind), key=KINDS.index)  # of several calls the dearest

    with _hooked(network, look):
        yield found


@contextmanager
def _flops(network: nn.Module, counted: Callable[[], int]) -> Iterator[dict[str, int]]:
    """Map each module that is called meanwhile to the flops that are counted in its calls."""
    found: dict[str, int] = {}

    def before(name: str, *_: Any) -> None:
        found[name] = found.get(name, 0) - counted()

    def after(name: str) -> None:
        found[name] += counted()

    with _hooked(network, before, after):
        yield found


@contextmanager
def _hooked(
    network: nn.Module,
    before: Callable[[str, nn.Module, tuple[Any, ...]], None],
    after: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Call `before` and `after` around each call of a module that has no modules in it."""
    with ExitStack() as stack:
        for name, module in network.named_modules():
            if next(module.children(), None) is not None:
                continue
            hook = module.register_forward_pre_hook(
                lambda module, inputs, name=name: before(name, module, inputs)
            )
            stack.callback(hook.remove)
            if after is not None:
                hook = module.register_forward_hook(lambda *_, name=name: after(name))
                stack.callback(hook.remove)
        yield
