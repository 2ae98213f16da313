"""What a strategy says of itself, so that `cl-bench check` can hold it to that."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Claims(NamedTuple):
    """Class attribute `claims` of a strategy (or of an instance, where settings decide): what is known of it.

    A question that depends on what is not claimed is "not applicable". Everything else is found out, from
    `stackable`, `belief()`, `state_tensors()`, `present_prior()` and `added_loss()`. The method
    `present_prior()` gives the prior of the task in training, of the kind of `belief()`. The method
    `added_loss()` gives a scalar: what the strategy adds the gradient of by hand.

    Attributes:
        against_forgetting: from the second task on it trains in another way than fine-tuning.
        first_task_is_finetuning: the first task is trained as in fine-tuning, bit for bit.
        off: settings of the strategy with which nothing holds old tasks, such as {"strength": 0.0}.
        off_is_finetuning: with these it is fine-tuning, bit for bit.
        projects: the step follows no gradient of a loss, though the change does not stand in
            `project_gradients`: it projects, clips or perturbs in `backward` or `differentiate` (GEM, SAM).
        closed_form: what it learns has a closed form: neither a step size nor the order of batches matters,
            but for rounding.
        by_example: what it keeps of a task, and adds to a batch's loss, does not depend on the batch size.
        carries_posterior: `belief()` after a task is `present_prior()` in the next one.
        conjugate: settings (strategy.*, training.*) with which its posterior converges where Bayes' rule is
            known exactly; see conformance/conjugate.py.
        rehearses: it shows examples, old ones or new, to heads of old tasks, which then move.
        grows: what it stores grows with the number of tasks.
        own_inputs: in training its network sees other images than the stream's: mixtures, generated ones.
        keeps_of_every_task: every task renews what it keeps, and a memory holds something of each one so far.
        by_path: importances come from the way that weights go: a task without a move adds nothing.
        accumulates: importances add up: two equal tasks pull as twice one does.
        pulls_nowhere_at_start: the first gradient is that of the batch's loss alone, as nothing has changed
            yet. It holds in `every` task, or in the `second` alone (where a third one has two anchors). Or it
            holds only where weights were `unmoved` from the very start (logits that are remembered from each
            step).
        averages: of weight samples in tests: `probabilities`, `logits`, or nothing known, "".
        waits: its steps decide by numbers of the device, which leaves a GPU idle meanwhile.
        scenarios: where it runs; in others it raises a ValueError that names the scenario.
        networks: on which it runs, of `dense`, `convolutional` and `normalised` (with dropout, too). For
            others it raises a ValueError that names a setting of the model.
    """

    against_forgetting: bool = True
    first_task_is_finetuning: bool = False
    off: Mapping[str, Any] = NOTHING
    off_is_finetuning: bool = True
    projects: bool = False
    closed_form: bool = False
    by_example: bool = False
    carries_posterior: bool = False
    conjugate: Mapping[str, Any] = NOTHING
    rehearses: bool = False
    grows: bool = False
    own_inputs: bool = False
    keeps_of_every_task: bool = True
    by_path: bool = False
    accumulates: bool = False
    pulls_nowhere_at_start: str = ""
    averages: str = "probabilities"
    waits: bool = False
    scenarios: tuple[str, ...] = ("task", "domain", "class")
    networks: tuple[str, ...] = ("dense", "convolutional", "normalised")
