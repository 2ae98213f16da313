"""TD-VCL as a strategy: VCL where it has one posterior, its prior, its memory, and the loss of a batch."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from cl_bench.evaluation.states import stored_bits
from cl_bench.models import mlp
from cl_bench.posteriors import temporal_difference
from cl_bench.strategies import TDVCL, VCL

SETTINGS: dict[str, Any] = {
    "kl_weight": 0.7,
    "prior_variance": 0.5,
    "initial_log_variance": -3.0,
    "initial_mean_deviation": None,
    "num_samples": 1,
    "num_test_samples": 3,
}
OF_VCL = {"restart": False, "coreset": "none", "coreset_size": 4, "coreset_epochs": 2}
OWN = {
    "num_posteriors": 3,
    "decay": 0.5,
    "memory_size": 6,
    "memory_tasks": None,
    "buffer": "reservoir",
    "replay_share": 0.5,
}


@pytest.fixture
def make(lab):
    def make(cls: type = TDVCL, *, num_heads: int = 1, method: dict | None = None, **changes: Any) -> Any:
        model = lab.seeded_model(
            mlp,
            input_shape=(1, 2, 2),
            num_classes=3,
            num_heads=num_heads,
            hidden=[5],
            normalisation="none",
            weights="real",
        )
        own = OF_VCL if cls is VCL else OWN
        return cls(model=model, **(SETTINGS | own | (method or {})), **lab.settings(**changes))

    return make


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("method", [{"num_posteriors": 1}, {"decay": 0.0}])
def test_with_one_posterior_it_is_vcl_bit_for_bit(lab, make, heads, method):
    found, expected = make(num_heads=3 if heads else 1, method=method), make(VCL, num_heads=3 if heads else 1)
    for strategy in (found, expected):
        strategy.train(lab.benchmark(lab.tasks(3, heads=heads)).train_stream, eval_streams=[])
    assert torch.equal(found.flat.values, expected.flat.values)
    assert lab.same(found.state_tensors(), expected.state_tensors())
    assert stored_bits(found) == stored_bits(expected), "there is no memory"
    assert found.claims.carries_posterior
    assert not found.claims.rehearses


def test_the_first_task_is_vcl_s_bit_for_bit(lab, make):
    found, expected = make(), make(VCL)
    for strategy in (found, expected):
        strategy.train(lab.benchmark(lab.tasks(1)).train_stream, eval_streams=[])
    assert torch.equal(found.flat.values, expected.flat.values)


@pytest.mark.parametrize(("num_posteriors", "decay"), [(2, 1.0), (3, 0.5), (8, 0.9)])
def test_the_prior_is_pooled_from_the_last_posteriors_and_the_first_prior(lab, make, num_posteriors, decay):
    strategy = make(method={"num_posteriors": num_posteriors, "decay": decay})
    seen = [strategy.first_prior()]
    for number, experience in enumerate(lab.benchmark(lab.tasks(4)).train_stream, start=1):
        strategy.train(experience, eval_streams=[])
        seen.insert(0, type(seen[0])(*(part.clone() for part in strategy.belief())))
        length = min(num_posteriors, number + 1)
        weights = temporal_difference.kl_weights(length, decay=decay)
        expected = temporal_difference.pooled(seen[:length], weights)
        for part, other in zip(strategy.present_prior(), expected, strict=True):
            assert torch.equal(part, other)
        assert len(strategy.past) == length


@pytest.mark.parametrize("memory_tasks", [None, 2])
def test_a_remembered_example_counts_as_its_task_s_likelihood_says(lab, make, memory_tasks):
    """The mean over the memory, by the weights, is sum_i l_i N_{t-i} / N_t times the task's mean."""
    tasks = [lab.tasks(1, num_examples=size, seed=size)[0] for size in (8, 12, 20)]
    strategy = make(method={"num_posteriors": 8, "memory_size": 16, "memory_tasks": memory_tasks})
    strategy.train(lab.benchmark(tasks).train_stream, eval_streams=[])
    batches = strategy.train_batches([[lab.tasks(1, num_examples=10, seed=5)[0]]])
    (memory,) = strategy.memories
    weights = strategy.row_weights[10:]
    assert batches.num_examples == 10
    assert len(weights) == len(memory) == 16
    likelihoods = temporal_difference.likelihood_weights(4, decay=0.5).tolist()
    held = set(memory["tasks"].tolist())
    assert held == ({0, 1, 2} if memory_tasks is None else {1, 2})
    for task in held:
        share = float(weights[memory["tasks"] == task].sum() / len(weights))
        assert share == pytest.approx(likelihoods[3 - task] * (8, 12, 20)[task] / 10)


def test_the_loss_of_a_batch_is_a_loop_over_its_examples(lab, make):
    """Variances are next to 0, so that weights are their means and nothing is drawn."""
    strategy = make(method={"initial_log_variance": -60.0, "prior_variance": 1e-20, "kl_weight": 0.0})
    tasks = lab.tasks(2, num_examples=12)
    strategy.train(lab.benchmark(tasks[:1]).train_stream, eval_streams=[])
    found, expected = [], []
    watched = strategy.criterion

    def criterion() -> torch.Tensor:
        loss = watched()
        if strategy.is_training:
            positions = strategy.dataloader.newest.tolist()
            old = [position >= 12 for position in positions]
            assert old == [False, False, True, True]
            losses = F.cross_entropy(strategy.mb_output, strategy.mb_y, reduction="none").detach()
            weights = [float(strategy.row_weights[position]) for position in positions]
            of_old = sum(w * float(each) for w, each in zip(weights[2:], losses[2:], strict=True)) / 2
            found.append(float(loss.detach()))
            expected.append(float(losses[:2].mean()) + of_old)
        return loss

    strategy.criterion = criterion
    strategy.train(lab.benchmark(tasks).train_stream[1], eval_streams=[])
    assert len(found) == 6
    assert found == pytest.approx(expected)
    # both tasks have 12 examples, and two posteriors have weights 2/3 and 1/3
    assert strategy.row_weights[12:].tolist() == pytest.approx([1 / 3] * 6)


def test_heads_of_remembered_tasks_are_trained_and_others_stand_still(lab, make):
    strategy = make(num_heads=3, method={"memory_tasks": 1, "num_posteriors": 8})
    heads = []
    for experience in lab.benchmark(lab.tasks(3, heads=True)).train_stream:
        strategy.train(experience, eval_streams=[])
        heads.append([lab.head_values(strategy.network, head).clone() for head in range(3)])
    assert not torch.equal(heads[0][0], heads[1][0]), "task 1 is in the memory of task 2"
    assert torch.equal(heads[1][0], heads[2][0]), "and not in that of task 3"
    assert not torch.equal(heads[1][1], heads[2][1])
    assert torch.equal(heads[0][2], heads[1][2])


def test_the_memory_and_the_posteriors_are_counted(lab, make):
    strategy = make(method={"memory_tasks": 2, "num_posteriors": 3})
    example = 4 * 8 + 3 * 64 + 64  # pixels; label, head and task; key
    weight = 2 * 32
    number = strategy.num_weights
    assert stored_bits(strategy) == number * weight * 3  # the posterior, the prior, the first prior
    for task, experience in enumerate(lab.benchmark(lab.tasks(4)).train_stream, start=1):
        strategy.train(experience, eval_streams=[])
        expected = number * weight * (2 + min(3, task + 1)) + 3 * min(2, task) * example
        assert stored_bits(strategy) == expected
