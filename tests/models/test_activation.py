"""The binary gate and the sign, with their surrogate gradients."""

import pytest
import torch
from torch.func import grad, vmap

from cl_bench.models import cnn, mlp, resnet18
from cl_bench.models.activation import Gate, Sign, make_activation

POINTS = torch.tensor([-2.0, -1.4, -1.1, -0.9, -0.6, -0.4, 0.0, 0.4, 0.6, 0.9, 1.1, 1.4, 2.0])
OPEN = torch.tensor([1.0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
SLOPES = torch.tensor([0.0, -1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 1, 0])


def test_the_gate_is_open_beyond_one_on_both_sides_and_closed_at_one():
    assert torch.equal(Gate()(POINTS), OPEN)
    assert Gate()(torch.tensor([-1.0, 1.0])).tolist() == [0, 0]


def test_its_gradient_is_the_published_surrogate():
    inputs = POINTS.clone().requires_grad_()
    (2 * Gate()(inputs)).sum().backward()
    assert torch.equal(inputs.grad, 2 * SLOPES)


def test_the_surrogate_holds_under_vmap_in_both_orders():
    def output(x):
        return 2 * Gate()(x)

    assert torch.equal(vmap(Gate())(POINTS.view(-1, 1)), OPEN.view(-1, 1))
    assert torch.equal(vmap(grad(output))(POINTS), 2 * SLOPES)
    assert torch.equal(grad(lambda x: vmap(output)(x).sum())(POINTS), 2 * SLOPES)


def test_a_sign_is_plus_or_minus_one_and_plus_at_zero():
    assert torch.equal(Sign()(POINTS), torch.where(POINTS < 0, -1.0, 1.0))


def test_its_gradient_passes_where_the_input_is_at_most_one():
    slopes = 2 * (POINTS.abs() <= 1).float()
    inputs = POINTS.clone().requires_grad_()
    (2 * Sign()(inputs)).sum().backward()
    assert torch.equal(inputs.grad, slopes)
    assert torch.equal(vmap(grad(lambda x: 2 * Sign()(x)))(POINTS), slopes)
    assert torch.equal(grad(lambda x: vmap(Sign())(x).sum())(POINTS), slopes / 2)


@pytest.mark.parametrize(
    ("builder", "widths"), [(mlp, {"hidden": [5]}), (cnn, {"channels": [4], "hidden": 5})]
)
@pytest.mark.parametrize(
    ("activation", "values"), [("gate", {0.0, 1.0}), ("sign", {-1.0, 1.0}), ("relu", None)]
)
def test_a_network_has_the_activation_that_was_chosen(builder, widths, activation, values):
    network = builder(
        input_shape=(1, 6, 6),
        num_classes=2,
        num_heads=1,
        normalisation="layer",
        weights="binary",
        activation=activation,
        **widths,
    )
    features = network.body(torch.randn(20, 1, 6, 6))
    assert (features >= 0).all() == (activation != "sign")
    assert (set(features.unique().tolist()) == values) == (activation != "relu")


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match="activation must be one of relu, gate, sign, got activation='tanh'"):
        make_activation("tanh")


def test_a_residual_network_has_no_other_activation_than_the_one_chosen():
    settings = {"input_shape": (1, 8, 8), "num_classes": 2, "num_heads": 1, "width": 2, "weights": "binary"}
    kinds = (Gate, Sign, torch.nn.ReLU)
    for activation, kind in zip(("gate", "sign", "relu"), kinds, strict=True):
        network = resnet18(normalisation="layer", activation=activation, **settings)
        found = [module for module in network.modules() if isinstance(module, kinds)]
        assert len(found) == 1 + 8
        assert all(isinstance(module, kind) for module in found)
