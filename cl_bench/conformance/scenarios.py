"""Does it run in the scenarios that it says, and in no other?"""

import torch
from torch import Tensor

from cl_bench.conformance.check import Failed, applies, check, demand
from cl_bench.conformance.networks import refused
from cl_bench.conformance.repeatability import ONE_RUN, TWO_RUNS, check_finite
from cl_bench.conformance.subject import PERMUTED, SPLIT, Subject
from cl_bench.learner.seeds import global_generators_restored
from cl_bench.models.network import Network
from cl_bench.streams.tasks import SCENARIOS

ONE_EPOCH = "training.epochs=1"


@check(
    "does it run in each scenario that it declares?",
    cause="labels or outputs of one head taken for those of another (head_of(experience), other_heads)",
    rests_on=ONE_RUN,
)
def it_runs_in_each_scenario_it_declares(subject: Subject) -> str:
    for scenario in subject.claims.scenarios:
        outcome = subject.outcome(*PERMUTED, f"benchmark.scenario={scenario}")
        check_finite(outcome)
        tests = [(record.after_task, record.on_task) for record in outcome.records]
        demand(tests == [(after, on) for after in range(3) for on in (1, 2)], f"{scenario}: tests {tests}")
    return f"{', '.join(subject.claims.scenarios)}: two tasks trained and tested, losses finite"


@check(
    "does it refuse the other scenarios with an error that says so?",
    cause="no check of experience.task_label or of the number of heads",
)
def it_refuses_other_scenarios(subject: Subject) -> str:
    others = [scenario for scenario in SCENARIOS if scenario not in subject.claims.scenarios]
    applies(bool(others), "it declares all scenarios")
    for scenario in others:
        try:
            with global_generators_restored(0):
                subject.run(*SPLIT, f"benchmark.scenario={scenario}").train()
        except (ValueError, TypeError, NotImplementedError) as error:
            demand("scenario" in str(error), f"{scenario}: the error does not name the scenario: {error}")
        else:
            raise Failed(f"{scenario} is not declared, and yet it trains there")
    return f"{', '.join(others)}: refused"


@check(
    "does it run on a convolutional network as on a perceptron?",
    cause="weights taken for matrices, or images flattened",
    rests_on=(*ONE_RUN, it_runs_in_each_scenario_it_declares),
)
def it_runs_on_a_convolutional_network(subject: Subject) -> str:
    rows = subject.run(*SPLIT).stream.input_shape[1:] == (1, 1)
    applies(not rows, "its data are rows of features")
    if "convolutional" not in subject.claims.networks:
        return refused(subject, model="cnn")
    for scenario in subject.claims.scenarios:
        check_finite(subject.outcome(*SPLIT, ONE_EPOCH, f"benchmark.scenario={scenario}", model="cnn"))
    return f"{', '.join(subject.claims.scenarios)}: two tasks trained and tested, losses finite"


@check(
    "do heads keep their weights while other tasks are trained?",
    cause="a penalty, a prior, weight decay, momentum or noise that moves heads without data (other_heads); "
    "where old ones shall move (rehearses), old examples that are shown to the present head",
    rests_on=TWO_RUNS,
)
def heads_of_other_tasks_stand_still(subject: Subject) -> str:
    applies("task" in subject.claims.scenarios, "it has one head in every scenario")
    rehearses = subject.claims.rehearses
    old_moves = False
    with global_generators_restored(0):
        run = subject.run("benchmark=split_digits", "benchmark.num_tasks=3")
        network = _network(run.strategy)
        for task in range(3):
            before = [head_values(network, head).clone() for head in range(3)]
            run.train(task)
            after = [head_values(network, head) for head in range(3)]
            for head in range(3):
                stands = torch.equal(before[head], after[head])
                old_moves = old_moves or (head < task and not stands)
                if head > task or (head < task and not rehearses):
                    moved = float((before[head] - after[head]).abs().max())
                    demand(stands, f"head {head + 1} moves by up to {moved:.2g} in task {task + 1}")
    demand(
        old_moves or not rehearses,
        "no head of an earlier task moves, though it says that it shows examples to them (rehearses)",
    )
    return f"three tasks: {'heads of later tasks' if rehearses else 'heads of other tasks'} are equal"


def _network(strategy: object) -> Network:
    network = next((part for part in strategy.model.modules() if isinstance(part, Network)), None)  # type: ignore[attr-defined]
    applies(network is not None, "its network has no heads of cl_bench.models")
    assert network is not None
    return network


def head_values(network: Network, head: int) -> Tensor:
    """Return all that the output layer holds for one head (weights; VCL: means and log-variances), flat."""
    rows = network.heads.rows(head)
    parameters = network.heads.linear.parameters()
    return torch.cat([part.detach()[rows].reshape(-1) for part in parameters])
