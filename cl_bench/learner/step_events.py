"""Avalanche's events of a training step, told to those plugins only that do something at them."""

from collections.abc import Callable, Sequence
from typing import Any

from cl_bench.deferred import deferred

with deferred():
    from avalanche.core import BasePlugin

Listener = Callable[..., Any]  # (strategy, **kwargs)

_AVALANCHES_OWN = BasePlugin.__module__  # the methods of its base classes do nothing


class Listeners:
    """The methods of plugins to be called at each event of a step.

    Avalanche asks each plugin at each event, which takes longer than the step of a small network.
    """

    def __init__(self) -> None:
        self._plugins: Sequence[Any] = ()  # that were asked
        self._by_event: dict[str, list[Listener]] = {}

    def ask_anew(self, plugins: Sequence[Any]) -> None:
        """Forget which plugins do something: one may have got another method."""
        self._plugins, self._by_event = list(plugins), {}

    def tell(self, strategy: Any, event: str, **kwargs: Any) -> None:
        """Call the plugins' methods of this event, in the plugins' order."""
        if self._plugins != strategy.plugins:
            self.ask_anew(strategy.plugins)
        if event not in self._by_event:
            methods = [getattr(plugin, event, None) for plugin in strategy.plugins]
            self._by_event[event] = [each for each in methods if each is not None and does_something(each)]
        for listener in self._by_event[event]:
            listener(strategy, **kwargs)


def does_something(method: Listener) -> bool:
    """Tell whether a plugin's method is more than the one that Avalanche's base classes give every plugin."""
    return getattr(method, "__module__", None) != _AVALANCHES_OWN


def hook(event: str) -> Any:
    """A method by which a strategy tells an event to its `listeners`, for Avalanche's hook `_<event>`."""

    def tell(self: Any, **kwargs: Any) -> None:
        self.listeners.tell(self, event, **kwargs)

    tell.__name__, tell.__doc__ = f"_{event}", f"Tell the plugins {event!r}."
    return tell
