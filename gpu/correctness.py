"""The questions of `cl-bench check`, asked of a strategy on the device."""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache

from cl_bench.conformance import check, repeatability, resuming, scenarios
from cl_bench.conformance.catalogue import CHECKS
from cl_bench.conformance.check import result_of
from cl_bench.conformance.subject import MODELS, SCENARIO, SPLIT, Subject
from gpu.items import FAIL, MEASURED, NOT_APPLICABLE, PASS, Answer, Asked
from gpu.worker import is_lasting

# what goes wrong on a device first: all scenarios, both networks, generators, stacks, checkpoints
FIRST = (
    scenarios.it_runs_in_each_scenario_it_declares,
    scenarios.it_runs_on_a_convolutional_network,
    repeatability.the_same_seed_gives_the_same_bits,
    repeatability.stacked_seeds_are_those_alone_or_refused,
    resuming.it_goes_on_bit_for_bit,
)
STATUSES = {check.PASS: PASS, check.FAIL: FAIL, check.NOT_APPLICABLE: NOT_APPLICABLE}


def first_questions(asked: Asked) -> Iterator[Answer]:
    """Ask the first questions of a strategy, and how far its tests are from those on the CPU."""
    (strategy,) = asked.arguments
    yield from _asked(asked, strategy, "mlp", FIRST)
    if BESIDE not in asked.known:
        yield beside_the_cpu(strategy, asked.device)


def other_questions(asked: Asked) -> Iterator[Answer]:
    """Ask all the other questions, of a strategy on a network."""
    strategy, model = asked.arguments
    yield from _asked(
        asked, strategy, model, [each for each in CHECKS if model != "mlp" or each not in FIRST]
    )


def _asked(asked: Asked, strategy: str, model: str, checks: Sequence[check.Check]) -> Iterator[Answer]:
    for each in checks:
        if each.name in asked.known:
            continue
        answered = answer(each, strategy, model, asked.device)
        yield answered
        if answered.status == FAIL and is_lasting(answered.said):
            raise RuntimeError(answered.said)  # a new process takes the place of this one


def answer(question: check.Check, strategy: str, model: str, device: str) -> Answer:
    """Say what is seen on the device. What is answered wrongly on the CPU, too, says nothing of it."""
    os.environ["PYTHONWARNINGS"] = "ignore"
    result = result_of(question, subject(strategy, model, device))
    status, said = STATUSES[result.outcome], result.seen
    if status == FAIL and device != "cpu":
        on_cpu = result_of(question, subject(strategy, model, "cpu"))
        if on_cpu.outcome == check.FAIL:
            status, said = NOT_APPLICABLE, f"wrong on the CPU, too: {on_cpu.seen}"
    return Answer(question.name, status, said=said)


@lru_cache(maxsize=6)
def subject(strategy: str, model: str, device: str) -> Subject:
    """Return the strategy on this network and device; its runs are remembered for its next questions."""
    network = () if model == "mlp" else MODELS[model]
    return Subject(strategy, [f"training.device={device}", *network])


BESIDE = "beside_the_cpu"


def beside_the_cpu(strategy: str, device: str) -> Answer:
    """Measure how far the losses of the tests are from those of the same run on a CPU.

    A method that draws noise on the device draws other noise there, and is far.
    """
    on_device = subject(strategy, "mlp", device)
    scenario = f"{SCENARIO}={on_device.claims.scenarios[-1]}"
    here, there = (each.outcome(*SPLIT, scenario) for each in (on_device, subject(strategy, "mlp", "cpu")))
    pairs = list(zip(here.records, there.records, strict=True))
    losses = max(abs(one.nll - other.nll) for one, other in pairs)
    accuracies = max(abs(one.accuracy - other.accuracy) for one, other in pairs)
    said = f"the largest difference of a test's loss; of its accuracy {100 * accuracies:.2g} points"
    return Answer(BESIDE, MEASURED, losses, "nats", said=said)
