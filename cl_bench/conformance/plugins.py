"""What Avalanche's plugins do to our learners, beside what they do to its own `Naive`.

`python -m cl_bench.conformance.plugins` prints the table. Both have the same network, batches and plain SGD,
so that a plugin must lead both to the same weights and predictions. All classes of
`avalanche.training.plugins` are asked, as they are found there; what they cannot be built without stands
here.
"""

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from avalanche.core import BasePlugin, SupervisedPlugin
from avalanche.models import FeCAMClassifier, NCMClassifier, SimpleMLP, TrainEvalModel
from avalanche.models.utils import FeatureExtractorModel
from avalanche.training import plugins as avalanches
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Naive
from torch import Tensor, nn

from cl_bench.config.build import build_model
from cl_bench.conformance.subject import Run, Subject
from cl_bench.learner.batches import batches_of
from cl_bench.learner.experiences import resident_tasks
from cl_bench.learner.no_metrics import NoMetrics
from cl_bench.learner.seeds import Seeds, global_generators_restored
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.strategies import Finetune

SETTINGS = (
    "benchmark=permuted_digits",
    "benchmark.num_tasks=3",
    "training.optimizer=sgd",
    "training.learning_rate=0.1",
    "training.optimizer_state=kept",
    "training.epochs=1",
)
HIDDEN, CLASSES = 12, 10
TOLERANCE = 1e-5  # of weights and log probabilities: rounding

# what a constructor needs, and strengths that show on three small tasks
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "AGEMPlugin": {"patterns_per_experience": 30, "sample_size": 30},
    "BiCPlugin": {"mem_size": 30, "stage_2_epochs": 2},
    "CoPEPlugin": {"mem_size": 40, "p_size": CLASSES},
    "EWCPlugin": {"ewc_lambda": 10.0},
    "EarlyStoppingPlugin": {"patience": 1, "val_stream_name": "test"},
    "GDumbPlugin": {"mem_size": 40},
    "GEMPlugin": {"patterns_per_experience": 30, "memory_strength": 0.5},
    "GSS_greedyPlugin": {"mem_size": 64, "input_size": [1, 8, 8]},
    "LFLPlugin": {"lambda_e": 1.0},
    "MIRPlugin": {"batch_size_mem": 8, "mem_size": 40, "subsample": 20},
    "RARPlugin": {"batch_size_mem": 8, "mem_size": 40, "name_ext_layer": "body"},
    "LRSchedulerPlugin": {"step_granularity": "iteration"},
    "RWalkPlugin": {"ewc_lambda": 10.0, "delta_t": 2},
    "ReplayPlugin": {"mem_size": 40},
    "SynapticIntelligencePlugin": {"si_lambda": 100.0},
}


def _features() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, HIDDEN), nn.ReLU())


def _with_classifier(kind: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    return lambda: TrainEvalModel(_features(), nn.Linear(HIDDEN, CLASSES), kind())


# networks of Avalanche's own for plugins that need one
NETWORKS: Mapping[str, Callable[[], nn.Module]] = {
    "FeatureDistillation": lambda: FeatureExtractorModel(_features(), nn.Linear(HIDDEN, CLASSES)),
    "LFL": lambda: SimpleMLP(CLASSES, input_size=64, hidden_size=HIDDEN, drop_rate=0.0),
    "NCM": _with_classifier(NCMClassifier),
    "FeCAM": _with_classifier(FeCAMClassifier),
}


class Seen(NamedTuple):
    """What came of a plugin: all weights and predictions at the end, or why there are none."""

    weights: Tensor | None
    predictions: Tensor | None = None
    reason: str = ""
    refused: bool = False


class Row(NamedTuple):
    """A plugin beside none, and with a learner beside Naive."""

    name: str
    naive: Seen
    ours: Seen
    effect: float = 0.0  # the largest change of a weight or log probability, with Naive
    apart: float = 0.0  # the largest difference of ours and Naive

    @property
    def outcome(self) -> str:
        if self.naive.weights is None:
            return "does not run with Naive"
        if self.ours.weights is None:
            return "refused" if self.ours.refused else "fails"
        return "same" if self.apart <= TOLERANCE else "differs"


def plugin_classes() -> dict[str, type[BasePlugin]]:
    """Return all plugins that Avalanche has, by name, but for those that only measure."""
    return {
        name: cls
        for name, cls in sorted(vars(avalanches).items())
        if inspect.isclass(cls) and issubclass(cls, BasePlugin) and not issubclass(cls, EvaluationPlugin)
        if cls.__module__.startswith(avalanches.__name__)
    }


def compared(name: str) -> Row:
    """Return the row of a plugin."""
    naive, ours = _seen(name, _naive), _seen(name, _ours)
    if naive.weights is None:
        return Row(name, naive, ours)
    effect = _distance(naive, _without(next((part for part in NETWORKS if part in name), "")))
    return Row(name, naive, ours, effect, 0.0 if ours.weights is None else _distance(naive, ours))


@cache
def _without(network: str) -> Seen:
    """Run Naive without a plugin."""
    return _seen(network, _naive, with_plugin=False)


def _distance(first: Seen, other: Seen) -> float:
    """Return the largest difference of any number; equal infinities and nan differ by 0."""
    largest = 0.0
    for one, another in zip(first[:2], other[:2], strict=True):
        assert isinstance(one, Tensor)
        assert isinstance(another, Tensor)
        equal = (one == another) | (one.isnan() & another.isnan())
        apart = (one - another).abs().nan_to_num(nan=torch.inf)
        largest = max(largest, float(torch.where(equal, 0.0, apart).max()))
    return largest


def _solve(P: Any, q: Any, G: Any, h: Any, **_: Any) -> Any:  # noqa: N803 (qpsolvers' names)
    """Solve GEM's quadratic programme by projected gradient: min x P x / 2 + q x for G x <= h, G = -1."""
    least = np.asarray(-h, dtype=float)
    x, step = least.copy(), 1 / np.linalg.norm(P, 2)
    for _step in range(1000):
        x = np.maximum(x - step * (P @ x + q), least)
    return x


def _seen(name: str, make: Callable[..., Any], *, with_plugin: bool = True) -> Seen:
    with global_generators_restored(0), patch("qpsolvers.solve_qp", _solve):
        run = Subject("finetune", SETTINGS).run()
        seeds = Seeds(run.config.seed, run.config.seed_for)
        network = next((make for part, make in NETWORKS.items() if part in name), None)
        torch.manual_seed(0)
        model = build_model(run.config, run.stream, seeds) if network is None else network()
        try:
            strategy = make(run, model, seeds)
            outputs = _Outputs()
            if with_plugin:
                strategy.plugins.insert(0, _plugin(name, strategy))
            strategy.plugins.insert(len(strategy.plugins) - 1, outputs)
            run = run._replace(strategy=strategy)
            run.train()
            run.test()
        except Exception as error:  # whatever a plugin may raise
            words = " ".join(str(error).split())
            if make is _ours and isinstance(error, ValueError | TypeError) and "cl_bench strategy" in words:
                return Seen(None, reason=words, refused=True)
            return Seen(None, reason=f"{type(error).__name__}: {words}")
        weights = torch.cat([each.detach().reshape(-1) for each in strategy.model.parameters()])
        return Seen(weights, torch.cat(outputs.seen))


def _plugin(name: str, strategy: Any) -> BasePlugin:
    cls = plugin_classes()[name]
    needs: dict[str, Any] = {}
    parameters = inspect.signature(cls).parameters
    if "model" in parameters:
        needs["model"] = strategy.model
    if "scheduler" in parameters:
        needs["scheduler"] = torch.optim.lr_scheduler.StepLR(strategy.optimizer, 1, gamma=0.5)
    return cls(**ARGUMENTS.get(name, {}), **needs)


def _ours(run: Run, model: nn.Module, seeds: Seeds) -> Finetune:
    training = run.config.training
    names = ("epochs", "iterations", "batch_size", "test_batch_size", "optimizer", "optimizer_state")
    rest = ("active_classes", "learning_rate", "schedule", "device", "compile", "precision")
    return Finetune(model=model, seeds=seeds, **{name: training[name] for name in (*names, *rest)})


def _naive(run: Run, model: nn.Module, seeds: Seeds) -> Naive:
    training = run.config.training
    strategy = OnOurBatches(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=training.learning_rate),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=training.batch_size,
        train_epochs=training.epochs,
        eval_mb_size=training.test_batch_size,
        evaluator=NoMetrics(),
    )
    strategy.order = seeds.generator("batches")
    return strategy


class OnOurBatches(Naive):
    """Avalanche's fine-tuning, on the batches that a learner of ours has."""

    order: torch.Generator

    def train_dataset_adaptation(self, **kwargs: Any) -> None:
        super().train_dataset_adaptation(**kwargs)
        self._own = self.adapted_dataset

    def make_train_dataloader(self, **kwargs: Any) -> None:
        if self.adapted_dataset is not self._own:  # a plugin has chosen other data
            super().make_train_dataloader(**kwargs)
            return
        batches = batches_of(
            resident_tasks(self.experience),
            batch_size=self.train_mb_size,
            device=self.device,
            generator=self.order,
        )
        self.dataloader = _Labelled(batches)


class _Labelled:
    """Batches with a task label for each example, as Avalanche's own have."""

    def __init__(self, batches: Any) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[Tensor]]:
        for images, labels, task in self._batches:
            yield [images, labels, torch.full_like(labels, task)]


class _Outputs(SupervisedPlugin):
    """A plugin that notes the log probabilities of tests."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def after_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.seen.append(log_probabilities(strategy.mb_output.detach()))


HEADER = """# What Avalanche's plugins do to a learner of cl_bench

Made by `{command}` with avalanche-lib {version} on a CPU.

Each plugin of `avalanche.training.plugins` trained Avalanche's `Naive` and `strategy=finetune`
(`plugins=[...]`): three tasks of permuted digits (144 images), a perceptron or the network that the plugin
needs, the same batches, plain SGD, `training.optimizer_state=kept`. *Effect* is how far the plugin moves a
weight or a log probability of a test with Naive, at most. *Apart* is how far the learner is from Naive then.
GEM's quadratic programme is solved here by projected gradient; in use it needs `quadprog`.

In the scenario `task` a plugin that calls the model is refused: Avalanche tells the task only to networks of
its own kind. `strategy=avalanche` runs it there.

| plugin | with a learner | effect | apart |
|---|---|---|---|
"""


def page(rows: list[Row]) -> str:
    """Write the table, and the reasons, as Markdown."""
    lines = []
    for row in rows:
        measured = row.outcome in ("same", "differs")
        numbers = [f"{row.effect:.1g}", f"{row.apart:.0e}"] if measured else ["", ""]
        lines.append(f"| {row.name} | {row.outcome} | {' | '.join(numbers)} |")
    lines += ["", "## Why not", ""]
    for row in rows:
        reason = row.naive.reason if row.naive.weights is None else row.ours.reason
        if reason:
            lines.append(f"- **{row.name}** ({row.outcome}): {reason}")
    command = "python -m cl_bench.conformance.plugins > results/avalanche_plugins.md"
    return HEADER.format(command=command, version=version("avalanche-lib")) + "\n".join(lines)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with redirect_stdout(sys.stderr):  # plugins talk
        rows = [compared(name) for name in plugin_classes()]
    print(page(rows))
