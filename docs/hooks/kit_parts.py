"""What a page says of the conformance kit: its questions, and what a strategy can claim."""

import ast
import re
from pathlib import Path
from typing import Any

from docs.hooks.markdown import table

ROOT = Path(__file__).resolve().parents[2]


def questions() -> str:
    """List all questions of the kit, in their order: name, question, and what usually makes one fail."""
    kit = ROOT / "cl_bench" / "conformance"
    by_check: dict[tuple[str, str], tuple[str, str]] = {}
    for path in kit.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                for asked in filter(_is_check, node.decorator_list):
                    by_check[path.stem, node.name] = _asked(asked)
    order = [
        (node.value.id, node.attr)
        for node in ast.walk(ast.parse((kit / "catalogue.py").read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    rows = [_row(name, *by_check[module, name]) for module, name in order if (module, name) in by_check]
    return table(("question, and its name", "a failure is usually"), list(dict.fromkeys(rows)))


def _row(name: str, question: str, cause: str) -> tuple[str, str]:
    """Write a row of the table of questions; asterisks stand as they are."""
    question, cause = (text.replace("*", "\\*") for text in (question, cause))
    return f"{question}<br>`{name}`", cause


def _is_check(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check"


def _asked(node: Any) -> tuple[str, str]:
    (cause,) = [each.value for each in node.keywords if each.arg == "cause"]
    return ast.literal_eval(node.args[0]), ast.literal_eval(cause)


def claims() -> str:
    """List what a strategy can claim: each attribute with its default and meaning."""
    tree = ast.parse((ROOT / "cl_bench" / "learner" / "claims.py").read_text())
    (claims_class,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    meanings = _attributes(ast.get_docstring(claims_class) or "")
    rows = [
        (
            f"`{node.target.id}`",
            f"`{ast.unparse(node.value).replace('NOTHING', '{}')}`",
            meanings[node.target.id],
        )
        for node in claims_class.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    ]
    return table(("claim", "default", "meaning"), rows)


def _attributes(docstring: str) -> dict[str, str]:
    """Return what the section `Attributes:` says of each."""
    meanings: dict[str, str] = {}
    name = ""
    for line in docstring.partition("Attributes:\n")[2].splitlines():
        first = re.match(r"    (\w+): (.*)", line)
        if first:
            name = first[1]
        meanings[name] = f"{meanings.get(name, '')} {first[2] if first else line.strip()}".strip()
    return meanings
