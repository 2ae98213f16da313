"""The works that are measured in this process, beside their references."""

from functools import partial

import torch

from cl_bench.config.compose import compose
from cl_bench.config.environment import hardware
from cl_bench.learner.second_pass import MEASURE_BATCH_SIZE
from cl_bench.runner.run import execute
from speed import stock
from speed.bare import BareLoop, forward_passes
from speed.bench import Bench, Measurement
from speed.clock import Work
from speed.limit import Passes, matrix_products
from speed.memory import MIB, peak_extra_bytes
from speed.ours import Subject

EPOCH = Passes()
TEST = Passes(by_weights=0, by_inputs=0)
TWICE = Passes(2, 2, 2)  # local reparameterisation: of the means and of the variances


def _limit(subject: Subject, passes: Passes, *, test: bool = False, batch_size: int | None = None) -> Work:
    """Return the products of all training or test images, in the subject's batches."""
    training = subject.config.training
    task = subject.stream.test[0] if test else subject.stream.train[0]
    return matrix_products(
        subject.plain_network(),
        task.images(subject.device)[:2],
        num_images=len(task),
        batch_size=batch_size or (training.test_batch_size if test else training.batch_size),
        passes=passes,
    )


def _fisher(subject: Subject) -> Work:
    # one backward pass by the inputs for each class, whose squares make one product by the weights
    passes = Passes(by_inputs=subject.stream.num_classes)
    return _limit(subject, passes, batch_size=MEASURE_BATCH_SIZE)


def training(bench: Bench) -> dict[str, Measurement]:
    """Time one epoch of each strategy beside the bare loop."""
    finetune, bayesbinn, vcl, ewc = (
        Subject(bench.overrides(*chosen))
        for chosen in (
            ("strategy=finetune",),
            ("strategy=bayesbinn", "strategy.num_samples=1"),
            ("strategy=vcl",),
            ("strategy=ewc",),
        )
    )
    ewc.train()
    seconds = bench.alternate(
        {
            "bare": BareLoop(finetune).epoch,
            "finetune": finetune.train,
            "bayesbinn": bayesbinn.train,
            "vcl": vcl.train,
            "fisher": ewc.consolidate,
            "limit": _limit(finetune, EPOCH),
            "limit_vcl": _limit(finetune, TWICE),
            "limit_fisher": _fisher(finetune),
        },
        synchronise=finetune.synchronise,
    )
    bare, limit = seconds["bare"], seconds["limit"]
    return {
        "bare_loop": Measurement(bare, limit, limit),
        "finetune": Measurement(seconds["finetune"], bare, limit),
        "finetune_limit": Measurement(seconds["finetune"], limit, limit),
        "bayesbinn": Measurement(seconds["bayesbinn"], bare, limit),
        "vcl": Measurement(seconds["vcl"], bare, seconds["limit_vcl"]),
        "fisher": Measurement(seconds["fisher"], bare, seconds["limit_fisher"]),
    }


def small_steps(bench: Bench) -> dict[str, Measurement]:
    """Time epochs of steps so small that what is between the products is nearly all there is."""
    chosen = {
        "finetune": ("strategy=finetune",),
        "bayesbinn": ("strategy=bayesbinn", "strategy.num_samples=1"),
        "vcl": ("strategy=vcl", "strategy.num_samples=1"),
    }
    subjects = {
        name: Subject([*bench.overrides(*overrides), *bench.scale.small])
        for name, overrides in chosen.items()
    }
    finetune = subjects["finetune"]
    epochs = finetune.config.training.epochs
    seconds = bench.alternate(
        {
            "bare": partial(BareLoop(finetune).epochs, epochs),
            **{name: subject.train for name, subject in subjects.items()},
        },
        synchronise=finetune.synchronise,
    )
    note = f"{epochs} epochs of {len(finetune.stream.train[0]):,} images"
    return {f"small_{name}": Measurement(seconds[name], seconds["bare"], note=note) for name in subjects}


def beside_avalanche(bench: Bench) -> dict[str, Measurement]:
    """Time an epoch and a test of fine-tuning beside Avalanche's."""
    subject = Subject(bench.overrides("strategy=finetune"))
    stock.write_mnist(subject, bench.folder)
    benchmark = stock.permuted_mnist(bench.folder, num_tasks=1)
    theirs = stock.naive(subject)
    seconds = bench.alternate(
        {
            "train": subject.train,
            "theirs": lambda: theirs.train(benchmark.train_stream[0]),
            "limit": _limit(subject, EPOCH),
            "test": subject.test,
            "their test": lambda: theirs.eval(benchmark.test_stream),
            "test limit": _limit(subject, TEST, test=True),
        },
        synchronise=subject.synchronise,
    )
    return {
        "finetune_avalanche": Measurement(seconds["train"], seconds["theirs"], seconds["limit"]),
        "test_avalanche": Measurement(seconds["test"], seconds["their test"], seconds["test limit"]),
    }


def ewc_run(bench: Bench) -> dict[str, Measurement]:
    """Time a whole run from files to numbers, as `cl-bench run` does it once it has started."""
    num_tasks = bench.scale.ewc_tasks
    overrides = bench.overrides("strategy=ewc", f"benchmark.num_tasks={num_tasks}")
    subject = Subject(overrides)
    config = compose([*overrides, f"results_dir={bench.folder}", "resume=false"])
    epoch, fisher, test = _limit(subject, EPOCH), _fisher(subject), _limit(subject, TEST, test=True)

    def limit() -> None:
        for _ in range(num_tasks):
            epoch()
            fisher()
        for _ in range((num_tasks + 1) * num_tasks):
            test()

    stock.write_mnist(subject, bench.folder)
    seconds = bench.fewer(3).alternate(
        {
            "ours": lambda: execute(config, show_progress=False),
            "theirs": lambda: stock.whole_run(
                stock.ewc(subject), stock.permuted_mnist(bench.folder, num_tasks=num_tasks)
            ),
            "limit": limit,
        },
        synchronise=subject.synchronise,
        warm_up=False,  # a run takes many minutes, and begins from nothing each time
    )
    return {"ewc_run": Measurement(seconds["ours"], seconds["theirs"], seconds["limit"])}


def monte_carlo(bench: Bench) -> dict[str, Measurement]:
    """Time tests with many weight samples beside as many forward passes of the plain network."""
    measurements: dict[str, Measurement] = {}
    times = bench.scale.test_samples
    for name in ("bayesbinn", "vcl"):
        half, many = (
            Subject(bench.overrides(f"strategy={name}", f"strategy.num_test_samples={number}"))
            for number in (times // 2, times)
        )
        seconds = bench.alternate(
            {
                "test": many.test,
                "plain": partial(
                    forward_passes,
                    many.plain_network(),
                    many.test_images(),
                    batch_size=many.config.training.test_batch_size,
                    times=times,
                ),
                "limit": _limit(many, TEST._replace(forward=times), test=True),
            },
            synchronise=many.synchronise,
        )
        half.test()
        extra = [peak_extra_bytes(subject.test, subject.device) / MIB for subject in (half, many)]
        note = f"peak extra memory {extra[1]:.1f} MiB; with half the samples {extra[0]:.1f} MiB"
        measurements[f"monte_carlo_{name}"] = Measurement(
            seconds["test"], seconds["plain"], seconds["limit"], note
        )
    return measurements


def _cnn(bench: Bench) -> Subject:
    return Subject(bench.overrides("strategy=finetune", "model=cnn", stream=bench.scale.cifar))


def cnn(bench: Bench) -> dict[str, Measurement]:
    """Time a small convolutional network with augmentation beside the bare loop without."""
    subject = _cnn(bench)
    seconds = bench.fewer(3).alternate(
        {"ours": subject.train, "bare": BareLoop(subject).epoch, "limit": _limit(subject, EPOCH)},
        synchronise=subject.synchronise,
    )
    note = f"an epoch of {len(subject.stream.train[0]):,} images"
    return {"cnn": Measurement(seconds["ours"], seconds["bare"], seconds["limit"], note)}


def threads(bench: Bench) -> dict[str, Measurement]:
    """Time epochs with more torch threads than one beside epochs with one."""
    num_cores = int(hardware("cpu")["cores"])
    measurements: dict[str, Measurement] = {}
    for name, subject in (
        ("finetune", Subject(bench.overrides("strategy=finetune"))),
        ("cnn", _cnn(bench)),
    ):
        try:
            seconds = bench.alternate(
                {
                    str(number): partial(_train_with_threads, subject, number)
                    for number in sorted({1, 2, num_cores})
                }
            )
        finally:
            torch.set_num_threads(1)
        for label, number in (("2", 2), ("all", num_cores)):
            measurements[f"threads_{name}_{label}"] = Measurement(
                seconds[str(number)], seconds["1"], note=f"{num_cores} cores"
            )
    return measurements


def _train_with_threads(subject: Subject, number: int) -> None:
    torch.set_num_threads(number)
    subject.train()
