"""What a page says of each strategy: from its file in conf/, its class, and the mathematics it uses."""

import ast
import re
from pathlib import Path

import yaml

from cl_bench.config.choices import choices, describe
from cl_bench.config.rules import unused_settings
from docs.hooks.markdown import block

ROOT = Path(__file__).resolve().parents[2]


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
