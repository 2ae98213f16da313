"""A study beside the numbers that were published: does it reach them?

A published accuracy is the mean of seeds, too. So it is compared as one sample of seeds with another, see
`two_samples`, and has an error of its own.

    several seeds there:   two one-sided tests with Welch's error, within the study's margin
    one seed there:        is it where one more seed of ours would be?
    one seed here:         is it where one more seed of theirs would be?
    one seed each:         nothing can be said

Not to find a difference is no agreement: where neither the test nor the interval decides, the verdict is
`undecided`. A number of another protocol is shown, and never counts.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.expected_numbers import OTHER, Expected, expected_numbers, read_expected
from cl_bench.analysis.intervals import student_t
from cl_bench.analysis.labels import LONGEST, short_names, shown
from cl_bench.analysis.matrix import RunMatrix, matrices
from cl_bench.analysis.two_samples import (
    Difference,
    Sample,
    difference_of,
    equivalence_p,
    half_width,
    published_sample,
    sample_of,
)
from cl_bench.records.runs import Run
from cl_bench.records.text import shortened

__all__ = ["Expected", "against_published", "equivalence", "expected_numbers", "read_expected", "verdict"]

LEVEL = 0.05  # of the test

AGREES, DIFFERS, UNDECIDED = "agrees", "differs", "undecided"
INSIDE, OUTSIDE = "inside the spread of single runs", "outside the spread of single runs"
WITHIN = "outside the spread, within the margin"  # of single runs
ONE_SEED, UNVERIFIED, NOT_RUN = "one seed", "unverified source", "not run"
ANOTHER_PROTOCOL = "another protocol"
AMBIGUOUS = "several variants"  # runs of different settings fit the row
COMPARED = (AGREES, DIFFERS, UNDECIDED, INSIDE, WITHIN, OUTSIDE)  # verdicts that a comparison was made for


def equivalence(values: Sequence[float], *, published: Sample, margin: float) -> float:
    """The p-value of agreement with a published mean within a margin; small where they agree.

        p = 1 - F((d - |m - p*|) / e)

    e is the standard error of the difference, and F Student's distribution, see
    `two_samples.difference_of`. Sources: Schuirmann 1987; Welch 1947.

    Args:
        values: of n seeds, [n].
        published: p* with its spread and number of seeds, see `two_samples.published_sample`.
        margin: d, in the unit of the values.

    Returns:
        nan where one of both is a single seed: no mean is compared then.

    >>> from cl_bench.analysis.two_samples import Sample
    >>> theirs = Sample(90.0, deviation=0.2, number=10)
    >>> round(equivalence([89.9, 90.0, 90.2], published=theirs, margin=1.0), 4)
    0.0003
    >>> # no difference, no agreement
    >>> round(equivalence([88.0, 90.0, 92.0], published=theirs, margin=1.0), 4)
    0.2389
    """
    if min(len(values), published.number) < 2:
        return math.nan
    return equivalence_p(difference_of(sample_of(values), published), margin=margin)


def verdict(
    values: Sequence[float], *, published: Sample, margin: float, evidence: str, protocol: str = ""
) -> str:
    """Whether our seeds agree with a published number, or why that cannot be said.

    - `agrees`: the test of `equivalence` shows it, at the level of 0.05.
    - `differs`: the 95 % interval of the difference lies outside the margin, |m - p*| - t e > d.
    - `undecided`: neither.
    - `inside the spread of single runs`, or `outside` it: one of both has a single seed. Inside is
      |m - p*| <= t s sqrt(1 + 1/n), the 95 % prediction interval of one more seed of the other. What is
      outside, and nearer than the margin, is said to be so, and is no miss.
    - `one seed`: both have a single seed.

    What was not run, what is of another protocol, and what nobody has read is said to be so.

    Args:
        values: of our seeds.
        published: as in `equivalence`.
        evidence: how the published number is known, one of `expected_numbers.EVIDENCE`.
        protocol: `other` for a number of another protocol.

    >>> from cl_bench.analysis.two_samples import Sample
    >>> theirs = Sample(90.0, deviation=0.2, number=10)
    >>> verdict([89.9, 90.0, 90.2], published=theirs, margin=1.0, evidence="read")
    'agrees'
    >>> verdict([80.1, 80.0, 79.9], published=theirs, margin=1.0, evidence="read")
    'differs'
    >>> one_run = Sample(87.4, deviation=np.nan, number=1)
    >>> verdict([82.0, 78.2, 85.7], published=one_run, margin=3.0, evidence="measured")
    'inside the spread of single runs'
    >>> verdict([90.0], published=one_run, margin=3.0, evidence="measured")
    'one seed'
    """
    if len(values) == 0:
        return NOT_RUN
    if protocol == OTHER:
        return ANOTHER_PROTOCOL
    if evidence == "memory":
        return UNVERIFIED
    found = difference_of(sample_of(values), published)
    if math.isnan(found.error):
        return ONE_SEED
    apart, half = abs(found.difference), half_width(found)
    if min(len(values), published.number) < 2:
        return INSIDE if apart <= half else WITHIN if apart <= margin else OUTSIDE
    if equivalence_p(found, margin=margin) < LEVEL:
        return AGREES
    return DIFFERS if apart - half > margin else UNDECIDED


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
        half_width: of the 95 % interval of the difference, or of the prediction where one has a single seed.
        p_value: of `equivalence`.
        verdict: of `verdict`.
        protocol: `other` where the number is of another one.
        source, evidence, note, reason, run_with: see `Expected`.

    Args:
        accuracies: the frame's `matrices`, where they are known already.
        damaged: as in `read_expected`.

    >>> import json
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from cl_bench.records.runs import Run
    >>> rows = [{"strategy": "vcl", "accuracy": 90.0, "spread": 0.1, "margin": 1.0}]
    >>> group = {"evidence": "read", "seeds": 5, "spread_kind": "SEM"}
    >>> published = [group | {"source": "Table 1", "rows": rows}]
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
    published = published_sample(
        one.accuracy, spread=one.spread, spread_kind=one.spread_kind, number=one.seeds
    )
    found = difference_of(sample_of(values), published) if values else Difference(*[math.nan] * 3)
    return {
        "published": one.accuracy,
        **{
            name: getattr(one, name)
            for name in ("margin", "spread", "spread_kind", "source", "evidence", "note", "reason", "protocol")
        },
        "published_seeds": one.seeds,
        **{name: float(value) for name, value in interval._asdict().items()},
        "num_seeds": len(values),
        "difference": found.difference,
        "half_width": half_width(found),
        "p_value": equivalence(values, published=published, margin=one.margin),
        "verdict": verdict(
            values, published=published, margin=one.margin, evidence=one.evidence, protocol=one.protocol
        ),
        "run_with": " ".join(one.run_with),
    }


COLUMNS = (
    "study", "method", "published", "spread", "spread_kind", "published_seeds", "mean", "low", "high",
    "num_seeds", "difference", "half_width", "margin", "p_value", "verdict", "protocol", "source", "evidence",
    "note", "reason", "run_with",
)  # fmt: skip
