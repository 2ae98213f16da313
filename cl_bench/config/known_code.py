"""The code that conf/ and installed packages name, and at which setting: a stranger may name no other.

A class that is harmless as a data set need not be so as a plugin: a name counts at its own place only.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cl_bench.config.choices import folders
from cl_bench.records.identity import LATER_KEY

ITEM = "[]"  # stands in a place for any position in a list
STOCK = ("strategy", "path")  # the class of one of Avalanche's strategies
STOCK_SETTINGS = ("strategy", "settings")  # of that class
OPTIMIZER = ("training", "optimizer")
TORCHS = re.compile(r"torch\.optim\.[A-Za-z]\w*")  # a name of that module, which must be an optimizer's class
# texts that are never imported, although one may look like the path of a class: test.tar, my.study
TEXTS = {("study",), ("results_dir",), ("benchmark", "dataset", "path")}
WHAT = {("model", "what"), ("plugins", ITEM, "what")}  # of `GIVEN`
TEXT_KEYS = {"name", "root"}
GIVEN = "cl_bench.python.given"
DATASET = ("benchmark", "dataset")
OF_SEVERAL = ("datasets", "parts")  # lists in it, whose items are data sets themselves
_DOTTED = re.compile(r"[^\W\d]\w*([.:][^\W\d]\w*)+")
_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
_SPEAKS_OF_CODE = re.compile(r"(?<![\w.])_\w+_['\"]?\s*:|^\s*-.*@", re.MULTILINE)

Place = tuple[str, ...]  # the keys from the top on, such as ("strategy", "_target_")


class Named(NamedTuple):
    """A setting that names code, or says how it is called."""

    place: Place
    value: str

    def __str__(self) -> str:
        return f"{'.'.join(self.place).replace('.' + ITEM, ITEM)}={self.value!r}"


def names_in(node: Any, place: Place = ()) -> Iterator[Named]:
    """Yield whatever names code in a configuration.

    It is Hydra's keys (`_target_`, `_args_` and the like), and texts that are the path of something in a
    module that exists. In a strategy of Avalanche's a path or an address is code, too.
    """
    if place[:2] == DATASET and place[2:3] and place[2] in OF_SEVERAL and place[3:4] == (ITEM,):
        place = (*DATASET, *place[4:])
    if isinstance(node, dict):
        for key, value in node.items():
            inner = (*place, str(key))
            if str(key).startswith("_") and key != LATER_KEY:  # its values are looked at below
                yield Named(inner, str(value))
            yield from names_in(value, inner)
    elif isinstance(node, list):
        for value in node:
            yield from names_in(value, (*place, ITEM))
    elif isinstance(node, str) and _may_be_imported(place, node):
        yield Named(place, node)


def _may_be_imported(place: Place, text: str) -> bool:
    if place in TEXTS or place in WHAT or place[-1] in TEXT_KEYS or place[-1].startswith("_"):
        return False
    if place[:2] == STOCK_SETTINGS and set(text) & set("/:\\"):
        return True  # timm, for one, loads whatever weights hf-hub:somebody/something has
    return (place == STOCK and "." in text) or _is_path_of_code(text)


def is_known(named: Named, known: set[Named]) -> bool:
    """Whether conf/ or an installed package names it at this setting.

    So are strategies of Avalanche's and optimizers of torch's at theirs.
    """
    if named == Named((*DATASET, "_partial_"), "True"):
        return True  # in what is made of several data sets; of a single one it gives no data
    if named.place == OPTIMIZER and TORCHS.fullmatch(named.value):
        return True
    if named.place[-1] == "_target_" and named.value.startswith(f"{GIVEN}."):
        return True  # it says only that this part was given from Python
    return named in known or (named.place == STOCK and named.value.startswith("avalanche."))


def known_names() -> set[Named]:
    """Return all that conf/ and the configurations of installed packages name, each at its setting."""
    names: set[Named] = set()
    for folder in folders():
        contents = {path: text for path, text in _read(folder) if _SPEAKS_OF_CODE.search(text)}
        read = {path: _parsed(text) for path, text in contents.items()}
        elsewhere = _packages(folder, read, contents)
        for path, content in read.items():
            group = path.parent.relative_to(folder).as_posix()
            for place in (_own_place(path, folder, contents[path]), *elsewhere[group]):
                names |= set(names_in(content, place))
    return names


def _read(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*.yaml")):
        yield path, path.read_text(errors="replace")


def _parsed(text: str) -> dict[str, Any]:
    """Parse the settings of a file; none where it is not YAML, which Hydra will say when it is chosen."""
    try:
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _own_place(path: Path, folder: Path, text: str) -> Place:
    """Return the place that a file's settings go to: its group, or what `# @package` says."""
    group = tuple(path.parent.relative_to(folder).parts)
    match = _PACKAGE.search(text)
    return group if match is None or match[1] == "_group_" else _of_package(match[1], group)


def _of_package(package: str, within: Place) -> Place:
    """Turn Hydra's name of a place into one; a relative name is within that of the file that says it."""
    parts = tuple(package.split("."))
    if parts[0] == "_global_":
        return parts[1:]
    return within if package == "_here_" else parts


def _packages(
    folder: Path, read: dict[Path, dict[str, Any]], texts: dict[Path, str]
) -> dict[str, set[Place]]:
    """Map groups to other places where Defaults lists put their choices: `/model@_global_.model: cnn`."""
    places: dict[str, set[Place]] = defaultdict(set)
    for path, content in read.items():
        here = _own_place(path, folder, texts[path])
        own_group = path.parent.relative_to(folder)
        for entry in content.get("defaults") or ():
            chosen = next(iter(entry)) if isinstance(entry, dict) and entry else entry
            group, at, package = str(chosen).removeprefix("override ").strip().partition("@")
            if not at:
                continue
            if not isinstance(entry, dict):  # it names a file of the group
                group = group.rpartition("/")[0]
            full = group[1:] if group.startswith("/") else (own_group / group).as_posix()
            inside = package.startswith("_")
            places[full].add(_of_package(package, here) if inside else (*here, *package.split(".")))
    return places


def _is_path_of_code(text: str) -> bool:
    return _DOTTED.fullmatch(text) is not None and _is_module(re.split("[.:]", text)[0])


@cache
def _is_module(name: str) -> bool:
    """Whether a module of this name exists; without dots this imports nothing."""
    try:
        return name in sys.modules or find_spec(name) is not None
    except (ImportError, ValueError):
        return False
