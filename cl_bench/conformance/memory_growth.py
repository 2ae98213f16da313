"""Does what it stores grow only as it says?"""

from cl_bench.conformance.check import applies, check, demand
from cl_bench.conformance.held_tensors import held_bits
from cl_bench.conformance.repeatability import ONE_RUN
from cl_bench.conformance.subject import THREE, Subject
from cl_bench.evaluation.states import stored_bits
from cl_bench.learner.seeds import global_generators_restored

THREE_TASKS = ("benchmark=permuted_digits", "benchmark.num_tasks=3")
SLACK = 4096  # bits a task, for bookkeeping


@check(
    "does what it stores grow with the tasks only where it says so, and no more than it counts?",
    cause="a list of tensors, teachers or experiences that state_tensors and kept_elsewhere_bits do not tell "
    "of, or `grows` not declared",
    rests_on=ONE_RUN,
)
def memory_grows_only_as_declared(subject: Subject) -> str:
    applies(
        hasattr(subject.built, "state_tensors"),
        "it does not tell what it stores (state_tensors)",
    )
    counted, held = _bits(subject, *THREE_TASKS)
    growth, held_growth = counted[2] - counted[1], held[2] - held[1]
    if subject.claims.grows and growth == 0:  # it may grow with the classes
        counted, held = _bits(subject, *THREE)
        growth, held_growth = counted[2] - counted[1], held[2] - held[1]
    demand(
        subject.claims.grows == (growth > 0),
        f"it says grows={subject.claims.grows}, and in the third task {growth} bits are added",
    )
    demand(
        held_growth <= growth + SLACK,
        f"in the third task it holds on to {held_growth} bits more, and counts {growth}",
    )
    return f"{counted[2]} bits after task 3, {growth} of them added by it"


def _bits(subject: Subject, *overrides: str) -> tuple[list[int], list[int]]:
    """Return the bits that are counted, and that are held, after each of three tasks."""
    counted, held = [], []
    with global_generators_restored(0):
        run = subject.run(*overrides)
        for task in range(3):
            run.train(task)
            counted.append(stored_bits(run.strategy))
            held.append(held_bits(run.strategy))
    return counted, held
