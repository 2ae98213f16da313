"""A network compiled, or in lower precision, is the network."""

import shutil
from copy import deepcopy

import pytest
import torch
from torch.nn import functional as F

from cl_bench.config.compose import compose
from cl_bench.conformance.subject import build_run
from cl_bench.learner.forward import PRECISIONS, Forward
from cl_bench.models import cnn, mlp
from cl_bench.models.stacked import StackedNetwork

CPU = torch.device("cpu")
BFLOAT16 = 2**-8  # two roundings; each of the two products rounds both factors and its result: six in all


def make(normalisation):
    torch.manual_seed(0)
    return mlp(
        input_shape=(1, 4, 4),
        num_classes=3,
        num_heads=2,
        hidden=[8],
        normalisation=normalisation,
        weights="real",
    )


@pytest.fixture
def network():
    return make("batch")


@pytest.fixture
def images():
    return torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def gradients(network, logits):
    F.cross_entropy(logits, torch.arange(len(logits)) % 3).backward()
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


TASKS = pytest.mark.parametrize("task", [0, 1, torch.tensor([0, 1, 1, 0, 1, 0])], ids=["0", "1", "mixed"])


@TASKS
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_plain_it_is_the_network_bit_for_bit(network, images, precision, task):
    forward = Forward(network, compile=False, precision=precision, device=CPU)
    same = deepcopy(network)
    assert forward(images, task).equal(same(images, task))
    assert all(map(torch.equal, network.buffers(), same.buffers())), "running statistics too"


@TASKS
def test_bfloat16_gives_single_precision_logits_close_to_those_of_single_precision(network, images, task):
    half = Forward(network, compile=False, precision="bfloat16", device=CPU)
    same = deepcopy(network)
    logits, expected = half(images, task), same(images, task)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected, rtol=4 * BFLOAT16, atol=4 * BFLOAT16)
    assert not logits.equal(expected), "it did run in lower precision"
    found, wanted = gradients(network, logits), gradients(same, expected)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0, atol=8 * BFLOAT16 * float(other.abs().max()) + 1e-6)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_bfloat16_is_over_after_the_call(network, images):
    Forward(network, compile=False, precision="bfloat16", device=CPU)(images, 0)
    assert not torch.is_autocast_enabled("cpu")
    assert network(images, 0).dtype == torch.float32


def test_stacked_networks_run_in_lower_precision_too(images):
    network = make("layer")
    stacked = StackedNetwork([network, deepcopy(network)])
    logits = Forward(stacked, compile=False, precision="bfloat16", device=CPU)(torch.cat([images, images]), 1)
    expected = network(images, 1).repeat(2, 1)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected, rtol=4 * BFLOAT16, atol=4 * BFLOAT16)
    assert not logits.equal(expected), "it did run in lower precision"


def test_the_precisions_are_those_of_the_settings():
    assert PRECISIONS == ("float32", "tf32", "bfloat16")


@pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("c++")), reason="torch.compile needs a C++ compiler"
)
def test_compiled_it_is_the_network_up_to_rounding_with_every_head_and_in_tests(network, images):
    same = deepcopy(network)
    compiled = Forward(network, compile=True, precision="float32", device=CPU)
    seen = []
    for task in (0, 1, torch.tensor([0, 1, 1, 0, 1, 0])):
        logits, expected = compiled(images, task), same(images, task)
        seen.append(expected)
        torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
        for one, other in zip(gradients(network, logits), gradients(same, expected), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert (seen[0] - seen[1]).abs().max() > 0.1, "the heads differ"
    for one, other in zip(network.buffers(), same.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    network.eval()
    same.eval()
    with torch.no_grad():
        torch.testing.assert_close(compiled(images, 1), same(images, 1), rtol=1e-5, atol=1e-5)


def test_images_with_their_channels_last_have_the_same_logits_and_gradients():
    torch.manual_seed(0)
    network = cnn(
        input_shape=(3, 8, 8),
        num_classes=3,
        num_heads=2,
        channels=[4, 6],
        hidden=8,
        normalisation="batch",
        weights="real",
    ).double()
    images = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    layouts, found = [], []
    network.body[0].register_forward_pre_hook(
        lambda module, given: layouts.append(given[0].is_contiguous(memory_format=torch.channels_last))
    )
    for last in (False, True):
        network.zero_grad()
        forward = Forward(network, compile=False, precision="float32", device=CPU, channels_last=last)
        logits = forward(images, 1)
        logits.square().sum().backward()
        found.append([logits.detach(), *(part.grad.clone() for part in network.parameters())])
    assert layouts == [False, True]
    for first, second in zip(*found, strict=True):
        torch.testing.assert_close(first, second)


def test_rows_have_no_channels_to_lay_out():
    network = make("layer")
    rows = torch.randn(6, 1, 4, 4).flatten(1)
    forward = Forward(network, compile=False, precision="float32", device=CPU, channels_last=True)
    assert forward(rows, 0).shape == (6, 3)


@pytest.mark.parametrize(
    "words",
    [
        ("strategy=finetune", "training.batch_size=1"),
        ("strategy=a_gem", "strategy.memory_size=1"),
        ("strategy=gdumb", "strategy.memory_size=1"),
        ("strategy=der", "strategy.buffer_batch_size=1"),
        ("strategy=bayesbinn_published", "training.batch_size=1"),
    ],
)
def test_a_batch_of_one_example_under_batch_normalisation_is_told_by_its_settings(words):
    small = ("benchmark=split_digits", "benchmark.num_tasks=2", "benchmark.num_train=20", "training.epochs=1")
    run = build_run(compose([*small, "model.normalisation=batch", "tuned=none", *words]))
    with pytest.raises(ValueError, match=r"set a larger training\.batch_size.*model\.normalisation=layer"):
        run.records()
