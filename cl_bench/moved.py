"""Documented modules that have moved: their old names still import, and warn.

Only names that README, docs, notebooks or the packages of `cl-bench new` have shown are kept.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# old module -> where its names are now, without `cl_bench.`; an empty one is a package that is gone
MOVED: dict[str, tuple[str, ...]] = {
    "analysis.measured": ("analysis.run_metrics",),
    "analysis.others": ("analysis.other_definitions",),
    "analysis.probe_curves": ("analysis.curves",),
    "analysis.statistics": ("analysis.paired_tests",),
    "analysis.trade_offs": ("analysis.pareto",),
    "posteriors.laplace": ("posteriors.quadratic_penalty",),
    "running": (),
    "running.tracking": ("runner.tracking",),
    "strategies.checks": ("validation",),
    "strategies.experiences": ("learner.experiences",),
    "strategies.learner": ("learner.base", "strategies.finetune"),
    "strategies.rehearsal": ("learner.rehearsal",),
    "strategies.sampling": ("learner.sampling",),
    "testing.claims": ("learner.claims",),
    "testing.contract": ("conformance.contract",),
    "training": (),
    "training.experiment": ("evaluation.experiment",),
    "training.generators": ("learner.seeds",),
}


# names in packages and modules -> the modules that have them now
NAMES = {
    "analysis.comparison.sentence": "report.sentences",
    "analysis.comparison.sentences": "report.sentences",
    "analysis.over_seeds.seen_and_unseen": "analysis.curves",
    "analysis.over_seeds.state_curves": "analysis.curves",
    "analysis.published_table": "report.published_table",
    "analysis.summary.average_curves": "analysis.curves",
    "analysis.summary.forgetting_curves": "analysis.curves",
    "analysis.text_table": "report.text_table",
}


def moved_name(package: str, name: str) -> Any:
    """Return what a package or module has given under this name before, for its `__getattr__`.

    Raises:
        AttributeError: where it never had.
    """
    home = NAMES.get(f"{package.removeprefix('cl_bench.')}.{name}")
    if home is None:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    warnings.warn(f"{package}.{name} is now in cl_bench.{home}", FutureWarning, stacklevel=3)
    return getattr(import_module(f"cl_bench.{home}"), name)


class _Names(Loader):
    """A loader of an old name as a module that has the names of the new ones."""

    def __init__(self, homes: Sequence[str]) -> None:
        self._homes = homes

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        for home in self._homes:
            found = vars(import_module(home))
            vars(module).update({name: value for name, value in found.items() if not name.startswith("__")})
        if self._homes:
            now = " and ".join(self._homes)
            warnings.warn(f"{module.__name__} is now {now}: import from there", FutureWarning, stacklevel=2)


class _Finder(MetaPathFinder):
    """A finder that is asked after Python's own, so that a module that is there always wins."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        package, _, old = name.partition(".")
        if package != "cl_bench" or old not in MOVED:
            return None
        homes = [f"cl_bench.{home}" for home in MOVED[old]]
        return ModuleSpec(name, _Names(homes), is_package=not homes)


def keep_old_names() -> None:
    """Let the old names be imported; a second call changes nothing."""
    if not any(isinstance(each, _Finder) for each in sys.meta_path):
        sys.meta_path.append(_Finder())
