"""Networks of dense layers of sign units, for which there are messages."""

from collections.abc import Iterator

from torch import nn

from cl_bench.learner.seed_stack import template_of
from cl_bench.models import Network
from cl_bench.models.activation import Sign
from cl_bench.models.normalisation import Scale
from cl_bench.models.parameters import is_plain, tied


def sign_layers(network: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network of sign units, the output layer last.

    Raises:
        ValueError: for a network with anything else, by its name, with what to set.
    """
    if not isinstance(network, Network):
        raise _refused(f"{type(network).__name__}, of which nobody knows the layers")
    first, *parts = _parts(network.body)
    if not isinstance(first, nn.Flatten):
        raise _refused(f"{first} as its first part")
    layers: list[nn.Linear] = []
    num_units = 0  # layers of them
    for part in parts:
        if is_plain(part, nn.Linear) and len(layers) == num_units:
            layers.append(part)
        elif isinstance(part, Sign) and len(layers) > num_units:
            num_units += 1
        elif not isinstance(part, Scale):  # which changes no sign
            raise _refused(str(part))
    if len(layers) > num_units:
        raise _refused("no sign units before its output layer")
    heads = network.heads
    if not is_plain(heads.linear, nn.Linear) or not isinstance(heads.normalisation, Scale | None):
        raise _refused(f"an output layer with {heads.normalisation}")
    return [*layers, heads.linear]


def check_sign_layers(network: nn.Module) -> None:
    """Refuse a network for whose layers there are no messages.

    Raises:
        ValueError: with what to set.
    """
    template = template_of(network)
    layers = sign_layers(template)
    if any(layer.bias is not None for layer in layers) or tied(template):
        raise _refused("biases, or weights that are in several places")


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from _parts(part)
    else:
        yield module


def _refused(found: str) -> ValueError:
    return ValueError(
        "message_passing has messages for dense layers of sign units alone, without normalisation or "
        "dropout: set model=mlp model.activation=sign model.normalisation=none model.dropout=0, got "
        f"{found}"
    )
