"""What the programme is made of: items of work, and the rows that they leave."""

from collections.abc import Mapping
from typing import NamedTuple

# of a result
PASS, FAIL, MEASURED, NOT_APPLICABLE = "pass", "fail", "measured", "n/a"
# of an item as a whole, in the row without a name of a result
DONE, FAILED, LEFT_OUT = "done", "failed", "left out"
FULL, TINY = "full", "tiny"  # scales
AT_MOST, AT_LEAST = "<=", ">="


class LeftOutError(Exception):
    """An item cannot be done here, and why: a data set is missing, say."""


class Answer(NamedTuple):
    """One result of an item."""

    name: str
    status: str
    value: float | None = None
    unit: str = ""
    target: str = ""  # such as "<= 60"; empty: none
    said: str = ""

    @property
    def reached(self) -> str:
        """Say yes or no; nothing without a target or a value."""
        if not self.target or self.value is None:
            return ""
        kind, bound = self.target.split()
        reached = self.value <= float(bound) if kind == AT_MOST else self.value >= float(bound)
        return "yes" if reached else "no"


class Row(NamedTuple):
    """A line of results.csv: a result, or how an item ended."""

    part: str
    item: str
    result: str  # empty: of the item as a whole
    status: str
    value: float | None
    unit: str
    target: str
    reached: str
    seconds: float | None  # that it took
    said: str
    device: str
    scale: str  # full, tiny
    card: str  # with driver, CUDA and torch
    when: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.part, self.item, self.result


class Item(NamedTuple):
    """A piece of work that one process does.

    Attributes:
        work: `module:function` of this package, called with an `Asked`; yields an `Answer` for each result.
        arguments: for the function.
        in_tiny: whether the tiny programme has it.
    """

    part: str
    name: str
    work: str
    arguments: tuple[str, ...] = ()
    in_tiny: bool = True


class Asked(NamedTuple):
    """What the function of an item is told."""

    arguments: tuple[str, ...]
    device: str  # cpu, cuda, ...
    tiny: bool
    output: str  # the folder of the programme
    known: Mapping[str, Row]  # results of this item that earlier calls had: they need not be had again
    seconds: float  # that are left for it


class Part(NamedTuple):
    """Items that share a part of the time."""

    name: str
    share: float  # of the time, beside those of the other parts
    items: tuple[Item, ...]
    workers: int = 1  # processes at once; 1 where seconds are measured
