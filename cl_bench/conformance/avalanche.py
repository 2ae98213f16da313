"""The kit asked of Avalanche's strategies: `python -m cl_bench.conformance.avalanche` prints the table.

Avalanche's classes say nothing of themselves: what is claimed for them here is what the methods' papers say.
The causes were found in Avalanche's code; each, but the loaders', which is by design, was tried: with
that line changed, the check passes.
"""

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from itertools import chain
from typing import Any, NamedTuple

from torch import Tensor

from cl_bench.conformance.check import FAIL, Result
from cl_bench.learner.claims import Claims

GLOBAL = "global_generators_are_left_alone"
DIFFERS = "it_differs_from_finetuning_after_the_first_task"
OFF = "switched_off_it_is_finetuning"
BATCH_SIZE = "what_it_keeps_does_not_depend_on_the_batch_size"
FROZEN = "frozen_copies_are_in_eval_mode"
NORMALISED = "normalised_and_scheduled_it_is_finetuning"
MEASURED = "measurements_are_made_in_evaluation_mode"
STATISTICS = "running_statistics_move_in_steps_alone"

UNKNOWN = "Nobody has looked into it yet"
COMMON_CAUSES = {
    GLOBAL: "By design: Avalanche shuffles with torch's global generator, and every pass over a torch "
    "DataLoader without a generator, in tests too, draws a base seed from it. Whoever tests between tasks "
    "must put it back (cl_bench's experiment loop does), or training depends on how often was tested",
}
ANOTHER_PASS = (
    "The penalty is 0 as it should be. `{method}` goes through the task with a new DataLoader, which draws "
    "from the global generator, so that the next task's batches come in another order than Naive's. With the "
    "generator put back the check passes"
)

MEASURED_IN_TRAIN_MODE = (
    "`MASPlugin._get_importance` calls `strategy.model.train()` before it goes through the task: dropout is "
    "in the importances, and running statistics move by its batches. With `.eval()` the check passes"
)

# no momentum, which Avalanche carries from task to task and which would move heads without a gradient
SGD = ("training.optimizer=sgd", "training.learning_rate=0.1")


def _plugin(strategy: Any, attribute: str) -> Any:
    return next(plugin for plugin in strategy.plugins if hasattr(plugin, attribute))


def _ewc_importances(strategy: Any) -> dict[str, Tensor]:
    by_task = _plugin(strategy, "importances").importances
    return {
        f"{task}_{name}": each.data
        for task, importances in by_task.items()
        for name, each in importances.items()
    }


def _mas_importance(strategy: Any) -> dict[str, Tensor]:
    importance = _plugin(strategy, "importance").importance or {}  # None before the first task
    return {name: each.data for name, each in importance.items()}


class Stock(NamedTuple):
    """What is asked of one of Avalanche's classes."""

    settings: tuple[str, ...]
    claims: Claims
    kept: Callable[[Any], dict[str, Tensor]] | None = None
    causes: Mapping[str, str] = {}  # of failures, by check: found in Avalanche's code


STOCK: dict[str, Stock] = {
    "EWC": Stock(
        ("strategy.settings.ewc_lambda=100.0",),
        Claims(first_task_is_finetuning=True, off={"settings.ewc_lambda": 0.0}, by_example=True),
        _ewc_importances,
        {
            OFF: ANOTHER_PASS.format(method="EWCPlugin.compute_importances"),
            NORMALISED: ANOTHER_PASS.format(method="EWCPlugin.compute_importances"),
            BATCH_SIZE: "`EWCPlugin.compute_importances` squares the gradient of a batch's mean loss "
            "(`p.grad.pow(2)` after `loss.backward()`), whose noise falls with the batch size; it takes "
            "batches of `train_mb_size`, so that ewc_lambda means something else with each. With batches "
            "of 1, which are the paper's, the check passes",
        },
    ),
    "SynapticIntelligence": Stock(
        ("strategy.settings.si_lambda=100.0",),
        Claims(first_task_is_finetuning=True, off={"settings.si_lambda": 0.0}),
        causes={
            DIFFERS: "On a CPU `SynapticIntelligencePlugin.extract_weights` stores "
            "`param.detach().cpu().flatten()`, a view of the parameter: the weights before a step "
            "(old_theta) and the last task's solution are the present weights, so that importance and "
            "distance are always 0. With `.clone()` the check passes. (On a GPU `.cpu()` copies: not tried)",
        },
    ),
    "LwF": Stock(
        ("strategy.settings.alpha=1.0", "strategy.settings.temperature=2.0"),
        Claims(first_task_is_finetuning=True, off={"settings.alpha": 0.0}, rehearses=True),
        causes={
            NORMALISED: "`LearningWithoutForgetting._lwf_penalty` takes the batch through the teacher, which "
            "is in train mode, and through the model once more (avalanche_forward(curr_model, x, None)), "
            "whatever alpha is: dropout draws other numbers and running statistics move twice. Without this "
            "call where alpha is 0 the check passes",
            FROZEN: "`LearningWithoutForgetting.post_adapt` takes `copy.deepcopy(agent.model)` while the "
            "model is in train mode, and nothing calls `.eval()` on the copy: with batch normalisation the "
            "teacher answers by the statistics of the new task's batches. Without batch normalisation and "
            "dropout it makes no difference. With `.eval()` the check passes",
        },
    ),
    "MAS": Stock(
        ("strategy.settings.lambda_reg=1.0",),
        Claims(first_task_is_finetuning=True, off={"settings.lambda_reg": 0.0}, by_example=True),
        _mas_importance,
        {
            OFF: ANOTHER_PASS.format(method="MASPlugin._get_importance"),
            MEASURED: MEASURED_IN_TRAIN_MODE,
            STATISTICS: MEASURED_IN_TRAIN_MODE,
            NORMALISED: f"{MEASURED_IN_TRAIN_MODE} where the global generator is put back, too",
            BATCH_SIZE: "`MASPlugin._get_importance` takes the absolute value of a batch's mean gradient and "
            "not, as the paper, of each example's, and counts a last, smaller batch as a whole one. Most of "
            "these gradients agree in sign, so that the difference is small. With batches of 1 the check "
            "passes",
        },
    ),
    "Replay": Stock(
        ("strategy.settings.mem_size=20",), Claims(first_task_is_finetuning=True, rehearses=True)
    ),
    "GEM": Stock(
        ("strategy.settings.patterns_per_exp=20",), Claims(first_task_is_finetuning=True, rehearses=True)
    ),
}
PACKAGE = "avalanche.training:"


def known(strategy: str) -> dict[str, Any]:
    """Return `Subject` arguments for a class of Avalanche: claims, by its paper; nothing for any other."""
    stock = STOCK.get(strategy.removeprefix(PACKAGE)) if strategy.startswith(PACKAGE) else None
    return {} if stock is None else {"claims": stock.claims, "kept": stock.kept}


def results() -> dict[str, list[Result]]:
    """Map each class to the result of each check."""
    from cl_bench.conformance.catalogue import examine
    from cl_bench.conformance.subject import Subject

    by_class = {}
    for name, stock in STOCK.items():
        print(name, file=sys.stderr, flush=True)
        path = PACKAGE + name
        by_class[name] = list(examine(Subject(path, [*SGD, *stock.settings], **known(path))))
    return by_class


HEADER = """# What the kit finds in Avalanche's own strategies

Made by `{command}` with avalanche-lib {version} on a CPU
(GEM needs a solver: `pip install quadprog`). One of them alone:
`cl-bench check {package}EWC {settings}`

Two tasks of split digits (144 images), a perceptron with 12 hidden units and a small convolutional network,
{settings_of_all}. Fine-tuning is Avalanche's `Naive`.

Avalanche's classes make no claims to this kit. That the first task is fine-tuning, that a strength of 0 is
and that importances are means over single examples (EWC, MAS) is what the methods' papers say. Not applicable
are gradients by finite differences (the kit moves the flat vector of a `cl_bench` learner), posteriors, what
is stored (an Avalanche strategy does not say) and, for Replay and GEM, settings that switch them off. Tests
are held with the global generators put back, except where the question is about these. A failure is not
always a fault: what was seen and why stands below the table.
"""


def page(by_class: Mapping[str, Sequence[Result]]) -> str:
    """Write the table, and each failure with what was seen and its cause, as Markdown."""
    lines = [_header(), f"| asked | {' | '.join(by_class)} |", "|---" * (len(by_class) + 1) + "|"]
    failures: dict[tuple[str, str, str], list[str]] = {}  # question, seen, cause -> classes
    for row in zip(*by_class.values(), strict=True):
        outcomes = (f"**{each.outcome}**" if each.outcome == FAIL else each.outcome for each in row)
        question = row[0].check.question
        lines.append(f"| {question} | {' | '.join(outcomes)} |")
        for name, each in zip(by_class, row, strict=True):
            if each.outcome == FAIL:
                cause = STOCK[name].causes.get(each.check.name, COMMON_CAUSES.get(each.check.name, UNKNOWN))
                failures.setdefault((question, each.seen, cause), []).append(name)
    lines += ["", "## What was seen, and why", ""]
    for (question, seen, cause), names in failures.items():
        lines.append(f"- **{', '.join(names)}**: *{question}* {seen}. {cause}.")
    return "\n".join(lines)


def _header() -> str:
    return HEADER.format(
        command="python -m cl_bench.conformance.avalanche > results/avalanche_contract.md",
        version=version("avalanche-lib"),
        package=PACKAGE,
        settings=" ".join([*STOCK["EWC"].settings, *SGD]),
        settings_of_all=", ".join(
            setting.rpartition(".settings.")[2]
            for setting in (*SGD, *chain(*(each.settings for each in STOCK.values())))
        ),
    )


if __name__ == "__main__":
    from cl_bench.runner.assembly import NOISE

    warnings.filterwarnings("ignore", message=NOISE)
    print(page(results()))
