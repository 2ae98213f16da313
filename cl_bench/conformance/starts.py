"""Does nothing pull at the weights where nothing has changed?"""

from cl_bench.conformance.check import applies, check, demand
from cl_bench.conformance.pulls import stand_alike, watched
from cl_bench.conformance.repeatability import TWO_RUNS
from cl_bench.conformance.subject import THREE, Subject
from cl_bench.learner.seeds import global_generators_restored

WHERE = {"second": (2,), "every": (2, 3), "unmoved": ()}
UNMOVED = ("training.optimizer=sgd", "training.learning_rate=1e-30", "training.batch_size=16")
TOLERANCE = 1e-4  # of the gradient's length


@check(
    "does nothing pull at the weights in the first step of a task, when nothing has changed?",
    cause="a penalty around other weights than the last solution (the first ones, 0, older ones), "
    "a teacher or logits that are a task or a batch old, of other images or heads, a temperature on "
    "one side only, or F.kl_div of probabilities in place of their logarithms; two anchors that are averaged "
    "without their importances, so that the newest one pulls, too",
    rests_on=TWO_RUNS,
)
def nothing_pulls_at_the_start_of_a_task(subject: Subject) -> str:
    claim = subject.claims.pulls_nowhere_at_start
    applies(bool(claim), "it does not claim so (pulls_nowhere_at_start)")
    tasks = WHERE.get(claim)
    if tasks is None:
        raise ValueError(f"pulls_nowhere_at_start must be one of {', '.join(WHERE)}, got {claim!r}")
    applies(bool(subject.claims.off), "it names no settings that switch it off (off)")
    said = []
    if claim != "unmoved":
        errors = _pulls(subject)
        for task in tasks:
            demand(
                errors[task - 1] < TOLERANCE,
                f"in the first step of task {task} the gradient is {errors[task - 1]:.2g} of its length "
                f"apart from that with {', '.join(subject.off())}",
            )
        said.append(f"in the first step of task {' and '.join(map(str, tasks))}")
    worst = max(_pulls(subject, *UNMOVED, every_step=True))
    demand(
        worst < TOLERANCE,
        f"where no weight moves, the gradient of a step is {worst:.2g} of its length apart from that with "
        f"{', '.join(subject.off())}",
    )
    if claim == "second":
        _demand_that_older_anchors_pull_alone(subject)
    said.append("where no weight moves in every step")
    return f"{' and '.join(said)} the gradient is that with {', '.join(subject.off())}"


def _pulls(subject: Subject, *overrides: str, every_step: bool = False) -> list[float]:
    """Return how far gradients are from those of the method switched off, relative to their length."""
    with global_generators_restored(0):
        own, off = subject.run(*THREE, *overrides), subject.run(*THREE, *overrides, *subject.off())
        pulled, free = watched(own, every_step=every_step), watched(off, every_step=every_step)
        for task in range(3):
            stand_alike(off, own)
            for run in (own, off):
                with global_generators_restored(task):
                    run.train(task)
    pairs = zip(pulled.found, free.found, strict=True)
    return [float((gradient - rest).norm() / rest.norm()) for gradient, rest in pairs]


def _demand_that_older_anchors_pull_alone(subject: Subject) -> None:
    """Demand that at the weights of task 2 only the anchor of task 1 pulls, as if there were no task 2."""
    with global_generators_restored(0):
        both, one = subject.run(*THREE), subject.run(*THREE)
        both.train(0, 1)
        one.train(0)
        stand_alike(one, both)
        gradients = []
        for run in (both, one):
            first = watched(run)
            with global_generators_restored(0):
                run.train(2)
            gradients.append(first.found[0])
    error = float((gradients[0] - gradients[1]).norm() / gradients[1].norm())
    demand(
        error < TOLERANCE,
        f"in the first step of task 3 the gradient is {error:.2g} of its length apart from that which the "
        "anchor of task 1 alone has at the same weights",
    )
