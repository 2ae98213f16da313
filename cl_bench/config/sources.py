"""Find the source of a class or function by its dotted name: nothing is imported, only read."""

import ast
import sys
from collections.abc import Iterator
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

MOST_HOPS = 20  # from import to import


class NotThereError(LookupError):
    """A name that a source file does not have; `near` are those that it has."""

    def __init__(self, message: str, *, wrong: str = "", near: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.wrong, self.near = wrong, near


class NoPythonError(NotThereError):
    """A module that Python cannot read either."""


class Imported(NamedTuple):
    """What `from module import name` or `import module` binds."""

    module: str
    name: str = ""  # empty: the module itself


class Source:
    """A module as it is written: what its top level binds."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path
        self.content = path.read_bytes()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.content, filename=str(self.path))

    @cached_property
    def bound(self) -> dict[str, ast.AST | Imported]:
        """Map each name to its class, function, assigned expression or import; the last one counts."""
        return dict(self._bound(self.tree.body))

    @cached_property
    def stars(self) -> list[str]:
        """List the modules of which everything is imported."""
        return [each.module for each in self.imports if each.name == "*"]

    @cached_property
    def imports(self) -> list[Imported]:
        """List every import, those in functions too; `import a.b` has no name, a star the name *."""
        imported = []
        for node in _statements(self.tree):
            if isinstance(node, ast.Import):
                imported += [Imported(alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                imported += [Imported(self._absolute(node), alias.name) for alias in node.names]
        return imported

    @cached_property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def _bound(self, body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST | Imported]]:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, node
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield alias.asname or alias.name, Imported(self._absolute(node), alias.name)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    yield (
                        alias.asname or alias.name.partition(".")[0],
                        Imported(alias.name if alias.asname else alias.name.partition(".")[0]),
                    )
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    for each in ast.walk(target):
                        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                            yield each.id, (node.value if each is target and node.value else node)
            elif isinstance(node, ast.If | ast.Try | ast.With):
                handlers = [part for each in getattr(node, "handlers", []) for part in each.body]
                yield from self._bound(handlers)
                yield from self._bound([*getattr(node, "orelse", []), *node.body])

    def _absolute(self, node: ast.ImportFrom) -> str:
        """Return the full name of the module that an import names relative to this one."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        kept = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*kept, *filter(None, [node.module])])


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every statement below a node; expressions, nine parts in ten of a tree, are left out."""
    for part in ("body", "handlers", "orelse", "finalbody", "cases"):
        for each in getattr(node, part, ()) if not isinstance(node, ast.expr) else ():
            yield each
            yield from _statements(each)


@lru_cache(maxsize=512)
def _read(name: str, path: Path, _written: int) -> Source:
    """Read a source once; a file that was written at another time is another one."""
    return Source(name, path)


class Found(NamedTuple):
    """A definition and the module that it stands in."""

    source: Source
    node: ast.AST


def locate(name: str) -> Found | None:
    """Return the definition that a dotted name ends in; None where only an import can tell (compiled code,
    say).

    Raises:
        NotThereError: where a file was read to its end that has no such name.
        NoPythonError: where a file is no Python.
    """
    parts = name.split(".")
    try:
        for length in range(len(parts) - 1, 0, -1):
            module = source_of(".".join(parts[:length]), throw=length == 1)
            if module is None and length == 1:
                return None
            if module is not None:
                rest = parts[length:]
                return look_up(module, rest[0]) if len(rest) == 1 else None
    except SyntaxError as error:
        where = f"{error.filename or parts[0]}, line {error.lineno}"
        raise NoPythonError(f"{where}: {error.msg}; correct it") from error
    except (OSError, ValueError, RecursionError):
        pass  # unreadable: importing it says why
    return None


def look_up(source: Source, name: str, hops: int = 0) -> Found | None:
    """Return the definition of a module's name, followed through imports; None where only an import can tell.

    Raises:
        NotThereError: where the module has no such name.
    """
    if hops > MOST_HOPS:
        return None
    if name in source.bound:
        bound = source.bound[name]
        if not isinstance(bound, Imported):
            return Found(source, bound)
        return _imported(bound, hops)
    inner = source_of(f"{source.name}.{name}") if source.is_package else None
    if inner is not None:
        return Found(inner, inner.tree)
    certain = "__getattr__" not in source.bound
    for each in source.stars:
        star = source_of(each)
        if star is None:
            certain = False
            continue
        try:
            definition = look_up(star, name, hops + 1)
        except NotThereError:
            continue
        if definition is not None:
            return definition
        certain = False
    if not certain or hasattr(sys.modules.get(source.name), name):
        return None
    public = tuple(each for each in source.bound if not each.startswith("_"))
    raise NotThereError(f"{source.name} has no {name}", wrong=name, near=public)


def _imported(bound: Imported, hops: int) -> Found | None:
    module = source_of(bound.module)
    if module is None:
        return None
    if not bound.name:
        return Found(module, module.tree)
    return look_up(module, bound.name, hops + 1)


def _lies_here(module: str) -> str:
    """Say what to type where a module that cannot be imported lies in the present folder."""
    file, package = Path(f"{module}.py"), Path(module)
    if not (file.is_file() or any(package.glob("*.py"))):
        return ""
    found = file if file.is_file() else f"{package}/"
    return (
        f" that Python finds. {found} lies in this folder: type PYTHONPATH=. before the command, as in "
        "PYTHONPATH=. cl-bench run ..."
    )


def source_of(name: str, *, throw: bool = False) -> Source | None:
    """Return a module's source; None where there is none to read.

    Raises:
        NotThereError: with `throw`, where there is no such package at all.
    """
    top, *rest = name.split(".")
    try:
        spec = getattr(sys.modules.get(top), "__spec__", None) or find_spec(top)  # imports nothing: no dots
    except (ValueError, ImportError):
        return None
    if spec is None:
        if throw and top not in sys.modules:
            raise NotThereError(f"there is no module {top}{_lies_here(top)}", wrong=top)
        return None
    if not rest:
        file = Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
        return _read(name, file, file.stat().st_mtime_ns) if file is not None and file.is_file() else None
    folders = [Path(each) for each in spec.submodule_search_locations or []]
    for part in rest[:-1]:
        folders = [folder / part for folder in folders if (folder / part).is_dir()]
    for folder in folders:
        for file in (folder / rest[-1] / "__init__.py", folder / f"{rest[-1]}.py"):
            if file.is_file():
                return _read(name, file, file.stat().st_mtime_ns)
    return None
