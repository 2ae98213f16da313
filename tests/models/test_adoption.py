"""Networks that are not ours: heads on features, and what is refused before training."""

import pytest
import torch
from torch import nn

from cl_bench.models import Network, adopted, mlp

SHAPES = {"input_shape": (1, 4, 4), "num_classes": 3, "num_heads": 2}


class Gives(nn.Module):
    """A linear layer whose outputs are changed by a function."""

    def __init__(self, change, width=3):
        super().__init__()
        self.layer, self.change = nn.Linear(16, width), change

    def forward(self, images):
        return self.change(self, self.layer(images.flatten(1)))


def with_norm(width=5):
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, width))


def test_heads_are_put_on_features_and_each_task_has_its_own():
    body = with_norm(width=5)
    network = adopted(body, **SHAPES, heads=True)
    assert isinstance(network, Network)
    assert network.body is body
    assert (network.heads.in_features, network.heads.num_heads) == (5, 2)
    images = torch.rand(6, 1, 4, 4)
    network.eval()
    expected = body(images) @ network.heads.linear.weight[3:].T + network.heads.linear.bias[3:]
    torch.testing.assert_close(network(images, 1), expected)


def test_the_look_at_a_network_leaves_it_as_it_was():
    network = with_norm(width=3)
    network[1].running_mean.fill_(2.0)
    network[3].eval()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    found = adopted(network, **SHAPES)
    assert found is network
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())
    assert [each.training for each in network] == [True, True, True, False]


def test_lazy_layers_get_their_sizes():
    network = adopted(nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), **SHAPES)
    assert network[1].weight.shape == (3, 16)


def test_tied_weights_and_whole_numbers_are_no_hindrance():
    layer = nn.Linear(16, 16)
    network = nn.Sequential(nn.Flatten(), layer, layer, nn.Linear(16, 3))
    network.register_parameter("steps", nn.Parameter(torch.tensor(3), requires_grad=False))
    assert adopted(network, **SHAPES) is network


@pytest.mark.parametrize(
    ("make", "heads", "rule"),
    [
        (lambda: 3, False, r"must be a torch\.nn\.Module, got int"),
        (
            lambda: with_norm(2),
            False,
            r"logits \[2, 3 or more\] of 2 images, got \[2, 2\].*model\.heads=true",
        ),
        (lambda: nn.Sequential(nn.Conv2d(1, 3, 3)), False, r"got \[2, 3, 2, 2\]"),
        (
            lambda: nn.Sequential(nn.Conv2d(1, 3, 3)),
            True,
            r"features \[2, F\].*got \[2, 3, 2, 2\]: end it in",
        ),
        (lambda: Gives(lambda net, x: (x, x)), False, "one tensor of logits .*, got tuple"),
        (lambda: Gives(lambda net, x: (x, x) if net.training else x), False, "in training, got tuple"),
        (lambda: Gives(lambda net, x: x.long()), False, "floating point, got torch.int64"),
        (lambda: Gives(lambda net, x: x.sum(0, keepdim=True)), False, r"of 2 images, got \[1, 3\]"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 3)), False, "images of the stream, .*RuntimeError"),
        (lambda: nn.Flatten(), False, "parameter that training may move"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 3).double()), False, "RuntimeError|float32"),
        (lambda: mlp(**SHAPES, hidden=[], normalisation="none", weights="real"), True, "has heads already"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(make, heads, rule):
    with pytest.raises(ValueError, match=rule) as error:
        adopted(make(), **SHAPES, heads=heads)
    assert "\n" not in str(error.value)


def test_all_may_not_be_frozen():
    with pytest.raises(ValueError, match=r"frozen=\['\*'\], which is all"):
        adopted(with_norm(3), **SHAPES, frozen=["*"])
