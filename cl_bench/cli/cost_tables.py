"""The tables of `cl-bench cost`, and what is to be known of their numbers."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from cl_bench.records.text import counted

if TYPE_CHECKING:
    from cl_bench.analysis.energy import Energy
    from cl_bench.records.runs import Run
    from cl_bench.runner.cost import Cost, Prediction

WIDTH = 100
ONCE, FLOAT, TESTED = "one set of weights", "the same in float32", "as in its tests"
KINDS = {"multiply_adds": "multiply-adds", "additions": "additions", "binary_operations": "XNOR + count"}
BITS = ("stored_bits", "deployed_bits")
FLIPS_LATER = (
    "A weight flips where its most probable value changes in a task. Runs from before that was recorded, and "
    "results that leave out states.csv, do not tell it: run them again."
)


class Method(NamedTuple):
    """The runs of a method on a benchmark, and what its predictions cost."""

    study: str
    benchmark: str
    method: str
    runs: list["Run"]
    cost: "Cost"


def text(methods: Sequence[Method]) -> str:
    """Format the tables, and below them what their numbers mean."""
    from cl_bench.report.text_table import aligned

    places = {f" ({each.study}: {each.benchmark})" for each in methods}
    place = places.pop() if len(places) == 1 else ""
    shown = [f"The prediction of one example{place}:\n\n{aligned(_predictions(methods))}"]
    if len(methods) == 1:
        shown.append(f"With {ONCE}, by layer:\n\n{aligned(_layers(methods[0]))}")
    shown.append(f"What is kept, and what training took:\n\n{aligned(_kept(methods))}")
    return "\n\n".join([*shown, *(textwrap.fill(each, WIDTH) for each in _said(methods))])


def rows_of(method: Method) -> Iterator[dict[str, Any]]:
    """Yield a row for each way to predict: operations, bits, and picojoules by analysis/energy.py."""
    for prediction, found, energy in _ways(method.cost):
        yield {
            "study": method.study,
            "benchmark": method.benchmark,
            "method": method.method,
            "prediction": prediction,
            **found,
            "estimated_arithmetic_pj": round(energy.arithmetic, 2),
            "estimated_memory_pj": round(energy.memory, 2),
        }


def _ways(cost: "Cost") -> Iterator[tuple[str, dict[str, int], "Energy"]]:
    """Yield in words how is predicted, what it takes, and its energy."""
    from cl_bench.analysis.energy import energy

    ways = [(ONCE, _taken(cost.once), 1)]
    if cost.tested is not None:
        passes = cost.tested.passes
        words = counted(passes, "weight sample") if passes > 1 else TESTED
        ways.append((words, _taken(cost.tested), passes))
    if cost.binary:
        products = sum(layer.number for layer in cost.once.counted.layers)
        nothing = dict.fromkeys(KINDS, 0)
        ways.append((FLOAT, nothing | {"multiply_adds": products, "bits": cost.bits_in_float32}, 1))
    for words, taken, reads in ways:
        yield words, taken, energy(**taken, reads=reads)


def _taken(prediction: "Prediction") -> dict[str, int]:
    return {kind: prediction.counted.total(kind) for kind in KINDS} | {"bits": prediction.bits}


def _names(methods: Sequence[Method]) -> list[str]:
    """The methods' names, with study and benchmark where these differ."""
    studies, benchmarks = ({getattr(each, part) for each in methods} for part in ("study", "benchmark"))
    return [
        (f"{each.study}: " if len(studies) > 1 else "")
        + (f"{each.benchmark}, " if len(benchmarks) > 1 else "")
        + each.method
        for each in methods
    ]


def _predictions(methods: Sequence[Method]) -> list[list[str]]:
    rows = [
        [
            name if number == 0 else "",
            prediction,
            *(f"{taken[kind]:,}" for kind in KINDS),
            _kib(taken["bits"]),
            f"{energy.total / 1e3:,.3g}" if energy.total < 1e6 else f"{energy.total / 1e3:,.0f}",
        ]
        for name, method in zip(_names(methods), methods, strict=True)
        for number, (prediction, taken, energy) in enumerate(_ways(method.cost))
    ]
    return _columns(["method", "prediction", *KINDS.values(), "reads, KiB", "estimate, nJ"], rows)


def _layers(method: Method) -> list[list[str]]:
    layers = method.cost.once.counted.layers
    return _columns(
        ["layer", "operations", "are"],
        [[layer.name, f"{layer.number:,}", KINDS[layer.kind]] for layer in layers],
    )


def _kept(methods: Sequence[Method]) -> list[list[str]]:
    rows = []
    for name, method in zip(_names(methods), methods, strict=True):
        by_run = [sorted(run.states, key=lambda state: state.after_task) for run in method.runs]
        last = [states[-1] for states in by_run if states]
        gradients = [sum(state.gradient_evaluations for state in states) for states in by_run if states]
        flips = [fmean(each) for each in _flips(method)]
        rows.append(
            [
                name,
                str(len(method.runs)),
                *(_mean([getattr(state, bits) / 8192 for state in last], "{:,.1f}") for bits in BITS),
                _mean(gradients, "{:,.0f}"),
                _mean([100 * each for each in flips], "{:.1f} %"),
            ]
        )
    titles = ["method", "seeds", "stored, KiB", "deployed, KiB", "gradients of examples", "flips a task"]
    return _columns(titles, rows)


def _flips(method: Method) -> list[list[float]]:
    """List the share of weights that flipped in each task, run by run; runs that do not tell are left out."""
    told = [[state.flipped for state in run.states if state.after_task] for run in method.runs]
    return [each for each in told if each and not any(map(math.isnan, each))]


def _said(methods: Sequence[Method]) -> Iterator[str]:
    for method in methods if len(methods) == 1 else ():
        by_task = [f"{100 * fmean(shares):.1f}" for shares in zip(*_flips(method), strict=False)]
        if by_task:
            yield f"Weights that flip in each task, in percent: {', '.join(by_task)}."
    if any(method.cost.binary and not _flips(method) for method in methods):
        yield FLIPS_LATER
    yield _about_energy()
    names = sorted({name for method in methods for name in method.cost.once.counted.uncounted})
    yield f"Not counted, as torch's counter has no formula for them: {', '.join(names) or 'nothing'}."


def _about_energy() -> str:
    from cl_bench.analysis import energy

    memories = ", ".join(f"{each:g} pJ from {size // 1024:,} KiB" for size, each in energy.MEMORIES.items())
    return (
        f"The energy is an estimate by a table ({energy.SOURCE}), and no measurement. A multiplication of "
        f"32-bit floats takes {energy.MULTIPLICATION} pJ and an addition {energy.ADDITION} pJ. A binary "
        f"operation takes {energy.INTEGER_ADDITION} pJ, as an addition of 8-bit integers. All weights, or "
        "the posterior, are read once for each weight sample, from the smallest memory that holds them. A "
        f"read of {energy.WORD} bits takes {memories}, {energy.DRAM:,.0f} pJ from DRAM."
    )


def _columns(titles: list[str], rows: list[list[str]]) -> list[list[str]]:
    return [list(column) for column in zip(titles, *rows, strict=True)]


def _mean(values: Sequence[float], form: str) -> str:
    found = [value for value in values if not math.isnan(value)]
    return form.format(fmean(found)) if found else "–"


def _kib(bits: float) -> str:
    return f"{bits / 8192:,.1f}"
