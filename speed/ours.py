"""The suite's own side, made from the configuration as a run makes it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.config.build import build_model, build_strategy, build_stream, device_of
from cl_bench.config.compose import compose
from cl_bench.evaluation.finite_loss import FiniteLoss
from cl_bench.evaluation.progress import Progress
from cl_bench.evaluation.scores import Scores
from cl_bench.learner.process import prepare_process
from cl_bench.learner.seeds import Seeds
from cl_bench.streams.benchmark import to_avalanche


def prepare() -> None:
    """Set the process to what a run sets it to, with one torch thread: for whatever is measured in it."""
    prepare_process(threads=1, precision=compose().training.precision)


class Subject:
    """A strategy as `cl_bench.runner.run` runs it, with all its plugins, on the first task of its stream.

    Args:
        overrides: of the configuration, as on the command line.
    """

    def __init__(self, overrides: Sequence[str]) -> None:
        self.config = compose(overrides)
        self.device = device_of(self.config.training.device)
        self.seeds = Seeds(self.config.seed, self.config.seed_for)
        self.stream, _ = build_stream(self.config, self.seeds)
        benchmark = to_avalanche(self.stream)
        self.experiences = list(benchmark.streams["train"])
        self.tests = list(benchmark.streams["test"])
        self.train_experience, self.test_experience = self.experiences[0], self.tests[0]
        self.strategy: Any = build_strategy(self.config, self.stream, self.seeds)
        bar = Progress(num_tasks=1, label="", hidden=True)
        self.strategy.plugins[:0] = [Scores(), FiniteLoss(), bar]

    def train(self, task: int = 0) -> None:
        """Train one task, from making its images ready to what is done after its last epoch."""
        self.strategy.train(self.experiences[task], eval_streams=[])

    def test(self) -> None:
        """Test all test images of the task."""
        self.strategy.eval([self.test_experience])

    def test_all(self) -> None:
        """Test all test images of every task, as after each task."""
        self.strategy.eval(self.tests)

    def consolidate(self) -> None:
        """Do what the strategy does after its last epoch, for EWC the Fisher information; after `train`."""
        self.strategy.experience = self.train_experience
        self.strategy._after_training_exp()

    def plain_network(self) -> nn.Module:
        """Return the model at the same start, on the device, without a strategy around it."""
        return build_model(self.config, self.stream, self.seeds).to(self.device)

    def test_images(self) -> Tensor:
        """Return the test images as floats, on the device."""
        return self.stream.test[0].images(self.device)

    def synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
