"""The rules of settings as constructors have them, found in the source and tried without an import.

A rule is a statement of a constructor that looks at its settings and at constants alone, and can raise:
`check_count(epochs=epochs)`, or `if not 0 <= decay <= 1: raise ValueError(...)`. It is run as it stands, so
that its words are the constructor's own. A setting that is handed on to another function of the package, or
to the base class, is followed there. What cannot be decided so is left to the constructor.
"""

import ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import CodeType
from typing import Any, NamedTuple

from cl_bench import validation
from cl_bench.config.constants import ClassAttributes, UnknownError, constant, package_of
from cl_bench.config.signatures import Function, Signature, constructor, is_super_init, resolved, signature_of
from cl_bench.config.sources import Found, Source

MOST_CALLS = 5  # from function to function
# what a rule may call besides the checks: none of them does anything
TYPES: list[Any] = [bool, dict, float, int, list, range, set, str, tuple, type]
FUNCTIONS: list[Any] = [
    abs,
    all,
    any,
    enumerate,
    filter,
    isinstance,
    len,
    map,
    max,
    min,
    repr,
    round,
    sorted,
    sum,
    zip,
]
SAFE: dict[str, Any] = {each.__name__: each for each in [*TYPES, *FUNCTIONS, ValueError, TypeError]}


UNKNOWN: Any = object()


class Setting(NamedTuple):
    """A stand-in for the value of the setting of this name, or for its default where it is not set."""

    name: str
    default: Any = UNKNOWN


# what a name in a function stands for: a setting, a mapping of `**names`, or a plain value
Meaning = Setting | dict[str, Any] | Any


class Rule(NamedTuple):
    """A statement that raises where a setting is wrong, and what its names stand for."""

    code: CodeType
    names: dict[str, Meaning]

    def broken_by(self, settings: Mapping[str, Any]) -> str:
        """Return the rule's error for these settings; empty where there is none, or where it cannot tell."""
        try:
            space = {name: _value(meaning, settings) for name, meaning in self.names.items()}
            exec(self.code, {"__builtins__": SAFE} | space)
        except ValueError as error:
            return str(error)
        except Exception:
            return ""  # not a value that this rule can look at: its type is looked at elsewhere
        return ""


def rule(statement: ast.stmt, names: dict[str, Meaning]) -> Rule:
    """Find the rules that one statement states."""
    module = ast.fix_missing_locations(ast.Module([statement], []))
    return Rule(compile(module, "<rule>", "exec"), names)


def rules_of(signature: Signature) -> list[Rule]:
    """List the rules of a target in the order in which it would apply them."""
    (first, *others) = signature.constructors
    names: dict[str, Meaning] = {name: Setting(name) for name in signature.parameters}
    if signature.classes:
        assert isinstance(first.node, Function)
        names[first.node.args.args[0].arg] = ClassAttributes(signature.classes)
    return list(_Reader(others).of(first, names))


def unused_settings(target: str) -> dict[str, str]:
    """Return the settings of `training` that a strategy says it does not use, with the reason for each.

    Raises:
        NotThereError: where there is no such class or function.
    """
    signature = signature_of(target)
    with suppress(AttributeError, UnknownError):
        found = ClassAttributes(signature.classes if signature is not None else ()).unused
        return dict(found) if isinstance(found, dict) else {}
    return {}


def _value(meaning: Meaning, settings: Mapping[str, Any]) -> Any:
    if isinstance(meaning, Setting):
        value = settings.get(meaning.name, meaning.default)
        if value is UNKNOWN:
            raise UnknownError(meaning.name)
        return value
    if isinstance(meaning, dict):  # of `**names` what is known
        known = {name: each for name, each in meaning.items() if _is_known(each, settings)}
        return {name: _value(each, settings) for name, each in known.items()}
    return meaning


def _is_known(meaning: Meaning, settings: Mapping[str, Any]) -> bool:
    return not isinstance(meaning, Setting) or meaning.name in settings or meaning.default is not UNKNOWN


class _Reader:
    """A reader of the rules of one target; `constructors`: those of its base classes, called in turn."""

    def __init__(self, constructors: list[Found], calls: int = 0) -> None:
        self.constructors, self.calls = constructors, calls

    def of(self, found: Found, names: dict[str, Meaning]) -> Iterator[Rule]:
        """Yield the rules of a function whose names mean this."""
        assert isinstance(found.node, Function)
        defaults = _defaults(found)
        names = {
            name: each._replace(default=defaults[name])
            if isinstance(each, Setting) and name in defaults
            else each
            for name, each in names.items()
        }
        if found.node.args.kwarg is not None:
            own = parameters_of(found.node)
            rest = {name: each for name, each in names.items() if name not in own}
            names.setdefault(found.node.args.kwarg.arg, rest)
        for statement in found.node.body:
            yield from self._of_statement(statement, found.source, names)
            for name in _bound_in(statement):
                names.pop(name, None)  # no longer what was handed over
            if isinstance(statement, ast.Return) or (
                isinstance(statement, ast.If) and any(isinstance(n, ast.Return) for n in ast.walk(statement))
            ):
                return  # what comes after it is not always done

    def _of_statement(self, statement: ast.stmt, source: Source, names: dict[str, Meaning]) -> Iterator[Rule]:
        known = _only_raises(statement) and _meanings(statement, source, names)
        if known:
            yield rule(statement, known)
            return
        if isinstance(statement, ast.For | ast.With):
            for inner in statement.body:
                yield from self._of_statement(inner, source, names)
            return
        for call in _always_called(statement):
            yield from self._of_call(call, source, names)

    def _of_call(self, call: ast.Call, source: Source, names: dict[str, Meaning]) -> Iterator[Rule]:
        if is_super_init(call):
            if self.constructors:
                base, *others = self.constructors
                assert isinstance(base.node, Function)
                handed = _handed_over(call, base.node, source, names, method=True)
                handed |= {"self": names["self"]} if "self" in names else {}
                yield from _Reader(others, self.calls).of(base, handed)
            return
        target, method = resolved(source, call.func), False
        if target is not None and isinstance(target.node, ast.ClassDef):
            target, method = constructor(target), True
        if target is None or not isinstance(target.node, Function):
            return
        if target.source.name == validation.__name__:
            statement = ast.copy_location(ast.Expr(call), call)
            known = _meanings(statement, source, names)
            if known:
                yield rule(statement, known)
        elif self.calls < MOST_CALLS and package_of(target.source) == package_of(source):
            handed = _handed_over(call, target.node, source, names, method=method)
            if any(isinstance(meaning, Setting | dict) for meaning in handed.values()):
                yield from _Reader([], self.calls + 1).of(target, handed)


def _only_raises(statement: ast.stmt) -> bool:
    """Whether a statement can do nothing but raise, if the functions that it calls do no more."""
    if isinstance(statement, ast.If | ast.For):
        return all(map(_only_raises, [*statement.body, *statement.orelse]))
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call | ast.Constant)
    return isinstance(statement, ast.Raise | ast.Pass)


def _meanings(statement: ast.stmt, source: Source, names: Mapping[str, Meaning]) -> dict[str, Meaning]:
    """Map every name that the statement reads to its meaning.

    The result is empty where a name is neither a setting nor a constant, or where none is a setting.
    """
    inside = set(_bound_in(statement))
    meanings: dict[str, Meaning] = {}
    for node in ast.walk(statement):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = resolved(source, node.value.func)
            if called is None or called.source.name != validation.__name__:
                return {}
        if not isinstance(node, ast.Name) or node.id in inside or node.id in SAFE:
            continue
        if node.id in names:
            meanings[node.id] = names[node.id]
            continue
        try:
            meanings[node.id] = constant(node, source)
        except UnknownError:
            return {}
    return meanings if any(isinstance(each, Setting | dict) for each in meanings.values()) else {}


def _bound_in(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _always_called(statement: ast.stmt) -> Iterator[ast.Call]:
    """Yield the calls that are made whenever the statement is reached, outermost first."""
    if isinstance(statement, ast.If | ast.While):
        yield from _calls(statement.test)
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Return) and (
        statement.value is not None
    ):
        yield from _calls(statement.value)


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    if isinstance(node, ast.Lambda | ast.IfExp):
        return
    if isinstance(node, ast.Call):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _calls(child)


def parameters_of(function: Function) -> set[str]:
    """Return the names of a function's parameters."""
    arguments = function.args
    return {each.arg for each in (*arguments.args, *arguments.posonlyargs, *arguments.kwonlyargs)}


def _handed_over(
    call: ast.Call, function: Function, source: Source, names: Mapping[str, Meaning], *, method: bool
) -> dict[str, Meaning]:
    """Return what the parameters of the called function mean there, less those of which nothing is known."""
    handed: dict[str, Meaning] = {}
    positional = [each.arg for each in (*function.args.posonlyargs, *function.args.args)][int(method) :]
    given = [*zip(positional, call.args, strict=False)]
    given += [(each.arg, each.value) for each in call.keywords if each.arg is not None]
    for name, expression in given:
        try:
            if isinstance(expression, ast.Name) and expression.id in names:
                handed[name] = names[expression.id]
            else:
                handed[name] = constant(expression, source)
        except UnknownError:
            continue
    taken = {name for name, _ in given}
    own = parameters_of(function)
    others = [each.value for each in call.keywords if each.arg is None]  # by **
    for expression in others:
        known = names.get(expression.id) if isinstance(expression, ast.Name) else None
        # a function's own parameters are not among its others
        rest = known if isinstance(known, dict) else names
        handed |= {name: each for name, each in rest.items() if name not in taken}
    if not others and function.args.kwarg is not None:
        extra = {name: each for name, each in handed.items() if name not in own}
        return {name: each for name, each in handed.items() if name in own} | {function.args.kwarg.arg: extra}
    return handed


def _defaults(function: Found) -> dict[str, Any]:
    """Return those defaults of a function's parameters that are constants."""
    assert isinstance(function.node, Function)
    arguments = function.node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    last = positional[len(positional) - len(arguments.defaults) :]
    pairs = [
        *zip(last, arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    found: dict[str, Any] = {}
    for parameter, default in pairs:
        if default is not None:
            with suppress(UnknownError):
                found[parameter.arg] = constant(default, function.source)
    return found
