"""What each room of the package may import: no arrow runs up, and what judges imports nothing that trains."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from rooms import CLIENTS, MAY_IMPORT

HOME = Path(__file__).resolve().parents[1] / "cl_bench"


def modules(room: str) -> list[Path]:
    folder = HOME / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [HOME / f"{room}.py"]


def imported(path: Path) -> Iterator[str]:
    """The rooms of the imports of a module, wherever in it they stand."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "cl_bench":
            yield from (alias.name for alias in node.names if not alias.name.startswith("__"))
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("cl_bench."):
            yield str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (each.name.split(".")[1] for each in node.names if each.name.startswith("cl_bench."))


def test_every_room_is_listed():
    there = {path.stem for path in HOME.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert there == {*MAY_IMPORT, *CLIENTS}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_it_may(room):
    found = {(path.name, other) for path in modules(room) for other in imported(path) if other != room}
    assert {(name, other) for name, other in found if other not in MAY_IMPORT[room]} == set()


def test_the_list_has_no_circle():
    left = dict(MAY_IMPORT)
    while left:
        free = {room for room, others in left.items() if not (others - {room}) & left.keys()}
        assert free, f"these import each other: {sorted(left)}"
        left = {room: others for room, others in left.items() if room not in free}


def test_what_is_listed_is_used():
    unused = {
        (room, other)
        for room, others in MAY_IMPORT.items()
        for other in others - {room}
        if other not in {each for path in modules(room) for each in imported(path)}
    }
    assert unused == set()


@pytest.mark.parametrize("room", sorted(MAY_IMPORT.keys() | {"cli"}))
def test_tests_mirror_the_rooms(room):
    if (HOME / room).is_dir() and room != "testing":
        assert any((HOME.parent / "tests" / room).glob("test_*.py"))
