"""What every method with one quadratic penalty must do."""

from functools import partial
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import Tensor
from torch.nn import functional as F

from cl_bench.learner.quadratic_penalty import QuadraticPenalty
from cl_bench.models import cnn, mlp
from cl_bench.strategies import EWC, L2, MAS, SI

METHODS: dict[type[QuadraticPenalty], dict[str, Any]] = {
    EWC: {"strength": 3.0, "mode": "online", "decay": 1.0, "fisher_estimator": "exact"},
    L2: {"strength": 3.0},
    MAS: {"strength": 3.0},
    SI: {"strength": 3.0, "damping": 0.1, "path": "loss"},
}
# of methods that measure an importance after training: it cannot depend on the batches of training
MEASURED: tuple[type[QuadraticPenalty], ...] = (EWC, MAS)
NETWORKS = {
    "linear layers only": partial(mlp, hidden=[5], normalisation="layer"),
    "convolutions": partial(cnn, channels=[3], hidden=4, normalisation="group"),
}


@pytest.fixture
def make(lab):
    """A learner of any of the methods on a small network."""

    def make(
        cls: Any,
        *,
        network: str = "linear layers only",
        num_heads: int = 1,
        method: Any = None,
        **changes: Any,
    ) -> Any:
        model = lab.seeded_model(
            NETWORKS[network], input_shape=(1, 2, 2), num_classes=3, num_heads=num_heads, weights="real"
        )
        settings = METHODS.get(cls, {}) | (method or {})
        return cls(model=model, **settings, **lab.settings(**changes))

    return make


class Gradients(SupervisedPlugin):
    """Weights, penalty and gradient of every step, as the optimizer sees them."""

    def __init__(self, strategy: Any) -> None:
        super().__init__()
        self.weights: list[Tensor] = []
        self.penalties: list[Any] = []
        strategy.plugins.insert(0, self)

    def before_update(self, strategy: Any, **kwargs: Any) -> None:
        self.weights.append(strategy.flat.values.data.clone())
        self.penalties.append(type(strategy.penalty)(*(part.clone() for part in strategy.penalty)))


@pytest.mark.parametrize("num_heads", [1, 3])
@pytest.mark.parametrize("cls", METHODS)
def test_the_gradient_is_that_of_the_loss_and_the_penalty(lab, make, cls, num_heads):
    """By finite differences in double precision, in the third task."""
    tasks = lab.tasks(3, heads=num_heads > 1)
    strategy = make(cls, num_heads=num_heads)
    for experience in list(lab.benchmark(tasks).train_stream)[:2]:
        strategy.train(experience, eval_streams=[])
    images, labels = tasks[2].images(torch.device("cpu")).double(), tasks[2].labels
    network = strategy.network.double()
    strategy.flat = type(strategy.flat)(network.parameters())
    strategy.penalty = type(strategy.penalty)(*(part.double() for part in strategy.penalty))
    centre, precision = strategy.penalty
    theta = strategy.flat.values.data.clone()
    theta += 0.1 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def objective(weights: Tensor) -> float:
        strategy.flat.set(weights)
        with torch.no_grad():
            loss = F.cross_entropy(network(images, tasks[2].head), labels)
        return float(loss + strategy.curvature / 2 * (precision * (weights - centre) ** 2).sum())

    numeric = torch.zeros_like(theta)
    for index in range(len(theta)):
        step = torch.zeros_like(theta)
        step[index] = 1e-5
        numeric[index] = (objective(theta + step) - objective(theta - step)) / 2e-5
    strategy.flat.set(theta)
    lab.batch(strategy, images, labels, tasks[2].head)
    torch.testing.assert_close(strategy.flat.gradients, numeric, rtol=1e-5, atol=1e-6)
    assert (precision * (theta - centre)).abs().max() > 1e-3, "the penalty has a share in it"


@pytest.mark.parametrize("cls", METHODS)
def test_the_penalty_stands_still_during_a_task(lab, make, cls):
    strategy = make(cls)
    seen = Gradients(strategy)
    strategy.train(lab.benchmark(lab.tasks(2)).train_stream, eval_streams=[])
    for penalty in seen.penalties[len(seen.penalties) // 2 :]:
        assert torch.equal(penalty.precision, seen.penalties[-1].precision)
        assert torch.equal(penalty.centre, seen.weights[len(seen.weights) // 2])


@pytest.mark.parametrize("cls", MEASURED)
def test_no_batch_size_changes_the_importance(lab, make, cls):
    (task,) = lab.tasks(1, num_examples=40)
    found = []
    for batch_size, test_batch_size in ((40, 1), (40, 1000), (64, 40)):  # one batch: the same training
        strategy = make(cls, optimizer="sgd", batch_size=batch_size, test_batch_size=test_batch_size)
        strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
        found.append(strategy.penalty)
    for penalty in found:
        assert torch.equal(penalty.precision, found[0].precision)
    sums = []
    for batch_size in (1, 40):
        strategy = make(cls, batch_size=batch_size, optimizer="sgd", learning_rate=1e-6)
        strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
        sums.append(float(strategy.penalty.precision.sum()))
    assert sums[0] == pytest.approx(sums[1], rel=0.01)
