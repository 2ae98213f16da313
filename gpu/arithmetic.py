"""What precision, compilation, determinism and stacked seeds change of a run on the device."""

import tempfile
from collections.abc import Iterator
from functools import partial

from gpu.items import AT_MOST, FAIL, MEASURED, PASS, Answer, Asked, LeftOutError
from gpu.runs import SMALL, average_accuracy, digits, mean_accuracy, methods, run, seconds_of, seeds

# largest difference of a test's accuracy between seeds at once and alone, in float32 after two tasks: sums
# round in another order, and a few images lie at the border of two classes
STACKED_TOLERANCE = 0.02
NETWORKS = {"mlp": (), "cnn": ("model=cnn", "model.channels=[8,8]", "model.hidden=32")}
PRECISIONS = ("float32", "tf32", "bfloat16")
NUM_SEEDS = 3


def stacked(asked: Asked) -> Iterator[Answer]:
    """Train seeds at once and each alone, in float32: the largest difference of a test's accuracy."""
    for method in methods(asked):
        if method in asked.known:
            continue
        results = []
        for how in ("true", "false"):
            with tempfile.TemporaryDirectory() as folder:
                settings = digits(asked, "seeds=[0,1]", f"training.stacked={how}", f"strategy={method}")
                results.append(run(asked, *settings, folder=folder))
        pairs = [
            (one.accuracy, other.accuracy)
            for runs in zip(*results, strict=True)
            for one, other in zip(runs[0].records, runs[1].records, strict=True)
        ]
        largest = max(abs(one - other) for one, other in pairs)
        seconds = [seconds_of(runs) for runs in results]
        status, target = PASS if largest <= STACKED_TOLERANCE else FAIL, f"{AT_MOST} {STACKED_TOLERANCE}"
        said = f"of {len(pairs)} accuracies; {seconds[0]:.1f} s at once, {seconds[1]:.1f} s alone"
        yield Answer(method, status, largest, "of 1", target, f"largest difference {said}")


def deterministic(asked: Asked) -> Iterator[Answer]:
    """Ask whether a run that is done twice ends at the same bits."""
    networks = dict(list(NETWORKS.items())[:1]) if asked.tiny else NETWORKS
    for network, settings in networks.items():
        for method in methods(asked):
            name = f"{method}, {network}"
            if name not in asked.known:
                yield same_bits(name, partial(run, asked, *digits(asked, *settings, f"strategy={method}")))


def same_bits(name: str, do: partial) -> Answer:
    """Do a run twice, each time in a folder of its own, and compare the bits."""
    hashes = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            hashes.append([each.about["weights_sha256"] for each in do(folder=folder)])
    same = hashes[0] == hashes[1]
    return Answer(
        name, PASS if same else FAIL, said=f"the final weights are {'' if same else 'not '}the same"
    )


def compiled(asked: Asked) -> Iterator[Answer]:
    """Measure what `training.compile` changes of average accuracy and of seconds."""
    for method in methods(asked):
        if method in asked.known:
            continue
        plain, fast = (
            run(asked, *digits(asked, f"strategy={method}", f"training.compile={how}", f"study={study}"))
            for how, study in (("false", "not_compiled"), ("true", "compiled"))
        )
        said = f"{seconds_of(fast):.1f} s with its compilation, {seconds_of(plain):.1f} s without"
        yield _difference(method, mean_accuracy(fast) - mean_accuracy(plain), said)


def precision(asked: Asked) -> Iterator[Answer]:
    """Measure what tf32 and bfloat16 change of average accuracy on permuted MNIST, or on the digits."""
    for method in methods(asked):
        names = [f"{method}, {each}" for each in PRECISIONS[1:]]
        if all(name in asked.known for name in names):
            continue
        wanted = (f"strategy={method}", "study=precision", seeds(asked, NUM_SEEDS))
        exact, *others = (_runs(asked, *wanted, f"training.precision={each}") for each in PRECISIONS)
        for name, runs in zip(names, others, strict=True):
            said = (
                f"{runs[0].benchmark}, {len(runs)} seeds: {100 * mean_accuracy(exact):.2f} % in float32, "
                f"{seconds_of(exact):.1f} s; {seconds_of(runs):.1f} s here; largest difference of a seed "
                f"{100 * max(abs(a - b) for a, b in zip(*_averages(exact, runs), strict=True)):.2f} points"
            )
            yield _difference(name, mean_accuracy(runs) - mean_accuracy(exact), said)


def _averages(*several: list) -> list[list[float]]:
    return [[average_accuracy(each) for each in runs] for runs in several]


def _runs(asked: Asked, *settings: str) -> list:
    mnist = ("benchmark=permuted_mnist", "tuned=none", "benchmark.num_tasks=3", "training.epochs=2")
    small = (*mnist, *SMALL["mnist"]) if asked.tiny else mnist
    try:
        return run(asked, *small, *settings)
    except LeftOutError:
        return run(asked, *digits(asked, *settings))


def _difference(name: str, fraction: float, said: str) -> Answer:
    return Answer(name, MEASURED, 100 * fraction, "points of average accuracy", said=said)
