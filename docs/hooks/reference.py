"""The committed results as pages show them: tables, figures, the report of all runs.

`make docs` has the report drawn and names its folder in CL_BENCH_REFERENCE. Without that it is made here,
once a process and without figures. `python -m docs.hooks.reference` writes results/reference/README.md, and
makes the committed rows and figures small.
"""

import csv
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cl_bench.records import compact
from cl_bench.records.provenance import commit_of
from cl_bench.records.text import counted
from cl_bench.report.build import report

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference"
_PLACE = re.compile(r'("results_dir(?:": "|=))/[^"]*')  # an absolute path, as a setting or as a word
_HASHES = re.compile(r',\s*"files": \{[^{}]*\}')  # of a run's files, by name
VARIABLE = "CL_BENCH_REFERENCE"
_FIGURE = re.compile(r'href="(figures/[^"]+)"')  # in the report: one that had no room in its page
DIGITS = 5  # of measured numbers that are committed
_KEPT: list[Any] = []  # the temporary folder, until the process ends

HEAD = """# Reference results

Each folder is a compact study: `runs.json` and a file of rows for all of its runs, see
[Results format](../../docs/results_format.md). Everything that reads run folders reads them.
`cl-bench report results/reference` makes tables and a page of all runs. `make docs` puts it into the site.

All runs were made on two AMD EPYC cores, one torch thread a process, without a GPU. CPU hours are those of
training and tests. Other work had the cores for part of the time: seconds say little. `runs.json` has
versions, settings and seconds of each run. A value that differs between runs stands as null in what they
share, and then with each run.

Measured numbers have five significant digits here; accuracies have all. Seeds run anew end at more digits,
and on another processor at other last ones.

The column `commit` has that of the code. Most runs are older than its record: nobody can say which commit
they are of. The column `again` counts runs that `cl-bench verify --record` had come out again, bit for bit.

This page is made by `make reference`, from `runs.json` and `remarks.yaml`.

"""
TAIL = """
`speed.csv` and `speed.json` are made by `make speed`. Not run at all: `vcl_permuted_mnist` (100 epochs, sized
for a GPU), `td_vcl_permuted_mnist`, `split_cifar10` (its stream is in the comparison), `split_cifar100`
and `split_cifar10_100` (no data here).
"""


@cache
def reported() -> Path:
    """The folder of the report: summary.csv, expected.csv, report.html and, if they were drawn, figures."""
    if os.environ.get(VARIABLE):
        return ROOT / os.environ[VARIABLE]
    _KEPT.append(tempfile.TemporaryDirectory(prefix="cl-bench-reference-"))
    folder = Path(_KEPT[-1].name, "reference")
    report(shutil.copytree(REFERENCE, folder), figures=False)
    return folder


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one of the report's CSV files."""
    with (reported() / name).open() as file:
        return list(csv.DictReader(file))


def figures() -> dict[str, Path]:
    """The figures that pages may show, by name: <kind>-<study>-<benchmark>.png.

    Committed are those that a page names, as <study>/figures/<kind>-<benchmark>.png.
    """
    drawn = {path.name: path for path in sorted((reported() / "figures").glob("forgetting-*.png"))}
    committed = {
        "-".join([kind, path.parents[1].name, rest]): path
        for path in sorted(REFERENCE.glob("*/figures/*.png"))
        for kind, _, rest in [path.name.partition("-")]
    }
    return drawn | committed


def site_files() -> dict[str, Path]:
    """What the site has besides pages: figures, and the report with the figures that it links to."""
    page = reported() / "report.html"
    linked = sorted(set(_FIGURE.findall(page.read_text())))
    found = {f"figures/{name}": path for name, path in figures().items()}
    found |= {f"reference/{name}": reported() / name for name in linked if (reported() / name).is_file()}
    return found | {"reference/report.html": page}


def remarks(study: str) -> tuple[str, str]:
    """The command of a study and what is to be known of its runs, by results/reference/remarks.yaml."""
    told = yaml.safe_load((REFERENCE / "remarks.yaml").read_text())[study]
    return told["command"], told["remark"]


def readme() -> str:
    """results/reference/README.md: one row per study, with what was checked."""
    titles = ("study", "command", "runs", "seeds", "CPU hours", "commit", "again", "remarks")
    lines = [titles, ("---",) * len(titles)]
    for path in sorted(REFERENCE.glob(f"*/{compact.FILE}")):
        command, remark = remarks(path.parent.name)
        lines.append((f"`{path.parent.name}`", *_checks(path.parent, command), remark))
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines) + TAIL


def _checks(study: Path, command: str) -> tuple[str, ...]:
    found = compact.study_at(study)
    checks = found.checks_made
    seeds = {run.about["seed"] for run in found.runs.values()}
    commits = sorted({commit for run in found.runs.values() if (commit := commit_of(run.about)[0])})
    same = "" if checks["same_seeds"] else ", not of every method"
    again = checks["verified"]
    return (
        f"`{command}`",
        f"{checks['runs']}{', all finished' if checks['all_finished'] else ''}",
        f"{counted(len(seeds), 'seed').removesuffix(' seed').removesuffix(' seeds')}{same}",
        _cpu_hours(run.about.get("cpu_seconds", math.nan) for run in found.runs.values()),
        ", ".join(f"`{each}`" for each in commits) or "not recorded",
        f"{again['runs']} ({again['to']})" if again else "none",
    )


def _cpu_hours(seconds: Iterable[float]) -> str:
    """All of them together; where a run has not recorded its own, "not recorded"."""
    hours = sum(seconds) / 3600
    return "not recorded" if math.isnan(hours) else f"{hours:.1f}"


def shorten(path: Path) -> None:
    """Round what a study's file of rows has measured to five significant digits; accuracies of tests stay."""
    with path.open(newline="") as file:
        titles, *rows = csv.reader(file)
    of_bins = "bin" in titles
    kept = [title == "accuracy" and not of_bins for title in titles]
    short = [[cell if keep else _short(cell) for cell, keep in zip(row, kept, strict=True)] for row in rows]
    path.write_text("".join(f"{','.join(row)}\n" for row in [titles, *short]))


def _short(cell: str) -> str:
    if "." in cell and not cell.endswith(".0") and len(cell) > DIGITS:  # a whole number is a count
        cell = min(repr(float(f"{float(cell):.{DIGITS}g}")), cell, key=len)
    return cell.removesuffix(".0")


def without_folders(path: Path) -> None:
    """Take out of a study's runs.json what holds for its runs' folders alone.

    That is where on some machine they were, and the hashes of their files, whose rows are rounded here.
    """
    path.write_text(_HASHES.sub("", _PLACE.sub(r"\1results", path.read_text())))


def shrink(path: Path) -> None:
    """Give a committed figure 256 colours: a third of the bytes, and no difference to be seen."""
    from PIL import Image

    with Image.open(path) as image:
        if image.mode == "P":
            return
        drawn = image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        drawn.save(path, optimize=True, dpi=image.info.get("dpi"))


if __name__ == "__main__":
    for table in set(REFERENCE.glob("*/*.csv")) - set(REFERENCE.glob("*/expected.csv")):
        shorten(table)
    for study in REFERENCE.glob(f"*/{compact.FILE}"):
        without_folders(study)
    for figure in REFERENCE.glob("*/figures/*.png"):
        shrink(figure)
    (REFERENCE / "README.md").write_text(readme())
