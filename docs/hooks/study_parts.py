"""What a page says of each study: from its file in conf/, and the tables of results/reference."""

from pathlib import Path

import yaml

from cl_bench.config.choices import choices, describe
from docs.hooks import reference
from docs.hooks.markdown import block, table


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
