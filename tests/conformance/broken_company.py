"""Predictions that depend on the other images of a test, or on what was tested before."""

from collections.abc import Iterator
from typing import Any

import torch
from broken_strategies import breaks
from torch import Tensor
from torch.nn import functional as F

from cl_bench.posteriors import gaussian
from cl_bench.posteriors.prediction import log_probabilities
from cl_bench.strategies import EWC, VCL, Finetune, LwF, Replay

ASKED = "the_prediction_depends_on_the_image_alone"


@breaks("finetune", caught_by=ASKED)
class ForgetsEval(Finetune):
    """Leaves the network in train mode for the test, and puts the statistics back."""

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        buffers = {name: each.clone() for name, each in self.model.named_buffers()}
        self.model.train()
        out = self.model(images, task).log_softmax(1)
        self.model.eval()
        for name, each in self.model.named_buffers():
            each.copy_(buffers[name])
        return out


@breaks("ewc", caught_by=ASKED)
class StandardisesLogitsOverTheTest(EWC):
    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        logits = self.logits(images, task)
        return log_probabilities((logits - logits.mean(0)) / (logits.std(0) + 1e-5))


@breaks("replay", caught_by=ASKED)
class CorrectsForTheShareOfClasses(Replay):
    """One step of Sinkhorn: all classes are as frequent among the predictions of a batch."""

    def forward(self) -> Tensor:
        out = super().forward()
        if self.is_training:
            return out
        p = out.exp()
        p = p / p.sum(0, keepdim=True).clamp_min(1e-8)
        return (p / p.sum(1, keepdim=True)).log()


@breaks("finetune", caught_by=ASKED)
class OnlyClassesOfTheBatch(Finetune):
    """Masks the classes that the labels of the batch do not have."""

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        logits = self.logits(images, task)
        mask = torch.full_like(logits, -1e3)
        mask[:, self.mb_y.unique()] = 0
        return log_probabilities(logits + mask)


@breaks("finetune", caught_by=ASKED)
class CachesFeaturesByPosition(Finetune):
    """The same test set comes again and again: its features are computed once after each task."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cache: dict[Any, Tensor] = {}

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.cache = {}

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        key = (self.experience.current_experience, len(images), self.mb_it)
        if key not in self.cache:
            self.cache[key] = super().predict(images, task)
        self.mb_it += 1
        return self.cache[key]

    def _before_eval_exp(self, **kwargs: Any) -> None:
        super()._before_eval_exp(**kwargs)
        self.mb_it = 0


@breaks("lwf", caught_by=ASKED)
class TemperatureGrowsWithEachTest(LwF):
    num_tests = 0

    def _before_eval(self, **kwargs: Any) -> None:
        super()._before_eval(**kwargs)
        self.num_tests += 1

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        return F.log_softmax(self.logits(images, task) / (1 + 0.01 * self.num_tests), dim=1)


@breaks("finetune", caught_by=ASKED)
class PrototypesMoveInTests(Finetune):
    """Nearest class means of logits, with a running average that pseudo-labels of the test go into."""

    means: Tensor | None = None

    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.means = None

    def forward(self) -> Tensor:
        logits = super().forward()
        if self.is_training:
            return logits
        with torch.no_grad():
            if self.means is None:
                self.means = torch.eye(logits.shape[1])
            features = logits.softmax(1)
            nearest = torch.cdist(features, self.means).argmin(1)
            for c in nearest.unique():
                self.means[c] = 0.9 * self.means[c] + 0.1 * features[nearest == c].mean(0)
            return (-torch.cdist(features, self.means)).log_softmax(1)


@breaks("vcl", caught_by=ASKED)
class AdaptsToEachTest(VCL):
    """Test-time entropy minimisation (Tent) of the weights, which are put back when all tests are done."""

    def _before_eval(self, **kwargs: Any) -> None:
        super()._before_eval(**kwargs)
        self.saved = self.flat.values.data.clone()

    def _after_eval(self, **kwargs: Any) -> None:
        self.flat.set(self.saved)
        super()._after_eval(**kwargs)

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        with torch.enable_grad():
            log_p = self.logits(images, task).log_softmax(1)
            loss = -(log_p.exp() * log_p).sum(1).mean()
            weights = [p for p in self.model.parameters() if p.requires_grad]
            grads = torch.autograd.grad(loss, weights, allow_unused=True)
        with torch.no_grad():
            for p, g in zip(weights, grads, strict=True):
                if g is not None:
                    p -= 0.1 * g
        return super().predict(images, task)


@breaks("vcl", caught_by=ASKED)
class SamplesOfTheFirstTest(VCL):
    """Its ensemble is drawn once, and not again when it has learnt more."""

    def _sampled_logits(self, mean: Tensor, images: Tensor, task: int | Tensor) -> Iterator[Tensor]:
        if not hasattr(self, "ensemble"):
            std = gaussian.deviation(self.posterior)
            draws = range(self.num_test_samples)
            self.ensemble = [mean + std * self.test_noise.normal_like(mean) for _ in draws]
        for weights in self.ensemble:
            self.posterior.mean.copy_(weights)
            yield self.logits(images, task)


@breaks("finetune", caught_by=ASKED)
class RemembersWhatItSaidOfAnImage(Finetune):
    """Keyed by the image itself, for as long as it lives."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.said: dict[bytes, Tensor] = {}

    def predict(self, images: Tensor, task: int | Tensor) -> Tensor:
        keys = [image.numpy().tobytes() for image in images]
        new = [n for n, key in enumerate(keys) if key not in self.said]
        if new:
            for n, out in zip(new, super().predict(images[new], task), strict=True):
                self.said[keys[n]] = out
        return torch.stack([self.said[key] for key in keys])
