"""Results folders that somebody has spoiled on purpose: each function spoils one run of a folder of two."""

import json
import os
import runpy
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
GOOD = "permuted_mnist-ewc-s0-ab12cd"  # stays as it is
BAD = "permuted_mnist-ewc-s1-ab12cd"  # is spoiled


def write_base(results: Path) -> Path:
    """Two finished runs of one method, with every file that a run leaves."""
    write_run = runpy.run_path(str(TESTS / "analysis" / "synthetic.py"))["write_run"]
    measure = runpy.run_path(str(TESTS / "figures" / "full_runs.py"))["measure"]
    for seed in (0, 1):
        run = measure(write_run(results, seed=seed), seed=seed, num_tasks=3)
        change(run, arguments=["strategy=ewc", f"seed={seed}"])
        (run / "config.yaml").write_text(f"study: study\nseed: {seed}\n")
    return results


def bad(results: Path) -> Path:
    return results / "study" / BAD


def change(run: Path, **about: Any) -> None:
    """Put these into run.json."""
    path = run / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | about))


def set_settings(run: Path, settings: dict[str, Any]) -> None:
    change(run, settings=json.loads((run / "run.json").read_text())["settings"] | settings)


def replace_in(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def row(path: Path, *fields: object) -> None:
    """One row more."""
    with path.open("a") as file:
        file.write(",".join(map(str, fields)) + "\n")


Spoil = Callable[[Path], object]  # of the results folder


def _deep(opening: str, closing: str, inside: str = "1") -> str:
    return opening * 200_000 + inside + closing * 200_000


def in_run_json(**about: Any) -> Spoil:
    return lambda results: change(bad(results), **about)


def as_run_json(text: str) -> Spoil:
    return lambda results: (bad(results) / "run.json").write_text(text)


def in_rows(name: str, *fields: object) -> Spoil:
    return lambda results: row(bad(results) / name, *fields)


def instead(name: str, make: Callable[[Path], object]) -> Spoil:
    """Something else in the place of the file."""

    def spoil(results: Path) -> None:
        path = bad(results) / name
        path.unlink()
        make(path)

    return spoil


def a_socket(path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(path.parent)  # its whole path may be too long
    try:
        server.bind(path.name)
    finally:
        os.chdir(here)
        server.close()


def a_large_file(path: Path) -> None:
    """Of 64 GiB that take no room."""
    with path.open("wb") as file:
        file.truncate(2**36)


ODD_FILES: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": a_socket,
    "folder": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "loop": lambda path: path.symlink_to(path.name),
    "nowhere": lambda path: path.symlink_to("nothing/here"),
    "endless": lambda path: path.symlink_to("/proc/self/mem"),
    "large": a_large_file,
}
