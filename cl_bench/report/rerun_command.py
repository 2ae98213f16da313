"""The command that does a run again."""

import ast
import re
import shlex
from collections.abc import Iterator
from typing import Any

from cl_bench.records.identity import is_incidental
from cl_bench.records.runs import Run, Scalar

# chosen by name; a dataset belongs to its benchmark, a strategy may choose a model
_GROUPS = ("benchmark", "benchmark/dataset", "model", "strategy")
_PLAIN = re.compile(r"[A-Za-z_][\w./-]*$")
_WORDS = ("true", "false", "null", "nan", "inf", "infinity", "yes", "no", "on", "off")


def command(run: Run) -> str:
    """A line for the shell that leads to the same hash of settings.

    A run that recorded its arguments is begun with these. The hash is the same while no file in conf/
    changes. For an older run the line names every setting that it had.
    """
    arguments = run.about.get("arguments")
    if not (isinstance(arguments, list) and all(isinstance(each, str) for each in arguments)):
        arguments = list(_all_settings(run))
    return " ".join(["cl-bench", "run", *map(_word, arguments)])


def _word(argument: str) -> str:
    """A word for the shell; a character without a sign is written as in Bash's $'...', never obeyed."""
    if argument.isprintable():
        return shlex.quote(argument)
    return f"$'{''.join(map(_sign, argument))}'"


def _sign(sign: str) -> str:
    return sign if sign.isprintable() and sign not in "\\'" else f"\\U{ord(sign):08x}"


def _all_settings(run: Run) -> Iterator[str]:
    settings = run.settings
    yield f"study={_value(run.study)}"
    for group in _GROUPS:
        name = settings.get(f"{group.replace('/', '.')}.name")
        if name is not None:
            yield f"{group}={_value(name)}"
    yield "tuned=none"
    yield f"seed={run.seed}"
    for key, setting in settings.items():
        named = key == "seed" or key.endswith((".name", "._target_"))
        if not named and not is_incidental(key) and key in (run.about.get("settings") or {}):
            yield f"++{key}={_value(_unlisted(setting))}"


def _unlisted(setting: Scalar) -> Any:
    """Read a list, which run.json has as its text."""
    if isinstance(setting, str) and setting.startswith("["):
        try:
            return ast.literal_eval(setting)
        except (ValueError, SyntaxError, MemoryError, RecursionError):  # no list, or a very deep one
            pass
    return setting


def _value(value: Any) -> str:
    """Write a value in the grammar of Hydra's overrides."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_value, value)) + "]"
    if isinstance(value, str) and not (_PLAIN.match(value) and value.lower() not in _WORDS):
        # a backslash is one, unless a quotation mark follows
        escaped = re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)\Z", r"\1\1", value))
        return f"'{escaped}'"
    return repr(value) if isinstance(value, float) else str(value)
