"""A step tells its events to the plugins that listen, and to those that begin to listen."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from avalanche.core import SupervisedPlugin
from avalanche.training.plugins.clock import Clock

from cl_bench.learner.base import Learner
from cl_bench.learner.step_events import Listeners, does_something, hook

EVENTS = ("training_iteration", "forward", "backward", "update")


class Listening(SupervisedPlugin):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []

    def before_forward(self, strategy: Any, **kwargs: Any) -> None:
        self.heard.append(kwargs)


class Told:
    """What tells the events of a step."""

    def __init__(self, plugins: Sequence[Any]) -> None:
        self.plugins, self.listeners = list(plugins), Listeners()


for event in EVENTS:
    for when in ("before", "after"):
        setattr(Told, f"_{when}_{event}", hook(f"{when}_{event}"))


def strategy(*plugins: Any) -> Any:
    return Told(plugins)


def test_a_learner_tells_every_event_of_a_step():
    for event in EVENTS:
        for when in ("before", "after"):
            assert getattr(Learner, f"_{when}_{event}").__module__ == hook.__module__


def test_what_avalanche_gives_every_plugin_does_nothing():
    for event in EVENTS:
        for when in ("before", "after"):
            assert not does_something(getattr(SupervisedPlugin(), f"{when}_{event}"))
    assert does_something(Listening().before_forward)
    assert does_something(Clock().after_training_iteration)


def test_a_plugin_needs_no_method_for_an_event():
    strategy(SimpleNamespace())._after_backward()


def test_every_event_of_a_step_reaches_a_listener_by_its_own_name():
    heard: list[str] = []
    events = [f"{when}_{event}" for event in EVENTS for when in ("before", "after")]
    plugin = SimpleNamespace(**{event: lambda *_, event=event, **__: heard.append(event) for event in events})
    told = strategy(plugin)
    for event in events:
        getattr(told, f"_{event}")()
    assert heard == events


def test_listeners_get_the_strategy_and_its_words_in_the_order_of_the_plugins():
    order: list[str] = []
    first = SimpleNamespace(after_update=lambda told, **words: order.append(f"first {words}"))
    second = SimpleNamespace(after_update=lambda told, **words: order.append(f"second {words}"))
    strategy(first, SupervisedPlugin(), second)._after_update(number=1)
    assert order == ["first {'number': 1}", "second {'number': 1}"]


def test_a_plugin_that_comes_in_the_midst_of_an_epoch_is_heard():
    told, late = strategy(SupervisedPlugin()), Listening()
    told._before_forward()
    told.plugins.append(late)
    told._before_forward()
    told.plugins.remove(late)
    told._before_forward()
    assert late.heard == [{}]


def test_a_method_that_a_plugin_gets_later_counts_from_the_next_epoch_on():
    plugin = SupervisedPlugin()
    told, heard = strategy(plugin), []
    told._before_forward()
    plugin.before_forward = lambda *_: heard.append(1)
    told.listeners.ask_anew(told.plugins)
    told._before_forward()
    assert heard == [1]
