"""Runs that are killed at random moments until they end, and what must be the same then."""

import json
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from cl_bench import records
from cl_bench.runner.run import execute
from cl_bench.runner.run_folder import RunFolder
from cl_bench.runner.stopped import Stopped


def about(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def outcome(folder: Path) -> dict[str, Any]:
    """What must not depend on how often the run was stopped: rows, without seconds, and final weights."""
    states = records.read(folder / "states.csv", records.State)
    return {
        "records": (folder / "records.csv").read_bytes(),
        "calibration": (folder / "calibration.csv").read_bytes(),
        "states": [repr(state._replace(training_seconds=0.0)) for state in states],
        "weights": about(folder)["weights_sha256"],
        "status": about(folder)["status"],
        "files": sorted(path.name for path in folder.iterdir()),
    }


def in_child(configs: Sequence[DictConfig]) -> int:
    """Run them one after another in a child process (which has imported all this one has); its number."""
    child = os.fork()
    if child:
        return child
    status = 1
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        for config in configs:
            execute(config, show_progress=False)
        status = 0
    except Stopped as stopped:
        status = int(stopped.code or 1)
    except KeyboardInterrupt:
        status = 130
    finally:
        os._exit(status)


def ended_within(child: int, seconds: float) -> int | None:
    """Its exit status, or None where it goes on."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def kill_until_done(
    configs: Sequence[DictConfig], *, kills: int, moments: random.Random, longest: float
) -> tuple[int, int]:
    """Kill the process that runs them by SIGKILL, at most so many times, each time after at most `longest`
    seconds, and start it again.

    Returns:
        How often it was killed, and the exit status of the process that came to an end.
    """
    killed = 0
    while True:
        child = in_child(configs)
        status = ended_within(child, moments.uniform(0.1, longest) if killed < kills else 600)
        if status is not None:
            return killed, status
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1


def all_finished(configs: Sequence[DictConfig]) -> bool:
    return all(RunFolder(config).finished() for config in configs)
