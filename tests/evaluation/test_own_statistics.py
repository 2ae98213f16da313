"""Tests with batch norm's statistics of each task's own training images."""

import math

import pytest
import torch
from evaluation.test_known_task import OF_VCL
from small_parts import small_stream

from cl_bench.evaluation.experiment import measurements
from cl_bench.evaluation.own_statistics import OwnStatistics, running_averages
from cl_bench.learner.seeds import Seeds
from cl_bench.models import cnn, mlp
from cl_bench.models.stacked import StackedNetwork
from cl_bench.records.rows import Record
from cl_bench.strategies import VCL, BayesBiNN, Finetune
from cl_bench.streams.benchmark import to_avalanche
from cl_bench.streams.stacked import stack_streams

SHAPES = {"input_shape": (1, 4, 4), "num_classes": 4, "num_heads": 1}
CPU = torch.device("cpu")
STREAM = {"scenario": "class", "validation_share": 0.0}
OF_BAYESBINN = {
    "temperature": 0.5,
    "initial_magnitude": 1.0,
    "num_samples": 1,
    "num_test_samples": 3,
    "kl_weight": 1.0,
    "momentum": 0.0,
    "carry_prior": True,
    "variant": "sound",
    "max_slope": 5.0,
}


def network(seed=0, *, make=mlp, weights="real", normalisation="batch"):
    torch.manual_seed(seed)
    size = {"hidden": [8]} if make is mlp else {"channels": [4, 4], "hidden": 8}
    return make(**SHAPES, **size, normalisation=normalisation, weights=weights)


def rows(strategy, stream, *, seed=0, also_test=("statistics",)):
    found = measurements(
        strategy, to_avalanche(stream), seed=seed, test_on="test", test_last=None, also_test=also_test
    )
    return [row for each in found for row in each if isinstance(row, Record)]


def with_moments_of(model, images):
    """The network after one pass of all images, whose moments alone count."""
    for layer in running_averages(model):
        layer.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(images)
    return model.eval()


@pytest.mark.parametrize("make", [mlp, cnn])
def test_one_batch_gives_the_moments_of_that_batch(learner, make):
    stream = small_stream(**STREAM)
    strategy = Finetune(model=network(make=make), **learner)
    first, second = rows(strategy, stream)[:2]
    for row, train, test in ((first, 0, 0), (second, 1, 1)):
        mine = with_moments_of(network(make=make), stream.train[train].images(CPU))
        answers = mine(stream.test[test].images(CPU)).argmax(dim=1)
        expected = (answers == stream.test[test].labels).double().mean()
        assert row.accuracy_own_statistics == float(expected)


@pytest.mark.parametrize("method", ["finetune", "vcl", "bayesbinn"])
def test_nothing_else_changes_bit_for_bit(learner, method):
    def strategy():
        if method == "bayesbinn":
            return BayesBiNN(model=network(weights="binary"), **OF_BAYESBINN, **learner)
        of_method = (VCL, OF_VCL) if method == "vcl" else (Finetune, {})
        return of_method[0](model=network(), **of_method[1], **learner)

    stream = small_stream(**STREAM)
    with_it, without = rows(strategy(), stream), rows(strategy(), stream, also_test=())
    assert [row[:10] for row in with_it] == [row[:10] for row in without]
    assert all(0 <= row.accuracy_own_statistics <= 1 for row in with_it)
    assert all(math.isnan(row.accuracy_own_statistics) for row in without)


def test_buffers_momenta_and_modes_are_as_before(learner):
    stream = small_stream(**STREAM)
    strategy = Finetune(model=network(), **learner)
    benchmark = to_avalanche(stream)
    strategy.train(benchmark.streams["train"][0])
    own = OwnStatistics(list(benchmark.streams["train"]))
    before = {name: buffer.clone() for name, buffer in strategy.model.named_buffers()}
    momenta = [layer.momentum for layer in running_averages(strategy.model)]
    modes = [module.training for module in strategy.model.modules()]
    own.accuracies(strategy, [2], [benchmark.streams["test"][1]])
    assert all(torch.equal(buffer, before[name]) for name, buffer in strategy.model.named_buffers())
    assert [layer.momentum for layer in running_averages(strategy.model)] == momenta
    assert [module.training for module in strategy.model.modules()] == modes
    assert not any(layer._forward_pre_hooks for layer in running_averages(strategy.model))


def test_batches_and_samples_have_the_same_weight(learner):
    """Statistics of three batches are the means of theirs, with each sample of weights."""
    model = network()
    layer = running_averages(model)[0]
    stream = small_stream(**STREAM)
    strategy = Finetune(model=model, **learner)
    strategy.eval_mb_size = size = -(-len(stream.train[0]) // 3)
    seen = []
    handle = layer.register_forward_hook(
        lambda module, inputs, _: seen.append(inputs[0].mean(dim=0)) if module.training else None
    )
    means = []
    handle_after = layer.register_forward_hook(
        lambda module, *_: means.append(module.running_mean.clone()) if not module.training else None
    )
    benchmark = to_avalanche(stream)
    own = OwnStatistics(list(benchmark.streams["train"]))
    own.accuracies(strategy, [1], [benchmark.streams["test"][0]])
    handle.remove()
    handle_after.remove()
    assert len(seen) == 3
    assert size > 1
    assert torch.allclose(means[-1], torch.stack(seen).mean(dim=0), atol=1e-6)


def test_stacked_seeds_have_statistics_of_their_own(learner):
    streams = [small_stream(**STREAM), small_stream(**STREAM, class_order=[2, 3, 0, 1])]
    together = rows(
        Finetune(
            model=StackedNetwork([network(0), network(1)]), **{**learner, "seeds": [Seeds(0), Seeds(1)]}
        ),
        stack_streams(streams),
        seed=[0, 1],
    )
    for seed in (0, 1):
        alone = rows(
            Finetune(model=network(seed), **{**learner, "seeds": Seeds(seed)}), streams[seed], seed=seed
        )
        mine = [row.accuracy_own_statistics for row in together if row.seed == seed]
        assert mine == pytest.approx([row.accuracy_own_statistics for row in alone])


def test_a_single_example_at_the_end_has_no_variance_and_passes(learner):
    stream = small_stream(**STREAM)
    strategy = Finetune(model=network(), **learner)
    strategy.eval_mb_size = len(stream.train[0]) - 1
    assert all(0 <= row.accuracy_own_statistics <= 1 for row in rows(strategy, stream))


def test_a_network_without_batch_norm_is_refused(learner):
    strategy = Finetune(model=network(normalisation="layer"), **learner)
    with pytest.raises(ValueError, match=r"networks with batch norm.*model.normalisation=batch"):
        rows(strategy, small_stream(**STREAM))
