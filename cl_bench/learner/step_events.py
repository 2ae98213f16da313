"""Avalanche's events of a training step, told to those plugins only that do something at them."""

from collections.abc import Callable, Sequence
from typing import Any

from cl_bench.deferred import deferred

with deferred():
    from avalanche.core import BasePlugin
    from avalanche.training.templates import SupervisedTemplate


Listener = Callable[..., Any]  # (strategy, **kwargs)

_AVALANCHES_OWN = BasePlugin.__module__  # the methods of its base classes do nothing


class StepEvents(SupervisedTemplate):
    """Base of `Resident`: a step of a small network takes less time than asking each plugin at each event."""

    _heard: Sequence[Any] = ()  # the plugins that were asked
    _listeners: dict[str, list[Listener]]

    def ask_plugins_anew(self) -> None:
        """Forget which plugins do something: one may have got another method."""
        self._heard, self._listeners = list(self.plugins), {}

    def _tell(self, event: str, **kwargs: Any) -> None:
        if self._heard != self.plugins:
            self.ask_plugins_anew()
        if event not in self._listeners:
            methods = [getattr(plugin, event, None) for plugin in self.plugins]
            self._listeners[event] = [each for each in methods if each is not None and does_something(each)]
        for listener in self._listeners[event]:
            listener(self, **kwargs)

    def _before_training_iteration(self, **kwargs: Any) -> None:
        self._tell("before_training_iteration", **kwargs)

    def _before_forward(self, **kwargs: Any) -> None:
        self._tell("before_forward", **kwargs)

    def _after_forward(self, **kwargs: Any) -> None:
        self._tell("after_forward", **kwargs)

    def _before_backward(self, **kwargs: Any) -> None:
        self._tell("before_backward", **kwargs)

    def _after_backward(self, **kwargs: Any) -> None:
        self._tell("after_backward", **kwargs)

    def _before_update(self, **kwargs: Any) -> None:
        self._tell("before_update", **kwargs)

    def _after_update(self, **kwargs: Any) -> None:
        self._tell("after_update", **kwargs)

    def _after_training_iteration(self, **kwargs: Any) -> None:
        self._tell("after_training_iteration", **kwargs)


def does_something(method: Listener) -> bool:
    """Whether a plugin's method is more than the one that Avalanche's base classes give every plugin."""
    return getattr(method, "__module__", None) != _AVALANCHES_OWN
