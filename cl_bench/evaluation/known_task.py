"""What a class-incremental network knows when it is told the task: its outputs, restricted to the task's."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cl_bench.deferred import deferred

with deferred():
    from avalanche.core import SupervisedPlugin


def correct_within(log_p: Tensor, labels: Tensor, classes: Tensor) -> Tensor:
    """Whether each example's label is the most probable of its task's classes, bool [B].

    Args:
        log_p: log probabilities, or logits, [B, K].
        classes: those of the task, bool [K].

    >>> log_p = torch.tensor([[0.1, 0.5, 0.4], [0.2, 0.1, 0.7]]).log()
    >>> # of the classes 0 and 2
    >>> correct_within(log_p, torch.tensor([2, 0]), torch.tensor([True, False, True]))
    tensor([ True, False])
    """
    return log_p.masked_fill(~classes, -torch.inf).argmax(dim=-1) == labels


class KnownTask(SupervisedPlugin):
    """The accuracy of each test with the task known: `accuracies` has a number a seed for each experience.

    It looks at the predictions of the very test that the records are of. So a method that samples weights has
    the same samples.

    Args:
        experiences: in training, one for each task: they say which classes a task has.
    """

    def __init__(self, experiences: Sequence[Any]) -> None:
        super().__init__()
        self._classes = [_classes_of(each) for each in experiences]
        self.accuracies: list[list[float]] = []

    def before_eval(self, strategy: Any, **kwargs: Any) -> None:
        self.accuracies = []

    def before_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        self._correct: list[Tensor] = []

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        by_seed = self._classes[strategy.experience.current_experience]
        outputs = strategy.mb_output.unflatten(0, (len(by_seed), -1))
        labels = strategy.mb_y.unflatten(0, (len(by_seed), -1))
        found = [
            correct_within(each, right, _mask(classes, each))
            for each, right, classes in zip(outputs, labels, by_seed, strict=True)
        ]
        self._correct.append(torch.stack(found))

    def after_eval_exp(self, strategy: Any, **kwargs: Any) -> None:
        self.accuracies.append(torch.cat(self._correct, dim=1).double().mean(dim=1).tolist())
        self._correct = []


def _classes_of(experience: Any) -> list[list[int]]:
    """The classes of a task, one list a seed."""
    task = getattr(experience, "task_data", None)
    if task is None:
        return [sorted(experience.classes_in_this_experience)]
    parts = getattr(task, "parts", (task,))
    # a blurred task has examples of others, too
    return [getattr(part, "classes", part.labels.unique()).tolist() for part in parts]


def _mask(classes: Sequence[int], outputs: Tensor) -> Tensor:
    mask = torch.zeros(outputs.shape[-1], dtype=torch.bool)
    mask[list(classes)] = True
    return mask.to(outputs.device)


def check_also_test(also_test: Sequence[str], scenario: str) -> None:
    """See that there is a task to be told.

    Raises:
        ValueError: with the reason, in a scenario where it would be no other test.
    """
    if "task" not in also_test or scenario == "class":
        return
    reason = (
        "the network is told the task already: its accuracy is that"
        if scenario == "task"
        else "all tasks have the same classes, so that to know the task restricts nothing"
    )
    raise ValueError(
        f"training.also_test=[task] is for benchmark.scenario=class; with benchmark.scenario={scenario} "
        f"{reason}: leave task out of training.also_test"
    )
