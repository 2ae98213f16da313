"""Memory aware synapses: importances of each task's own examples, summed."""

import pytest
import torch
from torch import Tensor

from cl_bench.models import mlp
from cl_bench.strategies import MAS


def importance_by_loop(strategy: MAS, task) -> Tensor:
    network = strategy.network.eval()
    parameters = list(network.parameters())
    total = torch.zeros(len(strategy.flat))
    for image in task.images(torch.device("cpu")):
        gradients = torch.autograd.grad(
            (network(image[None], task.head) ** 2).sum(), parameters, materialize_grads=True
        )
        total += torch.cat([gradient.reshape(-1) for gradient in gradients]).abs()
    network.train()
    return total / len(task)


@pytest.mark.usefixtures("double_precision")
def test_importances_of_the_tasks_own_heads_add_up_around_the_newest_weights(lab):
    model = lab.seeded_model(
        mlp,
        input_shape=(1, 2, 2),
        num_classes=3,
        num_heads=2,
        hidden=[5],
        normalisation="none",
        weights="real",
    )
    strategy = MAS(model=model, strength=1.0, **lab.settings())
    tasks = lab.tasks(2, heads=True)
    expected = torch.zeros(len(strategy.flat))
    for task, experience in zip(tasks, lab.benchmark(tasks).train_stream, strict=True):
        strategy.train(experience, eval_streams=[])
        expected += importance_by_loop(strategy, task)
        torch.testing.assert_close(strategy.penalty.precision, expected, rtol=1e-9, atol=1e-12)
        assert torch.equal(strategy.penalty.centre, strategy.flat.values.data)
        if task is tasks[0]:
            assert not strategy.penalty.precision[-3:].any(), "the other head's biases"
            assert strategy.penalty.precision[-6:-3].all()
