"""The kit asked of strategies that Avalanche brings: `python -m cl_bench.testing.avalanche` prints the table.

Avalanche's classes say nothing of themselves: what is claimed for them here is what the methods' papers say.
"""

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from cl_bench.testing.check import Result
from cl_bench.testing.claims import Claims

# no momentum, which Avalanche carries from task to task and which would move heads without a gradient
SGD = ("training.optimizer=sgd", "training.learning_rate=0.1")


def _plugin(strategy: Any, attribute: str) -> Any:
    return next(plugin for plugin in strategy.plugins if hasattr(plugin, attribute))


def _ewc_importances(strategy: Any) -> dict[str, Tensor]:
    by_task = _plugin(strategy, "importances").importances
    return {f"{task}_{name}": each.data for task, found in by_task.items() for name, each in found.items()}


def _mas_importance(strategy: Any) -> dict[str, Tensor]:
    return {name: each.data for name, each in _plugin(strategy, "importance").importance.items()}


class Stock(NamedTuple):
    """What is asked of one of Avalanche's classes."""

    settings: tuple[str, ...]
    claims: Claims
    kept: Callable[[Any], dict[str, Tensor]] | None = None
    causes: Mapping[str, str] = {}  # of failures, by check: found in Avalanche's code


STOCK: dict[str, Stock] = {
    "EWC": Stock(
        ("strategy.settings.ewc_lambda=100.0",),
        Claims(first_task_is_finetuning=True, off={"settings.ewc_lambda": 0.0}, by_example=True),
        _ewc_importances,
    ),
    "SynapticIntelligence": Stock(
        ("strategy.settings.si_lambda=100.0",),
        Claims(first_task_is_finetuning=True, off={"settings.si_lambda": 0.0}),
    ),
    "LwF": Stock(
        ("strategy.settings.alpha=1.0", "strategy.settings.temperature=2.0"),
        Claims(first_task_is_finetuning=True, off={"settings.alpha": 0.0}, rehearses=True),
    ),
    "MAS": Stock(
        ("strategy.settings.lambda_reg=1.0",),
        Claims(first_task_is_finetuning=True, off={"settings.lambda_reg": 0.0}, by_example=True),
        _mas_importance,
    ),
    "Replay": Stock(
        ("strategy.settings.mem_size=20",), Claims(first_task_is_finetuning=True, rehearses=True)
    ),
    "GEM": Stock(
        ("strategy.settings.patterns_per_exp=20",), Claims(first_task_is_finetuning=True, rehearses=True)
    ),
}
PACKAGE = "avalanche.training:"


def known(strategy: str) -> dict[str, Any]:
    """Of `Subject`: claims for a class of Avalanche, by its paper; nothing for any other strategy."""
    stock = STOCK.get(strategy.removeprefix(PACKAGE)) if strategy.startswith(PACKAGE) else None
    return {} if stock is None else {"claims": stock.claims, "kept": stock.kept}


def results() -> dict[str, list[Result]]:
    """Class -> the result of each check."""
    from cl_bench.testing.catalogue import examine
    from cl_bench.testing.subject import Subject

    found = {}
    for name, stock in STOCK.items():
        print(name, file=sys.stderr, flush=True)
        path = PACKAGE + name
        found[name] = list(examine(Subject(path, [*SGD, *stock.settings], **known(path))))
    return found


def page(found: Mapping[str, Iterable[Result]]) -> str:
    """The table, and each failure with what was seen and its cause, as Markdown."""
    return "\n".join(
        f"{name} {result.outcome} {result.check.name} {result.seen}"
        for name, rows in found.items()
        for result in rows
    )


if __name__ == "__main__":
    from cl_bench.running.job import NOISE

    warnings.filterwarnings("ignore", message=NOISE)
    print(page(results()))
