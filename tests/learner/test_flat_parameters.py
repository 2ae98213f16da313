"""All parameters as one vector."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cl_bench.learner.flat_parameters import FlatParameters


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def a_batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, 3, generator=generator), torch.randint(2, (5,), generator=generator)


def vector(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def test_laying_out_keeps_every_value_and_the_order(model):
    before = vector(model.parameters())
    inputs, _ = a_batch()
    outputs = model(inputs)
    flat = FlatParameters(model.parameters())
    assert flat.values.equal(before)
    assert len(flat) == 3 * 4 + 4 + 4 * 2 + 2
    assert model(inputs).equal(outputs)


def test_a_write_to_the_values_is_seen_by_the_network(model):
    flat = FlatParameters(model.parameters())
    flat.set(torch.arange(26.0))
    assert model[0].weight.equal(torch.arange(12.0).view(4, 3))
    assert model[2].bias.equal(torch.tensor([24.0, 25.0]))
    with torch.no_grad():
        flat.values[12] = -1
    assert model[0].bias[0] == -1


def test_a_write_to_the_network_is_seen_in_the_values(model):
    flat = FlatParameters(model.parameters())
    with torch.no_grad():
        model[2].bias.fill_(9)
    assert flat.values[-2:].tolist() == [9, 9]


def test_set_copies_and_keeps_nothing_of_its_argument(model):
    flat = FlatParameters(model.parameters())
    given = torch.zeros(26)
    flat.set(given)
    given.fill_(1)
    assert flat.values.abs().sum() == 0


def test_backward_passes_add_into_the_gradients(model):
    expected = []
    for seed in (0, 1):
        copied = deepcopy(model)
        inputs, labels = a_batch(seed)
        F.cross_entropy(copied(inputs), labels).backward()
        expected.append(vector(parameter.grad for parameter in copied.parameters()))
    flat = FlatParameters(model.parameters())
    for seed in (0, 1):
        inputs, labels = a_batch(seed)
        F.cross_entropy(model(inputs), labels).backward()
    torch.testing.assert_close(flat.gradients, expected[0] + expected[1], rtol=1e-6, atol=1e-7)
    assert flat.values.grad is flat.gradients
    flat.zero_gradients()
    assert all(parameter.grad.abs().sum() == 0 for parameter in model.parameters())
    inputs, labels = a_batch(1)
    F.cross_entropy(model(inputs), labels).backward()
    assert flat.gradients.equal(expected[1])


@pytest.mark.parametrize(
    ("make", "rounding"),
    [
        (lambda parameters: torch.optim.SGD(parameters, lr=0.1), 0),
        (lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9), 0),
        (lambda parameters: torch.optim.Adam(parameters, lr=0.01), 1e-6),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_an_optimizer_of_the_vector_equals_torchs_of_the_parameters(model, make, rounding):
    theirs = deepcopy(model)
    flat = FlatParameters(model.parameters())
    ours_optimizer, their_optimizer = make([flat.values]), make(theirs.parameters())
    start = flat.values.detach().clone()
    for seed in range(20):
        inputs, labels = a_batch(seed)
        flat.zero_gradients()
        F.cross_entropy(model(inputs), labels).backward()
        ours_optimizer.step()
        their_optimizer.zero_grad()
        F.cross_entropy(theirs(inputs), labels).backward()
        their_optimizer.step()
    torch.testing.assert_close(flat.values.data, vector(theirs.parameters()), rtol=rounding, atol=rounding)
    assert (flat.values - start).abs().max() > 0.05


def test_a_mask_is_0_in_the_given_rows_alone(model):
    flat = FlatParameters(model.parameters())
    mask = flat.mask([(model[2].weight, slice(1, 2)), (model[0].bias, slice(0, 2))])
    expected = torch.ones(26)
    expected[12:14] = 0  # of 12 weights and 4 biases
    expected[20:24] = 0  # after 16 and the first row of 4
    assert mask.equal(expected)
    assert flat.mask([]).equal(torch.ones(26))


@pytest.fixture
def parameters():
    """Of three seeds, each with its leading axis: 3 x 4, 4 and 2 weights."""
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(3, *shape, generator=generator)) for shape in ((3, 4), (4,), (2,))]


def test_stacked_parameters_lie_in_one_row_a_seed(parameters):
    before = [parameter.detach().clone() for parameter in parameters]
    flat = FlatParameters(parameters, seed_shape=(3,))
    assert len(flat) == 3 * 4 + 4 + 2
    assert flat.values.shape == flat.gradients.shape == (3, 18)
    for seed in range(3):
        assert flat.values[seed].equal(vector(part[seed] for part in before))
    assert all(map(torch.equal, parameters, before))


def test_a_write_to_a_row_is_seen_by_that_seed_alone(parameters):
    flat = FlatParameters(parameters, seed_shape=(3,))
    flat.set(torch.arange(54.0).view(3, 18))
    assert parameters[0][1].equal(torch.arange(18.0, 30.0).view(3, 4))
    assert parameters[2].tolist() == [[16, 17], [34, 35], [52, 53]]
    with torch.no_grad():
        flat.values[2, 12:16] = -1
    assert parameters[1].tolist() == [[12, 13, 14, 15], [30, 31, 32, 33], [-1] * 4]


def test_a_write_to_stacked_parameters_is_seen_in_the_values(parameters):
    flat = FlatParameters(parameters, seed_shape=(3,))
    with torch.no_grad():
        parameters[2][1].fill_(9)
    assert (flat.values == 9).nonzero().tolist() == [[1, 16], [1, 17]]


def test_gradients_of_stacked_parameters_are_views_both_ways(parameters):
    flat = FlatParameters(parameters, seed_shape=(3,))
    scale = torch.tensor([1.0, 10.0, 100.0])
    for _ in range(2):
        sum((scale @ parameter.flatten(1)).sum() for parameter in parameters).backward()
    assert flat.gradients.equal(2 * scale[:, None].expand(3, 18))
    assert flat.values.grad is flat.gradients
    flat.gradients[1, 12:16] = 7
    assert parameters[1].grad.tolist() == [[2] * 4, [7] * 4, [200] * 4]
    flat.zero_gradients()
    assert not any(parameter.grad.any() for parameter in parameters)


def test_an_optimizer_of_stacked_values_moves_each_seed_as_alone(parameters):
    alone = [[nn.Parameter(part.detach()[seed].clone()) for part in parameters] for seed in range(3)]
    rows = [FlatParameters(parts) for parts in alone]
    flat = FlatParameters(parameters, seed_shape=(3,))
    optimizers = [torch.optim.Adam([each.values], lr=0.1) for each in (flat, *rows)]
    for step in range(5):
        flat.gradients.copy_(torch.randn(3, 18, generator=torch.Generator().manual_seed(step)))
        for row, gradient in zip(rows, flat.gradients, strict=True):
            row.gradients.copy_(gradient)
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(flat.values.data, torch.stack([row.values.data for row in rows]))


def test_a_mask_of_stacked_parameters_is_one_row_for_all_seeds(parameters):
    flat = FlatParameters(parameters, seed_shape=(3,))
    mask = flat.mask([(parameters[0], slice(1, 2)), (parameters[2], slice(0, 1))])
    expected = torch.ones(18)
    expected[4:8] = 0  # the second of three rows of 4
    expected[16] = 0
    assert mask.equal(expected)
    assert flat.values.data.ne(0).all(), "the values stay"
