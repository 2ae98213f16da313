"""Files and names of code that comments, docstrings and pages mention are there."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = [
    path
    for folder in ("cl_bench", "speed", "gpu", "hydra_plugins", "tests", "docs/hooks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
OTHERS = [ROOT / "Makefile", ROOT / "pyproject.toml", *sorted((ROOT / "conf").rglob("*.yaml"))]
FILE = re.compile(r"(?<![\w./-])((?:[a-z_]+/)+[a-z_0-9]+\.py)\b")
NAME = re.compile(r"`(cl_bench\.)?([a-z_]+(?:\.\w+)+)(?:\([^`]*\))?`")
ENDINGS = ("csv", "json", "yaml")  # of files that runs leave, such as records.csv
# where a file that is mentioned may begin
STARTS = (ROOT, ROOT / "cl_bench", ROOT / "tests")


def names_of(path: Path) -> set[str]:
    """The names that a module defines or imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return found


ROOMS = {path.name for path in (ROOT / "cl_bench").iterdir() if path.is_dir()}
DEFINED: dict[str, set[str]] = defaultdict(set)  # the name of a module or room -> the names in it
for module in CODE:
    home = module.parent.name if module.stem == "__init__" else module.stem
    DEFINED[home] |= names_of(module)
    if home == module.stem:
        DEFINED[module.parent.name].add(home)


def words(path: Path) -> str:
    """What is meant for people: the comments and docstrings of a module, or all of another file."""
    text = path.read_text()
    if path.suffix != ".py":
        return text
    tree = ast.parse(text)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    told = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
    return "\n".join([*told, *re.findall(r"#[^\n]*", text)])


def test_every_file_that_is_mentioned_is_there():
    missing = {
        (path.name, found)
        for path in (*CODE, *PAGES, *OTHERS)
        for found in FILE.findall(words(path))
        if not any((start / found).exists() for start in (*STARTS, path.parent))
    }
    assert missing == set()


def is_there(names: list[str]) -> bool:
    """Whether a room has a module or name, and the module the next one; what follows is not looked at."""
    room, inner, *more = names
    return inner in DEFINED[room] and (not more or inner not in DEFINED or more[0] in DEFINED[inner])


def test_every_name_that_is_mentioned_is_there():
    """Names begin with a room, or are a module's constant. On pages a room has cl_bench before it: `data` is
    also the first word of settings.
    """
    missing = set()
    for path in (*CODE, *PAGES):
        for package, found in NAME.findall(words(path)):
            names = found.split(".")
            of_a_room = names[0] in ROOMS and (package or path.suffix == ".py") and names[-1] not in ENDINGS
            constant = len(names) == 2 and names[1].isupper()
            if (of_a_room and not is_there(names)) or (constant and names[1] not in DEFINED[names[0]]):
                missing.add((path.name, found))
    assert missing == set()


def test_what_is_gone_would_be_noticed():
    assert FILE.findall("see running/code_hashes.py") == ["running/code_hashes.py"]
    found = [names.split(".") for _, names in NAME.findall("of `kinds.KINDS`, `analysis.trade_offs.pareto`")]
    assert found == [["kinds", "KINDS"], ["analysis", "trade_offs", "pareto"]]
    assert not is_there(found[1])
    assert "KINDS" not in DEFINED["kinds"]
    assert "KINDS" in DEFINED["figure_kinds"]
    assert is_there(["analysis", "pareto", "pareto"])
    assert not is_there(["analysis", "pareto", "nothing"])
