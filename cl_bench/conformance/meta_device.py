"""A device that has no numbers: whatever would have to wait for a GPU raises there.

Tensors on torch's device `meta` have a shape and no values. To read one (`.item()`, `bool()`, `.cpu()`,
`.tolist()`), or to make a tensor as large as values say (`nonzero`, boolean masks, `unique`), is impossible
there. On a GPU it makes the host wait for all work that was given to the device before. `watched` says so of
each such operation, and of tensors and generators of the host that meet those of the device.

It cannot show numbers, and so whether a GPU computes the right ones; nor that an operation is fast. It does
not show what a kernel does inside: cuDNN, the fused optimizer, which the CPU and CUDA have alone. Nor does it
show compiled networks, reduced precision, and the memory that a GPU needs. Where branches depend on values,
it sees the one that was taken.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from cl_bench.learner.seeds import Seeds

META = torch.device("meta")
_aten = torch.ops.aten
_COPIES = (_aten._to_copy, _aten.copy_)
_INDEXED = (_aten.index, _aten.index_put, _aten.index_put_)
_READS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}  # as torch says of its operations
_PRINTED = (Tensor.__repr__, Tensor.__format__, Tensor.numpy)
_LOOKS_FOR_ERRORS = _aten._linalg_check_errors  # of a factorisation: reads whether there was one


class WaitsError(RuntimeError):
    """The host would wait for the device, or something is on the wrong one."""


class MixesError(WaitsError):
    """Tensors of the device and of the host are taken together, which is an error on any device."""


_Generator = torch.Generator


class _AlsoOnMeta(type(_Generator)):  # type: ignore[misc]
    """A maker of stand-ins for generators of the device, and of real ones for the host."""

    def __call__(cls, device: torch.device | str = "cpu") -> torch.Generator:
        return MetaGenerator() if torch.device(device) == META else _Generator(device)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _Generator)


class _AnyGenerator(torch.Generator, metaclass=_AlsoOnMeta):
    """What stands in the place of `torch.Generator`, for strategies that make one of their own."""


class MetaGenerator(torch.Generator):
    """A stand-in for a generator on the device, which has none: torch takes it, and draws nothing."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # torch's own is read-only, too
        return META


class MetaSeeds(Seeds):
    """Seeds whose generators for the device are stand-ins; those for the host are real."""

    def generator(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        if torch.device(device) != META:
            return super().generator(purpose, device)
        generator = MetaGenerator()
        generator.manual_seed(self[purpose])
        return generator


@contextmanager
def watched(in_step: Callable[[], bool]) -> Iterator[None]:
    """Raise `WaitsError` where the host would wait for the device meanwhile.

    Args:
        in_step: whether a training step is being taken: only then a copy to the device must not wait either
            (`non_blocking=True`).
    """
    with ExitStack() as stack:
        stack.enter_context(_Calls(in_step))
        stack.enter_context(_Operations(in_step))
        stack.enter_context(patch.object(torch, "Generator", _AnyGenerator))
        yield


class _Operations(TorchDispatchMode):
    """A mode that looks at each operation on tensors."""

    def __init__(self, in_step: Callable[[], bool]) -> None:
        super().__init__()
        self._in_step = in_step

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = list(_tensors_in((*args, *kwargs.values())))
        packet = func.overloadpacket
        if packet in _COPIES:
            self._check_copy(packet, args, kwargs)
        elif any(map(_is_far, tensors)):
            _check_places(packet, tensors)
            _check_reads(func, packet, args)
        return func(*args, **kwargs)

    def _check_copy(self, packet: Any, args: Any, kwargs: Any) -> None:
        if packet is _aten.copy_:
            there, source, *rest = args
            to_device = _is_far(there)
        else:
            (source, *_), rest = args, ()
            to_device = torch.device(kwargs.get("device") or source.device) == META
        waits_not = kwargs.get("non_blocking", False) or any(rest)
        if _is_far(source) and not to_device:
            raise WaitsError("copies a tensor from the device to the host")
        if to_device and not _is_far(source) and not waits_not and self._in_step():
            raise WaitsError(
                f"copies a tensor of {source.numel()} numbers from the host, and waits for that: make it on "
                "the device, or copy it with non_blocking=True"
            )


def _tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors among an operation's arguments, and in lists among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors_in(value)


def _check_places(packet: Any, tensors: list[Tensor]) -> None:
    # a single number of the host is taken as a number
    strangers = [each for each in tensors if not _is_far(each) and each.dim()]
    if strangers:
        raise MixesError(
            f"takes tensors of the device and one of the host together ({packet.__name__}), which has shape "
            f"{tuple(strangers[0].shape)}: make it with device=self.device"
        )


def _check_reads(func: Any, packet: Any, args: Any) -> None:
    if packet in _INDEXED:
        masks = [each for each in args[1] if each is not None and each.dtype in (torch.bool, torch.uint8)]
        is_filled = (
            packet is not _aten.index and args[2].device.type == "cpu"
        )  # with one number, as masked_fill
        if masks and not is_filled:
            raise WaitsError("indexes with a boolean mask, whose number of examples the host must know")
    elif _READS & set(func.tags) or packet is _LOOKS_FOR_ERRORS:
        raise WaitsError(f"reads numbers of the device ({packet.__name__})")


class _Calls(TorchFunctionMode):
    """A mode that looks at calls that hide what they were given: generators, and Python's numbers."""

    def __init__(self, in_step: Callable[[], bool]) -> None:
        super().__init__()
        self._in_step = in_step

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        generator = kwargs.get("generator")
        if isinstance(generator, torch.Generator):
            device = kwargs.get("device") or next(
                (each.device for each in args if isinstance(each, Tensor)), "cpu"
            )
            if generator.device != torch.device(device):
                raise WaitsError(
                    f"draws numbers of {_words(device)} ({func.__name__}) with a generator of "
                    f"{_words(generator.device)}, and each draws for its own device"
                )
        elif func in _PRINTED and _is_far(args[0]):
            raise WaitsError(f"reads numbers of the device ({func.__name__})")
        elif self._in_step() and _copies_numbers(func, args, kwargs):
            raise WaitsError(
                f"copies numbers from the host ({func.__name__}), and waits for that: torch.full and "
                "torch.arange make them on the device"
            )
        elif func is Tensor.__setitem__ and _fills(*args):  # as masked_fill, on a GPU, which needs no number
            return None
        return func(*args, **kwargs)


def unknown_to_meta(error: Exception) -> str:
    """Name the operation of which torch knows no shape without numbers; empty for any other error."""
    match = re.search(r"(\S+): attempted to run this operator with Meta tensors", str(error))
    return match.group(1) if match and isinstance(error, NotImplementedError) else ""


def _copies_numbers(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether Python's numbers become a tensor of the device, by its name or as an index."""
    if func in (Tensor.__getitem__, Tensor.__setitem__):
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        return _is_far(args[0]) and any(isinstance(part, list) for part in index)
    if func not in (torch.tensor, torch.as_tensor):
        return False
    data = args[0] if args else kwargs.get("data")
    return not isinstance(data, Tensor) and torch.device(kwargs.get("device") or "cpu") == META


def _fills(tensor: Tensor, index: Any, value: Any) -> bool:
    """Whether a number goes where a mask is true."""
    is_mask = isinstance(index, Tensor) and index.dtype == torch.bool
    return _is_far(tensor) and is_mask and isinstance(value, int | float)


def _is_far(tensor: Tensor) -> bool:
    return tensor.device.type == "meta"


def _words(device: Any) -> str:
    return "the device" if torch.device(device) == META else "the host"
