"""What a checkpoint holds: tensors, numbers and texts in lists and dictionaries, which can be read without
running anybody's code.
"""

import sys
from collections.abc import Collection, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from cl_bench.learner.seed_stack import template_of

NAMED = "__namedtuple__"  # the key under which a NamedTuple says what it is


@runtime_checkable
class Stateful(Protocol):
    """Whatever can say where it stands, as plain values or ones that `pack` knows, and go back there.

    `restore` gets tensors on the learner's device. Where the attribute `places_tensors` is true it gets them
    on the host, and puts each where it belongs.
    """

    def state(self) -> Any: ...

    def restore(self, state: Any) -> None: ...


def pack(value: Any, name: str) -> Any:
    """`value` as plain data, its tensors copied to the host.

    Args:
        value: a number, a text, None, a tensor, a generator, a network, a NamedTuple, a list, tuple or
            dictionary of these, or anything `Stateful`.
        name: of the value, for the error.

    Raises:
        TypeError: for anything else.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, nn.Module):
        return pack(dict(value.state_dict()), name)
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        kind = type(value)
        values = [pack(part, f"{name}.{field}") for field, part in zip(value._fields, value, strict=True)]
        return {NAMED: f"{kind.__module__}:{kind.__qualname__}", "values": values}
    if isinstance(value, list | tuple):
        return type(value)(pack(part, f"{name}[{index}]") for index, part in enumerate(value))
    if isinstance(value, dict) and all(isinstance(key, str | int) for key in value):
        return {key: pack(part, f"{name}[{key!r}]") for key, part in value.items()}
    if isinstance(value, Stateful):
        return pack(value.state(), f"{name}.state()")
    raise TypeError(
        "a checkpoint holds tensors, numbers, texts, networks, generators, and lists, tuples and "
        f"dictionaries of them, got {name} of type {type(value).__name__}: give it the methods state() "
        "and restore(state)"
    )


def unpack(packed: Any, *, present: Any, device: torch.device, modules: Collection[str]) -> Any:
    """The value that was packed. A network, a parameter, a generator and whatever is `Stateful` is put back
    in place; anything else is new, tensors on `device` or on that of those in their place.

    Args:
        present: what stands in its place now, of the same structure where it is put back in place.
        device: of tensors that are new.
        modules: where classes of NamedTuples may be found; nothing is imported.

    Raises:
        ValueError: for data that no `pack` has made, or that do not fit what is there.
    """

    def inner(part: Any, there: Any) -> Any:
        return unpack(part, present=there, device=device, modules=modules)

    if isinstance(present, nn.Parameter | nn.Module | torch.Generator):
        return _put_back(present, packed)
    if isinstance(packed, Tensor):
        return packed.to(present.device if isinstance(present, Tensor) else device, copy=True)
    if isinstance(present, Stateful):
        place = torch.device("cpu") if getattr(present, "places_tensors", False) else device
        present.restore(unpack(packed, present=None, device=place, modules=modules))
        return present
    if isinstance(packed, dict) and NAMED in packed:
        kind = _named(packed, present, modules)
        there = present if isinstance(present, kind) else (None,) * len(packed["values"])
        return kind(*map(inner, packed["values"], there))
    if isinstance(packed, list | tuple):
        there = present if isinstance(present, list | tuple) and len(present) == len(packed) else None
        return type(packed)(
            inner(part, None if there is None else there[index]) for index, part in enumerate(packed)
        )
    if isinstance(packed, dict):
        old = present if isinstance(present, dict) else {}
        return {key: inner(part, old.get(key)) for key, part in packed.items()}
    if packed is None or isinstance(packed, bool | int | float | str):
        return packed
    raise ValueError(f"a checkpoint must hold plain values, got {type(packed).__name__}")


def _put_back(present: Any, packed: Any) -> Any:
    try:
        if isinstance(present, nn.Module):
            present.load_state_dict(packed)
        elif isinstance(present, torch.Generator):
            present.set_state(packed)
        elif not isinstance(packed, Tensor) or packed.shape != present.shape:
            raise ValueError(f"a tensor {tuple(present.shape)} is needed")
        else:
            present.data.copy_(packed)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(f"it does not fit the {type(present).__name__} that is there: {error}") from error
    return present


def _named(packed: Mapping[str, Any], present: Any, modules: Collection[str]) -> Any:
    """The class of a NamedTuple, which is nothing but that: of what is there, or of an allowed module.

    What is there counts first, as its module may have another name now than when it was packed.
    """
    module, _, name = str(packed[NAMED]).partition(":")
    if type(present).__qualname__ == name:
        found: Any = type(present)
    else:
        found = sys.modules.get(module) if module in modules or module.startswith("cl_bench.") else None
        for part in name.split("."):
            found = getattr(found, part, None)
    if not (isinstance(found, type) and issubclass(found, tuple) and hasattr(found, "_fields")):
        raise ValueError(f"there is no NamedTuple {packed[NAMED]!r}")
    if len(packed.get("values", ())) != len(found._fields):
        raise ValueError(f"{packed[NAMED]} must have {len(found._fields)} values")
    return found


def tensors_of(value: Any, name: str) -> dict[str, Tensor]:
    """All tensors in a value that `pack` takes, as they are, by dotted name; of a network its state, of
    whatever is `Stateful` what its state has.
    """
    if isinstance(value, Tensor):
        return {name: value.detach()}
    if isinstance(value, nn.Module):  # a stack's tensors have the names of one network's
        value = dict(template_of(value).state_dict())
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    elif isinstance(value, Stateful):
        value = value.state()
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {}
    found: dict[str, Tensor] = {}
    for key, part in value.items():
        found |= tensors_of(part, f"{name}.{key}")
    return found
