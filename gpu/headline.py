"""Two whole studies, four methods with five seeds at once, and how long they take."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from gpu.items import AT_MOST, MEASURED, Answer, Asked, LeftOutError
from gpu.runs import SMALL, mean_accuracy, methods, run, seconds_of, seeds


class Study(NamedTuple):
    """A benchmark, the data set that it needs, and seconds that four methods should take at most."""

    settings: tuple[str, ...]
    small: str
    target: float


STUDIES = {
    "permuted_mnist": Study(
        ("benchmark=permuted_mnist", "tuned=none", "benchmark.num_tasks=10"), "mnist", 60
    ),
    "split_cifar10": Study(("benchmark=split_cifar10", "tuned=none", "benchmark.num_tasks=5"), "cifar", 120),
}
IN_PLACE = ("benchmark=permuted_digits", "benchmark.num_tasks=10")
ALL = "all methods"
NUM_SEEDS = 5


def study(asked: Asked) -> Iterator[Answer]:
    """Measure the seconds of each method and of all. Without the data set the digits stand in, and no target.

    Raises:
        LeftOutError: without the data set, when the digits are done.
    """
    chosen = STUDIES[asked.arguments[0]]
    small = SMALL[chosen.small] if asked.tiny else ()
    try:
        yield from _methods(asked, *chosen.settings, *small, target=f"{AT_MOST} {chosen.target:g}")
    except LeftOutError as why:
        yield from _methods(asked, *IN_PLACE, *(SMALL["digits"] if asked.tiny else ()), after=", digits")
        raise LeftOutError(f"{why}; the digits were run in its place") from why


def _methods(asked: Asked, *settings: str, target: str = "", after: str = "") -> Iterator[Answer]:
    wanted, total = ("study=headline", seeds(asked, NUM_SEEDS), "training.epochs=10", *settings), 0.0
    for method in methods(asked):
        known = asked.known.get(method + after)
        if known is None or known.value is None:
            answer = _method(asked, f"strategy={method}", *wanted)
            yield answer._replace(name=method + after)
        total += (known or answer).value or 0.0
    said = "from the settings to the last test; without the start of Python and its imports"
    yield Answer(ALL + after, MEASURED, total, "s", "" if asked.tiny else target, said)


def _method(asked: Asked, *settings: str) -> Answer:
    started = time.perf_counter()
    runs = run(asked, *settings)
    # of runs that an earlier call had begun, or finished, their own clock
    seconds = max(time.perf_counter() - started, seconds_of(runs))
    how = "at once" if "trained_at_once_with_seeds" in runs[0].about else "one after another"
    said = f"average accuracy {100 * mean_accuracy(runs):.2f} %, {len(runs)} seeds {how}"
    return Answer("", MEASURED, seconds, "s", said=said)
