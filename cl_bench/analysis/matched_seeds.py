"""The seeds of a run by purpose (`seed_for`): which runs share what, and which parts were varied alone."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from cl_bench.analysis.labels import shown
from cl_bench.analysis.registry import MATRIX, WITH_REFERENCE, registered
from cl_bench.analysis.run_metrics import RUN
from cl_bench.records.protocol import MEASURED
from cl_bench.records.runs import Run
from cl_bench.records.text import shortened

MOST_PURPOSES = 50  # of a run; the suite has seven, and those of dropout and memories
_PREFIX = "seed_for."


def parts_of(seed: int | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The seed in force for each purpose: its own (`seed_for.init`, ...), or else the run's.

    What is no number is taken for its text.

    >>> parts_of(3, {"seed_for.init": 5, "seed_for.order": None, "epochs": 10})
    {'init': 5, 'order': 3}
    """
    own = ((key, value) for key, value in settings.items() if key.startswith(_PREFIX))
    return {
        shortened(key.removeprefix(_PREFIX)): seed if value is None else _number_or_text(value)
        for key, value in islice(own, MOST_PURPOSES)
    }


def _number_or_text(value: Any) -> int | str:
    return value if isinstance(value, int) else shortened(shown(value))


def draw_of(seed: int | None, settings: Mapping[str, Any]) -> str:
    """What was drawn in a run, as text: runs of two methods match where it is the same.

    >>> draw_of(3, {"seed_for.init": 5, "seed_for.order": None})
    '3 init=5'
    """
    own = [f"{purpose}={part}" for purpose, part in parts_of(seed, settings).items() if part != seed]
    return " ".join([str(seed), *own])


def seed_parts(found: Sequence[Run]) -> pd.DataFrame:
    """The seed in force for each purpose, one row per run, and what else must be alike in a comparison.

    Columns: study, run, draw, one for each purpose, and `measured`, see `what_is_measured`.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> settings = {"seed_for.init": 5, "seed_for.order": None}
    >>> table = seed_parts([Run(Path("few/ewc-s3"), "few", seed=3, settings=settings)])
    >>> table.drop(columns="measured")
      study     run      draw  init  order
    0   few  ewc-s3  3 init=5     5      3
    """
    return pd.DataFrame(
        [
            parts_of(run.seed, run.settings)
            | {"study": run.study, "run": run.name, "draw": draw_of(run.seed, run.settings)}
            | {"measured": what_is_measured(run.settings)}
            for run in found
        ],
        columns=["study", "run", "draw", *purposes(found), "measured"],
    )


def what_is_measured(settings: Mapping[str, Any]) -> str:
    """The settings that say what is measured, as text: scores are compared only where they are alike.

    Test images are not named.

    >>> what_is_measured({"benchmark.scenario": "task", "training.test_on": "test"})
    'benchmark.scenario=task'
    """
    told = {key: settings.get(key) for key in MEASURED}
    return " ".join(f"{key}={value}" for key, value in told.items() if value not in (None, "test"))


def purposes(found: Sequence[Run]) -> list[str]:
    """All purposes of seeds that any run knows, in the order of the configuration.

    None has the name of a column that tables of runs have already.

    >>> from pathlib import Path
    >>> from cl_bench.records.runs import Run
    >>> settings = {"seed_for.init": 5, "seed_for.order": None}
    >>> purposes([Run(Path("few/ewc-s3"), "few", seed=3, settings=settings)])
    ['init', 'order']
    """
    known = dict.fromkeys(purpose for run in found for purpose in parts_of(run.seed, run.settings))
    columns = {*RUN, "draw", "measured", *(metric.name for metric in registered(MATRIX, WITH_REFERENCE))}
    return [purpose for purpose in known if purpose not in columns]


def moving_together(parts: pd.DataFrame) -> dict[str, np.ndarray]:
    """The parts of the seed that vary, as factors: those that always change together are one.

    A factor is named after all of its parts. Purposes that take one value are left out.

    Args:
        parts: one column per purpose, one row per run.

    Returns:
        Factor -> the level of each run, [n], from 0.

    >>> levels = {"init": [0, 1, 1], "order": [5, 6, 6], "noise": [0, 0, 1]}
    >>> factors = moving_together(pd.DataFrame(levels))
    >>> {name: factor.tolist() for name, factor in factors.items()}
    {'init + order': [0, 1, 1], 'noise': [0, 0, 1]}
    """
    factors: dict[tuple[int, ...], list[str]] = {}
    for purpose in parts:
        levels = tuple(int(code) for code in pd.factorize(parts[purpose])[0])
        if len(set(levels)) > 1:
            factors.setdefault(levels, []).append(str(purpose))
    return {" + ".join(names): np.array(levels) for levels, names in factors.items()}
