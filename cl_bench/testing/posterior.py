"""Is the posterior of a task the prior of the next, and the right one where Bayes' rule is known?"""

from typing import Any

import torch
from avalanche.core import SupervisedPlugin

from cl_bench.posteriors.beliefs import Belief
from cl_bench.testing.check import applies, check, demand
from cl_bench.testing.conjugate import largest_error
from cl_bench.testing.subject import PERMUTED, Subject
from cl_bench.testing.training import ONE_RUN


@check(
    "is the posterior of a task the prior of the next one?",
    cause="a prior that is the posterior itself (copy it: .clone()), is taken at the start of the next task "
    "instead of the end of this one, or is never renewed",
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
    return f"in {len(priors.seen)} steps of task 2 the prior was the posterior of task 1, bit for bit"


class _Priors(SupervisedPlugin):
    """The prior after each step."""

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
