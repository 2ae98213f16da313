"""How much a work multiplies, counted as it is done."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Multiplications(TorchDispatchMode):
    """A count of the multiply-adds of every matrix product and convolution done within it.

    Backward passes and those under `vmap` count too. torch's own `FlopCounterMode` also follows modules,
    which `vmap` does not bear.
    """

    total = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=result) // 2
        return result


def multiplications(work: Callable[[], object]) -> int:
    """Count the multiply-adds of a work."""
    with Multiplications() as counter:
        work()
    return counter.total
