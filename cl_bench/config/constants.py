"""What a name or an expression in a source stands for, found without an import."""

import ast
import importlib
from collections.abc import Sequence
from typing import Any

from cl_bench import validation
from cl_bench.config.signatures import Function
from cl_bench.config.sources import Found, NotThereError, Source, look_up

LIBRARY = ("math", "numbers", "collections.abc", "typing")  # whose names rules may use


class UnknownError(LookupError):
    """A value that the source alone does not tell."""


def package_of(source: Source) -> str:
    """Return the package that a module belongs to."""
    return source.name.partition(".")[0]


class ClassAttributes:
    """What a class and its bases bind in their bodies, as attributes of what stands for `self`."""

    def __init__(self, classes: Sequence[Found]) -> None:
        self._classes = classes

    def __getattr__(self, name: str) -> Any:
        for each in self._classes:
            assert isinstance(each.node, ast.ClassDef)
            for statement in each.node.body:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                if isinstance(statement, ast.AnnAssign):
                    targets = [statement.target]
                value = getattr(statement, "value", None)
                if value is not None and any(ast.unparse(target) == name for target in targets):
                    return constant(value, each.source)
        raise AttributeError(name)


class _Constants:
    """The constants of a module, as attributes of what stands for it."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return constant(ast.Name(name, ast.Load()), self._source)


def constant(node: ast.AST, source: Source) -> Any:
    """Evaluate an expression of literals and of names that are bound to such; a check function, too.

    Raises:
        UnknownError: where it is something else.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        values: list[Any] = []
        for each in node.elts:
            starred = isinstance(each, ast.Starred)
            value = constant(each.value if isinstance(each, ast.Starred) else each, source)
            values += value if starred else [value]
        return tuple(values)
    if isinstance(node, ast.Dict):
        pairs = [(key, value) for key, value in zip(node.keys, node.values, strict=True) if key is not None]
        return {constant(key, source): _constant_or_none(value, source) for key, value in pairs}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -constant(node.operand, source)
    if isinstance(node, ast.Attribute):
        return getattr(constant(node.value, source), node.attr)
    if isinstance(node, ast.Name):
        return _named(node.id, source)
    raise UnknownError(ast.dump(node))


def _constant_or_none(node: ast.AST, source: Source) -> Any:
    try:
        return constant(node, source)
    except UnknownError:
        return None


def _named(name: str, source: Source) -> Any:
    bound = source.bound.get(name)
    if isinstance(bound, tuple) and bound.module in LIBRARY:
        library = importlib.import_module(bound.module)
        return getattr(library, bound.name) if bound.name else library
    try:
        definition = look_up(source, name)
    except NotThereError as error:
        raise UnknownError(name) from error
    if definition is None or package_of(definition.source) not in (package_of(source), "cl_bench"):
        raise UnknownError(name)
    if definition.source.name == validation.__name__ and isinstance(definition.node, Function):
        return getattr(validation, definition.node.name)
    if isinstance(definition.node, ast.Module):
        return _Constants(definition.source)
    if isinstance(definition.node, ast.expr):
        return constant(definition.node, definition.source)
    raise UnknownError(name)
