"""The choices in conf/ by group, read from the file names alone: no configuration is composed."""

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from cl_bench.places import conf_folder

GROUPS = (
    *("experiment", "benchmark", "benchmark/dataset", "strategy", "model", "training", "tracking"),
    "hydra/launcher",
)


def folders() -> dict[Path, str]:
    """Our own conf/ and those of installed packages that plug in by the entry point `cl_bench.conf`, each
    with the name of its package.
    """
    found = {conf_folder(): "cl_bench"}
    for entry_point in sorted(entry_points(group="cl_bench.conf")):
        spec = find_spec(entry_point.value)
        package = entry_point.dist.name if entry_point.dist else entry_point.name
        for place in (spec.submodule_search_locations or []) if spec else []:
            found.setdefault(Path(place), package)
    return found


def choices(group: str) -> dict[str, Path]:
    """Name -> file, sorted; where two packages have the same name, the first wins, as in Hydra."""
    return {name: path for name, (path, _) in with_packages(group).items()}


def with_packages(group: str) -> dict[str, tuple[Path, str]]:
    """The same with the name of the package that each choice comes from."""
    found: dict[str, tuple[Path, str]] = {}
    for folder, package in folders().items():
        for path in sorted((folder / group).glob("*.yaml")):
            found.setdefault(path.stem, (path, package))
    return dict(sorted(found.items()))


def describe(path: Path) -> str:
    """The file's first comment that is no directive to Hydra."""
    for line in path.read_text().splitlines():
        if line.startswith("#") and not line.lstrip("# ").startswith("@"):
            return line.lstrip("# ").strip()
    return ""
