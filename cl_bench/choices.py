"""The choices in conf/ by group, read from the file names alone: no configuration is composed."""

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from cl_bench.places import conf_folder

GROUPS = (
    *("experiment", "benchmark", "benchmark/dataset", "strategy", "model", "training", "tracking"),
    "hydra/launcher",
)


def folders() -> list[Path]:
    """Our own conf/ and those of installed packages that plug in by the entry point `cl_bench.conf`."""
    found = [conf_folder()]
    for entry_point in sorted(entry_points(group="cl_bench.conf")):
        spec = find_spec(entry_point.value)
        found += [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    return found


def choices(group: str) -> dict[str, Path]:
    """Name -> file, sorted; where two packages have the same name, the first wins, as in Hydra."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted((folder / group).glob("*.yaml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def describe(path: Path) -> str:
    """The file's first comment that is no directive to Hydra."""
    for line in path.read_text().splitlines():
        if line.startswith("#") and not line.lstrip("# ").startswith("@"):
            return line.lstrip("# ").strip()
    return ""
