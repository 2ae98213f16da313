"""How a strategy is stopped and goes on, bit for bit: between two tasks, or between two steps of one."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from cl_bench.deferred import deferred
from cl_bench.learner.noise import Noise
from cl_bench.learner.packing import Stateful, pack, tensors_of, unpack
from cl_bench.learner.resident import Resident
from cl_bench.learner.seeds import global_state, restore_global_state
from cl_bench.models import Heads
from cl_bench.models.stacked import StackedNetwork

with deferred():
    from avalanche.training.plugins import EvaluationPlugin
    from avalanche.training.plugins.clock import Clock
    from avalanche.training.templates.base_sgd import PeriodicEval

# what a state of something else, or one that somebody has changed, may raise on its way
UNFIT = (LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError, AssertionError)
# of Avalanche's plugins: those that change nothing in training (the clock's counts are kept apart)
WITHOUT_STATE = (Clock, PeriodicEval, EvaluationPlugin)


class Resumable(Resident):
    """Base of `Learner`: says where it stands, and goes on from there.

    Network, optimizer, generators and the place in the stream are kept for every strategy. A class names the
    attributes of its own that it cannot do without; those of its bases count too. They may be numbers, texts,
    tensors, networks, NamedTuples, whatever has the methods `state` and `restore`, and lists, tuples and
    dictionaries of these.

    Attributes:
        kept: names of what goes on from task to task (posterior, importances, memories). The tensors in it
            count as stored bits.
        in_task: names of what else steps change, and the next task makes anew. What is used after the last
            step belongs here, too: the batch and its loss are gone where a run goes on from there.
        after_step: called after every step, when everything of the step is done.
    """

    kept: ClassVar[tuple[str, ...]] = ()
    in_task: ClassVar[tuple[str, ...]] = ()
    after_step: Callable[[], None] | None = None
    _goes_on_from: dict[str, Any] | None = None

    # What subclasses may change

    def state_tensors(self) -> dict[str, Tensor]:
        """What the strategy keeps between tasks besides the network, by name."""
        found: dict[str, Tensor] = {}
        for name in self._declared("kept"):
            found |= tensors_of(getattr(self, name), name)
        return found

    def recall(self, experiences: Sequence[Any]) -> None:
        """Take up again what the strategy keeps of the data of these tasks, which were trained on."""

    # How it stops and goes on

    def state(self) -> dict[str, Any]:
        """All that training depends on, as plain values (see learner/packing.py): between two tasks, or
        after a step.

        Raises:
            TypeError: for an attribute or a plugin whose state nobody can tell, by name.
        """
        names = self._declared("kept") + self._declared("in_task")
        heads = self._heads()
        return {
            "network": pack(self._module(), "network"),
            "active_classes": None if heads is None else pack(heads.active, "active"),
            "optimizer": pack(self.optimizer.state_dict(), "optimizer"),
            "steps_taken": getattr(self, "steps_taken", 0),
            "clock": self._counts(),
            "generators": {name: noise.state() for name, noise in self._noises()},
            "global_generators": global_state(),
            "kept": {name: pack(getattr(self, name), name) for name in names},
            "plugins": {name: pack(plugin.state(), name) for name, plugin in self._plugins_with_state()},
            "batches": self.dataloader.state() if isinstance(self.dataloader, Stateful) else None,
        }

    def restore(self, state: dict[str, Any], experiences: Sequence[Any] = ()) -> None:
        """Stand where a strategy of the same settings stood.

        Args:
            state: of `state`.
            experiences: all that it was trained on, in order; only their data are read.

        Raises:
            ValueError: where the state does not fit.
        """
        try:
            self._restore(state)
        except UNFIT as error:
            raise ValueError(f"the state does not fit {type(self).__name__}: {error!r}") from error
        if experiences:
            self.recall(experiences)

    def go_on_in_task(self, state: dict[str, Any]) -> None:
        """Let the next task, which is begun as ever, go on from a state in its midst."""
        self._goes_on_from = state

    def _restore(self, state: dict[str, Any]) -> None:
        modules = {kind.__module__ for kind in type(self).__mro__}
        unpack(state["network"], present=self._module(), device=self.device, modules=modules)
        heads = self._heads()
        if heads is not None and state["active_classes"] is not None:
            heads.active = state["active_classes"].to(self.device)
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps_taken = state["steps_taken"]
        self.clock.__dict__.update(state["clock"])
        for name, noise in self._noises():
            noise.restore(state["generators"][name])
        for name in self._declared("kept") + self._declared("in_task"):
            packed, present = state["kept"][name], getattr(self, name)
            setattr(self, name, unpack(packed, present=present, device=self.device, modules=modules))
        for name, plugin in self._plugins_with_state():
            if name in state["plugins"]:
                plugin.restore(state["plugins"][name])
        restore_global_state(state["global_generators"])

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        """Avalanche's loop over epochs, which can begin in the midst of one."""
        state, self._goes_on_from = self._goes_on_from, None
        first = 0 if state is None else state["clock"]["train_exp_epochs"]
        if state is not None and first >= self.train_epochs:
            raise ValueError(f"the state must be of one of {self.train_epochs} epochs, got epoch {first + 1}")
        for epoch in range(first, self.train_epochs):
            self._before_training_epoch(**kwargs)
            if self._stop_training:
                self.__dict__["_stop_training"] = False
                break
            if state is not None and epoch == first:
                self.restore(state)
                self.dataloader.restore(state["batches"])
            self.training_epoch(**kwargs)
            self._after_training_epoch(**kwargs)

    def _declared(self, what: str) -> tuple[str, ...]:
        by_class = (vars(kind).get(what, ()) for kind in reversed(type(self).__mro__))
        return tuple(dict.fromkeys(name for names in by_class for name in names))

    def _module(self) -> nn.Module:
        return self.network.template if isinstance(self.network, StackedNetwork) else self.network

    def _heads(self) -> Heads | None:
        return getattr(self._module(), "heads", None)

    def _noises(self) -> Iterator[tuple[str, Noise]]:
        yield from ((name, each) for name, each in vars(self).items() if isinstance(each, Noise))

    def _counts(self) -> dict[str, int]:
        return {name: value for name, value in vars(self.clock).items() if isinstance(value, int)}

    def _plugins_with_state(self) -> Iterator[tuple[str, Stateful]]:
        for plugin in self.plugins:
            if isinstance(plugin, Stateful):
                yield type(plugin).__name__, plugin
            elif not (isinstance(plugin, WITHOUT_STATE) or type(plugin).__module__.startswith("cl_bench.")):
                raise TypeError(
                    "a strategy is stopped and goes on with plugins that have the methods state() and "
                    f"restore(state), got {type(plugin).__name__}"
                )
