"""The strategy under test, in runs of a second on the embedded digits."""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from avalanche.core import SupervisedPlugin
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from cl_bench.config.build import build, build_strategy, stream_of
from cl_bench.config.checked import checked
from cl_bench.config.choices import choices, looking_in
from cl_bench.config.compose import compose
from cl_bench.config.nearest import no_such_choice
from cl_bench.conformance.configured import configured, node_of, where
from cl_bench.data import ImageData
from cl_bench.data.accepted import accepted
from cl_bench.evaluation.experiment import Row, measurements, validation_for, weights_sha256
from cl_bench.learner.claims import Claims
from cl_bench.learner.seeds import Seeds, global_generators_restored
from cl_bench.records.rows import Record
from cl_bench.strategies import Learner
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.tasks import SCENARIOS, TaskStream

# whatever strategy it is: seconds, not minutes; 144 training images
SMALL = (
    "training.device=cpu",
    "training.epochs=2",
    "training.batch_size=32",
    "training.test_batch_size=100",
    "training.learning_rate=0.01",
    "training.schedule=constant",  # one by epoch would leave hardly a step
    "benchmark.validation_share=0.9",
)
MODELS = {
    "mlp": ("model=mlp", "model.hidden=[12]"),
    "cnn": ("model=cnn", "model.channels=[4,4]", "model.hidden=8"),
}
SPLIT = ("benchmark=split_digits", "benchmark.num_tasks=2")
THREE = ("benchmark=split_digits", "benchmark.num_tasks=3")
SCENARIO = "benchmark.scenario"
PERMUTED = ("benchmark=permuted_digits", "benchmark.num_tasks=2")

ChangeOfStream = Callable[[TaskStream], TaskStream]


class Run(NamedTuple):
    """A strategy on its benchmark, as a configuration says."""

    strategy: Any
    benchmark: Any
    stream: TaskStream
    config: Any

    def train(self, *tasks: int) -> None:
        """Train on these tasks, from 0; on all of them where none is given."""
        experiences = list(self.benchmark.train_stream)
        for task in tasks or range(len(experiences)):
            watched = validation_for(self.strategy, self.benchmark, task)
            self.strategy.train(experiences[task], eval_streams=watched)

    def test(self, *tasks: int) -> None:
        """Test these tasks, or all."""
        experiences = list(self.benchmark.test_stream)
        self.strategy.eval([experiences[task] for task in tasks or range(len(experiences))])

    def records(self) -> list[Record]:
        """Train on all tasks with tests in between."""
        return [row for rows in self.measurements() for row in rows if isinstance(row, Record)]

    def measurements(self) -> list[list[Row]]:
        """Train on all tasks with tests in between; return all rows after each task."""
        return list(measurements(self.strategy, self.benchmark, seed=0, test_on="test", test_last=None))


class Outcome(NamedTuple):
    """What is left of a run with tests between the tasks."""

    records: list[Record]
    losses: list[float]  # of training steps
    weights: str  # a hash of all that the strategy keeps
    network: dict[str, Tensor]


class Subject:
    """A strategy to be checked.

    Args:
        strategy: the name of a choice of conf/strategy (ours, of an installed package or of `config_dirs`),
            or `package.module:Class`. It may be an Avalanche class that is no `Learner`; its settings are
            then `strategy.settings.*`.
        settings: overrides, such as `strategy.strength=3` or `model.weights=binary`.
        config_dirs: folders of YAML, as `--config-dir` takes one.
        claims: in place of the strategy's own, for a class that has none.
        kept: strategy -> what it keeps of earlier tasks, by name; its `state_tensors` unless given.

    Raises:
        ValueError: for a choice or a setting that does not exist.
    """

    def __init__(
        self,
        strategy: str,
        settings: Iterable[str] = (),
        *,
        config_dirs: Iterable[Path | str] = (),
        claims: Claims | None = None,
        kept: Callable[[Any], dict[str, Tensor]] | None = None,
    ) -> None:
        self.strategy, self.settings, self._kept = strategy, tuple(settings), kept
        self._folders = [Path(folder).resolve() for folder in config_dirs]
        self._search = tuple(f"file://{folder}" for folder in self._folders)
        self._claims, self._outcomes = claims, dict[Any, Outcome]()
        self._configs = dict[tuple[str, ...], DictConfig]()

    def run(
        self, *overrides: str, model: str = "mlp", seed: int = 0, change: ChangeOfStream | None = None
    ) -> Run:
        """Build the small run that `cl-bench run` makes of these overrides; `change` alters its stream."""
        return build_run(self.config(*overrides, model=model, seed=seed), change)

    def outcome(
        self, *overrides: str, model: str = "mlp", seed: int = 0, change: ChangeOfStream | None = None
    ) -> Outcome:
        """Return the outcome of a whole run; one that was done before is not done again."""
        if change is not None:
            return outcome_of(self.config(*overrides, model=model, seed=seed), change)
        key = (overrides, model, seed)
        if key not in self._outcomes:
            self._outcomes[key] = self.fresh_outcome(*overrides, model=model, seed=seed)
        return self._outcomes[key]

    def fresh_outcome(self, *overrides: str, model: str = "mlp", seed: int = 0) -> Outcome:
        """Do a whole run in any case, and return its outcome."""
        return outcome_of(self.config(*overrides, model=model, seed=seed))

    @property
    def claims(self) -> Claims:
        """The strategy's own claims, or nothing but the default."""
        if self._claims is None:
            self._claims = getattr(self.built, "claims", Claims())
        return self._claims

    @cached_property
    def built(self) -> Any:
        """The strategy as it is built, in the first scenario where that can be; not to be trained."""
        errors = []
        for scenario in SCENARIOS:
            try:
                return self.run(*SPLIT, f"{SCENARIO}={scenario}").strategy
            except ValueError as error:
                errors.append(error)
        raise errors[0]

    def check_there(self) -> None:
        """See that there is such a choice or class. Raises ValueError, with what to type."""
        if ":" in self.strategy:
            node_of(self.strategy.replace(":", "."))
            return
        there = self.choices("strategy")
        if self.strategy not in there:
            module, _, name = self.strategy.rpartition(".")
            as_class = f" A class is written {module}:{name}." if module else ""
            raise ValueError(no_such_choice("strategy", self.strategy, list(there), {}) + as_class)

    def check_settings(self) -> None:
        """Check the settings as `cl-bench run` does, in the same words. Raises ValueError."""
        if any(each.lstrip("+").startswith("training.patience=") for each in self.settings):
            raise ValueError(
                "the kit asks what becomes of a number of steps, which early stopping would choose by images "
                "that training must not depend on: leave training.patience out"
            )
        if ":" in self.strategy:
            scenario = f"{SCENARIO}={SCENARIOS[0]}"  # whichever: nothing is built
            checked(self.config(scenario, model="mlp", seed=0))
        else:
            checked(compose([f"strategy={self.strategy}", *self.overrides]))

    @property
    def overrides(self) -> list[str]:
        """The strategy's settings, and where else its YAML is looked for."""
        return [*where(self._search), *self.settings]

    def choices(self, group: str) -> dict[str, Path]:
        """Map names to files, also of `config_dirs`; as in Hydra ours come first."""
        with looking_in(self._folders):
            return choices(group)

    @property
    def _scenario(self) -> tuple[str, ...]:
        """The scenario of every run, where the strategy declares others than all."""
        scenarios = self.claims.scenarios
        return () if set(scenarios) == set(SCENARIOS) else (f"{SCENARIO}={scenarios[0]}",)

    @property
    def is_learner(self) -> bool:
        """Whether the strategy is of the suite's kind, and not Avalanche's own."""
        return isinstance(self.built, Learner)

    def kept(self, strategy: Any) -> dict[str, Tensor] | None:
        """Return what the strategy keeps of earlier tasks; None where nobody knows."""
        if self._kept is not None:
            return self._kept(strategy)
        return strategy.state_tensors() if hasattr(strategy, "state_tensors") else None

    @cached_property
    def finetune(self) -> "Subject":
        """Fine-tuning in the same setting: ours, or Avalanche's own loop for a strategy of Avalanche's."""
        own = [setting for setting in self.settings if not setting.lstrip("+").startswith("strategy.")]
        common = [*self._scenario, *own]
        if self.is_learner:
            return Subject("finetune", common)
        return Subject("avalanche", [*common, "strategy.path=avalanche.training.Naive"])

    def off(self) -> tuple[str, ...]:
        """Return the overrides that switch the strategy's method off."""
        return tuple(f"strategy.{name}={value}" for name, value in self.claims.off.items())

    def config(self, *overrides: str, model: str = "mlp", seed: int = 0) -> DictConfig:
        """Compose the configuration of a small run with these overrides."""
        name, _, cls = self.strategy.partition(":")
        first = f"strategy={'finetune' if cls else name}"
        scenario = () if any(part.startswith(SCENARIO) for part in overrides) else self._scenario
        whole = (*SMALL, *MODELS[model], f"seed={seed}", *scenario, *self.settings, *overrides)
        if whole not in self._configs:
            target = f"{name}.{cls}" if cls else None
            self._configs[whole] = configured((first, *whole), target=target, search=self._search)
        return self._configs[whole]


def build_run(config: DictConfig, change: ChangeOfStream | None = None) -> Run:
    """Build the strategy and benchmark of a configuration."""
    seeds = Seeds(config.seed, config.seed_for)
    stream = build_stream(config, seeds)
    if change is not None:
        stream = change(stream)
    return Run(build_strategy(config, stream, seeds), to_avalanche(stream), stream, config)


def build_stream(config: DictConfig, seeds: Seeds) -> TaskStream:
    """Build the stream of a configuration, on pixels and labels of its own.

    What a run writes into them is gone with it.
    """
    data = data_of(config)
    own: dict[str, Any] = {
        name: part.clone() for name, part in data._asdict().items() if isinstance(part, Tensor)
    }
    return stream_of(config, data._replace(**own), seeds)


_data_read: dict[str, ImageData] = {}  # by configuration


def data_of(config: DictConfig, known: ImageData | None = None) -> ImageData:
    """Read the data set of a configuration once; or take `known`, which stands for it from then on."""
    node = OmegaConf.to_yaml(config.benchmark.dataset, resolve=True)
    if known is not None:
        _data_read[node] = known
    elif node not in _data_read:
        target = config.benchmark.dataset.get("_target_")
        _data_read[node] = accepted(build(config.benchmark.dataset), by=str(target))
    return _data_read[node]


def outcome_of(config: DictConfig, change: ChangeOfStream | None = None) -> Outcome:
    """Do a whole run with tests between the tasks.

    The global generators start from its seed, for strategies of Avalanche's own, which draw from them.
    """
    with global_generators_restored(config.seed):
        run = build_run(config, change)
        losses = Losses()
        run.strategy.plugins.insert(0, losses)
        records = run.records()
        (weights,) = weights_sha256(run.strategy)
        return Outcome(records, losses.seen, weights, copied(run.strategy.model.state_dict()))


def copied(tensors: Any) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two outcomes are the same, bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def distance(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """Return the largest difference of any number."""
    return max(float((first[name] - second[name]).abs().max()) for name in first)


class Losses(SupervisedPlugin):
    """A plugin that notes every training loss."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def after_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        self.seen.append(float(strategy.loss.detach()))
