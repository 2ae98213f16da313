"""Every line of the table, in its order, and who measures it."""

from typing import NamedTuple

from speed.bench import Group
from speed.commands import commands, headline, sweep
from speed.long_stream import long_stream
from speed.rows import AT_LEAST, AT_MOST, Line, Target
from speed.side_by_side import beside_avalanche, cnn, ewc_run, monte_carlo, small_steps, threads, training
from speed.start import start
from speed.strategies import names, strategies
from speed.stream_tests import stream_tests


class Timed(NamedTuple):
    """A group of measurements, and about how many seconds it takes on two cores: for the bar alone."""

    measure: Group
    seconds: float


GROUPS = {
    "training": Timed(training, 60),
    "small_steps": Timed(small_steps, 60),
    "strategies": Timed(strategies, 200),
    "avalanche": Timed(beside_avalanche, 100),
    "ewc_run": Timed(ewc_run, 350),
    "monte_carlo": Timed(monte_carlo, 150),
    "stream_tests": Timed(stream_tests, 20),
    "cnn": Timed(cnn, 120),
    "start": Timed(start, 50),
    "commands": Timed(commands, 60),
    "long_stream": Timed(long_stream, 300),
    "threads": Timed(threads, 250),
    "sweep": Timed(sweep, 500),
    "headline": Timed(headline, 120),
}

_BARE = "bare PyTorch loop, one epoch"
_OURS = "with all hooks and metrics, and making the task's images; the bare loop has float images in memory"
_SAME_BATCHES = "both sides: the same network and batch sizes, in training and in tests"
_MONTE_CARLO = "10,000 images in batches of training.test_batch_size"
_CPU = ("cpu",)


def _at_most(bound: float) -> Target:
    return Target(AT_MOST, bound)


def _at_least(bound: float) -> Target:
    return Target(AT_LEAST, bound)


LINES = (
    Line(
        "bare_loop", "training", _BARE, "its matrix products alone",
        note="torch.optim.Adam as it comes, in a process set as a run sets it; products: forward, by the "
        "weights and, but for the first layer, by the inputs",
    ),
    Line("finetune", "training", "fine-tuning, one epoch", _BARE, _at_most(1.15), _OURS),
    Line("finetune_limit", "training", "fine-tuning, one epoch", "its matrix products alone", _at_most(1.7)),
    *(
        Line(f"small_{name}", "small_steps", f"{work}, small steps", "bare PyTorch loop", _at_most(bound),
             "digits, MLP 64-256-256-10, batches of 32")
        for name, work, bound in (
            ("finetune", "fine-tuning", 1.1), ("bayesbinn", "BayesBiNN", 1.5), ("vcl", "VCL", 2.0),
        )
    ),
    Line(
        "finetune_avalanche", "avalanche", "fine-tuning, one epoch", "Avalanche's Naive, PermutedMNIST",
        _at_least(8), _SAME_BATCHES,
    ),
    Line(
        "test_avalanche", "avalanche", "testing one task", "Avalanche's Naive, PermutedMNIST",
        _at_least(20), _SAME_BATCHES,
    ),
    Line(
        "ewc_run", "ewc_run", "EWC, a whole run with its tests, exact Fisher", "Avalanche's EWC",
        _at_least(14), f"from files to numbers; {_SAME_BATCHES}",
    ),
    Line(
        "bayesbinn", "training", "BayesBiNN, one epoch, 1 sample", _BARE, _at_most(1.35),
        "its network has layer normalisation, the bare loop's has none",
    ),
    Line(
        "vcl", "training", "VCL, one epoch, 1 sample", _BARE, _at_most(2.0),
        "local reparameterisation: its own matrix products are twice the bare loop's",
    ),
    Line(
        "monte_carlo_bayesbinn", "monte_carlo", "BayesBiNN, test with 100 samples",
        "100 plain forward passes", _at_most(1.05), _MONTE_CARLO,
    ),
    Line(
        "monte_carlo_vcl", "monte_carlo", "VCL, test with 100 samples",
        "100 plain forward passes", _at_most(1.05), _MONTE_CARLO,
    ),
    Line(
        "fisher", "training", "exact Fisher of all training images", _BARE, _at_most(2.0),
        "its own products: a backward pass by the inputs for each class",
    ),
    Line(
        "cnn", "cnn", "small CNN on CIFAR-10 with crop and flip, one epoch", "bare loop without them",
        _at_most(1.2), "the limit's convolutions allocate their outputs",
    ),
    Line(
        "stream_tests", "stream_tests", "the test of one task, with many tasks in the stream", "with few",
        _at_most(1.1),
    ),
    Line(
        "start", "start", "cl-bench run of one epoch of digits, CPU-seconds", "one second", _at_most(4),
        devices=_CPU,
    ),
    Line(
        "start_memory", "start", "the same: the most memory", "one megabyte", _at_most(650), devices=_CPU,
    ),
    Line(
        "start_again", "start", "the same when it is finished, CPU-seconds", "one second", _at_most(0.7),
        devices=_CPU,
    ),
    Line("help", "commands", "cl-bench --help", "one second", _at_most(0.5), devices=_CPU),
    Line("report", "commands", "cl-bench report", "one second", _at_most(5), devices=_CPU),
    Line(
        "report_tables", "commands", "cl-bench report --no-figures", "one CPU-second", _at_most(3),
        devices=_CPU,
    ),
    Line(
        "report_figures", "commands", "cl-bench report, every kind of figure", "one CPU-second",
        _at_most(20), devices=_CPU,
    ),
    Line(
        "long_stream_time", "long_stream", "time of each of the last tasks of a long stream",
        "its tasks 6 to 10", _at_most(1.1), "1 epoch a task, the last 5 tasks tested", _CPU,
    ),
    Line(
        "long_stream_memory", "long_stream", "resident memory at the last tasks of a long stream",
        "its tasks 6 to 10", _at_most(1.1), devices=_CPU,
    ),
    *(
        Line(f"threads_{name}_{label}", "threads", f"{work}, {label} torch threads", "1 thread", devices=_CPU)
        for name, work in (("finetune", "fine-tuning, one epoch"), ("cnn", "small CNN, one epoch"))
        for label in ("2", "all")
    ),
    Line(
        "sweep", "sweep", "sweep of 4 strategies x 5 seeds, hydra/launcher=local", "one run after another",
        note="permuted digits, 10 epochs a task; with all imports", devices=_CPU,
    ),
    Line(
        "headline", "headline",
        "permuted MNIST, 10 tasks x 10 epochs, 4 strategies x 5 seeds", "one second", _at_most(120),
        "seeds at once, tests included, one process", ("cuda",),
    ),
    *(
        Line(f"strategy_{name}", "strategies", f"strategy={name}, one epoch of a second task", "fine-tuning")
        for name in names()
    ),
    *(
        Line(
            f"gradients_{name}", "strategies", f"strategy={name}, gradient evaluations of the same",
            "fine-tuning", note="multiply-adds, counted", devices=_CPU,
        )
        for name in names()
    ),
)  # fmt: skip
