"""What stands in a configuration for a part that was given from Python, and cannot be built from it."""

import hashlib
import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from cl_bench.data import ImageData
from cl_bench.data.fingerprint import digest

Part = dict[str, Any]

# of a module that was given: a hash of its weights, and the seeds that it was the start of
_started: WeakKeyDictionary[nn.Module, tuple[str, set[int]]] = WeakKeyDictionary()
_ADDRESS = re.compile(r"0x[0-9a-f]+")


def data_set(*, fingerprint: str, with_test: bool = True) -> ImageData:
    """Stand for an `ImageData`. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a data set")


def tasks(*, data: Any, generator: Any, num_tasks: int) -> Any:
    """Stand for a stream or benchmark. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a stream")


def network(*, what: str, fingerprint: str, first_weights: str | None = None, **shapes: Any) -> Any:
    """Stand for a network. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a network", "; give it, as in cl_bench.load_network(run, model=...)")


def strategy(**settings: Any) -> Any:
    """Stand for a strategy. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a strategy")


def plugin(*, what: str) -> Any:
    """Stand for a plugin. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a plugin")


def _only_in_python(what: str, advice: str = "") -> ValueError:
    return ValueError(
        f"{what} of this run was given from Python, and cannot be built from its configuration{advice}"
    )


def part_of_data(data: ImageData) -> Part:
    """Return what stands for a data set: its name, and a hash of its contents."""
    hashes = sorted((part, str(value)) for part, value in digest(data).items())
    return {"name": data.name, "_target_": _path(data_set), "fingerprint": _short(repr(hashes).encode())}


def part_of_tasks(name: str, num_tasks: int) -> Part:
    """Return what stands for a stream or a benchmark that is not of conf/."""
    data = {"name": name, "_target_": _path(data_set), "fingerprint": "unknown"}
    return {"name": name, "_target_": _path(tasks), "num_tasks": num_tasks, "dataset": data}


def part_of_network(given: Any, settings: Mapping[str, Any]) -> Part:
    """Return what stands for a module, or for what makes one: its name, and a hash of a module's structure.

    A module's weights are where a seed starts, and make no other method: their hash is incidental.

    Args:
        settings: of the suite, see `cl_bench.config.handed`.
    """
    part = {
        "name": what_is(given).rpartition(".")[2],
        "_target_": _path(network),
        "what": what_is(given),
        "fingerprint": _short(_structure(given).encode()),
        **settings,
    }
    return part | {"first_weights": weights_of(given)} if isinstance(given, nn.Module) else part


def _structure(given: Any) -> str:
    """Write what a module is made of: the class and settings of each part, its tensors' shapes."""
    if not isinstance(given, nn.Module):
        return ""
    parts = [f"{name} {what_is(each)} {each.extra_repr()}" for name, each in given.named_modules()]
    tensors = [f"{name} {_shape(each)}" for name, each in sorted(given.state_dict().items())]
    return _ADDRESS.sub("", "\n".join([*parts, *tensors]))


def _shape(tensor: Any) -> str:
    return "lazy" if nn.parameter.is_lazy(tensor) else f"{tuple(tensor.shape)} {tensor.dtype}"


def weights_of(module: nn.Module) -> str:
    """Return a hash of a module's weights and buffers."""
    content = b""
    for name, tensor in sorted(module.state_dict().items()):
        content += f"{name} {_shape(tensor)}".encode()
        if not nn.parameter.is_lazy(tensor):
            content += tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return _short(content)


def maker(model: Any) -> Callable[..., nn.Module] | None:
    """Return what makes the network of a given module, class or function; None for a choice of conf/model.

    Raises:
        TypeError: for what is none of these.
    """
    if model is None or isinstance(model, str):
        return None
    if isinstance(model, nn.Module):
        return lambda **_: deepcopy(model)
    if not callable(model):
        raise TypeError(
            f"model must be the name of a choice, a torch.nn.Module, or a class or function that makes one, "
            f"got a {type(model).__name__}"
        )

    @wraps(model)
    def made(**shapes: Any) -> nn.Module:
        try:
            inspect.signature(model).bind(**shapes)
        except TypeError as error:
            name = what_is(model).rpartition(".")[2]
            raise TypeError(
                f"model={name} is called with what it names of input_shape, num_classes and num_heads: "
                f"{error}; give the rest, as in functools.partial({name}, ...)"
            ) from None
        except ValueError:  # it has no signature
            pass
        found = model(**shapes)
        if not isinstance(found, nn.Module):
            raise TypeError(f"model must make a torch.nn.Module, got a {type(found).__name__}")
        return found

    return made


def warn_of_one_start(module: Any, seeds: Sequence[int]) -> None:
    """Warn where a module's weights are the start of several seeds, now or together with before."""
    if not isinstance(module, nn.Module):
        return
    weights = weights_of(module)
    before, started = _started.get(module, (weights, set()))
    told = len(started) > 1
    started = (started if before == weights else set()) | set(seeds)
    _started[module] = weights, started
    if len(started) > 1 and not (told and before == weights):
        name = type(module).__name__
        warnings.warn(
            f"the seeds {', '.join(map(str, sorted(started)))} start from the same weights, those of the "
            f"{name} that was given: right for trained weights; give what makes it, such as model={name} or "
            "a function, for weights by seed",
            stacklevel=3,
        )


def part_of_strategy(given: Any, settings: Mapping[str, Any], *, name: str | None = None) -> Part:
    """Return what stands for a strategy, or the class of one, with its own settings."""
    shown = {key: value for key, value in settings.items() if _is_plain(value)}
    return {"name": name or what_is(given).rpartition(".")[2], "_target_": _path(strategy), **shown}


def accepted_plugins(given: Any) -> tuple[Any, ...]:
    """Return the plugins that are given: none for None.

    Raises:
        TypeError: for what is no list of plugins, each an object.
    """
    if given is None:
        return ()
    if isinstance(given, str | type) or not isinstance(given, Iterable):
        raise TypeError(f"plugins must be a list of plugins, got {_said(given)}: write plugins=[...]")
    plugins = tuple(given)
    for each in plugins:
        if isinstance(each, str | type):
            raise TypeError(f"plugins must be objects, got {_said(each)}: make one of it, as in Plugin(...)")
    return plugins


def _said(given: Any) -> str:
    if isinstance(given, type):
        return f"the class {given.__name__}"
    return repr(given) if isinstance(given, str) else f"a {type(given).__name__}"


def parts_of_plugins(plugins: Sequence[Any]) -> list[Part]:
    """Return what stands for plugins."""
    return [{"_target_": _path(plugin), "what": what_is(each)} for each in plugins]


def what_is(given: Any) -> str:
    """Name the function or class, or the class of an object, with its module."""
    named = given if hasattr(given, "__qualname__") else type(given)
    return f"{named.__module__}.{named.__qualname__}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _path(function: Any) -> str:
    return f"{function.__module__}.{function.__name__}"


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
