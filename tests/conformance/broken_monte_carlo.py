"""Tests that use other weight samples than they say."""

from collections.abc import Callable, Iterable, Iterator

import torch
from broken_strategies import breaks
from torch import Tensor

from cl_bench.posteriors import gaussian, mesu
from cl_bench.posteriors.prediction import Prediction, log_probabilities
from cl_bench.strategies import MESU, VCL

ASKED = "a_test_uses_as_many_samples_as_it_says"


@breaks("vcl", caught_by=ASKED)
class TestsItsMean(VCL):
    __test__ = False

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        return log_probabilities(self.logits(images, task))


@breaks("mesu", caught_by=ASKED)
class OneSampleForAll(MESU):
    """The sample is drawn before the loop over samples."""

    def test_draws(self) -> Callable[[], Tensor]:
        weights = mesu.sample(self.posterior, self.test_noise.normal_like(self.posterior.mean))
        return lambda: weights


@breaks("vcl", caught_by=ASKED)
class OneSampleTooFew(VCL):
    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        mean = self.posterior.mean.clone()
        std = gaussian.deviation(self.posterior)
        probs = 0
        for _ in range(1, self.num_test_samples):
            self.posterior.mean.copy_(mean + std * self.test_noise.normal_like(mean))
            probs = probs + self.logits(images, task).softmax(1)
        self.posterior.mean.copy_(mean)
        return (probs / (self.num_test_samples - 1)).log()


@breaks("mesu", caught_by=ASKED)
class AveragesLogits(MESU):
    def combine(self, samples: Iterable[Tensor]) -> Prediction:
        return Prediction(log_probabilities(torch.stack(list(samples)).mean(0)), None)


@breaks("mesu", caught_by=ASKED)
class KeepsTheLastSample(MESU):
    """The average is overwritten in the loop."""

    def combine(self, samples: Iterable[Tensor]) -> Prediction:
        for logits in samples:
            average = logits.log_softmax(1)
        return Prediction(average, None)


@breaks("vcl", caught_by=ASKED)
class SameNoiseInEachTest(VCL):
    """A seed is set for tests, so that they can be repeated."""

    def _sampled_logits(self, mean: Tensor, images: Tensor, task: int | Tensor) -> Iterator[Tensor]:
        std = gaussian.deviation(self.posterior)
        gen = torch.Generator().manual_seed(0)
        for _ in range(self.num_test_samples):
            self.posterior.mean.copy_(mean + std * torch.randn(mean.shape, generator=gen))
            yield self.logits(images, task)


@breaks("vcl", caught_by=ASKED)
class TheFirstTestsTwice(VCL):
    """Half of the samples are those of the other half: a list that is doubled."""

    def _sampled_logits(self, mean: Tensor, images: Tensor, task: int | Tensor) -> Iterator[Tensor]:
        logits = list(super()._sampled_logits(mean, images, task))
        yield from (logits[k // 2] for k in range(len(logits)))
