"""What a user may choose for a figure, and which kind has a use for it."""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from cl_bench.analysis.intervals import interval_of
from cl_bench.records.errors import AnalysisError
from cl_bench.report.figure_kinds import KINDS, WITHOUT_INTERVALS, Limits, Tasks

NARROWEST, LOWEST, LARGEST = 2.0, 1.0, 50.0  # inches that panels and legends can be laid out in


@dataclass(frozen=True, kw_only=True)
class Options:
    """The choices for one figure; None: what the kind does by itself.

    Attributes:
        methods, labels: as `analysis.selection.select` takes them.
        benchmarks: names or patterns of those that are drawn, or are in a figure over benchmarks.
        metric: of the vertical axis. For forgetting and heatmap it is a column of the records, such as nll.
            For others it is a metric of the summary; for a comparison it may be two, and the second is the
            horizontal axis: "learning_accuracy,forgetting".
        cost: of a Pareto front: one or more, as in "deployed_bits,gradient_evaluations".
        tasks: the panels, numbers or "mean".
        against: the method or strategy that an improvement is of; by default the best.
        interval: over seeds: t, se, iqr (around the median) or none.
        ylim: ends of the vertical axis, or of the colours of a heatmap, as drawn (percent).
        title: empty: none.
        width, height: inches; the default width is that of a page's text. 3.3 is a column of two.
    """

    methods: str | Sequence[str] | None = None
    labels: str | Sequence[str] | Mapping[str, str] | None = None
    benchmarks: str | Sequence[str] | None = None
    metric: str | None = None
    cost: str | None = None
    tasks: Tasks | None = None
    against: str | None = None
    interval: str | None = None
    ylim: Limits | None = None
    title: str | None = None
    width: float | None = None
    height: float | None = None

    @property
    def differ(self) -> bool:
        """Whether the figure is another than that of the report, and not of another width alone."""
        others = (each.name for each in fields(self) if each.name != "width")
        return any(getattr(self, name) is not None for name in others)

    def check(self, kind: str) -> None:
        """Refuse what no figure can have, and what this kind has no use for.

        Raises:
            AnalysisError: which names the option.
        """
        for name, least in (("width", NARROWEST), ("height", LOWEST)):
            size = getattr(self, name)
            if size is not None and not least <= size <= LARGEST:
                rule = f"{LARGEST:g} inches or less" if size > LARGEST else f"{least:g} inches or more"
                raise AnalysisError(f"the {name} of a figure must be {rule}, got {name}={size}")
        if self.ylim is not None and not (all(map(math.isfinite, self.ylim)) and self.ylim[0] < self.ylim[1]):
            raise AnalysisError(f"ylim must be two numbers, the lower first, got ylim={self.ylim}")
        if self.interval is not None:
            interval_of(self.interval)
        for name in _OF_KINDS:
            if getattr(self, name) is not None and kind not in users(name):
                raise AnalysisError(
                    f"{kind} has no use for {name}; kinds that have: {', '.join(users(name))}"
                )

    def look(self, kind: str, title: str, *, width: float) -> dict[str, Any]:
        """The keywords of a kind for what is drawn under this title."""
        given = {name: getattr(self, name) for name in _OF_KINDS if name != "interval"}
        return {
            "title": title if self.title is None else self.title or None,
            "width": width if self.width is None else self.width,
            "height": self.height,
        } | {name: value for name, value in given.items() if value is not None and kind in users(name)}


_OF_KINDS = ("metric", "cost", "tasks", "against", "interval", "ylim")  # that only some kinds have a use for


def users(option: str) -> list[str]:
    """The kinds that have a use for an option: it is one of their keywords."""
    if option == "interval":
        return [kind for kind in KINDS if kind not in WITHOUT_INTERVALS]
    return [kind for kind, make in KINDS.items() if option in inspect.signature(make).parameters]


def tasks_of(text: str) -> list[int | str]:
    """Read the panels that a text such as `1,3,mean` names."""
    pieces = [piece.strip() for piece in text.split(",")]
    return [int(piece) if piece.isdecimal() else piece for piece in pieces if piece]
