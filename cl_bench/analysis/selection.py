"""Which methods a figure or a table shows, in which order, and what they are called there."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import NamedTuple

import pandas as pd

from cl_bench.analysis.looks import natural_order
from cl_bench.records.errors import AnalysisError
from cl_bench.records.text import shortened, there_are

_MOST_NAMED = 20  # methods in an error
_COMMAS = re.compile(r",(?![^\[\](){}]*[\])}])")  # outside of brackets: hidden=[100,100] is one value


class Selection(NamedTuple):
    """Methods that are shown, and their labels.

    Attributes:
        labels: method -> what it is called, in the order of the selection.
        in_order: whether the order was chosen; otherwise tables and legends keep theirs.

    >>> shown = Selection({"vcl": "VCL", "ewc": "EWC"})
    >>> shown.of(pd.DataFrame({"method": ["ewc", "si"]}))["method"].tolist()
    ['EWC']
    """

    labels: dict[str, str]
    in_order: bool = False

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of the methods that are shown, with labels for names; by method if the order was chosen.

        >>> table = pd.DataFrame({"method": ["ewc", "vcl", "si"], "x": [1, 2, 3]})
        >>> select(table["method"], methods=["si", "ewc"], labels=["si=SI (ours)"]).of(table)
              method  x
        2  SI (ours)  3
        0        ewc  1
        """
        rows = table[table["method"].isin(list(self.labels))]
        if self.in_order:
            places = {method: place for place, method in enumerate(self.labels)}
            rows = rows.iloc[rows["method"].map(places).argsort(kind="stable")]
        return rows.assign(method=rows["method"].map(self.labels))


def select(
    known: Iterable[str],
    *,
    methods: str | Sequence[str] | None = None,
    labels: str | Sequence[str] | Mapping[str, str] | None = None,
    what: str = "method",
) -> Selection:
    """Find the methods that are meant, and what each is to be called.

    A name may be that of a method, `ewc strength=50`, or of a strategy, `ewc`, which means all its variants.
    Or it is a pattern such as `*bayes*`. What is named first stands first, and a method counts once.

    A label of a strategy takes the place of the strategy's name in its variants; that of a method is all.

    Args:
        known: the methods that there are, as in the column `method`.
        methods: names or patterns, in the order of the figure; one text has commas between them. None: all.
        labels: method or strategy -> label, or texts `name=label`.
        what: is labelled, for errors.

    Raises:
        AnalysisError: for a name that is not there, for a label without text, and for two methods with one
            label.

    >>> known = ["ewc strength=50", "ewc strength=100", "vcl", "bayesbinn"]
    >>> labels = {"bayesbinn": "BayesBiNN (ours)", "ewc": "EWC"}
    >>> found = select(known, methods="b*,ewc", labels=labels)
    >>> list(found.labels.values())
    ['BayesBiNN (ours)', 'EWC strength=50', 'EWC strength=100']
    """
    there = sorted(dict.fromkeys(known), key=natural_order)
    chosen = there if methods is None else _chosen(there, methods)
    told = dict(labels if isinstance(labels, Mapping) else _pairs(there, labels or (), what))
    for name, label in told.items():
        _meant(there, name, what)
        if not label.strip():
            raise AnalysisError(f"the label of {name!r} is empty; give it as name=label")
    named = {method: _label(method, told) for method in chosen}
    _check_distinct(named)
    return Selection(named, in_order=methods is not None)


def select_benchmarks(known: Iterable[str], names: str | Sequence[str]) -> list[str]:
    """Find the benchmarks that are meant, by names or patterns; one text has commas between them.

    Raises:
        AnalysisError: for a name that is not there.

    >>> select_benchmarks(["permuted_mnist", "split_mnist", "split_digits"], "split*")
    ['split_digits', 'split_mnist']
    """
    there = sorted(set(known))
    found = []
    for name in [
        each.strip() for text in ([names] if isinstance(names, str) else names) for each in text.split(",")
    ]:
        meant = [each for each in there if fnmatchcase(each, name)]
        if not meant:
            raise AnalysisError(f"there is no benchmark {name!r} in these runs; there are {', '.join(there)}")
        found += meant
    return list(dict.fromkeys(found))


def _chosen(known: Sequence[str], methods: str | Sequence[str]) -> list[str]:
    texts = [methods] if isinstance(methods, str) else methods
    names = [name for text in texts for name in ([text] if text in known else _COMMAS.split(text))]
    if not any(name.strip() for name in names):
        raise AnalysisError(f"methods must name one or more, got {methods=}")
    return list(dict.fromkeys(method for name in names for method in _meant(known, name.strip())))


def _meant(known: Sequence[str], name: str, what: str = "method") -> list[str]:
    """The method of this name, or else the variants of this strategy, or else what the pattern fits."""
    if name in known:
        return [name]
    found = [each for each in known if _strategy(each) == name]
    found = found or [each for each in known if fnmatchcase(each, name)]
    if not found:
        raise AnalysisError(_not_there(known, name, what))
    return found


def _not_there(known: Sequence[str], name: str, what: str) -> str:
    near = get_close_matches(name, dict.fromkeys([*known, *map(_strategy, known)]), n=3)
    listed = ", ".join(shortened(each) for each in known[:_MOST_NAMED])
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"there is no {what} {name!r} in these runs; {there_are(f'{listed}{more}', near=near)}"


def _strategy(method: str) -> str:
    """The first word of a label."""
    return method.split(" ")[0]


def _pairs(known: Sequence[str], labels: str | Sequence[str], what: str) -> Iterable[tuple[str, str]]:
    """Name and label of each text. Names have = in them, and labels may have commas: a comma begins another
    pair only where the name of a method and = follow.
    """
    names = {*known, *map(_strategy, known)}
    for text in [labels] if isinstance(labels, str) else labels:
        begun: list[tuple[str, str]] = []
        for piece in text.split(","):
            name = _name_of(piece.lstrip(), names)
            if name:
                begun.append((name, piece.lstrip()[len(name) + 1 :]))
            elif begun:
                begun[-1] = (begun[-1][0], f"{begun[-1][1]},{piece}")
            elif "=" in piece:
                raise AnalysisError(_not_there(known, piece.partition("=")[0], what))
            else:
                raise AnalysisError(f"a label is given as name=label, got {text!r}")
        yield from begun


def _name_of(text: str, names: Iterable[str]) -> str:
    """The longest name that the text begins with, and = after it; or none."""
    return max((name for name in names if text.startswith(f"{name}=")), key=len, default="")


def _label(method: str, told: Mapping[str, str]) -> str:
    if method in told:
        return told[method]
    strategy = _strategy(method)
    return told[strategy] + method[len(strategy) :] if strategy in told else method


def _check_distinct(named: Mapping[str, str]) -> None:
    """Two methods of one label could not be told apart."""
    first: dict[str, str] = {}
    for method, label in named.items():
        other = first.setdefault(label, method)
        if other != method:
            raise AnalysisError(
                f"{other!r} and {method!r} would both be called {label!r}; give each its own label"
            )
