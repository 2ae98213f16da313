"""The choices in conf/ by group, read from the file names alone: no configuration is composed."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cl_bench.config.places import conf_folder

GROUPS = (
    "experiment",
    "benchmark",
    "benchmark/dataset",
    "strategy",
    "model",
    "training",
    "tracking",
    "hydra/launcher",
)

_given: list[Path] = []  # the folders of --config-dir, of the command that is at work


def look_in(given: Iterable[str | Path]) -> None:
    """Count the choices in these folders of --config-dir, too, in place of those given before."""
    _given[:] = map(Path, given)


@contextmanager
def looking_in(given: Iterable[str | Path]) -> Iterator[None]:
    """Count the choices in these folders within the block; those given before count again after it."""
    before = folders_given()
    look_in(given)
    try:
        yield
    finally:
        look_in(before)


def folders_given() -> tuple[Path, ...]:
    """Return the folders of `look_in`."""
    return tuple(_given)


def folders_told(hydra: Any) -> tuple[Path, ...]:
    """Return the folders of --config-dir and hydra.searchpath that Hydra's part of a configuration names."""
    return tuple(
        Path(each.path)
        for each in hydra.runtime.config_sources
        if each.schema == "file" and "command-line" in each.provider
    )


def folders() -> dict[Path, str]:
    """Return the folders of configurations, each with the name of its package.

    They are our own conf/, those of installed packages that plug in by the entry point `cl_bench.conf`, and
    those of `look_in`, each a package of its name.
    """
    packages = {conf_folder(): "cl_bench"} | {folder: folder.name for folder in _given}
    for entry_point in plugged_in():
        package = entry_point.dist.name if entry_point.dist else entry_point.name
        for place in _places(entry_point.value, package):
            packages.setdefault(Path(place), package)
    return packages


def plugged_in(group: str = "cl_bench.conf") -> tuple[EntryPoint, ...]:
    """Return the entry points of a group that installed packages have, sorted."""
    return _plugged_in(group, tuple((place, _changed(place)) for place in sys.path))


@lru_cache(maxsize=2)  # to read them takes a while, and a command asks often
def _plugged_in(group: str, places: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=group)))


def _changed(place: str) -> int:
    """Return when something was last installed in a folder; 0 where there is no such folder."""
    try:
        return Path(place).stat().st_mtime_ns
    except OSError:
        return 0


def _places(module: str, package: str) -> list[str]:
    """Return the folders of a package of YAML files; none where it is not installed."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # of a package that it lies in
        spec = None
    if spec is None:
        _say_missing(module, package)
        return []
    return list(spec.submodule_search_locations or [])


@cache
def _say_missing(module: str, package: str) -> None:
    """Warn, once for each, about an entry point whose package is not there."""
    print(
        f"cl-bench: cannot read the configurations of {package}: its entry point cl_bench.conf names "
        f"{module}, which is not installed; install the package again, or correct its pyproject.toml",
        file=sys.stderr,
    )


def choices(group: str) -> dict[str, Path]:
    """Map the name of each choice to its file, sorted; of one name the first package's wins, as in Hydra."""
    return {name: path for name, (path, _) in with_packages(group).items()}


def with_packages(group: str) -> dict[str, tuple[Path, str]]:
    """Map the name of each choice to its file and the name of its package."""
    files: dict[str, tuple[Path, str]] = {}
    for folder, package in folders().items():
        for path in sorted((folder / group).glob("*.yaml")):
            files.setdefault(path.stem, (path, package))
    return dict(sorted(files.items()))


def hidden_choices(more: Iterable[str | Path]) -> Iterator[str]:
    """Yield a sentence for each file of these folders whose name is taken, so that Hydra takes another."""
    for folder in more:
        for group in GROUPS:
            named = choices(group)
            for path in sorted(Path(folder, group).glob("*.yaml")):
                taken = named.get(path.stem)
                if taken is not None and taken.read_bytes() != path.read_bytes():
                    yield (
                        f"{path} is not used, since there is {group}={path.stem} already: give it a name of "
                        "its own"
                    )


def say_hidden(more: Iterable[str | Path]) -> None:
    """Warn of each of the `hidden_choices`."""
    for note in hidden_choices(more):
        print(f"cl-bench: {note}", file=sys.stderr)


def by_group() -> dict[str, list[str]]:
    """Map each group that users choose from to its choices; groups without any are left out."""
    return {group: names for group in GROUPS if (names := list(choices(group)))}


def subgroups(group: str) -> list[str]:
    """List the groups within a group, such as tuned/split_mnist in tuned: folders that hold choices."""
    return sorted(
        {
            f"{group}/{place.name}"
            for folder in folders()
            for place in (folder / group).glob("*")
            if place.is_dir() and any(place.glob("*.yaml"))
        }
    )


def all_groups() -> list[str]:
    """List all groups: those that users choose from first, then all others that conf/ has."""
    others = {place.name for folder in folders() for place in folder.glob("*") if place.is_dir()} - {"hydra"}
    groups = [group for group in (*GROUPS, *sorted(others)) if choices(group) or subgroups(group)]
    return list(dict.fromkeys(groups))


def describe(path: Path) -> str:
    """Return the file's first comment that is no directive to Hydra."""
    for line in path.read_text().splitlines():
        if line.startswith("#") and not line.lstrip("# ").startswith("@"):
            return line.lstrip("# ").strip()
    return ""
