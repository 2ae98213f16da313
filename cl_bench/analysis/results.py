"""The runs of some folders, and the tables that reports and figures share, each made once."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import pandas as pd

from cl_bench.analysis import frame as frames
from cl_bench.analysis.curves import average_curves, forgetting_curves
from cl_bench.analysis.foreign import read_foreign
from cl_bench.analysis.labels import distinct, measured_keys, short_names, shown, with_methods
from cl_bench.analysis.matched_seeds import seed_parts
from cl_bench.analysis.matrix import RunMatrix, matrices
from cl_bench.analysis.run_metrics import run_metrics
from cl_bench.analysis.selection import Selection
from cl_bench.analysis.stability_gap import read_probes
from cl_bench.analysis.summary import summary
from cl_bench.records.runs import COPY_OF, Run, read_runs


class Results:
    """Runs with their methods, and what follows from them, made when it is first asked for.

    No table in it has columns of settings: none can pass for a measurement.

    >>> results = Results.read("results/reference/digits")
    >>> results.summary["num_seeds"].unique().tolist(), len(results.left_out())
    ([5], 0)
    """

    def __init__(self, found: Sequence[Run], *, interval: str = "t") -> None:
        self.found = list(found)
        self.interval = interval  # one of `INTERVALS`: that of summary, curves and averages
        self.damaged: frames.Damaged = []  # runs of which a file is left out, and why; as far as was read

    @classmethod
    def read(cls, *paths: Any, interval: str = "t") -> "Results":
        return cls(with_methods(read_runs(*paths))[0], interval=interval)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows of `load`, without the columns of settings."""
        return frames.records_frame(self.found)

    @cached_property
    def matrices(self) -> list[RunMatrix]:
        return matrices(self.frame)

    @cached_property
    def summary(self) -> pd.DataFrame:
        states, foreign = frames.states_frame(self.found), read_foreign(self.found, damaged=self.damaged)
        rows = summary(self.frame, states, foreign=foreign, found=self.matrices, interval=self.interval)
        left_out = Counter((run.study, run.benchmark, run.method) for run in self.incomplete)
        keys = zip(rows["study"], rows["benchmark"], rows["method"], strict=True)
        # here, since a run that failed before its first test is not in the frame
        return rows.assign(num_left_out=[left_out[key] for key in keys])

    @cached_property
    def curves(self) -> pd.DataFrame:
        return forgetting_curves(self.frame, found=self.matrices, interval=self.interval)

    @cached_property
    def averages(self) -> pd.DataFrame:
        return average_curves(self.frame, found=self.matrices, interval=self.interval)

    def curves_of(self, column: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The `curves` and `averages` of another column of the records, such as nll."""
        if column == "accuracy":
            return self.curves, self.averages
        found = matrices(self.records, column=column)
        return (
            forgetting_curves(self.records, found=found, interval=self.interval),
            average_curves(self.records, found=found, interval=self.interval),
        )

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The rows of `run_metrics`, with the columns of `seed_parts`."""
        parts = seed_parts([run for run in self.found if run.records])
        return run_metrics(self.frame, accuracies=self.matrices).merge(parts, on=["study", "run"])

    @cached_property
    def complete(self) -> list[Run]:
        """The runs that count: all that was to be tested was."""
        names = {(run.study, run.run) for run in self.matrices if run.complete}
        return [run for run in self.found if run.records and (run.study, run.name) in names]

    @property
    def incomplete(self) -> list[Run]:
        """The runs that do not count: failed, interrupted, running or broken. A second copy is no run."""
        complete = {id(run) for run in self.complete}
        return [run for run in self.found if id(run) not in complete and not run.error.startswith(COPY_OF)]

    @cached_property
    def records(self) -> pd.DataFrame:
        """The records of complete runs."""
        if len(self.complete) == len(self.matrices):
            return self.frame
        return frames.records_frame(self.complete)

    @cached_property
    def states(self) -> pd.DataFrame:
        """The rows of `analysis.states` for complete runs."""
        return frames.states_frame(self.complete)

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """The rows of `analysis.calibration` for complete runs; a damaged file goes into `damaged`."""
        return frames.calibration_frame(self.complete, damaged=self.damaged)

    @cached_property
    def probes(self) -> pd.DataFrame:
        """The rows of `read_probes` for complete runs; a damaged file goes into `damaged`."""
        return read_probes(self.complete, damaged=self.damaged)

    @cached_property
    def foreign(self) -> pd.DataFrame:
        """The rows of `read_foreign` for complete runs; a damaged file goes into `damaged`."""
        return read_foreign(self.complete, damaged=self.damaged)

    def left_out(self) -> list[str]:
        """A sentence for each file that was left out, as far as they were read."""
        return list(
            dict.fromkeys(
                f"{run.study}: {run.method} on {run.benchmark}, seed {run.seed}: {error}; "
                "the run counts without that file."
                for run, error in self.damaged
            )
        )

    def only(self, **where: str) -> "Results":
        """The runs of a study, of a benchmark, or of both; what is known of them already is kept."""
        return self._part({name: {value} for name, value in where.items()})

    def of_benchmarks(self, names: Collection[str]) -> "Results":
        """The runs of these benchmarks."""
        return self._part({"benchmark": names})

    def most_accurate(self, number: int) -> "Results":
        """The runs of so many methods at most, those of the best average accuracy."""
        rows = self.summary.sort_values("average_accuracy_mean", ascending=False, kind="stable")
        methods = list(dict.fromkeys(rows["method"]))
        return self if len(methods) <= number else self._part({"method": set(methods[:number])})

    def selected(self, chosen: Selection) -> "Results":
        """The selected methods under their labels; metrics against other methods stay as they are."""
        _ = self.summary, self.metrics  # the reference of the intransigence may not be selected
        part = self._part({"method": set(chosen.labels)})

        def renamed(run: Run) -> Run:
            return run._replace(method=chosen.labels[run.method])

        part.found = [renamed(run) for run in part.found]
        part.matrices = [replace(run, method=chosen.labels[run.method]) for run in part.matrices]
        for name in _TABLES:
            if name in part.__dict__:
                part.__dict__[name] = chosen.of(part.__dict__[name])
        return part

    def _part(self, where: Mapping[str, Collection[str]]) -> "Results":
        part = Results([run for run in self.found if _is(run, where)], interval=self.interval)
        part.damaged = self.damaged  # one list: what a part finds is known of all
        for name in _TABLES:
            table = self.__dict__.get(name)
            if table is not None and len(table):
                chosen = pd.Series(data=True, index=table.index)
                for column, values in where.items():
                    chosen &= table[column].isin(list(values))
                part.__dict__[name] = table[chosen]
        if "matrices" in self.__dict__:
            part.__dict__["matrices"] = [run for run in self.matrices if _is(run, where)]
        return part

    def told_apart(self) -> "Results":
        """Runs of several studies that are no seeds of one method have labels that say so.

        Where the studies measure otherwise on a benchmark, labels have what differs: `ewc scenario=class`. A
        method that several ran has the study: `ewc (study)`.
        """
        return self._by_measure()._by_study()

    def _by_measure(self) -> "Results":
        recorded = defaultdict(list)
        for run in self.found:
            if run.records:
                recorded[run.benchmark].append(run)
        differing = {benchmark: short_names(measured_keys(runs)) for benchmark, runs in recorded.items()}
        if not any(differing.values()):
            return self

        def labelled(run: Run) -> Run:
            names = differing.get(run.benchmark, {})
            words = (
                f"{name}={shown(run.settings[key])}" for key, name in names.items() if key in run.settings
            )
            told = [word for word in words if word not in run.method.split()]
            return run._replace(method=" ".join([run.method, *told]))

        return Results([labelled(run) for run in self.found], interval=self.interval)

    def _by_study(self) -> "Results":
        studies = defaultdict(set)
        for run in self.found:
            if run.records:
                studies[run.benchmark, run.method].add(run.study)
        shared = {method for (_, method), found in studies.items() if len(found) > 1}
        if not shared:
            return self
        methods = dict.fromkeys((run.method, run.study if run.method in shared else "") for run in self.found)
        labels = distinct(
            {(method, study): f"{method} ({study})" if study else method for method, study in methods}
        )
        return Results(
            [
                run._replace(method=labels[run.method, run.study if run.method in shared else ""])
                for run in self.found
            ],
            interval=self.interval,
        )


_TABLES = ("frame", "summary", "curves", "averages", "calibration", "probes", "metrics")  # made once


def _is(run: Run | RunMatrix, where: Mapping[str, Collection[str]]) -> bool:
    return all(getattr(run, name) in values for name, values in where.items())
