"""Does it train, does the seed decide all, and does testing leave training alone?"""

import math
import random
from typing import Any

import numpy as np
import torch

from cl_bench.conformance.check import applies, check, demand
from cl_bench.conformance.networks import batch_norm
from cl_bench.conformance.shared import shared_data_stay_as_they_are
from cl_bench.conformance.subject import SPLIT, Outcome, Run, Subject
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.learner.seeds import global_generators_restored

SIZES = (25, 100, 2000)


@check(
    "is it built from its settings?",
    cause="a setting without a value in the YAML, or a constructor that does not pass **learner on",
)
def it_is_built_from_its_settings(subject: Subject) -> str:
    subject.check_settings()
    strategy = subject.built
    num_weights = sum(parameter.numel() for parameter in strategy.model.parameters())
    return f"{type(strategy).__name__} of a network with {num_weights} parameters"


@check(
    "are all losses and test results finite?",
    cause="a step size or a strength too large for the penalty's curvature, or a logarithm or division by 0",
)
def losses_are_finite(subject: Subject) -> str:
    return check_finite(subject.outcome(*SPLIT))


def check_finite(outcome: Outcome) -> str:
    """Describe the losses; fail where one is not finite."""
    demand(bool(outcome.losses), "no training step was taken")
    wrong = [loss for loss in outcome.losses if not math.isfinite(loss)]
    demand(not wrong, f"{len(wrong)} of {len(outcome.losses)} training losses are not finite")
    tests = outcome.records
    wrong = [each.nll for each in tests if not (math.isfinite(each.nll) and 0 <= each.accuracy <= 1)]
    demand(not wrong, f"{len(wrong)} of {len(tests)} tests have no finite loss or no accuracy")
    return f"{len(outcome.losses)} losses up to {max(outcome.losses):.3g}, {len(tests)} tests"


# what fails where these fail may fail because of them
ONE_RUN = (shared_data_stay_as_they_are, losses_are_finite)


@check(
    "does the same seed give the same bits?",
    cause="numpy.random.default_rng() or a torch.Generator that no seed started, state that a second object "
    "finds on the class or in the module (a list as a class attribute), or an order taken from a set",
    rests_on=ONE_RUN,
)
def the_same_seed_gives_the_same_bits(subject: Subject) -> str:
    first, again = subject.outcome(*SPLIT), subject.fresh_outcome(*SPLIT)
    demand(first.weights == again.weights, "two runs with seed 0 end at different weights")
    demand(first.records == again.records, "two runs with seed 0 have different test results")
    return f"weights and {len(first.records)} test results are equal"


TWO_RUNS = (*ONE_RUN, the_same_seed_gives_the_same_bits)


@check(
    "do other seeds for batches and noise give other bits?",
    cause="the `seeds` argument is not used: a generator with a fixed seed of its own",
    rests_on=ONE_RUN,
)
def another_seed_gives_other_bits(subject: Subject) -> str:
    applies(
        not subject.claims.closed_form, "another order of batches changes last digits alone (closed_form)"
    )
    same_start = ("seed_for.init=0", "seed_for.order=0")  # the same first weights and images
    first, other = subject.outcome(*SPLIT), subject.outcome(*SPLIT, *same_start, seed=2)
    demand(first.weights != other.weights, "seeds 0 and 2 end at the same weights")
    losses = [[record.nll for record in outcome.records] for outcome in (first, other)]
    demand(losses[0] != losses[1], "seeds 0 and 2 have the same test results")
    return "seeds 0 and 2, from the same weights, end at different weights and test results"


@check(
    "does testing change nothing in training?",
    cause="self.noise or self.batch_order in place of self.test_noise in `predict`, running statistics or a "
    "posterior that move in tests, or weights that a test does not put back",
    rests_on=TWO_RUNS,
)
def testing_changes_nothing(subject: Subject) -> str:
    def ends(*, times: int, batch_size: int = 100) -> str:
        with global_generators_restored(0):
            run = subject.run(*SPLIT, *batch_norm(subject))  # statistics that a test could disturb
            run.strategy.eval_mb_size = batch_size
            for task in (0, 1):
                for _ in range(times):
                    with global_generators_restored():
                        run.test()
                run.train(task)
            for _ in range(times):
                with global_generators_restored():
                    run.test()
            return weights_sha256(run.strategy)[0]

    never = ends(times=0)
    demand(ends(times=1) == never, "with tests between the tasks training ends at other weights")
    demand(
        ends(times=2, batch_size=25) == never, "with more tests, in batches of 25, it ends at other weights"
    )
    return "without tests, with tests and with twice as many the weights are equal"


@check(
    "do its test results not depend on the size of test batches?",
    cause="batch statistics in tests, or new weight samples for each batch (see TestSamples)",
    rests_on=(*TWO_RUNS, testing_changes_nothing),
)
def the_size_of_test_batches_changes_nothing(subject: Subject) -> str:
    network = batch_norm(subject)
    first, *others = [subject.outcome(*SPLIT, *network, f"training.test_batch_size={size}") for size in SIZES]
    largest = 0.0
    for other in others:
        demand(other.weights == first.weights, "training ends at other weights")
        for record, expected in zip(other.records, first.records, strict=True):
            # a few binary weights often give two classes the same logit: rounding decides which is first
            ties = getattr(subject.built, "binary", False)
            demand(ties or record.accuracy == expected.accuracy, "accuracies differ")
            largest = max(largest, abs(record.nll - expected.nll))
    demand(largest < 1e-6, f"losses differ by up to {largest:.2g} nats")
    return f"batches of {', '.join(map(str, SIZES))}: losses within {largest:.0e} nats"


@check(
    "are the global random generators left alone?",
    cause="torch.rand, torch.randperm, a DataLoader, numpy or random without a generator of its own "
    "(self.noise, self.batch_order, self.test_noise)",
    rests_on=ONE_RUN,
)
def global_generators_are_left_alone(subject: Subject) -> str:
    moved: list[str] = []
    with global_generators_restored(0):
        before = _global_states()

        def look(when: str) -> None:
            nonlocal before
            after = _global_states()
            names = [name for name in before if before[name] != after[name]]
            moved.extend(f"{name} by {when}" for name in names)
            before = after

        run: Run = subject.run(*SPLIT)
        look("building")
        for task in (0, 1):
            run.train(task)
            look(f"training task {task + 1}")
            run.test()
            look("testing")
    demand(not moved, f"moved: {', '.join(dict.fromkeys(moved))}")
    return "torch, numpy and random stand where they stood"


def _global_states() -> dict[str, Any]:
    return {
        "torch": torch.random.get_rng_state().numpy().tobytes(),
        "numpy": str(np.random.get_state()),
        "random": random.getstate(),
    }


@check(
    "do seeds trained at once equal each one alone, or does it refuse them?",
    cause="a sum or a norm over all seeds; a loss that is not multiplied by num_seeds; one generator for all",
    rests_on=TWO_RUNS,
)
def stacked_seeds_are_those_alone_or_refused(subject: Subject) -> str:
    from cl_bench.conformance.stacking import at_once_and_alone, refuses_stacks

    strategy = subject.built
    if not vars(type(strategy)).get("stackable", False):
        return refuses_stacks(subject)
    applies(subject.is_learner, "only strategies of the suite's kind can be stacked")
    try:
        return at_once_and_alone(subject)
    except ValueError as error:
        if "at once" not in str(error):
            raise
        return f"with these settings a stack is refused: {error}"
