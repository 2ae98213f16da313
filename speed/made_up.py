"""Run folders as runs leave them, with made-up numbers: what reports are measured on."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cl_bench.records.row_files import header
from cl_bench.records.rows import FILES, CalibrationBin, Foreign, Probe, Record, State

BENCHMARKS = ("permuted_mnist", "split_mnist")
METHODS = ("finetune", "ewc", "vcl", "bayesbinn", "joint")
# three, since critical differences are over three benchmarks
MORE_BENCHMARKS = (*BENCHMARKS, "permuted_digits")
_OTHERS = ("online_ewc", "si", "mas", "lwf", "replay", "der", "gvcl", "mesu", "straight_through")
MORE_METHODS = METHODS + _OTHERS
_HASH = "0123abcd"
_NUM_EXAMPLES = 10_000
_PROBES, _STEPS = 8, 80  # of a task

Settings = Mapping[str, Any]  # dotted key -> value
Rows = Mapping[Any, Sequence[Any]]  # kind of row -> rows


def write_runs(folder: Path, *, num_seeds: int, num_tasks: int, settings: Settings) -> int:
    """Write finished runs of `METHODS` on `BENCHMARKS` that left their records alone; return how many."""
    return _write(
        folder,
        {benchmark: {} for benchmark in BENCHMARKS},
        METHODS,
        num_seeds,
        num_tasks,
        settings,
        lambda seed, _: {Record: _records(seed, num_tasks)},
    )


def write_measured_runs(folder: Path, *, num_seeds: int, num_tasks: int, settings: Settings) -> int:
    """Write finished runs of `MORE_METHODS` on `MORE_BENCHMARKS` with all that there are figures for.

    The runs of the last benchmark share the order of tasks, so that the parts of their variance can be
    separated. Returns how many runs there are.
    """
    *others, last = MORE_BENCHMARKS
    return _write(
        folder,
        {**{benchmark: {} for benchmark in others}, last: {"seed_for.order": 0}},
        MORE_METHODS,
        num_seeds,
        num_tasks,
        settings,
        lambda seed, place: _measured(seed, num_tasks, place),
    )


def _write(
    folder: Path,
    benchmarks: Mapping[str, Settings],
    methods: Sequence[str],
    num_seeds: int,
    num_tasks: int,
    settings: Settings,
    made: Callable[[int, int], Rows],
) -> int:
    for benchmark, own in benchmarks.items():
        for place, method in enumerate(methods):
            for seed in range(num_seeds):
                run = folder / "study" / f"{benchmark}-{method}-s{seed}-{_HASH}"
                run.mkdir(parents=True)
                about = {
                    "study": "study",
                    "benchmark": benchmark,
                    "strategy": method,
                    "seed": seed,
                    "hash": _HASH,
                    "status": "finished",
                    "error": None,
                    "scenario": "domain",
                    "num_tasks": num_tasks,
                    "settings": {**settings, "seed": seed, **own},
                    "wall_seconds": 1.0,
                    "cpu_seconds": 1.0,
                }
                files = made(seed, place)
                if Foreign in files:
                    about["ood"] = ["letters"]
                (run / "run.json").write_text(json.dumps(about, indent=1))
                for kind, rows in files.items():
                    titles = header(kind)
                    always = titles.count(",") + 1  # the columns of every run stand first
                    lines = [",".join(map(repr, row[:always])) for row in rows]
                    (run / FILES[kind]).write_text("\n".join([titles, *lines, ""]))
    return len(benchmarks) * len(methods) * num_seeds


def _tests(num_tasks: int) -> list[tuple[int, int]]:
    return [(after, on) for after in range(num_tasks + 1) for on in range(1, num_tasks + 1)]


def _accuracy(after: int, on: int, lost: float) -> float:
    """Return chance before a task is learned, then an accuracy that is slowly forgotten."""
    return 0.1 if after < on else 0.95 - lost * (after - on)


def _records(seed: int, num_tasks: int) -> list[Record]:
    luck = 0.001 * (seed % 7)
    return [
        Record(seed, after, on, _accuracy(after, on, 0.02) - luck * (after >= on), 0.5, _NUM_EXAMPLES)
        for after, on in _tests(num_tasks)
    ]


def _measured(seed: int, num_tasks: int, place: int) -> Rows:
    """Fabricate records, with noise. `place` says how much a method forgets; every second has a posterior."""
    noise = np.random.default_rng([seed, place])
    has_posterior, lost = place % 2 == 0, 0.005 + 0.004 * place
    tests = [
        Record(
            *(seed, after, on, _noisy(_accuracy(after, on, lost), noise), 0.5, _NUM_EXAMPLES),
            *(lost * abs(after - on), 0.5, 2.2 - _accuracy(after, on, lost) + 0.1 * noise.random()),
            0.5 - 0.1 * noise.random() if has_posterior else math.nan,
        )
        for after, on in _tests(num_tasks)
    ]
    states = [
        State(
            *(seed, after, 1000 / after * (1 + noise.random()) if after and has_posterior else math.nan),
            *(min(0.06 * after, 1.0) if has_posterior else math.nan, 32_000 * (1 + place), 32_000 + seed),
            *(5 + place + noise.random() if after else 0.0, _STEPS if after else 0),
            _noisy(0.9 - lost, noise) if 0 < after < num_tasks else math.nan,
        )
        for after in range(num_tasks + 1)
    ]
    bins = [
        CalibrationBin(
            *(seed, after, on, number, 100 * number, (number - 0.5) / 15),
            _noisy((number - 0.5) / 15 * (1 - lost * abs(after - on)), noise),
        )
        for after, on in _tests(num_tasks)
        for number in range(2, 16)
    ]
    probes = [
        Probe(
            *(seed, task, (task - 1) * _STEPS + _STEPS * number // _PROBES, on),
            *(_noisy(_accuracy(task, on, lost) - 0.2 * (on < task) / number, noise), 0.5, 200),
        )
        for task in range(1, num_tasks + 1)
        for number in range(1, _PROBES + 1)
        for on in range(1, task + 1)
    ]
    foreign = [
        Foreign(
            *(seed, after, 1, _noisy(0.9 - lost * after, noise), _noisy(0.85 - lost * after, noise)),
            *(_noisy(0.8 - lost * after, noise), _NUM_EXAMPLES),
        )
        for after in range(1, num_tasks + 1)
    ]
    return {Record: tests, State: states, CalibrationBin: bins, Probe: probes, Foreign: foreign}


def _noisy(fraction: float, noise: np.random.Generator) -> float:
    return float(np.clip(fraction + 0.01 * noise.standard_normal(), 0, 1))
