"""The sensitivity of the logits against a loop over single examples."""

import pytest
import torch
from torch import Tensor, nn

from cl_bench.posteriors import per_example, sensitivity


def batches(pixels: Tensor, size: int) -> list[tuple[Tensor, Tensor, int]]:
    return [(part, torch.zeros(len(part), dtype=torch.long), 1) for part in pixels.split(size)]


def by_loop(model: nn.Module, pixels: Tensor) -> Tensor:
    total = torch.zeros(sum(parameter.numel() for parameter in model.parameters()), dtype=torch.float64)
    for image in pixels:
        gradients = torch.autograd.grad((model(image[None], 1) ** 2).sum(), list(model.parameters()))
        total += torch.cat([gradient.reshape(-1) for gradient in gradients]).abs()
    return total / len(pixels)


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_it_equals_a_loop_over_single_examples_at_every_batch_size(tiny, kind, batch_size):
    model = tiny.network(kind)
    found = sensitivity.importance(model, batches(tiny.images(11), batch_size))
    torch.testing.assert_close(found, by_loop(model, tiny.images(11)), rtol=1e-9, atol=1e-12)
    assert found.max() > 0.1


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_examples_do_not_cancel(tiny, kind):
    """The magnitude of a batch's mean gradient, which the authors' code takes, is smaller."""
    model = tiny.network(kind)
    mean = (model(tiny.images(11), 1) ** 2).sum(dim=1).mean()
    of_mean = torch.cat([part.reshape(-1) for part in torch.autograd.grad(mean, list(model.parameters()))])
    found = sensitivity.importance(model, batches(tiny.images(11), 11))
    assert (found >= of_mean.abs() - 1e-12).all()
    assert found.sum() > 1.2 * of_mean.abs().sum()


def test_one_linear_layer_has_the_closed_form(tiny):
    """d ||W x||^2 / dW = 2 W x x^T."""
    model = tiny.scaled(nn.Flatten(), nn.Linear(9, 3, bias=False))
    (weight,) = model.parameters()
    pixels = tiny.images(5)
    flat = pixels.flatten(1)
    expected = 4 * torch.stack([2 * torch.outer(weight @ x, x).abs() for x in flat]).mean(dim=0)
    found = sensitivity.importance(model, batches(pixels, 2))
    torch.testing.assert_close(found, expected.detach().flatten(), rtol=1e-12, atol=1e-14)


def test_both_ways_of_summing_agree_and_chunks_change_nothing(tiny, monkeypatch):
    model = tiny.network("dense")
    dense = sensitivity.importance(model, batches(tiny.images(11), 11))
    monkeypatch.setattr(per_example, "is_dense", lambda *_: False)
    for elements in (1, 200, 2**20):
        monkeypatch.setattr(per_example, "CHUNK_ELEMENTS", elements)
        found = sensitivity.importance(model, batches(tiny.images(11), 11))
        torch.testing.assert_close(found, dense, rtol=1e-9, atol=1e-12)
