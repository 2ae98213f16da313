"""What the searches of the comparison found of the network: the best score with each activation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from docs.hooks.reference import ROOT

TUNED = ROOT / "conf" / "tuned"
ACTIVATION = "model.activation"

HEAD = """## The activation matters as much as the method

Searches also tried two activations, but for those of split CIFAR-10: `relu`, and the binary `gate`, which is
1 where |x| > 1. The table has the best score of any trial with each, as average accuracy in percent on
validation images. Bold is the better activation. Many trials are of one tuning stream, some of short runs.
So a number can be above that of the chosen trial, and scores differ by chance, too.

"""


def section(study: str, folder: Path = TUNED) -> str:
    """The table of a study's searches that had a choice of activations; empty where there are none."""
    found = list(searches(folder, prefix=f"{study}_"))
    activations = sorted({name for _, _, best in found for name in best}, reverse=True)
    if not found:
        return ""
    lines = [["benchmark", "method", *(f"`{name}`" for name in activations)]]
    lines.append(["---"] * len(lines[0]))
    for benchmark, method, best in found:
        cells = [_cell(best, name) for name in activations]
        lines.append([benchmark, f"`{method}`", *cells])
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def searches(folder: Path, *, prefix: str) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield benchmark, method and the best score with each activation, a tuned file after the other."""
    for path in sorted(folder.glob(f"{prefix}*/*.yaml")):
        trials = yaml.safe_load(path.read_text())["tuning"].get("trials", [])
        best = _best(trials)
        if len(best) > 1:
            yield path.parent.name.removeprefix(prefix), path.stem, best


def _best(trials: list[dict[str, Any]]) -> dict[str, float]:
    best: dict[str, float] = {}
    for trial in trials:
        name, score = trial["settings"].get(ACTIVATION), trial["accuracy"]
        if name is not None and score is not None:
            best[name] = max(best.get(name, 0.0), score)
    return best


def _cell(best: dict[str, float], name: str) -> str:
    if name not in best:
        return "not tried"
    text = f"{100 * best[name]:.1f}"
    return f"**{text}**" if best[name] == max(best.values()) else text
