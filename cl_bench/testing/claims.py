"""What a strategy says of itself, so that `cl-bench check` can hold it to that."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Claims(NamedTuple):
    """Class attribute `claims` of a strategy (or a property, where settings decide): what is known of it.

    A check that a claim does not ask for is "not applicable", and says so. Everything else is found out: from
    `stackable`, `belief()`, `state_tensors()`, `present_prior()` (the prior of the task in training, of the
    kind of `belief()`) and `added_loss()` (what a strategy adds to the gradient by hand, as a scalar).
    """

    # from the second task on it trains in another way than fine-tuning does
    against_forgetting: bool = True
    # the first task is trained as fine-tuning does, bit for bit
    first_task_is_finetuning: bool = False
    # settings of the strategy with which nothing holds old tasks, such as {"strength": 0.0}
    off: Mapping[str, Any] = NOTHING
    # with `off` it is fine-tuning, bit for bit
    off_is_finetuning: bool = True
    # what it keeps of a task, and what it adds to a batch's loss, does not depend on the batch size
    by_example: bool = False
    # belief() after a task is present_prior() in the next one
    carries_posterior: bool = False
    # settings (strategy.*, training.*) with which its posterior converges where Bayes' rule is known exactly
    conjugate: Mapping[str, Any] = NOTHING
    # it shows examples, old ones or new, to heads of old tasks
    rehearses: bool = False
    # what it stores grows with the number of tasks
    grows: bool = False
    scenarios: tuple[str, ...] = ("task", "domain", "class")
