"""Every strategy of conf/ has its rows, and what it multiplies is counted, not listed."""

import pytest
import torch
from torch.func import grad, vmap
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from cl_bench.config.choices import choices
from cl_bench.evaluation.experiment import weights_sha256
from cl_bench.models import cnn
from speed.multiplications import multiplications
from speed.strategies import SecondTask, strategies
from speed.table import LINES


def test_every_strategy_of_conf_has_a_row_for_its_time_and_one_for_its_gradients():
    names = {line.name for line in LINES}
    assert {f"{kind}_{name}" for kind in ("strategy", "gradients") for name in choices("strategy")} <= names


def test_forward_and_backward_passes_are_counted_as_torch_counts_them():
    network = cnn(
        input_shape=(3, 8, 8), channels=[4], hidden=6, num_classes=4, num_heads=1,
        normalisation="layer", weights="real",
    )  # fmt: skip
    images, labels = torch.randn(5, 3, 8, 8), torch.zeros(5, dtype=torch.long)

    def work():
        F.cross_entropy(network(images), labels).backward()

    with FlopCounterMode(display=False) as counter:
        work()
    assert multiplications(work) == counter.get_total_flops() // 2 > 0


def test_gradients_of_single_examples_are_counted_too():
    weights, inputs = torch.randn(3, 7), torch.randn(5, 7)
    work = vmap(grad(lambda weights, row: F.linear(row[None], weights).square().sum()), in_dims=(None, 0))
    assert multiplications(lambda: work(weights, inputs)) == 5 * (7 * 3 + 3 * 7)


def test_ewc_pays_for_its_fisher_information_and_fine_tuning_takes_one_gradient_an_example(bench):
    found = strategies(bench._replace(scale=bench.scale._replace(strategies=("finetune", "ewc"))))
    (finetune,), (per_epoch,) = found["gradients_finetune"].work, found["gradients_finetune"].reference
    first, rest = 784 * 100, 100 * 100 + 100 * 10
    assert finetune == per_epoch == 256 * (2 * first + 3 * rest)
    # the exact Fisher information: forward, ten times back to each layer, one product by each weight matrix,
    # and before that one image which shows what the layers are, and one for the number of outputs
    fisher = 256 * (2 * (first + rest) + 10 * rest) + 2 * (first + rest)
    assert found["gradients_ewc"].work[0] - finetune == fisher


@pytest.mark.parametrize("name", ["ewc", "vcl", "replay"])
def test_the_second_task_begins_each_time_where_the_first_ended(bench, name):
    second = SecondTask(bench, name)
    ends = []
    for _ in range(2):
        second.go_back()
        second.learn()
        ends.append(weights_sha256(second.subject.strategy))
    assert ends[0] == ends[1]
