"""Run folders to be merged, and what is in a folder."""

import json
import os
from pathlib import Path

from cl_bench import records
from cl_bench.records import Record, State

NAME = "split_digits-ewc-s{seed}-0123abcd"


def make(
    results: Path,
    *,
    seed: int = 0,
    study: str = "study",
    status: str = "finished",
    accuracy: float = 0.5,
    num_records: int = 4,
) -> Path:
    """A run folder of two tasks."""
    folder = results / study / NAME.format(seed=seed)
    folder.mkdir(parents=True)
    pairs = [(after, on) for after in (1, 2) for on in (1, 2)][:num_records]
    rows = [Record(seed, after, on, accuracy, 0.7, 10, brier=0.1) for after, on in pairs]
    if rows:
        records.append(folder / "records.csv", *rows)
        records.append(folder / "states.csv", State(seed, 1, 0.1, 0.0, 8, 8, 1.0, 4, float("nan")))
    about = {"study": study, "benchmark": "split_digits", "strategy": "ewc", "seed": seed, "hash": "0123abcd"}
    about |= {"status": status, "scenario": "task", "num_tasks": 2, "wall_seconds": 1.0}
    about |= {"weights_sha256": "0" * 64} if status == "finished" else {}
    (folder / "run.json").write_text(json.dumps(about))
    return folder


def contents(folder: Path) -> dict[str, tuple[int, int, bytes | str]]:
    """Path -> mode, time and bytes of everything below, but for locks; a link's bytes are what it says."""
    found: dict[str, tuple[int, int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        if ".locks" in path.parts:
            continue
        inside: bytes | str = ""
        if path.is_symlink():
            inside = os.fspath(path.readlink())
        elif path.is_file():
            inside = path.read_bytes()
        time = 0 if path.is_dir() and not path.is_symlink() else about.st_mtime_ns
        found[str(path.relative_to(folder))] = about.st_mode, time, inside
    return found
