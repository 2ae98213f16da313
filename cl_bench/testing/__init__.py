"""The kit that a strategy must pass: ours and anybody's.

`cl-bench check NAME` prints the answers; `StrategyContract` asks the same questions in pytest. A strategy
says what is known of it by the class attribute `claims`, a `Claims`: all that can be claimed stands there.
"""

from typing import TYPE_CHECKING, Any

from cl_bench.deferred import deferred
from cl_bench.learner.claims import Claims

if TYPE_CHECKING:
    from cl_bench.conformance.catalogue import CHECKS, examine
    from cl_bench.conformance.contract import StrategyContract
    from cl_bench.conformance.subject import Subject

__all__ = ["CHECKS", "Claims", "StrategyContract", "Subject", "examine"]


def __getattr__(name: str) -> Any:
    """Import the rest when it is asked for: a strategy that says its `Claims` needs no checks for that."""
    homes = {
        "CHECKS": "catalogue",
        "examine": "catalogue",
        "StrategyContract": "contract",
        "Subject": "subject",
    }
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    with deferred():
        return getattr(import_module(f"cl_bench.conformance.{homes[name]}"), name)
