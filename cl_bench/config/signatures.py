"""What a class or function takes, and of which types, read from its source: nothing is imported.

`**learner` of a constructor is followed to the base class that it is handed on to.
"""

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from cl_bench.config.sources import Found, NotThereError, Source, locate, look_up
from cl_bench.records.identity import LATER_KEY, without_neutral

Function = ast.FunctionDef | ast.AsyncFunctionDef
LISTS = ("Sequence", "list", "List", "tuple", "Tuple", "Iterable", "Collection")
MAPPINGS = ("Mapping", "dict", "Dict")
WORDS = {"float": "a number", "int": "a whole number", "bool": "true or false", "str": "a text"}


class Parameter(NamedTuple):
    """One setting that a target takes."""

    annotation: ast.expr | None
    required: bool
    optional: bool  # None is its default, whatever its annotation says


class Signature(NamedTuple):
    """What a target takes."""

    parameters: dict[str, Parameter]
    open: bool  # whether it takes settings of any other name
    constructors: list[Found]  # the function itself, or the constructors that are called, the class's first
    classes: tuple[Found, ...] = ()  # the class and its bases, in Python's order


def signature_of(target: str) -> Signature | None:
    """Read the signature of a class or function by its dotted name; None where only an import can tell.

    Raises:
        NotThereError: where there is no such name.
    """
    definition = locate(target)
    if definition is None:
        return None
    if isinstance(definition.node, Function):
        return _of_constructors([definition], unknown=False, method=False)
    if isinstance(definition.node, ast.ClassDef):
        constructors = [
            init for base in bases(definition) if base is not None for init in [constructor(base)] if init
        ]
        unknown = None in bases(definition)
        if not constructors:
            return None
        found = _of_constructors(constructors, unknown=unknown)
        return found._replace(classes=tuple(filter(None, bases(definition))))
    return None


def for_the_strategy(strategy: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a strategy, by its settings, gets of `training`.

    What came later and is neutral is handed to those alone that have a name for it, and no setting of their
    own by that name: a strategy of before has none.
    """
    signature = None
    with suppress(NotThereError):
        signature = signature_of(str(strategy.get("_target_")))
    named = signature.parameters.keys() - strategy.keys() if signature is not None else set()
    given = without_neutral(training)
    return {
        name: value
        for name, value in training.items()
        if name in given or (name in named and name != LATER_KEY)
    }


def _of_constructors(constructors: list[Found], *, unknown: bool, method: bool = True) -> Signature:
    """Return what a class takes: its own constructor's parameters, and what it hands on by `**`."""
    first, *others = constructors
    node = first.node
    assert isinstance(node, Function)
    parameters = _parameters(node)
    if method:
        parameters.pop(node.args.args[0].arg, None)
    if node.args.kwarg is None:
        return Signature(parameters, False, [first])
    handed = handed_on(node)
    if handed is None or not others:
        settings = _settings_object(first)
        if settings is None:
            return Signature(parameters, True, [first])
        inner, given = settings
        inherited = {name: each for name, each in inner.parameters.items() if name not in given}
        return Signature({**inherited, **parameters}, inner.open, [first])
    base = _of_constructors(others, unknown=unknown)
    inherited = {name: each for name, each in base.parameters.items() if name not in handed}
    return Signature({**inherited, **parameters}, base.open, [first, *base.constructors])


def _settings_object(function: Found) -> tuple[Signature, set[str]] | None:
    """Return what `Settings(name=..., **rest)` of a function takes, a class of its package, and the names
    that are set there.
    """
    node = function.node
    assert isinstance(node, Function)
    rest = node.args.kwarg.arg if node.args.kwarg else None
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and any(
            each.arg is None and _is_name(each.value, rest) for each in call.keywords
        ):
            found = resolved(function.source, call.func)
            init = constructor(found) if found is not None and isinstance(found.node, ast.ClassDef) else None
            if init is not None:
                given = {each.arg for each in call.keywords if each.arg is not None}
                return _of_constructors([init], unknown=False), given
    return None


def handed_on(node: Function) -> dict[str, ast.expr] | None:
    """Return what `super().__init__(name=..., **rest)` sets itself; None where nobody gets the rest."""
    rest = node.args.kwarg.arg if node.args.kwarg else None
    for call in ast.walk(node):
        if not (isinstance(call, ast.Call) and is_super_init(call)):
            continue
        if any(each.arg is None and _is_name(each.value, rest) for each in call.keywords):
            return {each.arg: each.value for each in call.keywords if each.arg is not None}
    return None


def is_super_init(node: ast.AST) -> bool:
    """Whether a node is a call of `super().__init__`."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__"


def bases(definition: Found) -> list[Found | None]:
    """Return a class and its bases in the order in which Python looks; None for one that cannot be read."""
    order: list[Found | None] = [definition]
    assert isinstance(definition.node, ast.ClassDef)
    for expression in definition.node.bases:
        base = resolved(definition.source, expression)
        if base is None or not isinstance(base.node, ast.ClassDef):
            order.append(None)
        else:
            order += bases(base)
    # of one that comes twice, the last place: what all share comes after all
    last = {(each.source.name, each.node.name) if each else None: each for each in reversed(order)}  # type: ignore[attr-defined]
    return list(reversed(last.values()))


def resolved(source: Source, expression: ast.expr) -> Found | None:
    """Return the definition that a name, or a name of an imported module, stands for."""
    try:
        if isinstance(expression, ast.Subscript):  # Generic[...]
            return resolved(source, expression.value)
        if isinstance(expression, ast.Name):
            return look_up(source, expression.id)
        if isinstance(expression, ast.Attribute):
            owner = resolved(source, expression.value)
            if owner is not None and isinstance(owner.node, ast.Module):
                return look_up(owner.source, expression.attr)
    except (NotThereError, OSError, SyntaxError, ValueError):
        pass  # a builtin, or a file that cannot be read
    return None


def constructor(definition: Found) -> Found | None:
    """Return the constructor that a class itself has."""
    assert isinstance(definition.node, ast.ClassDef)
    for node in definition.node.body:
        if isinstance(node, Function) and node.name == "__init__":
            return Found(definition.source, node)
    return None


def _parameters(node: Function) -> dict[str, Parameter]:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = [
        *zip(positional, [*defaults, *arguments.defaults], strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return {
        argument.arg: Parameter(
            argument.annotation,
            default is None,
            isinstance(default, ast.Constant) and default.value is None,
        )
        for argument, default in pairs
    }


def _is_name(node: ast.expr, name: str | None) -> bool:
    return isinstance(node, ast.Name) and node.id == name


# Types


def fits(value: Any, parameter: Parameter) -> bool:
    """Whether a value has the annotated type; true where the annotation says nothing about plain values."""
    return (value is None and parameter.optional) or _fits(value, parameter.annotation)


def _fits(value: Any, annotation: ast.expr | None) -> bool:
    annotation = _unquoted(annotation)
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return value is None
    if isinstance(annotation, ast.BinOp):
        return _fits(value, annotation.left) or _fits(value, annotation.right)
    if isinstance(annotation, ast.Subscript):
        name, inner = _last_name(annotation.value), annotation.slice
        if name == "Optional":
            return value is None or _fits(value, inner)
        if name == "Union" and isinstance(inner, ast.Tuple):
            return any(_fits(value, each) for each in inner.elts)
        if name in MAPPINGS:
            return isinstance(value, dict)
        if name in LISTS:
            items = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
            return isinstance(value, list | tuple) and all(_fits(each, items) for each in value)
        return True
    number = isinstance(value, int | float) and not isinstance(value, bool)
    rules = {
        "float": number,
        "int": number and isinstance(value, int),
        "bool": isinstance(value, bool),
        "str": isinstance(value, str),
    }
    return rules.get(_last_name(annotation), True)


def type_in_words(annotation: ast.expr | None) -> str:
    """Describe an annotated type, such as `a whole number or null`."""
    annotation = _unquoted(annotation)
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return "null"
    if isinstance(annotation, ast.BinOp):
        return f"{type_in_words(annotation.left)} or {type_in_words(annotation.right)}"
    if isinstance(annotation, ast.Subscript) and _last_name(annotation.value) in MAPPINGS:
        return "a mapping of settings to values"
    if isinstance(annotation, ast.Subscript) and _last_name(annotation.value) in LISTS:
        inner = annotation.slice.elts[0] if isinstance(annotation.slice, ast.Tuple) else annotation.slice
        of = {"int": "whole numbers", "float": "numbers", "str": "texts"}.get(_last_name(inner))
        return f"a list of {of}" if of else "a list"
    return WORDS.get(_last_name(annotation), ast.unparse(annotation) if annotation else "anything")


def _unquoted(annotation: ast.expr | None) -> ast.expr | None:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None
    return annotation


def _last_name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


# Documentation


def arguments_told(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield what the section `Args:` says of each setting."""
    lines = docstring.partition("Args:\n")[2].splitlines()
    told: dict[str, list[str]] = {}
    names: list[str] = []
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if not line.strip() or indent == 0:
            break
        head, colon, rest = line.strip().partition(":")
        if indent <= 4 and colon and all(part.strip().isidentifier() for part in head.split(",")):
            names = [part.strip() for part in head.split(",")]
            told |= {name: [rest.strip()] for name in names}
        elif indent > 4:
            for name in names:
                told[name].append(line.strip())
        else:
            names = []
    for name, parts in told.items():
        yield name, " ".join(parts)
