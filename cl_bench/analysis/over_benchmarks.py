"""The scores of methods on several benchmarks, so that they can be compared over all of them."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from cl_bench.analysis.bootstrap import of_all_runs
from cl_bench.analysis.metrics import average_accuracy
from cl_bench.analysis.registry import FACTORS, MATRIX, WITH_REFERENCE, Metric, registered
from cl_bench.analysis.summary import REFERENCE
from cl_bench.records.errors import AnalysisError, NotMeasuredError

FEWEST = 2  # benchmarks, and methods, that can be compared over all of them
BASELINE = "finetune"  # what a normalised score of 0 is; 1 is `REFERENCE`
NORMALISED = "normalised_accuracy"  # may be given in the place of a metric


class Scores(NamedTuple):
    """Scores of methods that were all run on the same benchmarks, see `scores_over_benchmarks`.

    Attributes:
        strata: method -> its scores on each benchmark, one a run, [n_b].
        benchmarks: their names, in the order of the strata.
        name: the metric, or `NORMALISED`.
        title: what the scores are, in words.
        unit: as it is shown; empty for normalised scores.
        higher_is_better: of the scores.
        strategies: method -> its strategy, where that is not its name.
        left_out: which methods lack which benchmarks, in words.

    >>> scores = Scores({"ewc": [np.array([0.9])]}, ["digits"], "average_accuracy")
    >>> scores.higher_is_better, scores.factor, scores.unit
    (True, 100.0, '%')
    """

    strata: dict[str, list[np.ndarray]]
    benchmarks: list[str]
    name: str
    title: str = "average accuracy"
    unit: str = "%"
    higher_is_better: bool = True
    strategies: Mapping[str, str] = MappingProxyType({})
    left_out: tuple[str, ...] = ()

    @property
    def factor(self) -> float:
        """What a score is multiplied by where it is shown."""
        return FACTORS[self.unit]

    @property
    def heading(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def strategy(self, method: str) -> str:
        """The strategy of a method."""
        return self.strategies.get(method, method)

    @property
    def target(self) -> float:
        """The score of a perfect method: an accuracy of 1, or no forgetting."""
        return 1.0 if self.higher_is_better else 0.0


def scores_over_benchmarks(values: pd.DataFrame, metric: str = average_accuracy.__name__) -> Scores:
    """Collect the scores of the methods that were run on every benchmark.

    Accuracies are taken as they are. `normalised_accuracy` is 0 for fine-tuning and 1 for joint training:

        (A - A_finetune) / (A_joint - A_finetune)

    A is a run's average accuracy. A_finetune and A_joint are means over seeds on the same benchmark, and a
    bootstrap takes them as known. The benchmarks then count alike, whether they are easy or hard. Methods
    that lack a benchmark are left out, and said to be. A nan counts as no run. A method that several studies
    ran on one benchmark is one of each study: `ewc (study)`.

    Args:
        values: one row per run, as `run_metrics` gives them.
        metric: a metric of the accuracy matrix, or `normalised_accuracy`.

    Raises:
        NotMeasuredError: for one benchmark, and where fewer than two methods were run on all of them.
        AnalysisError: for a metric that is not known, and where an accuracy cannot be normalised.

    >>> values = pd.DataFrame({"benchmark": ["a", "b"] * 3, "seed": 0})
    >>> values["method"] = ["finetune"] * 2 + ["joint"] * 2 + ["ewc"] * 2
    >>> values["strategy"] = values["method"]
    >>> values["average_accuracy"] = [0.2, 0.4, 0.8, 0.9, 0.5, 0.9]
    >>> scores = scores_over_benchmarks(values, "normalised_accuracy")
    >>> [stratum.round(4).tolist() for stratum in scores.strata["ewc"]]
    [[0.5], [1.0]]
    """
    is_normalised = metric == NORMALISED
    about = _metric(average_accuracy.__name__ if is_normalised else metric)
    column = about.name
    known = _apart_by_study(values.dropna(subset=[column]))
    found: dict[str, dict[str, np.ndarray]] = {}
    for (method, benchmark), scores in known.groupby(["method", "benchmark"], sort=False)[column]:
        found.setdefault(str(method), {})[str(benchmark)] = scores.to_numpy(dtype=float)
    benchmarks = sorted({name for each in found.values() for name in each})
    if len(benchmarks) < FEWEST:
        raise NotMeasuredError(
            f"it is over {FEWEST} benchmarks or more, these runs are of {', '.join(benchmarks) or 'none'}"
        )
    strata = {
        method: [each[name] for name in benchmarks]
        for method, each in found.items()
        if len(each) == len(benchmarks)
    }
    if len(strata) < FEWEST:
        raise NotMeasuredError(
            f"it needs {FEWEST} methods or more that were all run on each of {', '.join(benchmarks)}; "
            "name folders of benchmarks that have methods in common"
        )
    if is_normalised:
        scale = _scale(known, benchmarks)
        strata = {
            method: [(scores - low) / (high - low) for scores, (low, high) in zip(each, scale, strict=True)]
            for method, each in strata.items()
        }
    lacking: dict[str, list[str]] = {}
    for method, each in found.items():
        if method not in strata:
            lacked = ", ".join(name for name in benchmarks if name not in each)
            lacking.setdefault(lacked, []).append(method)
    left_out = tuple(
        f"without {', '.join(methods)} (not run on {lacked})" for lacked, methods in lacking.items()
    )
    named = (known[name] for name in ("method", "strategy"))
    return Scores(
        strata,
        benchmarks,
        metric,
        title=f"normalised accuracy ({BASELINE} 0, {REFERENCE} 1)" if is_normalised else about.title,
        unit="" if is_normalised else about.unit,
        higher_is_better=about.better != "lower",
        strategies={str(name): str(strategy) for name, strategy in zip(*named, strict=True)},
        left_out=left_out,
    )


def _apart_by_study(values: pd.DataFrame) -> pd.DataFrame:
    """The runs, where a method of several studies on one benchmark has the study in its name."""
    if "study" not in values:
        return values
    studies = values.groupby(["method", "benchmark"])["study"].nunique(dropna=False)
    shared = set(studies[studies > 1].index.get_level_values("method"))
    pairs = zip(values["method"], values["study"], strict=True)
    return values.assign(method=[f"{name} ({study})" if name in shared else name for name, study in pairs])


def best_first(scores: Scores) -> list[str]:
    """The methods, that of the best interquartile mean first; of equals the first in the alphabet.

    >>> strata = {"si": [np.array([0.5])], "ewc": [np.array([0.9])]}
    >>> best_first(Scores(strata, ["digits"], "average_accuracy"))
    ['ewc', 'si']
    """
    sign = -1 if scores.higher_is_better else 1
    means = {method: sign * float(of_all_runs(strata)) for method, strata in scores.strata.items()}
    return sorted(means, key=lambda method: (means[method], method))


def compared_method(scores: Scores, against: str | None = None) -> str:
    """The method that improvements are of: the one that is named, or the best, joint training aside.

    Args:
        against: a method, or a strategy of which there is one method.

    Raises:
        AnalysisError: for a name that is of no method, or of several.

    >>> strata = {"joint": [np.array([0.9])], "ewc": [np.array([0.8])]}
    >>> scores = Scores(strata, ["digits"], "average_accuracy")
    >>> compared_method(scores), compared_method(scores, "joint")
    ('ewc', 'joint')
    """
    ranked = best_first(scores)
    if against is None:
        return next((method for method in ranked if scores.strategy(method) != REFERENCE), ranked[0])
    variants = [method for method in ranked if scores.strategy(method) == against]
    found = [against] if against in ranked else variants
    if len(found) != 1:
        why = f"is more than one of {', '.join(found)}" if found else "was not run on all benchmarks"
        raise AnalysisError(f"{against!r} {why}: choose one of {', '.join(ranked)}")
    return found[0]


def with_bounds(table: pd.DataFrame, interval: str) -> pd.DataFrame:
    """The table with its bootstrap intervals (`t`, the default elsewhere), or with `none`.

    Raises:
        AnalysisError: for another interval.

    >>> table = pd.DataFrame({"value": [0.5], "low": [0.4], "high": [0.6]})
    >>> with_bounds(table, "none")["low"].tolist()
    [nan]
    """
    if interval == "none":
        return table.assign(low=math.nan, high=math.nan)
    if interval != "t":
        raise AnalysisError(
            f"intervals over benchmarks are bootstrapped, at 95 %: leave {interval=} out, or give none"
        )
    return table


def _metric(name: str) -> Metric:
    known = {each.name: each for each in registered(MATRIX, WITH_REFERENCE)}
    if name not in known:
        raise AnalysisError(
            f"there is no metric {name!r} to compare over benchmarks; "
            f"choose one of {', '.join((*known, NORMALISED))}"
        )
    return known[name]


def _scale(known: pd.DataFrame, benchmarks: Sequence[str]) -> list[tuple[float, float]]:
    """The accuracies of `BASELINE` and `REFERENCE` on each benchmark; of variants the best one's."""
    scale = []
    for benchmark in benchmarks:
        low, high = (_level(known, benchmark, strategy) for strategy in (BASELINE, REFERENCE))
        if math.isnan(low) or math.isnan(high):
            raise NotMeasuredError(
                f"{NORMALISED} is between {BASELINE} and {REFERENCE}, which must both be among the methods "
                f"on {benchmark}: run them, or compare {average_accuracy.__name__}"
            )
        if not low < high:
            raise AnalysisError(
                f"{NORMALISED} needs {REFERENCE} to be better than {BASELINE}, and on {benchmark} it is not: "
                f"compare {average_accuracy.__name__}"
            )
        scale.append((low, high))
    return scale


def _level(known: pd.DataFrame, benchmark: str, strategy: str) -> float:
    runs = known[(known["benchmark"] == benchmark) & (known["strategy"] == strategy)]
    means = runs.groupby("method")[average_accuracy.__name__].mean()
    return float(means.max()) if len(means) else math.nan
