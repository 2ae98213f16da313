"""The registry of metrics: what each is called, its unit, which way is better, and how it is computed.

A metric registers once, beside its function. The summary and its files, the tables of the terminal, the page
and LaTeX, comparisons and the docs follow the registry, and list no metric by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

from cl_bench.records.errors import AnalysisError
from cl_bench.records.text import there_are

# What a metric is computed from, and what its function takes and gives.
MATRIX = "matrix"  # accuracy [1 + T, T] -> float
# accuracy [1 + T, T], the reference's accuracy on each task when learned [T] -> float
WITH_REFERENCE = "reference"
RECORDS = "records"  # rows of `load` -> {(study, run): float}
STATES = "states"  # rows of `states` -> {(study, run): float}
FOREIGN = "foreign"  # rows of `read_foreign` -> {(study, run): float}
SOURCES = (MATRIX, WITH_REFERENCE, RECORDS, STATES, FOREIGN)

# Where a metric stands, beside the CSV files, which have all.
TEXT, PAGE, LATEX = "text", "page", "latex"  # tables of the terminal, of report.html and of table.tex
FIRST = "first"  # the columns of the page that are shown before the reader chooses others
COMPARISON = "comparison"  # pairs of methods, ranks and shares of variance, with their tables and figures
PLACES = (TEXT, PAGE, LATEX, FIRST, COMPARISON)

# unit -> shown over stored
FACTORS = {"%": 100.0, "KiB": 1 / 8192, "thousand": 1e-3, "count": 1.0, "s": 1.0, "nats": 1.0, "": 1.0}
GROUPS = ("accuracy", "uncertainty", "posterior", "cost")  # in the order of the page

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric of a run: its words, and the function that computes it.

    Attributes:
        name: what its columns are called: <name>_mean, <name>_low and <name>_high.
        title: what it is called in tables and sentences.
        unit: as it is shown, one of `FACTORS`.
        better: higher, lower, or empty where neither is.
        meaning: the formula, or what is measured.
        of: what it is computed from, one of `SOURCES`.
        places: where it stands, of `PLACES`.
        group: what it is about, one of `GROUPS`.
        short: the usual abbreviation; empty where there is none.
        is_change: it says what changed between two tests, not how high something is.
        undefined_in: scenarios in which it says nothing of a method; there it is nan.

    >>> (found,) = [each for each in registered() if each.name == "stored_bits"]
    >>> isinstance(found, Metric), found.heading, found.better
    (True, 'stored (KiB)', 'lower')
    """

    name: str
    title: str
    unit: str
    better: str
    meaning: str
    compute: Callable[..., Any]
    of: str
    places: tuple[str, ...]
    group: str
    short: str
    is_change: bool
    undefined_in: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for what, given, known in (
            ("source", self.of, SOURCES),
            ("unit", self.unit, tuple(FACTORS)),
            ("group", self.group, GROUPS),
            ("direction", self.better, ("higher", "lower", "")),
            *(("place", place, PLACES) for place in self.places),
        ):
            if given not in known:
                raise ValueError(
                    f"metric {self.name} cannot have the {what} {given!r}: choose one of {', '.join(known)}"
                )
        if COMPARISON in self.places and self.of not in (MATRIX, WITH_REFERENCE):
            raise ValueError(
                f"metric {self.name} cannot be compared: comparisons are of metrics of the accuracy matrix, "
                f"this one is of {self.of}"
            )

    @property
    def factor(self) -> float:
        """What a stored number is multiplied by where it is shown."""
        return FACTORS[self.unit]

    @property
    def decimals(self) -> int:
        """How many a table shows of a number: a fraction such as 0.225 would lose all with one."""
        return {"": 3, "nats": 3, "count": 0}.get(self.unit, 1)

    @property
    def is_constant(self) -> bool:
        """Whether it is counted, and as a rule the same with every seed."""
        return self.unit in ("KiB", "thousand", "count")

    @property
    def heading(self) -> str:
        """The title with its unit, as it stands above a column."""
        return f"{self.title} ({self.unit})" if self.unit not in ("", "count") else self.title


_REGISTERED: dict[str, Metric] = {}  # by name, in the order of the summary's columns
AFTERWARDS: dict[str, Metric] = {}  # of the metrics.csv of all runs that were read, see afterwards.py


def metric(
    title: str,
    *,
    meaning: str,
    better: str = "",
    unit: str = "%",
    of: str = MATRIX,
    places: tuple[str, ...] = (PAGE,),
    group: str = GROUPS[0],
    short: str = "",
    is_change: bool = False,
    undefined_in: tuple[str, ...] = (),
) -> Callable[[Function], Function]:
    """Register the function below as a metric of its name; the words are those of `Metric`.

    Raises:
        ValueError: where another metric has the name, or a word is not one of its choices.

    >>> @metric("first accuracy", better="higher", meaning="R[1, 1]")
    ... def first_accuracy(accuracy):
    ...     return float(accuracy[1][0])
    >>> title_of("first_accuracy")
    'first accuracy'
    >>> unregister("first_accuracy")
    """

    def registered_function(function: Function) -> Function:
        name = function.__name__
        if name in _REGISTERED:
            raise ValueError(f"cannot register a second metric {name}: give the function another name")
        _REGISTERED[name] = Metric(
            name=name,
            title=title,
            unit=unit,
            better=better,
            meaning=meaning,
            compute=function,
            of=of,
            places=places,
            group=group,
            short=short,
            is_change=is_change,
            undefined_in=undefined_in,
        )
        return function

    return registered_function


def unregister(name: str) -> None:
    """Take a metric out again, as a test does that has put one in.

    >>> metric("nothing", meaning="0")(lambda accuracy: 0.0).__name__
    '<lambda>'
    >>> unregister("<lambda>")
    """
    del _REGISTERED[name]


def registered(*sources: str) -> list[Metric]:
    """The metrics that are computed from these sources (none: from any), in the order of the columns.

    >>> [each.name for each in registered("reference")]
    ['intransigence']
    """
    wanted = sources or SOURCES
    return [each for source in SOURCES for each in _REGISTERED.values() if each.of == source in wanted]


def placed(place: str) -> list[Metric]:
    """The metrics that stand in a place, by group.

    >>> [each.title for each in placed("latex")]
    ['average accuracy', 'forgetting', 'backward transfer']
    """
    return sorted(
        (each for each in registered() if place in each.places), key=lambda each: GROUPS.index(each.group)
    )


def compared_metrics() -> tuple[str, ...]:
    """The names of the metrics in which methods are compared.

    >>> compared_metrics()
    ('average_accuracy', 'forgetting')
    """
    return tuple(each.name for each in placed(COMPARISON))


def metric_of(name: str) -> Metric:
    """The metric of this name: a registered one, or one of `cl-bench metric` that runs have which were read.

    Raises:
        AnalysisError: where there is none, with the nearest names.

    >>> metric_of("forgetting").better
    'lower'
    """
    known = AFTERWARDS | _REGISTERED
    if name not in known:
        near = get_close_matches(name, known, n=3)
        raise AnalysisError(f"there is no metric {name!r}; {there_are(', '.join(known), near=near)}")
    return known[name]


def title_of(name: str) -> str:
    """What a metric is called in words; of a name that is not registered, the name without underscores.

    >>> title_of("average_anytime_accuracy"), title_of("gap_depth")
    ('anytime accuracy', 'gap depth')
    """
    found = _REGISTERED.get(name)
    return name.replace("_", " ") if found is None else found.title
