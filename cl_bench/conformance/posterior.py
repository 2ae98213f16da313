"""Is the posterior of a task the prior of the next, and the right one where Bayes' rule is known?"""

from typing import Any

import torch
from avalanche.core import SupervisedPlugin

from cl_bench.conformance.check import applies, check, demand
from cl_bench.conformance.conjugate import largest_error
from cl_bench.conformance.repeatability import ONE_RUN
from cl_bench.conformance.subject import PERMUTED, SCENARIO, Subject
from cl_bench.posteriors.beliefs import Belief


@check(
    "is the posterior of a task the prior of the next one?",
    cause="a prior that is the posterior itself (copy it: .clone()), is taken at the start of the next task "
    "instead of the end of this one, or is never renewed; of heads that no task has used yet, their start in "
    "place of the first prior",
    rests_on=ONE_RUN,
)
def the_posterior_is_the_next_prior(subject: Subject) -> str:
    applies(subject.claims.carries_posterior, "it does not claim so (carries_posterior)")
    run = subject.run(*PERMUTED)
    strategy = run.strategy
    first = _copy(strategy.belief())
    run.train(0)
    posterior = _copy(strategy.belief())
    demand(not _equal(first, posterior), "the first task does not move the posterior")
    priors = _Priors()
    strategy.plugins.insert(0, priors)
    run.train(1)
    demand(_equal(priors.seen[0], posterior), "in the first step of task 2 the prior is not that posterior")
    demand(_equal(priors.seen[-1], posterior), "the prior of task 2 moves while it is trained")
    demand(not _equal(_copy(strategy.belief()), posterior), "the second task does not move the posterior")
    _demand_that_a_new_head_has_the_first_prior(subject)
    return f"in {len(priors.seen)} steps of task 2 the prior was the posterior of task 1, bit for bit"


def _demand_that_a_new_head_has_the_first_prior(subject: Subject) -> None:
    if "task" not in subject.claims.scenarios or not hasattr(subject.built, "other_heads"):
        return
    run = subject.run(*PERMUTED, f"{SCENARIO}=task")
    strategy = run.strategy
    if strategy.heads is None:
        return
    expected, priors = _copy(strategy.first_prior()), _Priors()
    run.train(0)
    strategy.plugins.insert(0, priors)
    run.train(1)
    first, second = (strategy.flat.mask(strategy.other_heads(task)) for task in (0, 1))
    new = ((first == 0) & (second > 0))[: len(expected[0])]
    demand(
        all(torch.equal(one[new], other[new]) for one, other in zip(priors.seen[0], expected, strict=True)),
        "in the first step of task 2 the prior of its own head, which is new, is not the first prior",
    )


class _Priors(SupervisedPlugin):
    """A plugin that notes the prior after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Belief] = []

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.seen.append(_copy(strategy.present_prior()))


def _copy(belief: Belief) -> Belief:
    return type(belief)(*(part.detach().clone() for part in belief))


def _equal(first: Belief, second: Belief) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@check(
    "does learning a conjugate model task by task end at the posterior of all data?",
    cause="a likelihood that is not the sum over the task's examples (N_t), a prior that is counted again in "
    "each task, or a step size that did not converge",
    rests_on=(*ONE_RUN, the_posterior_is_the_next_prior),
)
def sequential_learning_ends_at_the_batch_posterior(subject: Subject) -> str:
    applies(bool(subject.claims.conjugate), "it names no settings for it (conjugate)")
    error, tolerance = largest_error(subject)
    demand(error < tolerance, f"after a task it is off by {error:.3g}, allowed are {tolerance:.2g}")
    return f"after each of two tasks within {error:.2g} of the exact posterior"
