"""A run folder with every file that a run can leave. Loaded by path, since tests are no package."""

import json
import math
from pathlib import Path

from cl_bench import records
from cl_bench.records.rows import CalibrationBin, Foreign, Probe, Record, State

NAN = math.nan


def measure(run: Path, *, seed: int, num_tasks: int, diverged: bool = False, posterior: bool = True) -> Path:
    """Adds uncertainty to records.csv, and states.csv, calibration.csv, probes.csv and ood.csv."""
    tests = records.read(run / "records.csv")
    (run / "records.csv").unlink()
    uncertain = (0.1, 0.5, NAN if diverged else 1.0 + 0.1 * seed, 0.2 if posterior else NAN)
    records.append(run / "records.csv", *[Record(*test[:6], *uncertain) for test in tests])
    drift = math.inf if diverged else 50.0 + seed if posterior else NAN
    records.append(
        run / "states.csv",
        *[
            State(
                seed,
                after,
                drift if after else NAN,
                NAN,
                1000,
                500,
                0.5,
                4,
                NAN if after in (0, num_tasks) else 0.8,
            )
            for after in range(num_tasks + 1)
        ],
    )
    records.append(
        run / "calibration.csv",
        *[
            CalibrationBin(
                seed, test.after_task, test.on_task, place, 10, NAN if diverged else place / 15, 0.5
            )
            for test in tests
            for place in (3, 9)
        ],
    )
    records.append(
        run / "probes.csv",
        *[
            Probe(seed, task, 4 * task - rest, on, 0.5 + 0.01 * seed, 1.0, 50)
            for task in range(1, num_tasks + 1)
            for rest in (2, 0)
            for on in range(1, task + 1)
        ],
    )
    records.append(
        run / "ood.csv",
        *[
            Foreign(
                seed,
                after,
                1,
                NAN if diverged else 0.9 - 0.01 * seed,
                NAN if diverged else 0.8,
                0.7 if posterior and not diverged else NAN,
                50,
            )
            for after in range(1, num_tasks + 1)
        ],
    )
    about = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(about | {"ood": ["letters"]}))
    return run
