"""Run folders to be merged, and what is in a folder."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from cl_bench import records
from cl_bench.cli.main import main
from cl_bench.records.rows import Record, State

Capture = pytest.CaptureFixture[str]
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


def merged(*sources: Path, into: Path, capsys: Capture) -> tuple[int, str]:
    """The exit status and all that was said."""
    status = main(["merge", *map(str, sources), "-o", str(into)])
    said = "".join(capsys.readouterr())
    assert all(line.isprintable() for line in said.splitlines())
    return status, said


# A file of a run as something else


def annexed(run: Path, name: str) -> None:
    objects = run.parents[1] / ".git" / "annex"
    objects.mkdir(parents=True, exist_ok=True)
    (run / name).rename(objects / name)
    (run / name).symlink_to(f"../../.git/annex/{name}")


def dangling(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to("../../.git/annex/objects/xx/not-fetched")


def absolute(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to("/etc/hostname")


def circle(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(name)


def folder_link(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to("..")


def pipe(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)


def unix_socket(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    here = Path.cwd()
    os.chdir(run)  # its path may not be long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
    finally:
        os.chdir(here)


def device(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    try:
        os.mknod(run / name, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices are made by root alone")


def sparse(run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    with (run / name).open("wb") as file:
        file.truncate(2**42)
