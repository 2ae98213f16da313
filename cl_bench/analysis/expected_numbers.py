"""Published numbers that a study is compared with: read from its YAML, or from the folder of its runs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cl_bench.records.atomic import read_json
from cl_bench.records.errors import AnalysisError
from cl_bench.records.row_files import MOST
from cl_bench.records.runs import Run
from cl_bench.records.text import cut, one_line, printable, shortened

FILE = "expected.json"  # in the folder of a study, written by its runs
MOST_ROWS = 1_000  # of a study
LONGEST_TEXT = 5_000  # letters of a note, a source and the like
EVIDENCE = ("read", "quoted", "plot", "measured", "memory")
SAME, OTHER = "", "other"  # protocols


class Expected(NamedTuple):
    """A published number and the runs that it is compared with; accuracies are in percent.

    Attributes:
        strategy: that of the runs.
        settings: dotted key -> value of the runs, besides the strategy.
        accuracy: the published number.
        margin: points of difference that count as none.
        source: the paper and where it stands in it.
        evidence: one of `EVIDENCE`; `memory` is unverified.
        after_task: the mean over the tasks so far is meant; None: the average accuracy in the end.
        spread: the published one.
        spread_kind: SEM or std. A spread of another kind is shown and not used.
        seeds: how many were published; None: not known, and taken for one.
        protocol: `other` where theirs differs from ours by more than the margin may hold. The note says how.
        note: how the protocol here differs.
        reason: why it was missed, where that is known.
        run_with: settings beyond the study's own sweep.

    >>> Expected(
    ...     "vcl", {}, accuracy=90.0, margin=1.0, source="Table 1", evidence="read"
    ... ).margin
    1.0
    """

    strategy: str
    settings: Mapping[str, Any]  # dotted key -> value: of the runs, besides the strategy
    accuracy: float
    margin: float  # points of difference that count as none
    source: str
    evidence: str  # one of EVIDENCE; `memory` is unverified
    after_task: int | None = None  # mean over the tasks so far; None: average accuracy in the end
    spread: float | None = None
    spread_kind: str = ""  # SEM, std
    seeds: int | None = None
    protocol: str = SAME  # OTHER: shown, and neither agreement nor miss
    note: str = ""  # how the protocol here differs
    reason: str = ""  # why it was missed, where that is known
    run_with: tuple[str, ...] = ()  # settings beyond the study's own sweep


def expected_numbers(groups: Sequence[Mapping[str, Any]]) -> list[Expected]:
    """The published numbers in a study's YAML: groups with what their `rows` have in common.

    Keys with a dot are settings of the runs.

    Args:
        groups: the list under `expected`.

    Raises:
        AnalysisError: for a row that says too little, or what it should not; names the row.

    >>> numbers = {"vcl": 90.0, "ewc": 84.0}
    >>> rows = [{"strategy": name, "accuracy": numbers[name]} for name in numbers]
    >>> group = {"source": "Nguyen et al. 2018", "evidence": "plot", "margin": 1.0}
    >>> found = expected_numbers([group | {"rows": rows}])
    >>> [(one.strategy, one.accuracy, one.margin) for one in found]
    [('vcl', 90.0, 1.0), ('ewc', 84.0, 1.0)]
    """
    found = []
    for group in _listed(groups, "groups"):
        common = {key: value for key, value in group.items() if key != "rows"}
        for row in _listed(group.get("rows", []), "rows"):
            fields = {**common, **row}
            settings = {key: fields.pop(key) for key in [key for key in fields if "." in key]}
            try:
                one = Expected(settings=settings, **fields)
            except TypeError as error:
                raise AnalysisError(f"expected: {error}, got {_cut(row)}") from error
            _check(one, row)
            found.append(_readable(one))
            if len(found) > MOST_ROWS:
                raise AnalysisError(f"expected: there must be at most {MOST_ROWS:,} rows")
    return found


def _check(one: Expected, row: Mapping[str, Any]) -> None:
    for name, kind in _KINDS.items():
        value = getattr(one, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise AnalysisError(f"expected: {name} is no {name}, got {_cut(value)} in {_cut(row)}")
    if one.evidence not in EVIDENCE:
        raise AnalysisError(f"expected: evidence must be one of {', '.join(EVIDENCE)}, got {_cut(row)}")
    if one.protocol not in (SAME, OTHER):
        raise AnalysisError(
            f"expected: protocol must be {OTHER}, or left out, got {_cut(one.protocol)} in {_cut(row)}"
        )
    if one.protocol == OTHER and not one.note:
        raise AnalysisError(
            f"expected: a row of another protocol must say in its note what differs, got {_cut(row)}"
        )
    for name in ("accuracy", "margin", "spread"):
        value = getattr(one, name)
        if value is not None and not 0 <= value <= 100:
            raise AnalysisError(f"expected: {name} must be percent, got {_cut(value)} in {_cut(row)}")
    if not one.margin > 0:
        raise AnalysisError(f"expected: margin must be positive, got {one.margin=} in {_cut(row)}")
    for name in ("after_task", "seeds"):
        value = getattr(one, name)
        if value is not None and not 0 <= value <= MOST:
            raise AnalysisError(f"expected: {name} must be from 0 to {MOST:,}, got {_cut(row)}")


def _readable(one: Expected) -> Expected:
    """The number with its texts cut to what tables and notes can hold."""
    texts = [name for name, kinds in _KINDS.items() if kinds == (str,)]
    short: dict[str, Any] = {name: cut(one_line(getattr(one, name)), LONGEST_TEXT) for name in texts}
    short["strategy"] = shortened(one.strategy)
    return one._replace(**short, run_with=tuple(map(shortened, one.run_with)))


def _cut(value: Any) -> str:
    return cut(repr(value), 200)


_NUMBER, _MAYBE = (int, float), (int, float, type(None))
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("strategy", "source", "evidence", "spread_kind", "protocol", "note", "reason"), (str,)),
    **dict.fromkeys(("accuracy", "margin"), _NUMBER),
    **dict.fromkeys(("spread", "seeds"), _MAYBE),
    "after_task": (int, type(None)),
    "run_with": (list, tuple),
}


def _listed(value: Any, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise AnalysisError(f"expected: {name} must be a list of mappings, got {_cut(value)}")
    return value


def read_expected(runs: Iterable[Run], *, damaged: list[str] | None = None) -> dict[str, list[Expected]]:
    """The published numbers of each study, from the folders that the runs lie in.

    Studies that have none are not in it. With `damaged` a file that cannot be used is no error: a sentence
    about it goes there.

    Raises:
        AnalysisError: for a file that cannot be read, or a row of it that says too little.

    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from cl_bench.records.runs import Run
    >>> rows = [{"strategy": "vcl", "accuracy": 90.0, "margin": 1.0}]
    >>> published = [{"source": "Table 1", "evidence": "read", "rows": rows}]
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "expected.json").write_text(json.dumps(published))
    ...     numbers = read_expected([Run(Path(folder) / "vcl-s0", "few")])
    >>> {study: rows[0].accuracy for study, rows in numbers.items()}
    {'few': 90.0}
    """
    found = {}
    for folder, study in {run.path.parent: run.study for run in runs}.items():
        path = folder / FILE
        try:
            found[study] = expected_numbers(printable(read_json(path)))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            if damaged is None:
                raise AnalysisError(f"{path}: {error}") from error
            damaged.append(f"{path} is left out: {error}.")
    return {study: rows for study, rows in found.items() if rows}
