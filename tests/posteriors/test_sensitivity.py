"""The sensitivity of the logits against a loop over single examples."""

import pytest
import torch
from torch import Tensor, nn

from cl_bench.posteriors import per_example, sensitivity


class Shifted(nn.Module):
    """model(images, task): the task scales the logits, so that ignoring it is noticed."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor, task: int) -> Tensor:
        return self.layers(images) * (1 + task)


MAKERS = {
    "dense": lambda: Shifted(nn.Flatten(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 3, bias=False)),
    "convolutional": lambda: Shifted(
        nn.Conv2d(1, 2, 2), nn.GroupNorm(1, 2), nn.ReLU(), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)
    ),
}


def build(maker: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MAKERS[maker]().double().eval()


def images(num_examples: int = 11) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(num_examples, 1, 3, 3, generator=generator, dtype=torch.float64)


def batches(pixels: Tensor, size: int) -> list[tuple[Tensor, Tensor, int]]:
    return [(part, torch.zeros(len(part), dtype=torch.long), 1) for part in pixels.split(size)]


def by_loop(model: nn.Module, pixels: Tensor) -> Tensor:
    total = torch.zeros(sum(parameter.numel() for parameter in model.parameters()), dtype=torch.float64)
    for image in pixels:
        gradients = torch.autograd.grad((model(image[None], 1) ** 2).sum(), list(model.parameters()))
        total += torch.cat([gradient.reshape(-1) for gradient in gradients]).abs()
    return total / len(pixels)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_it_equals_a_loop_over_single_examples_at_every_batch_size(maker, batch_size):
    model = build(maker)
    found = sensitivity.importance(model, batches(images(), batch_size))
    torch.testing.assert_close(found, by_loop(model, images()), rtol=1e-9, atol=1e-12)
    assert found.max() > 0.1


@pytest.mark.parametrize("maker", MAKERS)
def test_examples_do_not_cancel(maker):
    """The magnitude of a batch's mean gradient, which the authors' code takes, is smaller."""
    model = build(maker)
    mean = (model(images(), 1) ** 2).sum(dim=1).mean()
    of_mean = torch.cat([part.reshape(-1) for part in torch.autograd.grad(mean, list(model.parameters()))])
    found = sensitivity.importance(model, batches(images(), 11))
    assert (found >= of_mean.abs() - 1e-12).all()
    assert found.sum() > 1.2 * of_mean.abs().sum()


def test_one_linear_layer_has_the_closed_form():
    """d ||W x||^2 / dW = 2 W x x^T."""
    model = Shifted(nn.Flatten(), nn.Linear(9, 3, bias=False)).double()
    (weight,) = model.parameters()
    pixels = images(5)
    flat = pixels.flatten(1)
    expected = 4 * torch.stack([2 * torch.outer(weight @ x, x).abs() for x in flat]).mean(dim=0)
    found = sensitivity.importance(model, batches(pixels, 2))
    torch.testing.assert_close(found, expected.detach().flatten(), rtol=1e-12, atol=1e-14)


def test_both_ways_of_summing_agree_and_chunks_change_nothing(monkeypatch):
    model = build("dense")
    dense = sensitivity.importance(model, batches(images(), 11))
    monkeypatch.setattr(per_example, "is_dense", lambda *_: False)
    for elements in (1, 200, 2**20):
        monkeypatch.setattr(per_example, "CHUNK_ELEMENTS", elements)
        found = sensitivity.importance(model, batches(images(), 11))
        torch.testing.assert_close(found, dense, rtol=1e-9, atol=1e-12)
