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
OF_THE_MOMENT = frozenset(
    {
        *("experience", "dataloader", "adapted_dataset", "mbatch", "mb_output", "loss", "clock", "evaluator"),
        *("current_eval_stream", "_eval_streams", "optimizer", "is_training", "_own_dataset", "_fits"),
    }
)
KIT = "cl_bench.testing."
PLAIN = (
    *(str, bytes, int, float, complex, bool, type(None)),
    *(type, ModuleType, BuiltinFunctionType, torch.dtype),
)


def reachable(strategy: Any) -> Iterator[Any]:
    """Yield every object that the strategy can reach, once, but for what is of the moment.

    Experiences and data of tasks are not followed further: one of them leads to all.
    """
    roots = {name: part for name, part in vars(strategy).items() if name not in OF_THE_MOMENT}
    left, seen = deque(roots.values()), {id(strategy)}
    alive = []  # an object that is made on the way could otherwise get the number of another
    while left:
        found = left.popleft()
        if isinstance(found, PLAIN) or id(found) in seen:
            continue
        seen.add(id(found))
        alive.append(found)
        yield found
        left.extend(_parts(found))


def _parts(found: Any) -> Iterator[Any]:
    if isinstance(found, Tensor | TaskData | torch.Generator) or hasattr(found, "origin_stream"):
        return
    if type(found).__module__.startswith(KIT):  # a plugin that watches the strategy
        return
    if isinstance(found, dict):
        yield from found.values()
    elif isinstance(found, list | tuple | set | frozenset | deque):
        yield from found
    elif isinstance(found, MethodType):
        yield found.__self__
    elif isinstance(found, partial):
        yield from (found.func, *found.args, *found.keywords.values())
    elif isinstance(found, FunctionType):
        yield from (cell.cell_contents for cell in found.__closure__ or () if _is_filled(cell))
    else:
        yield from getattr(found, "__dict__", {}).values()
        for cls in type(found).__mro__:
            slots = getattr(cls, "__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__dict__", "__weakref__") and hasattr(found, name):
                    yield getattr(found, name)


def _is_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def held_bits(strategy: Any) -> int:
    """Count the bits of all tensors, and of all data of earlier tasks, that the strategy holds on to."""
    sizes: dict[Any, int] = {}
    for found in reachable(strategy):
        if isinstance(found, Tensor):
            storage = found.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
        data = getattr(found, "task_data", found)
        if isinstance(data, TaskData):
            pixels = data.pixels(torch.device("cpu"))
            sizes[id(data)] = pixels.nbytes + data.labels.nbytes
    return 8 * sum(sizes.values())


def other_networks(strategy: Any) -> list[nn.Module]:
    """List modules with parameters that are no part of the network: teachers, copies; the outermost ones."""
    own = set(strategy.model.modules())
    found = [each for each in reachable(strategy) if isinstance(each, nn.Module) and each not in own]
    found = [each for each in found if any(True for _ in each.parameters()) and not own & set(each.modules())]
    inner = {part for each in found for part in each.modules() if part is not each}
    return [each for each in found if each not in inner]


@contextmanager
def generators_restored(strategy: Any) -> Iterator[None]:
    """Put every generator that the strategy has (torch's, numpy's, Python's) back to where it stands now."""
    found = list(reachable(strategy))
    ours = [(each, each.get_state()) for each in found if isinstance(each, torch.Generator)]
    pythons = [(each, each.getstate()) for each in found if isinstance(each, random.Random)]
    numpys = [each.bit_generator for each in found if isinstance(each, np.random.Generator)]
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
