"""Does it differ from fine-tuning: not in the first task where it says so, and surely in the second?"""

from cl_bench.conformance.check import applies, check, demand
from cl_bench.conformance.repeatability import ONE_RUN, TWO_RUNS
from cl_bench.conformance.subject import SPLIT, Subject, copied, distance, same
from cl_bench.learner.seeds import global_generators_restored


def _after_task_1(subject: Subject) -> dict:
    with global_generators_restored(0):
        run = subject.run(*SPLIT)
        run.train(0)
        return copied(run.strategy.model.state_dict())


@check(
    "is the first task trained exactly as fine-tuning does?",
    cause="a penalty or a memory that is there before anything was learned, or random numbers drawn from the "
    "generator of the batches",
    rests_on=TWO_RUNS,
)
def the_first_task_is_finetuning(subject: Subject) -> str:
    applies(subject.claims.first_task_is_finetuning, "it does not claim so (first_task_is_finetuning)")
    own, plain = _after_task_1(subject), _after_task_1(subject.finetune)
    demand(same(own, plain), f"weights after task 1 differ by up to {distance(own, plain):.2g}")
    return "weights after task 1 are equal, bit for bit"


@check(
    "does it differ from fine-tuning after the first task?",
    cause="a penalty that is always 0: an importance that is never stored, weights compared with an alias of "
    "themselves, a strength that is not used",
    rests_on=ONE_RUN,
)
def it_differs_from_finetuning_after_the_first_task(subject: Subject) -> str:
    claims = subject.claims
    applies(claims.against_forgetting, "it has nothing against forgetting (against_forgetting)")
    applies(
        bool(claims.off) or claims.first_task_is_finetuning,
        "its first task is not fine-tuning's, and it names no settings that switch it off (off)",
    )
    own = subject.outcome(*SPLIT)
    rest = subject.outcome(*SPLIT, *subject.off()) if claims.off else subject.finetune.outcome(*SPLIT)
    than = f"with {', '.join(subject.off())}" if claims.off else "by fine-tuning"
    apart = distance(own.network, rest.network)
    if claims.off_is_finetuning:
        demand(apart > 0, f"after task 2 the weights are those {than}, bit for bit")
    else:  # a few steps may not turn the sign of a binary weight, but move what it is made from
        demand(own.weights != rest.weights, f"after task 2 all that it keeps is as {than}, bit for bit")
    signs = "" if apart > 0 else "; no weight itself does, but what they are made from"
    return f"after task 2 it differs by up to {apart:.2g} from training {than}{signs}"


@check(
    "is it fine-tuning bit for bit when it is switched off?",
    cause="a term without the strength's factor, a decay or a clipping of its own, or other batches or "
    "random numbers than fine-tuning's",
    rests_on=(*TWO_RUNS, the_first_task_is_finetuning),
)
def switched_off_it_is_finetuning(subject: Subject) -> str:
    applies(bool(subject.claims.off), "it names no settings that switch it off (off)")
    applies(subject.claims.off_is_finetuning, "what is left is not fine-tuning (off_is_finetuning)")
    own, plain = subject.outcome(*SPLIT, *subject.off()).network, subject.finetune.outcome(*SPLIT).network
    demand(
        same(own, plain),
        f"with {', '.join(subject.off())} weights differ by up to {distance(own, plain):.2g}",
    )
    return f"with {', '.join(subject.off())} weights after two tasks are equal"
