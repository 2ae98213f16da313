"""Parts of a network that no training moves: no gradient for their weights, and their layers as in tests."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial

from torch import nn

from cl_bench.models.network import Network


def freeze(network: nn.Module, patterns: Sequence[str | int]) -> nn.Module:
    """Freeze parts of a network in place, and return it.

    A frozen module stays in eval mode whatever is called, so that batch norm keeps its running statistics and
    dropout is off. Its parameters get requires_grad=False, and its buffers stay. Of a parameter that is named
    itself only the gradient is off.

    Args:
        patterns: names of modules or parameters, with the wildcards of file names: `layer1`, `*.conv1`. A
            number is the name of a layer in a sequence. Names are those of the network's body, as whoever
            wrote it knows them, or of the whole network, where its parts are `body` and `heads`.

    Raises:
        ValueError: for a pattern that no part has.
    """
    modules = dict(_named(network, network.named_modules()))
    parameters = dict(_named(network, network.named_parameters()))
    for pattern in map(str, patterns):
        parts = [each for name, each in modules.items() if name and fnmatchcase(name, pattern)]
        weights = [each for name, each in parameters.items() if fnmatchcase(name, pattern)]
        if not parts and not weights:
            near = get_close_matches(pattern, [*modules, *parameters], n=1)
            names = ", ".join([name for name in modules if name and "." not in name][:12])
            hint = f"did you mean {near[0]}?" if near else f"its parts are {names}"
            raise ValueError(f"frozen must name parts of the network, got {pattern!r}, which none is; {hint}")
        for weight in weights:
            weight.requires_grad_(False)
        for part in parts:
            part.requires_grad_(False)
            _keep_in_eval(part)
    return network


def stays_in_eval(module: nn.Module) -> bool:
    """Whether `freeze` has put a module into eval mode for good."""
    own = vars(module).get("train")
    return isinstance(own, partial) and own.func is _not_trained


def known_as(network: nn.Module) -> nn.Module:
    """Return the module whose names people know: what is in the wrappings of ours."""
    inner = network.body if isinstance(network, Network) else network
    return getattr(inner, "prepared", inner)


def _named(network: nn.Module, named: Iterator[tuple[str, nn.Module]] | Iterator) -> Iterator:
    """Yield each part twice: by its name in the whole network, and by that in the module that people know."""
    place = next((name for name, each in network.named_modules() if each is known_as(network)), "")
    for name, each in named:
        yield name, each
        if place and name.startswith(f"{place}."):
            yield name.removeprefix(f"{place}."), each


def _keep_in_eval(part: nn.Module) -> None:
    for module in part.modules():
        # an attribute and no subclass, so that the layer's type still says what it computes; a partial and no
        # closure, so that a copy of the network keeps its own layers in eval mode
        module.train = partial(_not_trained, module)  # type: ignore[method-assign]
    part.eval()


def _not_trained(module: nn.Module, mode: bool = True) -> nn.Module:
    return nn.Module.train(module, False)
