"""What stands in a configuration for a part that was given from Python, and cannot be built from it."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from cl_bench.data import ImageData
from cl_bench.data.fingerprint import digest
from cl_bench.records.identity import LATER_KEY

Part = dict[str, Any]
NETWORK: Part = {"heads": False, "frozen": []}  # settings of a network from Python, neutral


def data_set(*, fingerprint: str, with_test: bool = True) -> ImageData:
    """Stand for an `ImageData`. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a data set")


def tasks(*, data: Any, generator: Any, num_tasks: int) -> Any:
    """Stand for a stream or benchmark. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a stream")


def network(*, input_shape: Any, num_classes: int, num_heads: int, what: str, fingerprint: str) -> Any:
    """Stand for a network. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a network")


def strategy(**settings: Any) -> Any:
    """Stand for a strategy. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a strategy")


def plugin(*, what: str) -> Any:
    """Stand for a plugin. Raises ValueError: only the Python code that gave it has it."""
    raise _only_in_python("a plugin")


def _only_in_python(what: str) -> ValueError:
    return ValueError(f"{what} of this run was given from Python, and cannot be built from its configuration")


def part_of_data(data: ImageData) -> Part:
    """Return what stands for a data set: its name, and a hash of its contents."""
    hashes = sorted((part, str(value)) for part, value in digest(data).items())
    return {"name": data.name, "_target_": _path(data_set), "fingerprint": _short(repr(hashes).encode())}


def part_of_tasks(name: str, num_tasks: int) -> Part:
    """Return what stands for a stream or a benchmark that is not of conf/."""
    data = {"name": name, "_target_": _path(data_set), "fingerprint": "unknown"}
    return {"name": name, "_target_": _path(tasks), "num_tasks": num_tasks, "dataset": data}


def part_of_network(given: Any, settings: Mapping[str, Any] | None = None) -> Part:
    """Return what stands for a module, or for what makes one: its name, and a hash of a module's weights.

    Args:
        settings: of it that are not neutral, such as `heads`.
    """
    content = b""
    if isinstance(given, nn.Module):
        tensors = given.state_dict()
        for name in sorted(tensors):
            content += f"{name}{tuple(tensors[name].shape)}".encode()
            content += tensors[name].detach().cpu().contiguous().flatten().numpy().tobytes()
    return {
        "name": what_is(given).rpartition(".")[2],
        "_target_": _path(network),
        "what": what_is(given),
        "fingerprint": _short(content),
        **NETWORK,
        **(settings or {}),
        LATER_KEY: NETWORK,
    }


def is_network(part: Mapping[str, Any]) -> bool:
    """Whether a part of a configuration stands for a network from Python, which has no other settings."""
    return part.get("_target_") == _path(network)


def part_of_strategy(given: Any, settings: Mapping[str, Any], *, name: str | None = None) -> Part:
    """Return what stands for a strategy, or the class of one, with its own settings."""
    shown = {key: value for key, value in settings.items() if _is_plain(value)}
    return {"name": name or what_is(given).rpartition(".")[2], "_target_": _path(strategy), **shown}


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
