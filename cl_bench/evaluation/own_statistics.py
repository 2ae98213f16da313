"""What batch norm costs: the accuracy on each task with statistics of the task's own training images.

Batch norm predicts with running statistics of the newest task. An old task is normalised by numbers that are
not its own, and loses accuracy that its weights still have (Pham et al. 2022, arXiv 2203.16102). This is a
diagnosis, no method: it needs the task's training images, and to know the task.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from cl_bench.deferred import deferred
from cl_bench.evaluation.scores import Scores
from cl_bench.learner.isolated import as_before
from cl_bench.learner.taking_part import taking_part
from cl_bench.models.modes import modes_restored

with deferred():
    from avalanche.core import SupervisedPlugin


def check_batch_norm(also_test: Sequence[str], network: nn.Module) -> None:
    """See that there are statistics to be taken.

    Raises:
        ValueError: for a network without batch norm, where they are asked for.
    """
    if "statistics" in also_test and not running_averages(network):
        raise ValueError(
            "training.also_test=[statistics] is for networks with batch norm, whose statistics it takes: "
            "set model.normalisation=batch, or leave statistics out of training.also_test"
        )


class OwnStatistics:
    """Tests each task after its training images have given batch norm its statistics.

    They are means over all batches of the images, and over the samples of weights of a method that samples.
    Afterwards strategy and network are as before.

    Args:
        experiences: in training, one for each task.
    """

    def __init__(self, experiences: Sequence[Any]) -> None:
        self._experiences = experiences

    def accuracies(self, strategy: Any, tasks: Sequence[int], tested: Sequence[Any]) -> list[list[float]]:
        """The accuracy of each seed, for each of the tasks.

        Args:
            tasks: from 1.
            tested: the experiences of their tests.
        """
        return [
            self._of_task(strategy, self._experiences[task - 1], test)
            for task, test in zip(tasks, tested, strict=True)
        ]

    def _of_task(self, strategy: Any, images: Any, test: Any) -> list[float]:
        scores = Scores()
        with as_before(strategy), _averages_restored(strategy.model):
            others = taking_part(strategy)
            with modes_restored(strategy.model):
                strategy.plugins = [_Measuring(strategy.model), *others]
                strategy.eval([images])
            strategy.plugins = [scores, *others]
            strategy.eval([test])
        return [score.accuracy for score in scores.rows[0]]


def running_averages(network: nn.Module) -> list[nn.Module]:
    """Return the layers that keep running averages of a mean and a variance."""
    kind = nn.modules.batchnorm._BatchNorm
    return [each for each in network.modules() if isinstance(each, kind) and each.track_running_stats]


class _Measuring(SupervisedPlugin):
    """Lets batch norm average over all that passes in a test, each pass with the same weight."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._layers = running_averages(network)
        self._hooks = [_counted(layer) for layer in self._layers]

    def before_eval_iteration(self, strategy: Any, **kwargs: Any) -> None:
        one_each = len(strategy.mb_x) == (getattr(strategy, "num_seeds", None) or 1)
        for layer in self._layers:
            layer.train(not one_each)  # a single example has no variance

    def after_eval(self, strategy: Any, **kwargs: Any) -> None:
        for hook in self._hooks:
            hook.remove()


def _counted(layer: Any) -> Any:
    """Let the layer's next passes make plain averages: the n-th counts 1/n. Returns the hook's handle.

    torch's own, `momentum=None`, cannot be used where seeds are stacked.
    """
    passes = 0

    def next_pass(module: Any, inputs: Any) -> None:
        nonlocal passes
        if module.training:
            passes += 1
            module.momentum = 1 / passes

    return layer.register_forward_pre_hook(next_pass)


@contextmanager
def _averages_restored(network: nn.Module) -> Iterator[None]:
    """Put running averages and their momenta back after the block."""
    layers = running_averages(network)
    before = [
        (each.momentum, {name: buffer.clone() for name, buffer in each.named_buffers()}) for each in layers
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for layer, (momentum, buffers) in zip(layers, before, strict=True):
                layer.momentum = momentum
                for name, buffer in layer.named_buffers():
                    buffer.copy_(buffers[name])
