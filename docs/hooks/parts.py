"""The parts of pages that are made from conf/, the code and results/reference, by the names they have there.

A line `<!-- made: name argument -->` of a page is replaced, with the paragraph above it that says where a
checkout has the same. Nothing here imports torch.
"""

import ast
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from cl_bench.analysis.registry import registered
from cl_bench.cli.package import render
from cl_bench.config.choices import choices, describe
from cl_bench.config.rules import unused_settings
from docs.hooks import reference
from docs.hooks.how_to import citation

ROOT = Path(__file__).resolve().parents[2]
IN_A_CHECKOUT = "> In a checkout: "  # how that paragraph begins, a line long
MARK = re.compile(rf"(?:^{IN_A_CHECKOUT}[^\n]*\n\n)?^<!-- made: (\w+) ?([\w./]*) -->$", flags=re.MULTILINE)


def expand(markdown: str) -> str:
    """Put every made part into its place on the page.

    Raises:
        KeyError: for a part that does not exist.
    """
    return MARK.sub(lambda found: PARTS[found[1]](*filter(None, [found[2]])), markdown)


# Strategies


def strategies() -> str:
    """Write a section for each file of conf/strategy: what it is, its class and equation, its settings."""
    shown: dict[str, str] = {}
    sections = []
    for name, path in choices("strategy").items():
        target = target_of(name)
        text = f"## {name}\n\n{describe(path)}.\n\n"
        if target in shown:
            text += (
                f"The method is that of [{shown[target]}](#{shown[target]}), with settings of its own.\n\n"
            )
        else:
            shown[target] = name
            text += f"::: {target}\n    options:\n      members: false\n      show_bases: false\n\n"
            text += _mathematics(target) + _unused(target)
        sections.append(text + block(path.read_text(), "yaml", title=f"conf/strategy/{path.name}"))
    return "\n\n".join(sections)


def _unused(target: str) -> str:
    """Say which settings of training the strategy does not use."""
    names = ", ".join(f"`{name}`" for name in unused_settings(target))
    return f"Of `training` it does not use {names}.\n\n" if names else ""


def target_of(strategy: str) -> str:
    """Return the path of a strategy's class or function, by the module it is written in."""
    settings = yaml.safe_load(choices("strategy")[strategy].read_text())
    own = settings.get("strategy", settings)
    if "_target_" not in own:
        (parent,) = settings["defaults"]
        return target_of(parent)
    package, _, name = own["_target_"].rpartition(".")
    return f"{_module_of(package, name)}.{name}"


def _module_of(package: str, name: str) -> str:
    """Return the module where a name comes from that the package's __init__ imports."""
    tree = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return str(node.module)
    raise KeyError(f"{package} imports no {name}")


def _mathematics(target: str) -> str:
    """Link to the modules of posteriors/ that the strategy's module uses."""
    path = ROOT / (target.rpartition(".")[0].replace(".", "/") + ".py")
    used = set(re.findall(r"posteriors/(\w+)\.py", path.read_text()))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "cl_bench.posteriors":
            used |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("cl_bench.posteriors."):
            used.add(str(node.module).rpartition(".")[2])
    links = [f"[{name}](mathematics.md#cl_bench.posteriors.{name})" for name in sorted(used)]
    return f"Mathematics: {', '.join(links)}.\n\n" if links else ""


def mathematics() -> str:
    """List each module of posteriors/ with its functions."""
    names = [path.stem for path in sorted((ROOT / "cl_bench" / "posteriors").glob("[!_]*.py"))]
    options = "    options:\n      show_root_heading: true\n      heading_level: 2\n"
    return "\n\n".join(f"::: cl_bench.posteriors.{name}\n{options}" for name in names)


# Studies


def studies() -> str:
    """Write a section for each file of conf/experiment: what it sweeps, and its reference result."""
    results, published = reference.rows("summary.csv"), reference.rows("expected.csv")
    sections = [_study(name, path, results, published) for name, path in choices("experiment").items()]
    others = sorted({row["study"] for row in results} - set(choices("experiment")))
    for name in others:
        text = f"## {name}\n\nRuns without a file of their own; see `results/reference/README.md`.\n\n"
        sections.append(text + _results(name, results))
    return "\n\n".join(sections)


def _study(name: str, path: Path, results: list[dict], published: list[dict]) -> str:
    settings = yaml.safe_load(path.read_text())
    swept = settings["hydra"]["sweeper"]["params"]
    text = f"## {name}\n\n{describe(path)}.\n\n"
    text += "Sweeps " + "; ".join(f"`{key}`: {str(value).replace(',', ', ')}" for key, value in swept.items())
    text += f".\n\n{block(f'cl-bench run experiment={name}', 'sh')}\n"
    text += _results(name, results)
    theirs = [row for row in published if row["study"] == name]
    if theirs:
        rows = [
            (
                row["method"],
                row["published"],
                _percent(row["mean"], 1),
                row["num_seeds"],
                row["verdict"],
                row["source"],
            )
            for row in theirs
        ]
        text += "\n" + table(("method", "published", "here", "seeds", "agrees?", "source"), rows)
    if settings.get("expected") and not theirs:
        text += "\nThe file has published numbers to be compared with; the study was not run yet.\n"
    return text


def _results(study: str, results: list[dict]) -> str:
    text = ""
    for benchmark in dict.fromkeys(row["benchmark"] for row in results if row["study"] == study):
        rows = [
            (
                f"`{row['method']}`",
                row["num_seeds"],
                _interval(row, "average_accuracy"),
                _interval(row, "forgetting"),
            )
            for row in results
            if (row["study"], row["benchmark"]) == (study, benchmark)
        ]
        text += f"Reference result on {benchmark}, percent, mean and 95 % interval over seeds:\n\n"
        text += table(("method", "seeds", "average accuracy", "forgetting"), rows) + "\n"
        figure = f"forgetting-{study}-{benchmark}.png"
        if figure in reference.figures():
            text += f"![Accuracy on each task: {study}, {benchmark}](figures/{figure})\n\n"
    return text or "No reference result: it was not run yet.\n"


def _interval(row: dict, metric: str) -> str:
    mean, high = row[f"{metric}_mean"], row[f"{metric}_high"]
    spread = f" ± {100 * (float(high) - float(mean)):.1f}" if high else ""
    return f"{_percent(mean, 100)}{spread}"


def _percent(value: str, factor: float) -> str:
    return f"{factor * float(value):.1f}" if value else ""


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


# The kit


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


def include(name: str) -> str:
    """Show a file of the repository."""
    return (ROOT / name).read_text()


def module(path: str) -> str:
    """Show a module as a file that a reader can copy."""
    return block((ROOT / path).read_text(), "python", title=Path(path).name)


# Markdown


def table(titles: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def block(text: str, language: str, *, title: str = "") -> str:
    return f"```{language}" + (f' title="{title}"' if title else "") + f"\n{text.rstrip()}\n```\n"


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
