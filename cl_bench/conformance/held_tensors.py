"""All that a strategy holds on to, found by following its attributes."""

import random
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cl_bench.streams.tasks import TaskData

# of the batch, the task or the test at hand, and no memory of earlier ones
OF_THE_MOMENT = {
    "experience",
    "dataloader",
    "adapted_dataset",
    "mbatch",
    "mb_output",
    "loss",
    "clock",
    "evaluator",
    "current_eval_stream",
    "_eval_streams",
    "optimizer",
    "is_training",
    "_own_dataset",
    "_fits",
}
KIT = __name__.rpartition(".")[0]
NUMBERS_AND_TEXTS = (str, bytes, int, float, complex, bool, type(None))
PLAIN = (*NUMBERS_AND_TEXTS, type, ModuleType, BuiltinFunctionType, torch.dtype)


def reachable(strategy: Any) -> Iterator[Any]:
    """Yield every object that the strategy can reach, once, but for what is of the moment.

    Experiences and data of tasks are not followed further: one of them leads to all.
    """
    roots = {name: part for name, part in vars(strategy).items() if name not in OF_THE_MOMENT}
    left, seen = deque(roots.values()), {id(strategy)}
    alive = []  # an object that is made on the way could otherwise get the number of another
    while left:
        each = left.popleft()
        if isinstance(each, PLAIN) or id(each) in seen:
            continue
        seen.add(id(each))
        alive.append(each)
        yield each
        left.extend(_parts(each))


def _parts(part: Any) -> Iterator[Any]:
    if isinstance(part, Tensor | TaskData | torch.Generator) or hasattr(part, "origin_stream"):
        return
    if type(part).__module__.startswith(f"{KIT}."):  # a plugin that watches the strategy
        return
    if isinstance(part, dict):
        yield from part.values()
    elif isinstance(part, list | tuple | set | frozenset | deque):
        yield from part
    elif isinstance(part, MethodType):
        yield part.__self__
    elif isinstance(part, partial):
        yield from (part.func, *part.args, *part.keywords.values())
    elif isinstance(part, FunctionType):
        yield from (cell.cell_contents for cell in part.__closure__ or () if _is_filled(cell))
    else:
        yield from getattr(part, "__dict__", {}).values()
        for cls in type(part).__mro__:
            slots = getattr(cls, "__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(part, name):
                    yield getattr(part, name)


def _is_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def held_bits(strategy: Any) -> int:
    """Count the bits of all tensors, and of all data of earlier tasks, that the strategy holds on to."""
    sizes: dict[Any, int] = {}
    for part in reachable(strategy):
        if isinstance(part, Tensor):
            storage = part.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
        data = getattr(part, "task_data", part)
        if isinstance(data, TaskData):
            pixels = data.pixels(torch.device("cpu"))
            sizes[id(data)] = pixels.nbytes + data.labels.nbytes
    return 8 * sum(sizes.values())


def other_networks(strategy: Any) -> list[nn.Module]:
    """List modules with parameters that are no part of the network: teachers, copies; the outermost ones."""
    own = set(strategy.model.modules())
    networks = [each for each in reachable(strategy) if isinstance(each, nn.Module) and each not in own]
    networks = [
        each for each in networks if any(True for _ in each.parameters()) and not own & set(each.modules())
    ]
    inner = {part for each in networks for part in each.modules() if part is not each}
    return [each for each in networks if each not in inner]


@contextmanager
def generators_restored(strategy: Any) -> Iterator[None]:
    """Put every generator that the strategy has (torch's, numpy's, Python's) back to where it stands now."""
    parts = list(reachable(strategy))
    ours = [(each, each.get_state()) for each in parts if isinstance(each, torch.Generator)]
    pythons = [(each, each.getstate()) for each in parts if isinstance(each, random.Random)]
    numpys = [each.bit_generator for each in parts if isinstance(each, np.random.Generator)]
    states = [each.state for each in numpys]
    try:
        yield
    finally:
        for generator, state in ours:
            generator.set_state(state)
        for python, version in pythons:
            python.setstate(version)
        for bits, words in zip(numpys, states, strict=True):
            bits.state = words


def generator_states(strategy: Any) -> list[bytes]:
    """Return the states of all torch generators that the strategy has."""
    generators = [each for each in reachable(strategy) if isinstance(each, torch.Generator)]
    return [generator.get_state().numpy().tobytes() for generator in generators]
