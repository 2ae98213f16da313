"""A-GEM's steps on memories that are known."""

from functools import partial
from typing import Any

import pytest
import torch
from avalanche.core import SupervisedPlugin
from torch.nn import functional as F

from cl_bench.models import mlp
from cl_bench.strategies import AGEM

CPU = torch.device("cpu")


@pytest.fixture
def make(lab):
    def make(*, num_heads: int = 1, **changes: Any) -> Any:
        build = partial(mlp, hidden=[6], normalisation="none", num_heads=num_heads)
        model = lab.seeded_model(build, input_shape=(1, 2, 2), num_classes=3, weights="real")
        method = {"memory_size": 100, "buffer": "reservoir", "buffer_batch_size": 100}
        return AGEM(model=model, **method, **lab.settings(**changes))

    return make


class Gradients(SupervisedPlugin):
    """The gradients of batch and memory at each step, by autograd on the network, and what the step takes."""

    def __init__(self, strategy: Any, old: Any) -> None:
        super().__init__()
        self.old = old
        self.own: list[torch.Tensor] = []
        self.reference: list[torch.Tensor] = []
        self.taken: list[torch.Tensor] = []
        strategy.plugins.insert(0, self)

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        batch = strategy.mb_x, strategy.mb_y, strategy.head
        memory = self.old.images(CPU), self.old.labels, self.old.head
        for (images, labels, head), found in ((batch, self.own), (memory, self.reference)):
            loss = F.cross_entropy(strategy.network(images, head), labels)
            parts = torch.autograd.grad(loss, strategy.flat.parameters, allow_unused=True)
            pairs = zip(parts, strategy.flat.parameters, strict=True)
            found.append(torch.cat([(p if g is None else g).reshape(-1) for g, p in pairs]).detach())

    def before_update(self, strategy: Any, **kwargs: Any) -> None:
        self.taken.append(strategy.flat.gradients.clone())


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("heads", [False, True])
def test_a_step_takes_the_projection_on_the_memory_s_gradient(lab, make, heads):
    """The memory holds all of the first task here, and is drawn as a whole."""
    old, new = lab.tasks(2, heads=heads)
    first, second = lab.benchmark([old, new]).train_stream
    strategy = make(num_heads=2 if heads else 1, optimizer="sgd", learning_rate=0.1, epochs=8)
    strategy.train(first, eval_streams=[])
    watch = Gradients(strategy, old)
    strategy.train(second, eval_streams=[])
    violated = 0
    for own, reference, taken in zip(watch.own, watch.reference, watch.taken, strict=True):
        expected = own
        if own @ reference < 0:
            violated += 1
            expected = own - (own @ reference) / (reference @ reference) * reference
        torch.testing.assert_close(taken, expected, rtol=1e-6, atol=1e-7)
        assert taken @ reference > -1e-6
    assert 0 < violated < len(watch.own)
