"""Plotly's script for a page that loads nothing: compressed, as text; and a security policy that says so.

The script has 4.8 MB; `packed` makes 2.0 of it.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from cl_bench.report.packed import packed


class Script(str):
    """JavaScript, by its text."""

    @property
    def source(self) -> str:
        """The source in a Content Security Policy that allows this text and no other."""
        return f"'sha256-{base64.b64encode(hashlib.sha256(self.encode()).digest()).decode()}'"


@cache
def plotly() -> Script:
    # as plotly.offline.get_plotlyjs, without an import of all of Plotly
    return Script(files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8"))


@cache
def packed_plotly() -> str:
    return packed(plotly())


@cache
def page_script() -> Script:
    return Script(files("cl_bench.report").joinpath("templates/page.js").read_text(encoding="utf-8"))


def security_policy() -> str:
    """Nothing is loaded; no script runs but these two, whatever a name in a configuration says. Plotly writes
    styles of its own, and images are in the page.
    """
    return (
        f"default-src 'none'; script-src {page_script().source} {plotly().source}; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
