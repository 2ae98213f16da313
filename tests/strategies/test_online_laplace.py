"""Online Laplace: the prior, sums over examples, and the gradient of the whole objective."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.models import cnn, mlp
from cl_bench.models.parameters import scales
from cl_bench.posteriors import fisher, kronecker
from cl_bench.strategies import OnlineLaplace

NETWORKS = {
    "dense": partial(mlp, hidden=[5], normalisation="none"),
    "convolutions": partial(cnn, channels=[3], hidden=4, normalisation="group"),
}
STRUCTURES = pytest.mark.parametrize("structure", ["diagonal", "kfac"])


@pytest.fixture
def make(lab):
    def make(
        structure: str = "diagonal",
        *,
        cls: Any = OnlineLaplace,
        network: str = "dense",
        num_heads: int = 1,
        method: Any = None,
        **changes: Any,
    ) -> Any:
        model = lab.seeded_model(
            NETWORKS[network], input_shape=(1, 2, 2), num_classes=3, num_heads=num_heads, weights="real"
        )
        settings = {
            "strength": 2.0,
            "prior_precision": 0.5,
            "memory": "separate",
            "fisher_estimator": "exact",
        } | (method or {})
        if cls is OnlineLaplace:
            return cls(model=model, structure=structure, **settings, **lab.settings(**changes))
        return cls(model=model, **lab.settings(**changes))

    return make


def curvature_of(strategy: OnlineLaplace) -> Tensor:
    """The precision as a whole matrix."""
    size = len(strategy.flat)
    rows = torch.eye(size, dtype=strategy.penalty.precision.dtype)
    product = partial(kronecker.product, strategy.terms, strategy.blocks)
    return torch.diag(strategy.penalty.precision) + torch.stack([product(row) for row in rows])


@pytest.mark.usefixtures("double_precision")
@STRUCTURES
@pytest.mark.parametrize("network", NETWORKS)
def test_the_precision_is_the_prior_s_and_the_sum_over_examples_of_the_fisher(lab, make, structure, network):
    tasks = lab.tasks(2, num_examples=10)
    strategy = make(structure, network=network)
    expected = 0.5 * torch.eye(len(strategy.flat))
    torch.testing.assert_close(curvature_of(strategy), expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(strategy.penalty.centre, strategy.flat.marked(scales(strategy.network)))
    for task, experience in zip(tasks, lab.benchmark(tasks).train_stream, strict=True):
        strategy.train(experience, eval_streams=[])
        assert torch.equal(strategy.penalty.centre, strategy.flat.values.data)
        model = strategy.network.eval()
        batches = [(task.images(torch.device("cpu")), task.labels, 0)]
        settings = {"estimator": "exact", "generator": torch.Generator()}
        diagonal = fisher.diagonal(model, batches, **settings)
        if structure == "kfac":
            term = kronecker.factors(model, batches, **settings)
            rows = torch.eye(len(strategy.flat))
            blocks = kronecker.blocks_of(model)
            expected += torch.stack([kronecker.product([term], blocks, row) for row in rows])
            diagonal = diagonal * kronecker.outside(blocks, diagonal)
            assert bool(diagonal.any()) == (network == "convolutions")
        expected += 10 * torch.diag(diagonal)
        torch.testing.assert_close(curvature_of(strategy), expected, rtol=1e-9, atol=1e-9)


@STRUCTURES
@pytest.mark.parametrize("num_heads", [1, 3])
def test_the_gradient_is_that_of_the_loss_and_the_posterior_before(lab, make, structure, num_heads):
    """By finite differences in double precision, in the third task."""
    tasks = lab.tasks(3, heads=num_heads > 1)
    strategy = make(structure, num_heads=num_heads)
    experiences = list(lab.benchmark(tasks).train_stream)
    for experience in experiences[:2]:
        strategy.train(experience, eval_streams=[])
    strategy.experience = experiences[2]
    strategy._before_training_exp()
    images, labels, head = tasks[2].images(torch.device("cpu")).double(), tasks[2].labels, tasks[2].head
    network = strategy.network.double()
    strategy.flat = type(strategy.flat)(network.parameters())
    strategy.penalty = type(strategy.penalty)(*(part.double() for part in strategy.penalty))
    strategy.terms = tuple(
        tuple(
            factor._replace(inputs=factor.inputs.double(), outputs=factor.outputs.double()) for factor in term
        )
        for term in strategy.terms
    )
    precision, centre = curvature_of(strategy), strategy.penalty.centre
    active = strategy.active.double()
    theta = strategy.flat.values.data.clone()
    noise = torch.randn(theta.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    theta += 0.1 * noise * active  # other heads are at their mode

    def objective(weights: Tensor) -> float:
        strategy.flat.set(weights)
        with torch.no_grad():
            loss = F.cross_entropy(network(images, head), labels)
        distance = (weights - centre) * active
        return float(loss + 2.0 / (2 * len(labels)) * distance @ precision @ distance)

    numeric = torch.zeros_like(theta)
    for index in range(len(theta)):
        step = torch.zeros_like(theta)
        step[index] = 1e-5
        numeric[index] = (objective(theta + step) - objective(theta - step)) / 2e-5
    strategy.flat.set(theta)
    lab.batch(strategy, images, labels, head)
    if num_heads > 1:  # a head that was never trained is away from its mode, but is left alone
        assert not strategy.flat.gradients[active == 0].any()
    torch.testing.assert_close(strategy.flat.gradients, numeric, rtol=1e-5, atol=1e-6)
    assert (precision @ (theta - centre)).abs().max() > 0.1


@STRUCTURES
def test_old_tasks_show_at_the_second_task_beside_the_prior(lab, make, structure):
    first, second = lab.benchmark(lab.tasks(2)).train_stream
    both, forgetful = make(structure), make(structure)
    for strategy in (both, forgetful):
        strategy.train(first, eval_streams=[])
    assert torch.equal(both.flat.values, forgetful.flat.values)
    start = make(structure)
    forgetful.penalty, forgetful.terms = start.penalty, ()
    for strategy in (both, forgetful):
        strategy.train(second, eval_streams=[])
    assert not torch.equal(both.flat.values, forgetful.flat.values)


@STRUCTURES
def test_no_batch_size_changes_the_posterior(lab, make, structure):
    (task,) = lab.tasks(1, num_examples=40)
    found = []
    for batch_size, test_batch_size in ((40, 1), (40, 1000), (64, 40)):  # one batch: the same training
        strategy = make(structure, optimizer="sgd", batch_size=batch_size, test_batch_size=test_batch_size)
        strategy.train(lab.benchmark([task]).train_stream, eval_streams=[])
        found.append(curvature_of(strategy))
    assert all(torch.equal(each, found[0]) for each in found)


def test_a_head_that_was_not_used_keeps_the_prior(lab, make):
    tasks = lab.tasks(2, heads=True)
    strategy = make("kfac", num_heads=2)
    strategy.train(next(iter(lab.benchmark(tasks).train_stream)), eval_streams=[])
    precision = curvature_of(strategy)
    biases = precision[-3:]  # of the second head
    assert torch.equal(biases[:, -3:], 0.5 * torch.eye(3))
    assert not biases[:, :-3].any()
    assert not strategy.penalty.centre[-3:].any()
    assert strategy.penalty.centre[-6:-3].all()


def test_factors_of_each_task_are_kept_or_merged_and_belong_to_the_hash(lab, make):
    for memory, num_terms in (("separate", 3), ("merged", 1)):
        strategy = make("kfac", method={"memory": memory})
        strategy.train(lab.benchmark(lab.tasks(3)).train_stream, eval_streams=[])
        assert len(strategy.terms) == num_terms
        before = weights_sha256(strategy)
        strategy.terms[0][0].inputs[0, 0] += 1
        assert weights_sha256(strategy) != before
