"""The diagonal Fisher information against a loop over single examples."""

import pytest
import torch
from torch import Tensor, nn

from cl_bench.posteriors import fisher, per_example


class Classifier(nn.Module):
    """A network called as model(images, task); the task shifts the logits, so that ignoring it is noticed."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor, task: int) -> Tensor:
        return self.layers(images) * (1 + task)


def dense() -> Classifier:
    return Classifier(
        nn.Flatten(), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 4, bias=False), nn.Tanh(), nn.Linear(4, 3)
    )


def convolutional() -> Classifier:
    return Classifier(
        nn.Conv2d(1, 2, 2), nn.GroupNorm(1, 2), nn.ReLU(), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)
    )


def build(maker, dtype=torch.float64) -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return maker().to(dtype).eval()


def examples(num_examples: int = 11) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(num_examples, 1, 3, 3, generator=generator, dtype=torch.float64)
    return images, torch.randint(3, (num_examples,), generator=generator)


def by_loop(model: nn.Module, images: Tensor, labels: Tensor, task: int, estimator: str) -> Tensor:
    total = torch.zeros(sum(parameter.numel() for parameter in model.parameters()), dtype=images.dtype)
    for image, label in zip(images, labels, strict=True):
        probabilities = model(image[None], task).softmax(-1)[0].detach()
        for candidate in range(3):
            weight = probabilities[candidate] if estimator == "exact" else float(candidate == label)
            log_probability = model(image[None], task).log_softmax(-1)[0, candidate]
            gradients = torch.autograd.grad(log_probability, list(model.parameters()))
            total += weight * torch.cat([gradient.reshape(-1) for gradient in gradients]) ** 2
    return total / len(images)


def batches(images: Tensor, labels: Tensor, size: int, task: int = 1):
    return [(images[i : i + size], labels[i : i + size], task) for i in range(0, len(images), size)]


@pytest.mark.parametrize("maker", [dense, convolutional])
@pytest.mark.parametrize("estimator", ["exact", "empirical"])
@pytest.mark.parametrize("batch_size", [1, 4, 11])
def test_it_equals_a_loop_over_single_examples_at_every_batch_size(maker, estimator, batch_size):
    model = build(maker)
    images, labels = examples()
    found = fisher.diagonal(
        model, batches(images, labels, batch_size), estimator=estimator, generator=torch.Generator()
    )
    torch.testing.assert_close(found, by_loop(model, images, labels, 1, estimator), rtol=1e-9, atol=1e-12)


class Repeated(nn.Module):
    """A network of Linear layers alone, one of which is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again, self.last = nn.Linear(9, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, images: Tensor, task: int) -> Tensor:
        hidden = self.first(images.flatten(1)).tanh()
        return self.last(self.again(self.again(hidden).tanh()).tanh())


def test_a_layer_that_is_called_twice_counts_twice():
    model = build(Repeated)
    images, labels = examples()
    found = fisher.diagonal(model, batches(images, labels, 4), estimator="exact", generator=torch.Generator())
    torch.testing.assert_close(found, by_loop(model, images, labels, 0, "exact"), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("chunk_elements", [1, 200])
def test_chunks_of_examples_change_nothing(monkeypatch, chunk_elements):
    model = build(convolutional)
    images, labels = examples()
    whole = fisher.diagonal(
        model, batches(images, labels, 11), estimator="exact", generator=torch.Generator()
    )
    monkeypatch.setattr(per_example, "CHUNK_ELEMENTS", chunk_elements)
    parts = fisher.diagonal(
        model, batches(images, labels, 11), estimator="exact", generator=torch.Generator()
    )
    torch.testing.assert_close(parts, whole, rtol=1e-10, atol=1e-14)


def test_sampled_labels_average_to_the_exact_expectation():
    model = build(dense)
    images, labels = examples(4)
    exact = fisher.diagonal(model, batches(images, labels, 4), estimator="exact", generator=torch.Generator())
    generator = torch.Generator().manual_seed(2)
    draws = [
        fisher.diagonal(model, batches(images, labels, 4), estimator="sampled", generator=generator)
        for _ in range(1500)
    ]
    mean = torch.stack(draws).mean(0)
    assert (mean - exact).abs().max() < 0.1 * exact.max()


def test_it_is_not_the_square_of_the_mean_gradient():
    """The mistake of well-known libraries: the square of a batch's mean gradient is far smaller."""
    model = build(dense)
    images, labels = examples()
    gradients = torch.autograd.grad(
        nn.functional.cross_entropy(model(images, 1), labels), list(model.parameters())
    )
    of_mean = torch.cat([gradient.reshape(-1) for gradient in gradients]) ** 2
    found = fisher.diagonal(
        model, batches(images, labels, 11), estimator="empirical", generator=torch.Generator()
    )
    assert found.sum() > 2 * of_mean.sum()


def test_of_batch_means_is_what_its_name_says_and_of_single_examples_the_empirical_fisher():
    model = build(dense)
    images, labels = examples()
    expected = 0
    for x, y, _ in batches(images, labels, 4):
        gradients = torch.autograd.grad(nn.functional.cross_entropy(model(x, 1), y), list(model.parameters()))
        expected += len(x) / len(images) * torch.cat([gradient.reshape(-1) for gradient in gradients]) ** 2
    torch.testing.assert_close(fisher.of_batch_means(model, batches(images, labels, 4)), expected)
    torch.testing.assert_close(
        fisher.of_batch_means(model, batches(images, labels, 1)),
        by_loop(model, images, labels, 1, "empirical"),
    )
    with pytest.raises(ValueError, match="at least one example"):
        fisher.of_batch_means(model, [])


def test_the_model_keeps_its_weights_and_gradients():
    model = build(dense)
    before = [parameter.clone() for parameter in model.parameters()]
    images, labels = examples()
    fisher.diagonal(model, batches(images, labels, 4), estimator="exact", generator=torch.Generator())
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert parameter.grad is None
        assert torch.equal(parameter, old)


def test_an_unknown_estimator_names_the_choices():
    images, labels = examples()
    with pytest.raises(ValueError, match="exact, sampled, empirical, predicted, got estimator='batched'"):
        fisher.diagonal(
            build(dense), batches(images, labels, 4), estimator="batched", generator=torch.Generator()
        )


def test_an_empty_data_set_is_an_error():
    with pytest.raises(ValueError, match="at least one example"):
        fisher.diagonal(build(dense), [], estimator="exact", generator=torch.Generator())
