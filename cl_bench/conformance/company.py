"""Does the prediction of an image depend on that image alone?"""

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor

from cl_bench.conformance.check import check, demand
from cl_bench.conformance.held_tensors import generator_states, generators_restored
from cl_bench.conformance.leakage import CPU, other_task
from cl_bench.conformance.networks import batch_norm
from cl_bench.conformance.predictions import predictions
from cl_bench.conformance.repeatability import (
    TWO_RUNS,
    testing_changes_nothing,
    the_size_of_test_batches_changes_nothing,
)
from cl_bench.conformance.subject import SCENARIO, SPLIT, Run, Subject
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.streams.tasks import TaskData

TOLERANCE = 1e-4  # of a logarithm, and relative: sums round by their order


@check(
    "does the prediction of an image depend on that image alone?",
    cause="the network left in train mode, statistics or class shares of the test batch, classes taken from "
    "the labels of the test, a cache that outlives a task or goes by position, or a counter or average that "
    "moves with each test",
    rests_on=(*TWO_RUNS, testing_changes_nothing, the_size_of_test_batches_changes_nothing),
)
def the_prediction_depends_on_the_image_alone(subject: Subject) -> str:
    scenarios = dict.fromkeys((subject.claims.scenarios[0], subject.claims.scenarios[-1]))
    worst, number = 0.0, 0
    for scenario in scenarios:
        run, tested = (_trained(subject, scenario, with_tests=each) for each in (False, True))
        with global_generators_restored(0):
            test = run.stream.test[0]
            expected = predictions(run, test)
            before = "when it was tested after earlier tasks, too", predictions(tested, test), slice(None)
            for company, outputs, positions in chain([before], _in_company(run, test)):
                number += 1
                apart = _apart(outputs, expected[positions])
                demand(
                    bool((apart < TOLERANCE).all()),
                    f"scenario {scenario}: {company}, {int((apart >= TOLERANCE).sum())} of {len(apart)} "
                    f"images are predicted otherwise, by up to {float(apart.max()):.2g}",
                )
                worst = max(worst, float(apart.max()))
    return f"{', '.join(scenarios)}: in {number} tests of other company, order and labels within {worst:.0e}"


def _trained(subject: Subject, scenario: str, *, with_tests: bool) -> Run:
    """Train on all tasks; tests before each of them draw nothing."""
    with global_generators_restored(0):
        run = subject.run(*SPLIT, *batch_norm(subject), f"{SCENARIO}={scenario}")
        for task in range(len(run.stream.train)):
            if with_tests:
                with generators_restored(run.strategy), global_generators_restored():
                    run.test()
            run.train(task)
    return run


def _apart(outputs: Tensor, expected: Tensor) -> Tensor:
    """Return each image's largest difference of outputs, relative above 1, [N]. A nan differs from all."""
    if outputs.shape != expected.shape:
        return torch.full((len(expected),), torch.inf)
    apart = (outputs - expected).abs() / (1 + expected.abs())
    return apart.masked_fill(outputs == expected, 0.0).nan_to_num(nan=torch.inf).amax(dim=1)


def _in_company(run: Run, test: TaskData) -> Iterator[tuple[str, Tensor, Tensor | slice]]:
    """Yield for each kind of company its name, the predictions, and where the test's images are in them."""
    pixels, labels, everything = test.pixels(CPU), test.labels, torch.arange(len(test))

    def of(images: Tensor, names: Tensor) -> Tensor:
        return predictions(run, other_task(images, names, test))

    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
    yield "in another order", of(pixels[order], labels[order]), order
    commonest = (labels == labels.mode().values).nonzero().squeeze(1)
    yield "among images of their class alone", of(pixels[commonest], labels[commonest]), commonest
    kept = everything % 2 == 0
    among = torch.where(kept[:, None, None, None], pixels, 255 - pixels)
    yield "among negatives", of(among, labels)[kept], everything[kept]
    yield "with other labels", of(pixels, labels.roll(1)), everything
    yield "with the label of one class", of(pixels, torch.full_like(labels, int(labels.min()))), everything
    if not _draws(run):  # what samples has drawn others by then
        yield "after another task's test", predictions(run, test, after=(1,)), everything
    with generators_restored(run.strategy), global_generators_restored():
        for tasks in ((1,), (1, 0), (0, 0)):
            run.test(*tasks)
    yield "in a later evaluation", of(pixels, labels), everything


def _draws(run: Run) -> bool:
    """Whether a test moves a generator of the strategy's own."""
    with generators_restored(run.strategy), global_generators_restored():
        before = generator_states(run.strategy)
        run.test(0)
        return generator_states(run.strategy) != before
