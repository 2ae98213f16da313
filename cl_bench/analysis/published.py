"""A study beside the numbers that were published: does it reach them?

A published accuracy p (percent) is taken as it stands. The accuracies x_1..x_n of our seeds have the mean m
and the standard error e = s / sqrt(n). They agree with p within a margin d if both one-sided tests of
|E x - p| >= d are refused (two one-sided tests, TOST: Schuirmann, J. Pharmacokinet. Biopharm. 1987).

    p-value = 1 - F(min(m - (p - d), (p + d) - m) / e) = 1 - F((d - |m - p|) / e)

F is Student's distribution with n - 1 degrees of freedom. Not to find a difference is no agreement: where
neither the test nor the interval decides, the verdict is `undecided`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.expected_numbers import Expected, expected_numbers, read_expected
from cl_bench.analysis.intervals import student_t
from cl_bench.analysis.labels import LONGEST, short_names, shown
from cl_bench.analysis.matrix import RunMatrix, matrices
from cl_bench.analysis.paired_tests import tost
from cl_bench.records.runs import Run
from cl_bench.records.text import shortened

__all__ = ["Expected", "against_published", "equivalence", "expected_numbers", "read_expected", "verdict"]

LEVEL = 0.05  # of the test

AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided"
ONE_SEED, UNVERIFIED, NOT_RUN = "one seed", "unverified source", "not run"
AMBIGUOUS = "several variants"  # runs of different settings fit the row


def equivalence(values: Sequence[float], *, published: float, margin: float) -> float:
    """The p-value of agreement with a published number within a margin; small where they agree.

        p = 1 - F((d - |m - p*|) / e),   m the mean, e = s / sqrt(n)

    F is Student's distribution with n - 1 degrees of freedom. Source: Schuirmann 1987 (two one-sided tests).

    Args:
        values: of n >= 2 seeds.
        published: p*.
        margin: d, in the unit of the values.

    Raises:
        ValueError: for fewer than two values.

    >>> round(equivalence([89.9, 90.0, 90.2], published=90.0, margin=1.0), 4)
    0.0041
    >>> # no difference, no agreement
    >>> round(equivalence([88.0, 90.0, 92.0], published=90.0, margin=1.0), 4)
    0.2389
    """
    if len(values) < 2:
        raise ValueError(f"a test needs two seeds or more, got {len(values)}")
    return tost(values, margin=margin, around=published).p


def verdict(values: Sequence[float], *, published: float, margin: float, evidence: str) -> str:
    """Whether our seeds agree with a published number: `agrees`, `differs`, or why neither can be said.

    They agree where the test of `equivalence` shows it. They differ where the 95 % interval is outside the
    margin.

    Args:
        values: of our seeds.
        evidence: how the published number is known, one of `expected_numbers.EVIDENCE`.

    >>> verdict([89.9, 90.0, 90.2], published=90.0, margin=1.0, evidence="read")
    'agrees'
    >>> verdict([80.1, 80.0, 79.9], published=90.0, margin=1.0, evidence="read")
    'differs'
    >>> verdict([90.0], published=90.0, margin=1.0, evidence="read")
    'one seed'
    """
    if len(values) == 0:
        return NOT_RUN
    if evidence == "memory":
        return UNVERIFIED
    if len(values) == 1:
        return ONE_SEED
    if equivalence(values, published=published, margin=margin) < LEVEL:
        return AGREES
    interval = student_t(np.array(values, dtype=float))
    outside = interval.low > published + margin or interval.high < published - margin
    return DIFFERS if outside else UNDECIDED


def against_published(
    runs: Sequence[Run],
    frame: pd.DataFrame,
    *,
    accuracies: Sequence[RunMatrix] | None = None,
    damaged: list[str] | None = None,
) -> pd.DataFrame:
    """Our results beside the published numbers of the studies that the runs belong to, a row for each number.

    There are several rows where the runs were on several kinds of device. Only runs with a complete matrix
    count.

    Columns:
        study, method: the method is the strategy and its settings.
        published, spread, spread_kind, published_seeds: what was published, in percent.
        mean, low, high: of our runs, percent, with the 95 % Student t interval over seeds.
        num_seeds: how many of ours count.
        difference, margin: in points.
        p_value: of `equivalence`.
        verdict: of `verdict`.
        source, evidence, note, reason, run_with: see `Expected`.

    Args:
        accuracies: the frame's `matrices`, where they are known already.
        damaged: as in `read_expected`.

    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from cl_bench.records.runs import Run
    >>> rows = [{"strategy": "vcl", "accuracy": 90.0, "margin": 1.0}]
    >>> published = [{"source": "Table 1", "evidence": "read", "rows": rows}]
    >>> frame = pd.concat(
    ...     matrix_frame([[0.1], [accuracy]], method="vcl", seed=seed, study="few")
    ...     for seed, accuracy in enumerate([0.899, 0.900, 0.902])
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "expected.json").write_text(json.dumps(published))
    ...     paths = [Path(folder) / run for run in frame["run"].unique()]
    ...     runs = [Run(at, "few", strategy="vcl", method="vcl") for at in paths]
    ...     table = against_published(runs, frame)
    >>> table[["method", "published", "mean", "verdict"]].round(2)
      method  published   mean verdict
    0    vcl       90.0  90.03  agrees
    """
    found = matrices(frame) if accuracies is None else accuracies
    complete = {(run.study, run.run): run for run in found if run.complete}
    rows = []
    for study, published in read_expected(runs, damaged=damaged).items():
        mine = defaultdict(list)
        for run in runs:
            if run.study == study and (study, run.name) in complete:
                mine[run.strategy].append(run)
        names = short_names(list(dict.fromkeys(key for one in published for key in one.settings)))
        for one in published:
            fitting = [run for run in mine[one.strategy] if _belongs(run, one)]
            ambiguous = len({(run.benchmark, _without_device(run)) for run in fitting}) > 1
            if ambiguous:
                fitting = []
            methods = sorted({run.method for run in fitting})
            for method in methods or [""]:
                ours = [complete[study, run.name] for run in fitting if run.method == method]
                which = method.removeprefix(_without_device(fitting[0])) if len(methods) > 1 else ""
                rows.append(_compared(one, ours) | {"study": study, "method": _label(one, names) + which})
                if ambiguous:
                    rows[-1]["verdict"] = AMBIGUOUS
    return pd.DataFrame(rows, columns=COLUMNS)


def _without_device(run: Run) -> str:
    """The method; runs on several kinds of device are of one, and compared apart."""
    return run.method.removesuffix(f" ({run.device})")


def _belongs(run: Run, one: Expected) -> bool:
    return all(
        key in run.settings and shown(run.settings[key]) == shown(value)
        for key, value in one.settings.items()
    )


def _label(one: Expected, names: Mapping[str, str]) -> str:
    settings = [f"{shortened(names[key])}={shortened(shown(value))}" for key, value in one.settings.items()]
    after = [] if one.after_task is None else [f"after task {one.after_task}"]
    return shortened(", ".join([" ".join([one.strategy, *settings]), *after]), LONGEST)


def _accuracy(run: RunMatrix, after_task: int | None) -> float:
    """Percent; nan where the stream is shorter."""
    seen = run.measures.seen
    last = len(seen) if after_task is None else after_task
    return 100 * float(seen[last - 1]) if 1 <= last <= len(seen) else math.nan


def _compared(one: Expected, runs: Iterable[RunMatrix]) -> dict[str, Any]:
    values = [value for value in (_accuracy(run, one.after_task) for run in runs) if not math.isnan(value)]
    interval = student_t(np.array(values))
    about = {"published": one.accuracy, "margin": one.margin}
    return {
        **about,
        **{
            name: getattr(one, name)
            for name in ("spread", "spread_kind", "source", "evidence", "note", "reason")
        },
        "published_seeds": one.seeds,
        **{name: float(value) for name, value in interval._asdict().items()},
        "num_seeds": len(values),
        "difference": float(interval.mean) - one.accuracy,
        "p_value": equivalence(values, **about) if len(values) > 1 else math.nan,
        "verdict": verdict(values, **about, evidence=one.evidence),
        "run_with": " ".join(one.run_with),
    }


COLUMNS = (
    "study", "method", "published", "spread", "spread_kind", "published_seeds", "mean", "low", "high",
    "num_seeds", "difference", "margin", "p_value", "verdict", "source", "evidence", "note",
    "reason", "run_with",
)  # fmt: skip
