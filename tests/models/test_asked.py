"""What a network is called with by its user."""

import numpy as np
import pytest
import torch
from small_parts import small_stream

from cl_bench.config.build import build_model
from cl_bench.config.compose import compose
from cl_bench.learner.seeds import Seeds


@pytest.fixture(scope="module")
def network():
    words = ["model=cnn", "model.channels=[2]", "model.hidden=3"]
    return build_model(compose(words), small_stream(), Seeds(0))


@pytest.mark.parametrize(
    ("images", "task", "message"),
    [
        ("without channel", 0, r"images must be \[B, .*: images\[:, None\] has the channel"),
        ("numpy", 0, r"images must be a torch tensor, got a ndarray"),
        ("right", [0, 1], r"task must be .* got \[0, 1\]: write torch.tensor\(\[0, 1\]\)"),
        ("right", True, "task must be .* got True"),
        ("right", torch.zeros(2), r"got torch.float32 \[2\]"),
    ],
)
def test_what_a_network_cannot_take_is_told_in_a_sentence(network, images, task, message):
    right = torch.zeros(2, *network.input_shape)
    given = {"right": right, "numpy": right.numpy(), "without channel": right[:, 0]}[images]
    with pytest.raises(ValueError, match=message):
        network(given, task)


def test_whatever_is_a_task_is_taken(network):
    right = torch.zeros(2, *network.input_shape)
    for task in (0, np.int64(0), torch.tensor([0, 0]), (0,)):
        assert len(network(right, task)) == 2
