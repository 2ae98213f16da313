"""The parts of pages that are made from conf/, the code and results/reference, by the names they have there.

A line `<!-- made: name argument -->` of a page is replaced, with the paragraph above it that says where a
checkout has the same. Nothing here imports torch.
"""

import ast
import re
import runpy
from collections.abc import Callable
from pathlib import Path

from cl_bench.analysis.registry import registered
from cl_bench.cli.package import render
from docs.hooks.how_to import citation
from docs.hooks.kit_parts import claims, questions
from docs.hooks.markdown import block, table
from docs.hooks.strategy_parts import mathematics, strategies
from docs.hooks.study_parts import studies

ROOT = Path(__file__).resolve().parents[2]
IN_A_CHECKOUT = "> In a checkout: "  # how that paragraph begins, a line long
MARK = re.compile(rf"(?:^{IN_A_CHECKOUT}[^\n]*\n\n)?^<!-- made: (\w+) ?([\w./]*) -->$", flags=re.MULTILINE)


def expand(markdown: str) -> str:
    """Put every made part into its place on the page.

    Raises:
        KeyError: for a part that does not exist.
    """
    return MARK.sub(lambda found: PARTS[found[1]](*filter(None, [found[2]])), markdown)


# Results


def columns(kind: str) -> str:
    """List the columns of a file of records, with the comments that they have there."""
    path = ROOT / "cl_bench" / "records" / "rows.py"
    source = path.read_text()
    lines = source.splitlines()
    (row_class,) = [
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == kind
    ]
    rows = []
    for node in row_class.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            comment = lines[node.lineno - 1].partition("  # ")[2]
            rows.append((f"`{node.target.id}`", ast.unparse(node.annotation), comment))
    return table(("column", "type", "meaning"), rows)


# Metrics


def metrics() -> str:
    """Every metric of the registry: what it is called and is, its unit, which way is better, its columns."""
    rows = [
        (
            each.title + (f" ({each.short})" if each.short else ""),
            each.meaning,
            each.unit,
            each.better,
            f"`{each.name}`",
        )
        for each in registered()
    ]
    return table(("metric", "what it is", "unit", "better", "columns `..._mean`, `_low`, `_high`"), rows)


# Examples


def example(kind: str) -> str:
    """Show the files that `cl-bench new my_<kind> --kind <kind>` writes: class, YAML, test."""
    name = f"my_{kind}"
    files = render(name, kind=kind)
    chosen = (f"{name}/strategy.py", f"{name}/conf/strategy/{name}.yaml")
    languages = {".py": "python", ".yaml": "yaml"}
    return "\n\n".join(
        block(files[path], languages[Path(path).suffix], title=f"{name}/{path}") for path in chosen
    )


def package() -> str:
    """Show what all of the packages have in common."""
    files = render("my_penalty", kind="penalty")
    chosen = {"pyproject.toml": "toml", "tests/test_my_penalty.py": "python"}
    return "\n\n".join(
        block(files[path], language, title=f"my_penalty/{path}") for path, language in chosen.items()
    )


# Files


def include(name: str) -> str:
    """Show a file of the repository."""
    return (ROOT / name).read_text()


def module(path: str) -> str:
    """Show a module as a file that a reader can copy."""
    return block((ROOT / path).read_text(), "python", title=Path(path).name)


# The rooms of the package


def rooms() -> str:
    """Write a row for each room of cl_bench: what it is, and what it may import."""
    may_import = runpy.run_path(str(ROOT / "tests" / "rooms.py"))["MAY_IMPORT"]
    rows = []
    for room, others in may_import.items():
        path = ROOT / "cl_bench" / room
        source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
        said = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0].replace("\n", " ")
        rows.append((f"`{room}`", said, ", ".join(f"`{other}`" for other in sorted(others)) or "nothing"))
    return table(("room", "what it is", "may import"), rows)


PARTS: dict[str, Callable[..., str]] = {
    part.__name__: part
    for part in (
        strategies,
        mathematics,
        studies,
        columns,
        metrics,
        example,
        package,
        questions,
        claims,
        rooms,
        include,
        module,
        citation,
    )
}
