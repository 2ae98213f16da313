"""What MkDocs calls: made parts of pages, figures of the reference results, formulas as MathML."""

import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File

sys.path.insert(
    0, str(Path(__file__).resolve().parents[2])
)  # the checkout's own code, and hooks as a package
from docs.hooks import how_to, reference
from docs.hooks.parts import expand

# a figure where a checkout has it, which on the site has a name of its own
COMMITTED = re.compile(r"\(\.\./results/reference/(\w+)/figures/([a-z_]+)-([^)]+)\)")
HOW_TO = "How do I ...?"  # the part of the menu that is filled with the pages of docs/how_to


def on_config(config: Any) -> Any:
    """Fill the menu, and read formulas: a fence named math, and `#!math ...` in a line.

    Browsers draw MathML without a script.
    """
    extensions = config["mdx_configs"]
    extensions["pymdownx.superfences"] = {
        "custom_fences": [{"name": "math", "class": "math", "format": fence}]
    }
    extensions["pymdownx.inlinehilite"] = {
        "custom_inline": [{"name": "math", "class": "math", "format": inline}]
    }
    for part in config["nav"]:
        if HOW_TO in part:
            part[HOW_TO] = how_to.menu()
    return config


def fence(source: str, *arguments: Any, **options: Any) -> str:
    return f'<div class="formula">{convert(source, display="block")}</div>'


def inline(source: str, *arguments: Any, **options: Any) -> str:
    return convert(source)


def on_files(files: Any, config: Any, **kwargs: Any) -> Any:
    for name, path in reference.site_files().items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **kwargs: Any) -> str:
    return COMMITTED.sub(r"(figures/\2-\1-\3)", expand(markdown))
