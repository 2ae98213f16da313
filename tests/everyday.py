"""What the tests of everyday torch share: a small network, learners around it, and what is done to them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch import nn

from cl_bench.models import mlp
from cl_bench.strategies import Finetune


@pytest.fixture
def real_network(lab):
    """A small perceptron with real weights, seeded."""
    return lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=3,
        num_heads=1,
        hidden=[6],
        normalisation="none",
        weights="real",
    )


@pytest.fixture
def make_finetune(lab, real_network):
    """A learner around it, by SGD; fine-tuning unless another class is given."""

    def make(cls: type = Finetune, **changes: Any) -> Any:
        return cls(model=real_network, **lab.settings(**{"optimizer": "sgd", "learning_rate": 0.1} | changes))

    return make


@pytest.fixture
def two_tasks(lab):
    """A benchmark of two small tasks."""
    return lab.benchmark(lab.tasks(2))


def vector(model: nn.Module) -> torch.Tensor:
    return torch.cat([each.detach().reshape(-1) for each in model.parameters()])


class Does(SupervisedPlugin):
    """Something to the strategy at every moment of a kind."""

    def __init__(self, moment: str, what: Callable[[Any], object]) -> None:
        super().__init__()
        setattr(self, moment, lambda strategy, **kwargs: what(strategy))


class OwnOptimizer(Finetune):
    def new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)


class OfTheVector(Finetune):
    def new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([self.flat.values], lr=0.1, momentum=0.9, weight_decay=1e-2)
