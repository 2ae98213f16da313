"""A batch of a subclass of `ResidentBatches` is trained on the heads that it names."""

from types import SimpleNamespace

import torch

from cl_bench.learner.batches import ResidentBatches
from cl_bench.strategies import Finetune


class WithAnOldExample(ResidentBatches):
    def at(self, positions):
        old = super().at(torch.tensor([5]))
        return [torch.cat(pair) for pair in zip(super().at(positions), old, strict=True)]


def test_an_example_that_a_subclass_puts_in_keeps_its_head():
    strategy = Finetune.__new__(Finetune)
    strategy.device = torch.device("cpu")
    strategy.experience = SimpleNamespace(task_labels=[0, 1])
    strategy.dataloader = WithAnOldExample(
        torch.zeros(6, 1, 1, 1), torch.arange(6), torch.tensor([0, 0, 0, 0, 0, 1]),
        to_float=lambda pixels: pixels, batch_size=5, generator=None,
    )  # fmt: skip
    strategy.mbatch = next(iter(strategy.dataloader))
    strategy._unpack_minibatch()
    assert strategy.head.tolist() == [0, 0, 0, 0, 0, 1]
