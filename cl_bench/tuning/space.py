"""What is searched, in Hydra's own syntax for sweeps, and the settings that are tried."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, QuotedString

MOST_DRAWS = 20  # for each setting to try; a space that gives so few different ones has hardly more
DIGITS = 3  # significant ones of a drawn number, so that it can be read and typed


class Choices(NamedTuple):
    """Some values; `written` holds each of them as an override has it."""

    key: str
    values: tuple[Any, ...]
    written: tuple[str, ...]

    @property
    def text(self) -> str:
        return ",".join(self.written) if len(self.written) > 1 else f"choice({self.written[0]})"

    def pick(self, index: int) -> "Setting":
        return Setting(self.key, self.values[index], self.written[index])

    def draw(self, random: np.random.Generator) -> "Setting":
        return self.pick(int(random.integers(len(self.values))))


class Interval(NamedTuple):
    """All numbers from `start` to `end`, evenly by their logarithms with `log`.

    Where both are whole, they are the whole numbers below `end`.
    """

    key: str
    start: float
    end: float
    log: bool

    @property
    def text(self) -> str:
        interval = f"interval({self.start},{self.end})"
        return f"tag(log,{interval})" if self.log else interval

    def draw(self, random: np.random.Generator) -> "Setting":
        if self.log:
            value = math.exp(random.uniform(math.log(self.start), math.log(self.end)))
        else:
            value = float(random.uniform(self.start, self.end))
        return self.setting(value)

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.start, int) and isinstance(self.end, int)

    def setting(self, value: float) -> "Setting":
        """Return the setting of a number of the interval: a whole one, or one of a few digits."""
        value = math.floor(value) if self.whole else float(f"{value:.{DIGITS}g}")
        return Setting(self.key, value, repr(value))


class Setting(NamedTuple):
    """One setting of a trial."""

    key: str  # as on the command line, with + where it is new
    value: Any
    written: str

    @property
    def override(self) -> str:
        return f"{self.key}={self.written}"


Dimension = Choices | Interval
Trial = tuple[Setting, ...]


def dimension(key: str, text: str) -> Dimension | None:
    """Parse what `key=text` says to search; None where it is one value.

    It is a,b,c; choice(...); range(...); interval(start,end) or tag(log,interval(start,end)), of whole
    numbers with int(...).

    Raises:
        ValueError: for an interval that holds nothing, or has no logarithm.
    """
    return dimension_of(OverridesParser.create().parse_override(f"{key}={text}"))


def dimension_of(override: Override) -> Dimension | None:
    """Return what a parsed override says to search; None where it is one value."""
    if not override.is_sweep_override():
        return None
    key = str(override.input_line).split("=", 1)[0]
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        start, end = sweep.start, sweep.end
        log = "log" in sweep.tags
        if start is None or end is None or not start < end or (log and start <= 0):
            rule = "0 < start < end" if log else "start < end"
            raise ValueError(f"an interval must have {rule}, got {override.input_line}")
        return Interval(key, start, end, log)
    if not override.is_discrete_sweep():
        raise ValueError(
            f"{key} must be searched by a,b,c, choice, range or interval, got {override.input_line}"
        )
    values = tuple(_value(each) for each in override.sweep_iterator())
    return Choices(key, values, tuple(map(str, override.sweep_string_iterator())))


def read_space(space: Mapping[str, Any]) -> list[Dimension]:
    """Read the dimensions of a search space as its YAML has it, dotted key -> text.

    Raises:
        ValueError: for a setting with one value: there is nothing to search.
    """
    dimensions = []
    for key, text in space.items():
        searched = dimension(key, str(text))
        if searched is None:
            raise ValueError(f"a search space must give several values, got {key}={text}")
        dimensions.append(searched)
    return dimensions


def draw_trials(space: list[Dimension], *, num_trials: int, seed: int) -> tuple[str, list[Trial]]:
    """Return how the space is searched, `grid` or `random`, and the settings to try, all different.

    A grid of at most `num_trials` points is tried whole. From a larger one, and from a space with intervals,
    so many different settings are drawn, or fewer where there are no more.
    """
    random = np.random.default_rng(seed)
    grid = [each for each in space if isinstance(each, Choices)]
    if len(grid) < len(space):
        drawn = (tuple(each.draw(random) for each in space) for _ in range(MOST_DRAWS * num_trials))
        return "random", list(itertools.islice(_different(drawn), num_trials))
    shape = tuple(len(each.values) for each in grid)
    size = math.prod(shape)
    whole = size <= num_trials
    points = range(size) if whole else sorted(random.choice(size, num_trials, replace=False).tolist())
    trials = [
        tuple(each.pick(int(index)) for each, index in zip(grid, np.unravel_index(point, shape), strict=True))
        for point in points
    ]
    return "grid" if whole else "random", trials


def _different(trials: Iterable[Trial]) -> Iterator[Trial]:
    """Yield each trial once, by what is written."""
    seen = set[tuple[str, ...]]()
    for trial in trials:
        written = tuple(setting.override for setting in trial)
        if written not in seen:
            seen.add(written)
            yield trial


def _value(parsed: Any) -> Any:
    return parsed.text if isinstance(parsed, QuotedString) else parsed
