"""Hashes of the source that a run's numbers come from; nothing of it is imported.

There are two hashes. `source` is of the files as they are. `compiled` is of what Python makes of them, the
same for one version of Python only: comments, docstrings, blank lines and line numbers do not count. Code is
the same where either agrees.
"""

import hashlib
import marshal
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from cl_bench.config.sources import NotThereError, Source, locate, source_of
from cl_bench.version import __version__

PACKAGE = "cl_bench"
# what decides the numbers; data sets have fingerprints of their own
ROOMS = ("models", "posteriors", "streams", "learner", "strategies", "evaluation")
ENGINE = ("cl_bench.streams.benchmark", "cl_bench.evaluation.experiment", "cl_bench.learner.process")
VERSIONED = ("avalanche", "hydra", "numpy", "torch", "torchvision")  # run.json has their versions
HOME = Path(__file__).resolve().parents[1]


def code_of(targets: Iterable[str], *, seen: str | None = None) -> dict[str, Any]:
    """Return fingerprints of the code behind these paths of classes and functions, such as my.module.Mine.

    `outside` has every module that is not of cl_bench: those of the targets, and the modules of one's own
    that they import. `cl_bench` has version, commit, whether there are changes since, and the hashes of the
    modules that these targets use.

    Args:
        targets: of the classes and functions.
        seen: a `tree` of earlier; where cl_bench is still that, nothing else is asked of it.
    """
    targets = sorted({target for target in targets if target.partition(".")[0] not in VERSIONED})
    same = seen == tree()
    mine = [target for target in targets if target.partition(".")[0] != PACKAGE]
    sources = _reached(mine, ours=False) if same else _reached([*ENGINE, *targets], ours=True)
    ours = {name: source for name, source in sources.items() if name.partition(".")[0] == PACKAGE}
    outside = {name: _hashes([source]) for name, source in sources.items() if name not in ours}
    outside |= {target: {"source": "unknown"} for target in mine if not _found(target)}
    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "cl_bench": {"tree": tree()} if same else {**_release(), "tree": tree(), **_hashes(ours.values())},
        "outside": dict(sorted(outside.items())),
    }


def changed_since_import(targets: Iterable[str]) -> list[str]:
    """List modules of these targets that were edited after this process imported them, and not reloaded."""
    changed = []
    for name, source in _reached(sorted(targets), ours=False).items():
        module = sys.modules.get(name)
        if module is None:
            continue
        written = set(_codes(compile(source.content, str(source.path), "exec")))
        if any(_bare(code) not in written for code in _living(module)):
            changed.append(name)
    return changed


def _found(target: str) -> str:
    """Return the module that a target is written in; empty where it cannot be found.

    The target's path may lead through a package's __init__.
    """
    try:
        definition = locate(target)
    except NotThereError:
        return ""
    if definition is not None:
        return definition.source.name
    module = target.rpartition(".")[0]
    while module and source_of(module) is None:  # a class in a class
        module = module.rpartition(".")[0]
    return module


def _reached(starts: Sequence[str], *, ours: bool) -> dict[str, Source]:
    """Map each module that the targets reach to its source.

    They are the starts (modules, or targets in them) and all modules of one's own that they import; with
    `ours` also those of cl_bench.
    """
    sources: dict[str, Source] = {}
    own = {start.partition(".")[0] for start in starts} - {PACKAGE, *VERSIONED}
    left = [start if source_of(start) else _found(start) for start in starts]
    while left:
        name = left.pop()
        source = source_of(name) if name and name not in sources else None
        if source is None or not _decides(name, source.path, own, ours=ours):
            continue
        sources[name] = source
        for module, taken in source.imports:
            if _is_others(module.partition(".")[0], own):
                continue
            inside = f"{module}.{taken}" if taken else module
            left.append(inside if source_of(inside) else _found(inside))
            if module.partition(".")[0] != PACKAGE:
                left.append(module)
    return dict(sorted(sources.items()))


def _is_others(package: str, own: set[str]) -> bool:
    """Whether nothing of an imported package decides numbers, so that its modules need not be looked for."""
    if package == PACKAGE or package in own:
        return False
    source = source_of(package)
    return source is not None and _is_installed(source.path)


def _decides(name: str, path: Path, own: set[str], *, ours: bool) -> bool:
    """Whether numbers may depend on a module in a way that no version tells."""
    first, *rest = name.split(".")
    if first == PACKAGE:
        return ours and bool(rest) and rest[0] in ROOMS and path.name != "__init__.py"
    return first in own or not _is_installed(path)


def _is_installed(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in _installed())


@cache
def _installed() -> tuple[Path, ...]:
    """Return the folders of Python's own modules and of installed packages.

    Those of another environment, which PYTHONPATH or --system-site-packages add, are among them.
    """
    paths = sysconfig.get_paths()
    places = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    others = [place for place in sys.path if place and _has_packages(Path(place))]
    return tuple({Path(place).resolve() for place in (*places, *others, site.getusersitepackages())})


def _has_packages(place: Path) -> bool:
    """Whether an installer put packages there."""
    named = place.name in ("site-packages", "dist-packages")
    return named or next(place.glob("*.dist-info"), None) is not None


def _hashes(modules: Iterable[Source]) -> dict[str, str]:
    source, compiled = hashlib.sha256(), hashlib.sha256()
    for module in sorted(modules, key=lambda each: each.path):
        source.update(hashlib.sha256(module.content).digest())
        compiled.update(_compiled(module))
    return {"source": source.hexdigest()[:16], "compiled": compiled.hexdigest()[:16]}


@lru_cache(maxsize=512)
def _compiled(module: Source) -> bytes:
    """Return what a module does, as bytes; its text where Python does not understand it."""
    try:
        return _bare(compile(module.tree, "", "exec", optimize=2))
    except (SyntaxError, ValueError):
        return module.content


def _bare(code: CodeType) -> bytes:
    """Return what a code object does: without lines, file name and (compiled with optimize=2) docstrings."""
    return marshal.dumps(_without_places(code), 2)


def _without_places(code: CodeType) -> CodeType:
    inside = tuple(_without_places(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename="", co_firstlineno=1, co_linetable=b"", co_consts=inside)


def _codes(code: CodeType) -> Iterator[bytes]:
    """Yield a code object and all in it."""
    yield _bare(code)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _living(module: ModuleType) -> Iterator[CodeType]:
    """Yield the code of the functions and methods that a module defines, as they are in this process."""
    for value in list(vars(module).values()):
        members = vars(value).values() if isinstance(value, type) else [value]
        for each in members:
            function = getattr(each, "__func__", each)
            if (
                isinstance(function, FunctionType)
                and function.__module__ == module.__name__
                and function.__code__.co_filename == getattr(module, "__file__", None)
            ):
                yield function.__code__


def tree() -> str:
    """Hash all of cl_bench that decides numbers: where that is the same, nothing else need be asked."""
    return tree_of(*ROOMS)


@cache
def tree_of(*rooms: str) -> str:
    """Hash the files of these subpackages."""
    digest = hashlib.sha256()
    for room in rooms:
        for path in sorted((HOME / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _release() -> Mapping[str, Any]:
    """Return the version, and in a checkout the commit and whether files differ from it."""
    commit, dirty = None, None
    if (HOME.parent / ".git").exists():
        commit = _git("rev-parse", "--short=12", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", PACKAGE, "conf")
        dirty = None if changes is None else bool(changes)
    return {"version": __version__, "commit": commit, "dirty": dirty}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(HOME.parent), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
