"""What the functions that draw one panel share: the methods that are shown, and what cannot be drawn."""

from collections.abc import Mapping, Sequence

import pandas as pd

from cl_bench.analysis.looks import MethodStyle, method_styles
from cl_bench.analysis.selection import Selection, select
from cl_bench.records.errors import AnalysisError

Names = str | Sequence[str] | None
Labels = str | Sequence[str] | Mapping[str, str] | None
Styles = Mapping[str, MethodStyle] | None


def chosen_of(
    table: pd.DataFrame, methods: Names, labels: Labels, styles: Styles, *, several: bool = False
) -> tuple[Selection, dict[str, MethodStyle]]:
    """The methods that are shown, and their looks by label: those that they have among all of the table."""
    if not several:
        check_one_benchmark(table)
    chosen = select(table["method"], methods=methods, labels=labels)
    looks = method_styles(table["method"]) | dict(styles or {})
    return chosen, {label: looks[method] for method, label in chosen.labels.items()}


def check_one_benchmark(table: pd.DataFrame) -> None:
    for name in ("benchmark", "study"):
        found = sorted(set(map(str, table[name])))
        if len(found) != 1:
            some = ", ".join(found[:5]) or "none"
            raise AnalysisError(
                f"a panel is of one {name}, these rows are of {len(found)} ({some}): "
                f'choose one, as in frame[frame["{name}"] == "{found[0] if found else name}"]'
            )


def check_some(table: pd.DataFrame, why: str) -> None:
    if table.empty:
        raise AnalysisError(f"there is nothing to draw: {why}")
