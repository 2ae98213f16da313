"""Does nothing pull at the weights where nothing has changed?"""

from cl_bench.testing.check import applies, check, demand
from cl_bench.testing.pulls import stand_alike, watched
from cl_bench.testing.subject import THREE, Subject
from cl_bench.testing.training import TWO_RUNS
from cl_bench.training.generators import global_generators_restored

WHERE = {"second": (2,), "every": (2, 3)}
TOLERANCE = 1e-4  # of the gradient's length


@check(
    "does nothing pull at the weights in the first step of a task, when nothing has changed?",
    cause="a penalty around other weights than the last solution (the first ones, 0, older ones), "
    "a teacher or logits that are a task old, of other images or heads, a temperature on one side only, or "
    "F.kl_div of probabilities in place of their logarithms",
    rests_on=TWO_RUNS,
)
def nothing_pulls_at_the_start_of_a_task(subject: Subject) -> str:
    claim = subject.claims.pulls_nowhere_at_start
    applies(bool(claim), "it does not claim so (pulls_nowhere_at_start)")
    tasks = WHERE.get(claim)
    if tasks is None:
        raise ValueError(f"pulls_nowhere_at_start must be one of {', '.join(WHERE)}, got {claim!r}")
    applies(bool(subject.claims.off), "it names no settings that switch it off (off)")
    with global_generators_restored(0):
        own, off = subject.run(*THREE), subject.run(*THREE, *subject.off())
        pulled, free = watched(own), watched(off)
        for task in range(max(tasks)):
            stand_alike(off, own)
            for run in (own, off):
                with global_generators_restored(task):
                    run.train(task)
    pulls = [found - rest for found, rest in zip(pulled.found, free.found, strict=True)]
    without = ", ".join(subject.off())
    errors = [float(pulls[task - 1].norm() / free.found[task - 1].norm()) for task in tasks]
    for task, error in zip(tasks, errors, strict=True):
        demand(
            error < TOLERANCE,
            f"in the first step of task {task} the gradient is {error:.2g} of its length apart from that "
            f"with {without}",
        )
    names = " and ".join(map(str, tasks))
    where = f"in the first step of task {names} the gradient"
    return f"{where} is that with {without}, within {max(errors):.0e} of its length"
