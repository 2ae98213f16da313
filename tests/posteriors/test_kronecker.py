"""Kronecker factors against explicit matrices, loops over single examples, and exact Bayes."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from cl_bench.posteriors import kronecker, quadratic_penalty

CLASSES = 3


class Classifier(nn.Module):
    """model(images, task); the task scales the logits, so that ignoring it is noticed."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor, task: int) -> Tensor:
        return self.layers(images) * (1 + task)


MAKERS = {
    "one layer": lambda: Classifier(nn.Flatten(), nn.Linear(9, CLASSES)),
    "no bias": lambda: Classifier(nn.Flatten(), nn.Linear(9, CLASSES, bias=False)),
    "dense": lambda: Classifier(nn.Flatten(), nn.Linear(9, 4), nn.Tanh(), nn.Linear(4, CLASSES)),
    # a kernel as large as the image: one place
    "convolution": lambda: Classifier(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4, CLASSES)),
    "places": lambda: Classifier(
        nn.Conv2d(1, 2, 2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(32, CLASSES)
    ),
}


def build(maker: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MAKERS[maker]().double().eval()


def examples(num_examples: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(num_examples, 1, 3, 3, generator=generator, dtype=torch.float64)
    return images, torch.randint(CLASSES, (num_examples,), generator=generator)


def factors(model: nn.Module, images: Tensor, labels: Tensor, size: int = 100, estimator: str = "exact"):
    batches = [(x, y, 1) for x, y in zip(images.split(size), labels.split(size), strict=True)]
    return kronecker.factors(model, batches, estimator=estimator, generator=torch.Generator().manual_seed(2))


def dense_matrix(terms, model: nn.Module) -> Tensor:
    size = sum(parameter.numel() for parameter in model.parameters())
    multiply = partial(kronecker.product, terms, kronecker.blocks_of(model))
    return torch.stack([multiply(row) for row in torch.eye(size, dtype=torch.float64)])


def exact_fisher(model: nn.Module, images: Tensor, labels: Tensor, estimator: str = "exact") -> Tensor:
    """The full matrix, a sum over examples."""
    parameters = list(model.parameters())
    size = sum(parameter.numel() for parameter in parameters)
    total = torch.zeros(size, size, dtype=torch.float64)
    for image, label in zip(images, labels, strict=True):
        logits = model(image[None], 1)[0]
        for y, probability in enumerate(logits.softmax(0).detach()):
            gradients = torch.autograd.grad(logits.log_softmax(0)[y], parameters, retain_graph=True)
            gradient = torch.cat([part.reshape(-1) for part in gradients])
            weight = probability if estimator == "exact" else float(y == label)
            total += weight * torch.outer(gradient, gradient)
    return total


def blocks_only(matrix: Tensor, model: nn.Module) -> Tensor:
    """What links weights of one layer."""
    owner = torch.cat(
        [
            torch.full((parameter.numel(),), number)
            for number, layer in enumerate(kronecker.layers_of(model))
            for parameter in layer.parameters()
        ]
    )
    return matrix * (owner[:, None] == owner[None])


@pytest.mark.parametrize("maker", ["one layer", "no bias", "dense", "convolution"])
@pytest.mark.parametrize("estimator", ["exact", "empirical"])
def test_of_one_example_it_is_the_exact_fisher_information_block_by_block(maker, estimator):
    model = build(maker)
    images, labels = examples(1)
    found = dense_matrix([factors(model, images, labels, estimator=estimator)], model)
    expected = blocks_only(exact_fisher(model, images, labels, estimator), model)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert expected.abs().max() > 0.01


@pytest.mark.parametrize("maker", MAKERS)
def test_factors_are_means_over_single_examples_whatever_the_batches(maker):
    model = build(maker)
    images, labels = examples(7)
    one_by_one = [factors(model, images[n : n + 1], labels[n : n + 1]) for n in range(7)]
    for size in (1, 3, 7):
        for index, found in enumerate(factors(model, images, labels, size)):
            assert found.num_examples == 7
            for name in ("inputs", "outputs"):
                mean = torch.stack([getattr(term[index], name) for term in one_by_one]).mean(0)
                torch.testing.assert_close(getattr(found, name), mean, rtol=1e-10, atol=1e-13)


def test_a_convolution_sums_over_places_coming_in_and_averages_what_flows_back():
    model = build("places")
    images, labels = examples(1)
    found = factors(model, images, labels)[0]
    padded = nn.functional.pad(images[0, 0], (1, 1, 1, 1))
    inputs = torch.zeros(5, 5, dtype=torch.float64)
    for row in range(4):
        for column in range(4):
            patch = torch.cat([padded[row : row + 2, column : column + 2].reshape(-1), torch.ones(1)])
            inputs += torch.outer(patch, patch)
    torch.testing.assert_close(found.inputs, inputs)
    convolved = model.layers[0](images).detach().requires_grad_()
    logits = 2 * model.layers[1:](convolved)[0]
    outputs = torch.zeros(2, 2, dtype=torch.float64)
    for y, probability in enumerate(logits.softmax(0).detach()):
        (gradient,) = torch.autograd.grad(logits.log_softmax(0)[y], convolved, retain_graph=True)
        flat = gradient[0].reshape(2, 16)
        outputs += probability * flat @ flat.T / 16
    torch.testing.assert_close(found.outputs, outputs)


def test_the_product_is_that_with_the_explicit_kronecker_products():
    model = build("dense")
    terms = [factors(model, *examples(5)), factors(model, *examples(8, seed=3))]
    vector = torch.randn(55, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found = kronecker.product(terms, kronecker.blocks_of(model), vector)
    parts, start = [], 0
    for index, (rows, columns) in enumerate(((4, 9), (3, 4))):
        weight = vector[start : start + rows * columns].view(rows, columns)
        bias = vector[start + rows * columns : start + rows * (columns + 1)]
        matrix = torch.cat([weight, bias[:, None]], dim=1)
        curvature = sum(
            term[index].num_examples * torch.kron(term[index].outputs, term[index].inputs) for term in terms
        )
        result = (curvature @ matrix.reshape(-1)).view(rows, columns + 1)
        parts += [result[:, :-1].reshape(-1), result[:, -1]]
        start += rows * (columns + 1)
    torch.testing.assert_close(found, torch.cat(parts), rtol=1e-10, atol=1e-12)


def test_a_leading_seed_axis_is_one_product_a_seed():
    model = build("dense")
    terms = [factors(model, *examples(5, seed)) for seed in (1, 2)]
    vectors = torch.randn(2, 55, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    blocks = kronecker.blocks_of(model)
    found = kronecker.product([kronecker.stacked(terms)], blocks, vectors)
    for term, vector, result in zip(terms, vectors, found, strict=True):
        torch.testing.assert_close(result, kronecker.product([term], blocks, vector))


def test_merging_is_exact_for_equal_factors_and_keeps_one_term():
    model = build("dense")
    term = factors(model, *examples(5))
    separate, merged = (
        kronecker.add(kronecker.add((), term, memory=memory), term, memory=memory)
        for memory in ("separate", "merged")
    )
    assert (len(separate), len(merged)) == (2, 1)
    torch.testing.assert_close(dense_matrix(separate, model), dense_matrix(merged, model))
    other = kronecker.add(merged, factors(model, *examples(10, seed=3)), memory="merged")
    assert other[0][0].num_examples == 20
    expected = (10 * term[0].inputs + 10 * factors(model, *examples(10, seed=3))[0].inputs) / 20
    torch.testing.assert_close(other[0][0].inputs, expected)


@pytest.mark.parametrize("structure", ["diagonal", "kfac"])
def test_for_a_linear_regression_the_tasks_in_turn_give_the_posterior_of_all_data_at_once(structure):
    """Several outputs with unit noise: the Hessian is X^T X (x) 1, one Kronecker product; it is diagonal
    where inputs are orthogonal."""
    generator = torch.Generator().manual_seed(0)
    model = build("no bias")  # for its shape, 3 x 9
    blocks = kronecker.blocks_of(model)
    tasks = []
    for _ in range(3):
        inputs = torch.randn(12, 9, generator=generator, dtype=torch.float64)
        if structure == "diagonal":
            inputs = torch.linalg.qr(inputs).Q * torch.rand(9, generator=generator, dtype=torch.float64)
        tasks.append((inputs, torch.randn(12, 3, generator=generator, dtype=torch.float64)))
    state = quadratic_penalty.prior(torch.zeros(27, dtype=torch.float64), 0.7)
    terms: tuple = ()
    for inputs, targets in tasks:
        factor = kronecker.Factors(inputs.T @ inputs / 12, torch.eye(3, dtype=torch.float64), 12)
        before = dense_matrix(terms, model) + torch.diag(state.precision)
        likelihood = dense_matrix([(factor,)], model)
        pull = (targets.T @ inputs).reshape(-1) + before @ state.centre
        mode = torch.linalg.solve(likelihood + before, pull)
        assert quadratic_penalty.penalty_gradient(state, state.centre, strength=1.0).abs().max() == 0
        if structure == "kfac":
            terms = kronecker.add(terms, (factor,), memory="separate")
            diagonal = torch.zeros(27, dtype=torch.float64)
        else:
            diagonal = inputs.square().sum(0).repeat(3)
            torch.testing.assert_close(likelihood, torch.diag(diagonal), rtol=1e-9, atol=1e-12)
        state = quadratic_penalty.add_likelihood(state, mode, diagonal, torch.ones(27))
    inputs, targets = (torch.cat(parts) for parts in zip(*tasks, strict=True))
    precision = inputs.T @ inputs + 0.7 * torch.eye(9, dtype=torch.float64)
    at_once = torch.linalg.solve(precision, inputs.T @ targets).T
    torch.testing.assert_close(state.centre.view(3, 9), at_once, rtol=1e-9, atol=1e-10)
    found = torch.diag(state.precision) + dense_matrix(terms, model)
    torch.testing.assert_close(found, torch.kron(torch.eye(3, dtype=torch.float64), precision))
    assert len(blocks) == 1


def test_what_is_in_no_layer_is_outside():
    model = Classifier(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.Flatten(), nn.Linear(2, CLASSES))
    like = torch.zeros(sum(parameter.numel() for parameter in model.parameters()))
    free = kronecker.outside(kronecker.blocks_of(model), like)
    assert free.nonzero().flatten().tolist() == [20, 21, 22, 23]  # after 18 weights and 2 biases


def test_layers_that_have_no_factors_here_are_named():
    grouped = Classifier(nn.Conv2d(2, 2, 1, groups=2))
    with pytest.raises(TypeError, match=r"KFAC knows ungrouped .* got Conv2d.*groups=2"):
        kronecker.blocks_of(grouped)
    layer = nn.Linear(9, 9)
    twice = Classifier(nn.Flatten(), layer, layer)
    images, labels = examples(2)
    with pytest.raises(TypeError, match="called once, got 2 calls"):
        factors(twice.double(), images, labels)
    with pytest.raises(ValueError, match="at least one example"):
        kronecker.factors(twice, [], estimator="exact", generator=torch.Generator())
