"""What the tests of the strategies share: runs from conf/, and tiny tasks made of tensors."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cl_bench.conformance.configured import configured
from cl_bench.conformance.subject import MODELS, SMALL, Outcome, Run, build_run, outcome_of
from cl_bench.learner.noise import Noise
from cl_bench.learner.seeds import Seeds, global_generators_restored
from cl_bench.models import mlp
from cl_bench.strategies import VCL, BayesBiNN
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.tasks import Scaling, SharedImages, TaskData, TaskStream
from cl_bench.streams.transforms import identity

sys.path.append(str(Path(__file__).parent / "conformance"))  # strategy_variants


class Lab:
    """Builders and probes."""

    def from_conf(self, *overrides: str, model: str = "mlp", seed: int = 0) -> Run:
        """What `cl-bench run` makes of these overrides, small."""
        return build_run(configured([*SMALL, *MODELS[model], f"seed={seed}", *overrides]))

    def outcome(self, *overrides: str, model: str = "mlp", seed: int = 0) -> Outcome:
        """A whole run with tests between the tasks, the global generators seeded."""
        return outcome_of(configured([*SMALL, *MODELS[model], f"seed={seed}", *overrides]))

    def seeded(self) -> AbstractContextManager[None]:
        """Seed the global generators, which Avalanche's own strategies draw from."""
        return global_generators_restored(0)

    def tasks(
        self,
        num_tasks: int,
        *,
        num_examples: int = 12,
        shape: tuple[int, int, int] = (1, 2, 2),
        num_classes: int = 3,
        heads: bool = False,
        seed: int = 0,
    ) -> list[TaskData]:
        """Random images, all different, with random labels of every class."""
        generator = torch.Generator().manual_seed(seed)
        made = []
        for task in range(num_tasks):
            images = torch.randint(0, 256, (num_examples, *shape), generator=generator, dtype=torch.uint8)
            labels = torch.arange(num_examples) % num_classes
            labels = labels[torch.randperm(num_examples, generator=generator)]
            made.append(self.task(images, labels, head=task if heads else 0))
        return made

    def task(self, images: Tensor, labels: Tensor, *, head: int = 0) -> TaskData:
        """Images uint8 [n, C, H, W], scaled to [-1, 1]."""
        channels = images.shape[1]
        scaling = Scaling(torch.full((channels, 1, 1), 2 / 255), torch.full((channels, 1, 1), -1.0))
        return TaskData(SharedImages(images), None, labels, head=head, view=identity, to_float=scaling)

    def benchmark(self, tasks: Sequence[TaskData]) -> Any:
        """An Avalanche benchmark that trains and tests on these tasks."""
        several = len({task.head for task in tasks}) > 1
        stream = TaskStream(
            train=tuple(tasks),
            validation=(),
            test=tuple(tasks),
            scenario="task" if several else "domain",
            input_shape=tuple(tasks[0].shared.images.shape[1:]),
            num_classes=max(int(task.labels.max()) for task in tasks) + 1,
            num_heads=len(tasks) if several else 1,
        )
        return to_avalanche(stream)

    def settings(self, seed: int = 0, **changes: Any) -> dict[str, Any]:
        """What every learner takes besides the model."""
        settings: dict[str, Any] = {
            "epochs": 2,
            "iterations": None,
            "batch_size": 4,
            "test_batch_size": 5,
            "optimizer": "adam",
            "optimizer_state": "new",
            "active_classes": "all",
            "learning_rate": 0.01,
            "schedule": "constant",
            "device": "cpu",
            "compile": False,
            "precision": "float32",
            "seeds": Seeds(seed),
        }
        return settings | changes

    def seeded_model(self, make: Any, *, seed: int = 0, **settings: Any) -> Any:
        """Return make(**settings), with the global generator seeded and put back."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return make(**settings)

    def small_network(self, *, weights: str, num_heads: int = 1, activation: str = "relu") -> Any:
        """An MLP 4-6-3 with layer norm, at the same start each time; its images are [1, 2, 2]."""
        return self.seeded_model(
            mlp,
            input_shape=(1, 2, 2),
            num_classes=3,
            num_heads=num_heads,
            hidden=[6],
            normalisation="layer",
            weights=weights,
            activation=activation,
        )

    def batch(self, strategy: Any, images: Tensor, labels: Tensor, task: int | Tensor = 0) -> None:
        """Differentiate the loss of one batch, as the training loop does before a step."""
        strategy.is_training = True
        strategy.network.train()
        strategy.mbatch = [images, labels, task]
        strategy.flat.zero_gradients()
        strategy.loss = strategy._make_empty_loss()
        strategy.differentiate()

    def snapshot(self, strategy: Any) -> dict[str, Tensor]:
        """All that a test could disturb: network, posterior, prior, importances, generators of training."""
        tensors = (
            dict(strategy.network.state_dict())
            | strategy.state_tensors()
            | {"flat": strategy.flat.values.data}
        )
        draws = {
            "batches": strategy.batch_order,
            "augmentation": strategy.augmentation,
            "noise": strategy.noise,
        }
        for number, layer in enumerate(getattr(strategy, "layers", [])):
            draws[f"layer {number}"] = layer.noise
        tensors |= {name: torch.stack(noise.state()) for name, noise in draws.items()}
        return {name: tensor.clone() for name, tensor in tensors.items()}

    def same(self, first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
        return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)

    def clone(self, noise: Noise) -> torch.Generator:
        """A generator that will draw what `noise` of one seed is about to draw."""
        (generator,) = noise.generators
        twin = torch.Generator(device=generator.device)
        twin.set_state(generator.get_state())
        return twin

    def gradient_at(
        self, network: nn.Module, weights: Tensor, images: Tensor, labels: Tensor, task: int = 0
    ) -> Tensor:
        """Return the gradient [P] of a batch's mean cross-entropy by all weights, at `weights` [P]."""
        nn.utils.vector_to_parameters(weights, network.parameters())
        loss = nn.functional.cross_entropy(network(images, task), labels)
        return torch.cat([part.reshape(-1) for part in torch.autograd.grad(loss, list(network.parameters()))])

    def head_values(self, network: nn.Module, head: int) -> Tensor:
        """All that the output layer holds for one head (weights; VCL: means and log-variances), flat."""
        rows = network.heads.rows(head)
        return torch.cat([part.detach()[rows].reshape(-1) for part in network.heads.linear.parameters()])


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


@pytest.fixture(scope="session", autouse=True)
def own_cache_and_one_thread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        cache: Path = tmp_path_factory.mktemp("cache")
        patch.setenv("CL_BENCH_CACHE", str(cache))
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def double_precision(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks and images in float64: the roundings of a short training add up to 1e-12 on any processor."""
    scale = Scaling.__call__
    monkeypatch.setattr(Scaling, "__call__", lambda self, pixels: scale(self, pixels).double())
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def make_vcl(lab):
    """A VCL learner on a small perceptron."""

    def make(
        *,
        hidden: list[int] | None = None,
        num_heads: int = 1,
        num_classes: int = 3,
        normalisation: str = "none",
        method: dict | None = None,
        cls: type = VCL,
        **changes: Any,
    ) -> Any:
        model = lab.seeded_model(
            mlp,
            input_shape=(1, 2, 2),
            num_classes=num_classes,
            num_heads=num_heads,
            hidden=[5] if hidden is None else hidden,
            normalisation=normalisation,
            weights="real",
        )
        defaults = {
            "kl_weight": 1.0,
            "prior_variance": 0.5,
            "initial_log_variance": -3.0,
            "initial_mean_deviation": None,
            "restart": False,
            "num_samples": 1,
            "num_test_samples": 3,
            "coreset": "none",
            "coreset_size": 4,
            "coreset_epochs": 2,
        }
        return cls(
            model=model, **(defaults | (method or {}) if cls is VCL else {}), **lab.settings(**changes)
        )

    return make


BAYESBINN = {
    "temperature": 0.5,
    "initial_magnitude": 1.0,
    "num_samples": 1,
    "num_test_samples": 5,
    "kl_weight": 1.0,
    "momentum": 0.0,
    "carry_prior": True,
    "variant": "sound",
    "max_slope": None,
}


@pytest.fixture
def binary_network(lab):
    """A small perceptron with weights -1 and +1, seeded."""

    def network(
        *,
        hidden: tuple[int, ...] = (6,),
        num_heads: int = 1,
        num_classes: int = 3,
        normalisation: str = "layer",
    ) -> nn.Module:
        return lab.seeded_model(
            mlp,
            input_shape=(1, 2, 2),
            num_classes=num_classes,
            num_heads=num_heads,
            hidden=hidden,
            normalisation=normalisation,
            weights="binary",
        )

    return network


@pytest.fixture
def make_bayesbinn(lab, binary_network):
    """A BayesBiNN learner on it."""

    def make(method: dict | None = None, model: nn.Module | None = None, **changes: Any) -> BayesBiNN:
        model = binary_network() if model is None else model
        return BayesBiNN(model=model, **(BAYESBINN | (method or {})), **lab.settings(**changes))

    return make
