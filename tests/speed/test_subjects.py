"""Both sides of a ratio do the same work: the bare loop learns what fine-tuning learns, stock is stock."""

import urllib.request

import avalanche.training
import numpy as np
import pytest
import torch
from avalanche.benchmarks import NCScenario
from avalanche.benchmarks.datasets.external_datasets.mnist import TensorMNIST
from torch import nn

from cl_bench.evaluation.finite_loss import FiniteLoss
from cl_bench.evaluation.progress import Progress
from cl_bench.evaluation.scores import Scores
from speed import stock
from speed.bare import BareLoop, forward_passes
from speed.memory import peak_extra_bytes
from speed.ours import Subject


@pytest.fixture
def stock_files(subject, tmp_path, monkeypatch):
    def refuse(*arguments, **settings):
        raise AssertionError("nothing may be downloaded")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    stock.write_mnist(subject, tmp_path)
    return tmp_path


def flat(network):
    return torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])


def test_the_bare_loop_ends_at_the_weights_of_fine_tuning(subject):
    bare = BareLoop(subject)
    start = flat(bare.network)
    assert torch.equal(start, flat(subject.strategy.network))
    bare.epoch()
    subject.train()
    trained = flat(bare.network)
    assert (trained - start).abs().max() > 1e-3
    torch.testing.assert_close(flat(subject.strategy.network), trained, rtol=0, atol=1e-5)


def test_the_reference_setting_is_the_mlp_of_the_table_with_all_plugins(subject):
    layers = [module for module in subject.plain_network().modules() if isinstance(module, nn.Linear)]
    sizes = [tuple(layer.weight.shape) for layer in layers]
    assert sizes == [(100, 784), (100, 100), (10, 100)]
    assert (subject.config.training.batch_size, subject.config.training.epochs) == (128, 1)
    kinds = {type(plugin) for plugin in subject.strategy.plugins}
    assert {Scores, FiniteLoss, Progress} <= kinds


def test_the_stock_strategies_are_avalanches_own(bench, subject):
    ewc_subject = Subject(bench.overrides("strategy=ewc"))
    naive, ewc = stock.naive(subject), stock.ewc(ewc_subject)
    assert type(naive) is avalanche.training.Naive
    assert type(ewc) is avalanche.training.EWC
    for strategy in (naive, ewc):
        ours = subject.strategy
        assert strategy.train_mb_size == ours.train_mb_size == 128
        assert strategy.eval_mb_size == ours.eval_mb_size
        assert strategy.train_epochs == 1
        assert type(strategy.optimizer) is torch.optim.Adam
        assert flat(strategy.model).shape == flat(ours.network).shape


def test_the_stock_benchmark_is_the_classic_one_on_our_images(subject, stock_files):
    benchmark = stock.permuted_mnist(stock_files, num_tasks=2)
    assert isinstance(benchmark, NCScenario)
    mnist = TensorMNIST(root=str(stock_files), train=True)
    images = subject.stream.train[0].shared.images
    assert torch.equal(mnist.data.unsqueeze(1), images)
    assert torch.equal(mnist.targets, subject.stream.train[0].labels)
    expected = sorted(images.flatten(1).sum(dim=1).tolist())
    for experience in benchmark.train_stream:  # it orders examples by class, and moves their pixels
        seen = torch.stack([example[0] for example in experience.dataset])
        assert seen.shape == images.shape
        sums = ((seen * 0.3081 + 0.1307) * 255).flatten(1).sum(dim=1)
        np.testing.assert_allclose(sorted(sums.tolist()), expected, rtol=1e-4)


def test_a_whole_stock_run_trains_and_tests_every_task(bench, subject, stock_files):
    benchmark = stock.permuted_mnist(stock_files, num_tasks=2)
    strategy = stock.naive(subject)
    before = flat(strategy.model).clone()
    stock.whole_run(strategy, benchmark)
    assert strategy.clock.train_exp_counter == 2
    assert not torch.equal(flat(strategy.model), before)


def test_forward_passes_see_every_image_so_many_times():
    seen = []

    class Watching(nn.Module):
        def forward(self, images):
            assert not torch.is_grad_enabled()
            seen.append(len(images))
            return images

    forward_passes(Watching(), torch.zeros(10, 2), batch_size=4, times=2)
    assert seen == [4, 4, 2] * 2


def test_peak_memory_counts_what_is_alive_at_once():
    kept = []

    def work():
        kept.append(torch.ones(1000, 1000))
        for _ in range(3):
            double = kept[0] * 2  # the one of the round before is alive still
            del double
        torch.ones(500)

    extra = peak_extra_bytes(work, torch.device("cpu"))
    assert 8_000_000 <= extra < 8_010_000
