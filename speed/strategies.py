"""Every strategy of conf/ beside fine-tuning, in seconds and in gradient evaluations."""

from typing import Any

from cl_bench.config.choices import choices
from cl_bench.learner.base import Learner
from speed.bench import Bench, Measurement
from speed.multiplications import multiplications
from speed.ours import Subject

REFERENCE = "finetune"


class SecondTask:
    """A strategy that has learnt a first task, and learns the second one as often as one likes.

    Many strategies do on their first task what fine-tuning does.
    """

    def __init__(self, bench: Bench, name: str) -> None:
        self.subject = Subject(bench.overrides(f"strategy={name}", stream=bench.scale.two_tasks))
        self.subject.train()
        strategy = self.subject.strategy
        self._state: dict[str, Any] | None = strategy.state() if isinstance(strategy, Learner) else None

    def go_back(self) -> None:
        """Return to the end of the first task. A stock strategy of Avalanche's cannot, and continues."""
        if self._state is not None:
            self.subject.strategy.restore(self._state, self.subject.experiences[:1])

    def learn(self) -> None:
        self.subject.train(task=1)

    def count(self) -> int:
        """Count the multiply-adds of the second task, from its images to what is done after its last step."""
        self.go_back()
        return multiplications(self.learn)


def names() -> list[str]:
    """List all that can be measured: choices of conf/strategy, those of installed packages too."""
    return list(choices("strategy"))


def strategies(bench: Bench) -> dict[str, Measurement]:
    """Measure one epoch of a second task, with what follows its last step, beside fine-tuning's.

    The gradient evaluations of an epoch are its multiply-adds over those of fine-tuning's epoch, in which
    each example takes one gradient. A forward pass without a backward pass counts about a third.
    """
    reference = SecondTask(bench, REFERENCE)
    evaluations = reference.count()
    measurements: dict[str, Measurement] = {}
    for name in bench.scale.strategies or names():
        measured = SecondTask(bench, name)
        seconds = bench.alternate(
            {REFERENCE: reference.learn, "measured": measured.learn},
            before={REFERENCE: reference.go_back, "measured": measured.go_back},
            synchronise=reference.subject.synchronise,
        )
        measurements[f"strategy_{name}"] = Measurement(seconds["measured"], seconds[REFERENCE])
        measurements[f"gradients_{name}"] = Measurement([measured.count()], [evaluations], in_seconds=False)
    return measurements
