"""Strategies take exact per-sample gradients by vmap(grad), one example a call."""

import pytest
import torch
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F


@pytest.mark.parametrize("task_is_tensor", [False, True])
def test_gradients_by_vmap_equal_those_of_a_loop(build, normalisation, weights, task_is_tensor):
    network = build(normalisation=normalisation, weights=weights).double()
    images, labels, tasks = torch.rand(3, 3, 8, 8).double(), torch.tensor([0, 2, 1]), torch.tensor([1, 0, 1])
    if normalisation == "batch":
        for task in (0, 1):
            network(images + task, task)
    network.eval()
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def loss(parameters, image, label, task):
        task = task[None] if task_is_tensor else 1
        return F.cross_entropy(functional_call(network, parameters, (image[None], task)), label[None])

    found = vmap(grad(loss), in_dims=(None, 0, 0, 0))(parameters, images, labels, tasks)
    for index in range(3):
        network.zero_grad()
        task = int(tasks[index]) if task_is_tensor else 1
        F.cross_entropy(network(images[index : index + 1], task), labels[index : index + 1]).backward()
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(found[name][index], parameter.grad, rtol=1e-7, atol=1e-9)
