"""Strategies that write into the data, look at images they must not see, or show others to the network."""

from copy import copy
from typing import Any

import torch
from broken_strategies import breaks
from torch import Tensor

from cl_bench.learner.experiences import resident_tasks
from cl_bench.posteriors import fisher
from cl_bench.strategies import EWC, Finetune, Replay
from cl_bench.testing import Claims

CPU = torch.device("cpu")
WRITES = "shared_data_stay_as_they_are"
LOOKS = "unseen_images_change_nothing"
SHOWS = "inputs_are_images_of_the_stream"


# Writing into what tasks share


@breaks("finetune", caught_by=WRITES)
class CentresSharedImagesInPlace(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        images = self.experience.task_data.shared.images
        images.sub_(images.float().mean(0).to(torch.uint8))
        super()._before_training_exp(**kwargs)


@breaks("finetune", caught_by=WRITES)
class PairsClassesInPlace(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.experience.task_data.labels.div_(2, rounding_mode="floor")


@breaks("replay", caught_by=WRITES)
class AddsNoiseInPlace(Replay):
    def _before_training_epoch(self, **kwargs: Any) -> None:
        super()._before_training_epoch(**kwargs)
        noise = 5 * self.noise.uniform_like(torch.zeros(self.dataloader.pixels.shape))
        self.dataloader.pixels += noise.to(torch.uint8)


@breaks("finetune", caught_by=WRITES)
class FlipsInPlace(Finetune):
    def _before_training_iteration(self, **kwargs: Any) -> None:
        super()._before_training_iteration(**kwargs)
        newest = self.dataloader.newest
        self.dataloader.pixels[newest] = self.dataloader.pixels[newest].flip(-1)


@breaks("finetune", caught_by=WRITES)
class ClampsTestLabels(Finetune):
    """So that a loss of the classes seen so far can be computed."""

    def _before_eval_exp(self, **kwargs: Any) -> None:
        super()._before_eval_exp(**kwargs)
        self.experience.task_data.labels.clamp_(max=7)


@breaks("finetune", caught_by=WRITES)
class PutsAnotherScalingInPlace(Finetune):
    """Standardises by the task's own mean, for all that share its scaling."""

    def _before_training_exp(self, **kwargs: Any) -> None:
        task = self.experience.task_data
        task.to_float.offset -= task.images(CPU).mean()
        super()._before_training_exp(**kwargs)


# Looking at images that only later tasks, validation or tests have


@breaks("finetune", caught_by=LOOKS)
class CentresByTheWholeDataSet(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        self.mean = self.experience.task_data.shared.images.float().mean() / 255

    def forward(self) -> Tensor:
        self.mbatch[0] = self.mb_x - self.mean
        return super().forward()


@breaks("finetune", caught_by=LOOKS)
class ScalesByAllExperiences(Finetune):
    def _before_training_exp(self, **kwargs: Any) -> None:
        super()._before_training_exp(**kwargs)
        images = [image for each in self.experience.origin_stream for image, *_ in each.dataset]
        self.scale = 0.3 / torch.stack(images).std()

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.mul_(self.scale)


@breaks("finetune", caught_by=LOOKS)
class SlowsDownByHeldOutImages(Finetune):
    """Takes the images that no task trains on, which are those of validation, for a measure of doubt."""

    rate = 1.0

    def _before_training_epoch(self, **kwargs: Any) -> None:
        super()._before_training_epoch(**kwargs)
        task = self.experience.task_data
        held_out = torch.ones(len(task.shared.images), dtype=torch.bool)
        for experience in self.experience.origin_stream:
            held_out[experience.task_data.indices] = False
        images = task.to_float(task.view(task.shared.images[held_out]))
        with torch.no_grad():
            log_p = self.network(images, task.head).log_softmax(-1)
        self.rate = float(-(log_p.exp() * log_p).sum(-1).mean())

    def backward(self) -> None:
        super().backward()
        self.flat.gradients.mul_(self.rate)


@breaks("finetune", caught_by=LOOKS)
class CountsLabelsOfTheLastTask(Finetune):
    def criterion(self) -> Tensor:
        labels = self.experience.origin_stream[-1].task_data.labels
        return super().criterion() * (1 + float(labels[0]) / 10)


# Showing the network what the stream does not have


@breaks("replay", caught_by=SHOWS)
class ForgetsThePermutation(Replay):
    def offer_task(self) -> None:
        for memory, task in zip(self.memories, resident_tasks(self.experience), strict=True):
            pixels, heads = task.shared.images[task.indices], torch.full((len(task),), task.head)
            memory.offer(pixels=pixels, labels=task.labels, heads=heads)


class WithAList(Finetune):
    """Plain replay: some images of each old task in a list, 16 of them beside each batch."""

    def __init__(
        self, *, memory_size: int, buffer: str, replay_share: float, memory_tasks: None, **learner: Any
    ) -> None:
        super().__init__(**learner)
        self.images: list[Tensor] = []
        self.labels: list[Tensor] = []

    def remembered(self, images: Tensor) -> Tensor:
        return images

    def shown(self, images: Tensor) -> Tensor:
        return images

    def _before_training_iteration(self, **kwargs: Any) -> None:
        super()._before_training_iteration(**kwargs)
        if self.images:
            old, labels = torch.cat(self.images)[:16], torch.cat(self.labels)[:16]
            images = torch.cat([self.mb_x, self.shown(old)])
            self.mbatch = [images, torch.cat([self.mb_y, labels]), self.mbatch[2]]

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        task = self.experience.task_data
        self.images.append(self.remembered(task.images(CPU)[:10]))
        self.labels.append(task.labels[:10])


@breaks("replay", caught_by=SHOWS)
class RemembersBytesUnscaled(WithAList):
    def remembered(self, images: Tensor) -> Tensor:
        return (255 * images).round().byte()

    def shown(self, images: Tensor) -> Tensor:
        return images.float()


@breaks("replay", caught_by=SHOWS)
class RemembersInHalfPrecision(WithAList):
    def remembered(self, images: Tensor) -> Tensor:
        return images.half()

    def shown(self, images: Tensor) -> Tensor:
        return images.float()


@breaks("replay", caught_by=SHOWS)
class ShowsOldImagesThroughTheNewView(WithAList):
    def shown(self, images: Tensor) -> Tensor:
        return self.experience.task_data.view(images)


@breaks("replay", caught_by=SHOWS)
class StandardisesItsMemoryTwice(WithAList):
    def remembered(self, images: Tensor) -> Tensor:
        return (images - 0.3) / 0.4

    shown = remembered


@breaks("replay", caught_by=SHOWS)
class AugmentsItsMemoryTwice(Replay):
    """Keeps what it has trained on, which was augmented already."""

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        (task,) = resident_tasks(self.experience)
        pixels = self.dataloader.pixels[: len(task)]
        if task.augment is not None:
            pixels = task.augment(pixels, self.augmentation.generators[0])
        heads = torch.full((len(task),), task.head)
        for memory in self.memories:
            memory.offer(pixels=pixels, labels=task.labels, heads=heads)


@breaks("ewc", caught_by=SHOWS)
class MeasuresOnBytes(EWC):
    """Its importances are those of images that the network is not trained on."""

    def _importance(self) -> list[Tensor]:
        def unscaled(network: Any, batches: Any, *, generator: torch.Generator) -> Tensor:
            batches = copy(batches)
            batches.to_float = torch.Tensor.float
            return fisher.diagonal(network, batches, estimator="exact", generator=generator)

        return self.measure(unscaled)


@breaks("finetune", caught_by=SHOWS)
class MixesImagesUnclaimed(Finetune):
    def forward(self) -> Tensor:
        if self.is_training:
            self.mbatch[0] = 0.8 * self.mb_x + 0.2 * self.mb_x.flip(0)
        return super().forward()


# What must be let pass


class MixesImages(MixesImagesUnclaimed):
    claims = Claims(against_forgetting=False, own_inputs=True)


class RemembersBytes(WithAList):
    """Divides by 255 where the stream multiplies by 1 / 255; healthy."""

    claims = Claims(first_task_is_finetuning=True, grows=True, rehearses=True)
    kept = ("images", "labels")

    def remembered(self, images: Tensor) -> Tensor:
        return (255 * images).round().byte()

    def shown(self, images: Tensor) -> Tensor:
        return images.float() / 255
