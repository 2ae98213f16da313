"""What the page says -> HTML. Everything that comes from a configuration is escaped by the template."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from cl_bench.report.page import MOST_SENTENCES, Contents
from cl_bench.report.plotly_script import packed_plotly, page_script, security_policy


def html(contents: Contents) -> str:
    """One file; Plotly's script is in it where there are curves to choose from."""
    has_curves = any(group.curves for group in contents.groups)
    return _template().render(
        page=contents,
        most_sentences=MOST_SENTENCES,
        policy=security_policy(),
        script=page_script(),
        plotly=packed_plotly() if has_curves else "",
        files=_FILES,
    )


_FILES = {
    "summary.csv": "one row per method: means and intervals of all metrics; also summary.parquet, where "
    "pyarrow is installed, and table.tex for LaTeX",
    "runs.csv": "one row per run: whether it counts, its folder, its command",
    "forgetting_curves.csv": "accuracy on each task after each task, means and intervals",
    "comparison.csv": "all pairs of methods on matched seeds",
    "statistics.csv": "interquartile means and ranks over benchmarks",
}


def _breakable(text: str) -> Markup:
    """A name that may be broken after each underscore, where it has no room."""
    return escape(text).replace("_", Markup("_<wbr>"))


def _plain(text: str) -> str:
    """Words as in a docstring, without the signs around what is code."""
    return text.replace("`", "")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("cl_bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"removeprefix": str.removeprefix, "breakable": _breakable, "plain": _plain}
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":")}
    return environment.get_template("page.html")
