"""The arithmetic of gradient projection memory against singular value decompositions and products in full."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from cl_bench.conformance.stacking import double_precision
from cl_bench.posteriors import gpm


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with double_precision():
        yield


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def inputs(*, rank: int, seed: int, size: int = 7, number: int = 40) -> Tensor:
    """Rows in a subspace of this rank, with energies that differ."""
    scales = 2.0 ** -torch.arange(rank)
    return (random(number, rank, seed=seed) * scales) @ random(rank, size, seed=seed + 1)


def kept_as_published(tasks: list[Tensor], threshold: float) -> Tensor:
    """The bases [Q, k] that equations 5, 8 and 9 keep, by singular values and a loop."""
    bases = torch.zeros(tasks[0].shape[1], 0)
    for rows in tasks:
        representation = rows.mT
        rest = representation - bases @ bases.mT @ representation
        left, values, _ = torch.linalg.svd(rest, full_matrices=False)
        total = representation.square().sum()
        energy, number = total - rest.square().sum(), 0
        while energy < threshold * total:
            energy += values[number] ** 2
            number += 1
        bases = torch.cat([bases, left[:, :number]], dim=1)
    return bases


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.97, 0.999])
def test_what_is_kept_is_the_papers_choice_of_singular_vectors(threshold):
    tasks = [inputs(rank=5, seed=seed) for seed in (0, 10, 20)]
    projector = torch.zeros(7, 7)
    for number, rows in enumerate(tasks, start=1):
        projector = gpm.extended(projector, rows.mT @ rows, threshold=threshold)
        bases = kept_as_published(tasks[:number], threshold)
        torch.testing.assert_close(projector, bases @ bases.mT, rtol=1e-8, atol=1e-8)
        assert round(float(projector.trace())) == bases.shape[1]


@pytest.mark.parametrize("threshold", [0.9, 1.0])
def test_directions_are_orthonormal_and_orthogonal_to_those_kept(threshold):
    projector, kept = torch.zeros(7, 7), torch.zeros(7, 0)
    for seed in (0, 10, 20):
        rows = inputs(rank=3, seed=seed)
        found = gpm.directions(projector, rows.mT @ rows, threshold=threshold)
        new = found[:, found.abs().sum(dim=0) > 0]
        kept = torch.cat([kept, new], dim=1)
        torch.testing.assert_close(kept.mT @ kept, torch.eye(kept.shape[1]), rtol=0, atol=1e-10)
        projector = gpm.extended(projector, rows.mT @ rows, threshold=threshold)
        torch.testing.assert_close(projector, kept @ kept.mT, rtol=0, atol=1e-10)
        torch.testing.assert_close(projector @ projector, projector, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_with_the_whole_energy_the_span_is_kept_and_nothing_of_rounding(dtype):
    projector = torch.zeros(7, 7, dtype=dtype)
    rows = [inputs(rank=rank, seed=seed) for rank, seed in ((2, 0), (3, 10))]
    for number, each in enumerate(rows):
        projector = gpm.extended(projector, each.mT @ each, threshold=1.0)
        assert round(float(projector.trace())) == (2, 5)[number]
    left = gpm.complement(torch.cat(rows), projector)
    assert left.norm() < (1e-12 if dtype == torch.float64 else 1e-5) * torch.cat(rows).norm()
    again = gpm.extended(projector, rows[0].mT @ rows[0], threshold=1.0)
    torch.testing.assert_close(again, projector)


def test_threshold_0_keeps_nothing_and_an_input_of_0_adds_nothing():
    rows = inputs(rank=3, seed=0)
    assert not gpm.extended(torch.zeros(7, 7), rows.mT @ rows, threshold=0.0).any()
    assert not gpm.extended(torch.zeros(7, 7), torch.zeros(7, 7), threshold=1.0).any()


def test_the_complement_moves_no_output_for_inputs_that_are_kept():
    rows = inputs(rank=3, seed=0)
    projector = gpm.extended(torch.zeros(7, 7), rows.mT @ rows, threshold=1.0)
    step = gpm.complement(random(4, 7, seed=5), projector)
    assert (step @ rows.mT).abs().max() < 1e-10
    assert step.norm() > 0.1
    other = random(9, 7, seed=6)
    assert (step @ other.mT).abs().max() > 0.1


def test_seeds_are_extended_one_by_one():
    projectors = torch.zeros(2, 7, 7)
    for seeds in ((0, 1), (10, 11)):
        moments = torch.stack([each.mT @ each for each in (inputs(rank=4, seed=seed) for seed in seeds)])
        alone = [gpm.extended(*pair, threshold=0.95) for pair in zip(projectors, moments, strict=True)]
        projectors = gpm.extended(projectors, moments, threshold=0.95)
        torch.testing.assert_close(projectors, torch.stack(alone), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.Linear(5, 3),
        lambda: nn.Conv2d(2, 4, 3),
        lambda: nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=1),
        lambda: nn.Conv2d(2, 4, 3, padding=2, dilation=2),
        lambda: nn.Conv2d(2, 4, 3, padding="same", padding_mode="reflect"),
        lambda: nn.Conv2d(2, 4, 3, padding="valid"),
        lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2),
    ],
)
def test_a_layer_is_a_matrix_product_with_its_inputs(layer):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = layer()
    if isinstance(layer, nn.Linear):
        given, groups = random(6, 2, 5, seed=1), 1
    else:
        given, groups = random(3, layer.in_channels, 6, 5, seed=1), layer.groups
    rows = gpm.inputs_of(layer, given, with_one=True)
    weights = torch.cat([layer.weight.flatten(1), layer.bias.unsqueeze(-1)], dim=1)
    expected = layer(given)
    if isinstance(layer, nn.Linear):
        torch.testing.assert_close((rows @ weights.mT).view_as(expected), expected)
        return
    by_group = rows.view(len(given), -1, groups, rows.shape[1])
    found = torch.einsum("bpgq,goq->bgop", by_group, weights.view(groups, -1, weights.shape[1]))
    torch.testing.assert_close(found.reshape(expected.shape), expected)
    assert gpm.inputs_of(layer, given, with_one=False).shape[1] == layer.weight[0].numel()
