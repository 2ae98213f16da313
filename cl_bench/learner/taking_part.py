"""Which plugins may take part in predictions, so that every test of a strategy keeps them."""

from typing import Any


def taking_part(strategy: Any) -> list[Any]:
    """Return a strategy's plugins, but for the evaluator, the clock and the suite's own, which only look on.

    Somebody's plugin may change what a network predicts. A test without it would be one of another network.
    """
    return [
        plugin
        for plugin in strategy.plugins
        if plugin is not strategy.evaluator
        and plugin is not strategy.clock
        and not type(plugin).__module__.startswith("cl_bench.")
    ]
