"""The source that a run's numbers come from, found and hashed without importing it.

Two hashes are kept of it. `source` is of the files as they are. `compiled` is of what Python makes of them:
comments, docstrings, blank lines and line numbers do not count, but it is the same for one version of Python
only. Code is the same where either agrees.
"""

import ast
import hashlib
import importlib.util
import marshal
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

PACKAGE = "cl_bench"
# what decides the numbers; data sets have fingerprints of their own
ROOMS = ("models", "posteriors", "strategies", "streams", "training")
ENGINE = ("cl_bench.streams.benchmark", "cl_bench.training.experiment", "cl_bench.training.process")
VERSIONED = ("avalanche", "hydra", "numpy", "torch", "torchvision")  # run.json has their versions
HOME = Path(__file__).resolve().parent


def code_of(targets: Iterable[str], *, seen: str | None = None) -> dict[str, Any]:
    """Fingerprints of the code behind these paths of classes and functions, such as my.module.Mine.

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
    found = _reached(mine, ours=False) if same else _reached([*ENGINE, *targets], ours=True)
    ours = {name: path for name, path in found.items() if name.partition(".")[0] == PACKAGE}
    outside = {name: _hashes([path]) for name, path in found.items() if name not in ours}
    outside |= {target: {"source": "unknown"} for target in mine if not _found(target)}
    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "cl_bench": {"tree": tree()} if same else {**_release(), "tree": tree(), **_hashes(ours.values())},
        "outside": dict(sorted(outside.items())),
    }


def changed_since_import(targets: Iterable[str]) -> list[str]:
    """The modules of these targets that were edited after this process imported them, and not reloaded."""
    changed = []
    for name, path in _reached(sorted(targets), ours=False).items():
        module = sys.modules.get(name)
        if module is None:
            continue
        written = set(_codes(compile(path.read_bytes(), str(path), "exec")))
        if any(_bare(code) not in written for code in _living(module)):
            changed.append(name)
    return changed


def module_path(name: str) -> Path | None:
    """The file of a module, found without importing it or the packages that it lies in."""
    first, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):  # ValueError: a module without a spec, such as __main__
        return None
    if spec is None:
        return None
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    path = Path(spec.origin) if spec.has_location and spec.origin else None
    for part in rest:
        files = [folder / inside for folder in folders for inside in (f"{part}/__init__.py", f"{part}.py")]
        path = next(filter(Path.is_file, files), None)
        if path is None:
            return None
        folders = [path.parent] if path.name == "__init__.py" else []
    return path if path is not None and path.suffix == ".py" else None


def _found(target: str) -> str:
    """The module that a target is written in, where its path may lead through a package's __init__."""
    module, _, attribute = target.rpartition(".")
    while module and module_path(module) is None:  # a class in a class
        module, _, attribute = module.rpartition(".")
    if not module:
        return ""
    for name, taken in _imports(module):
        if attribute and attribute in taken and name != module and module_path(name) is not None:
            return _found(f"{name}.{attribute}")
    return module


def _reached(starts: Sequence[str], *, ours: bool) -> dict[str, Path]:
    """Module -> file: of the starts (modules, or targets in them) and all of one's own that they import;
    with `ours` also those of cl_bench.
    """
    found: dict[str, Path] = {}
    own = {start.partition(".")[0] for start in starts} - {PACKAGE, *VERSIONED}
    left = [start if module_path(start) else _found(start) for start in starts]
    while left:
        name = left.pop()
        path = module_path(name) if name and name not in found else None
        if path is None or not _decides(name, path, own, ours=ours):
            continue
        found[name] = path
        for module, taken in _imports(name):
            inside = [f"{module}.{part}" for part in taken]
            left += [each if module_path(each) else _found(each) for each in inside] or [module]
            if module.partition(".")[0] != PACKAGE:
                left.append(module)
    return dict(sorted(found.items()))


def _decides(name: str, path: Path, own: set[str], *, ours: bool) -> bool:
    """Whether numbers may depend on a module in a way that no version tells."""
    first, *rest = name.split(".")
    if first == PACKAGE:
        return ours and bool(rest) and rest[0] in ROOMS and path.name != "__init__.py"
    return first in own or not any(path.is_relative_to(place) for place in _installed())


@cache
def _installed() -> tuple[Path, ...]:
    """Where Python's own modules and installed packages lie."""
    paths = sysconfig.get_paths()
    places = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple({Path(place).resolve() for place in (*places, site.getusersitepackages())})


def _imports(module: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(module, names taken from it) of every import, also of those in functions."""
    path = module_path(module)
    tree = None if path is None else _tree_of(path, path.stat().st_mtime_ns)
    if tree is None or path is None:
        return
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in tree:
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            name = ".".join(filter(None, [*base, node.module]))
            yield name, tuple(alias.name for alias in node.names if alias.name != "*")


@cache
def _tree_of(path: Path, when: int) -> list[ast.stmt] | None:
    """The import statements of a file as it is at a time; None where it is no Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def _hashes(paths: Iterable[Path]) -> dict[str, str]:
    source, compiled = hashlib.sha256(), hashlib.sha256()
    for path in sorted(paths):
        content = path.read_bytes()
        source.update(hashlib.sha256(content).digest())
        try:
            compiled.update(_bare(compile(content, "", "exec", optimize=2)))
        except (SyntaxError, ValueError):
            compiled.update(content)
    return {"source": source.hexdigest()[:16], "compiled": compiled.hexdigest()[:16]}


def _bare(code: CodeType) -> bytes:
    """What a code object does: without lines, file name and (compiled with optimize=2) docstrings."""
    return marshal.dumps(_without_places(code), 2)


def _without_places(code: CodeType) -> CodeType:
    inside = tuple(_without_places(each) if isinstance(each, CodeType) else each for each in code.co_consts)
    return code.replace(co_filename="", co_firstlineno=1, co_linetable=b"", co_consts=inside)


def _codes(code: CodeType) -> Iterator[bytes]:
    """A code object and all in it."""
    yield _bare(code)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _living(module: ModuleType) -> Iterator[CodeType]:
    """The code of the functions and methods that a module defines, as they are in this process."""
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
    """A hash of all of cl_bench that decides numbers: where it is the same, nothing else need be asked."""
    return tree_of(*ROOMS)


@cache
def tree_of(*rooms: str) -> str:
    """A hash of these subpackages' files."""
    digest = hashlib.sha256()
    for room in rooms:
        for path in sorted((HOME / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _release() -> Mapping[str, Any]:
    """Version, and in a checkout the commit and whether files differ from it."""
    from cl_bench import __version__

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
