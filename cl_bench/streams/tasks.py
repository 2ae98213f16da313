"""A task is a view on shared pixels: which examples, how they are transformed, and what their labels are."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

SCENARIOS = ("task", "domain", "class")

# uint8 [n, C, H, W] -> the like; of features, float32 -> float32
View = Callable[[Tensor], Tensor]
Augment = Callable[[Tensor, torch.Generator], Tensor]  # uint8 [n, C, H, W] -> the like, changed at random


class Scaling:
    """Scaling of pixels or features to float32: values * factor + offset, for each channel [C, 1, 1]."""

    def __init__(self, factor: Tensor, offset: Tensor) -> None:
        self.factor, self.offset = factor, offset
        self._has_offset = bool(offset.any())
        self._on_device = {factor.device: (factor, offset)}

    def __call__(self, pixels: Tensor) -> Tensor:
        if pixels.device not in self._on_device:  # once: a copy to a GPU waits for it
            self._on_device[pixels.device] = self.factor.to(pixels.device), self.offset.to(pixels.device)
        factor, offset = self._on_device[pixels.device]
        # in place: one new tensor, not three
        scaled = pixels.to(torch.float32, copy=True).mul_(factor)
        return scaled.add_(offset) if self._has_offset else scaled


class SharedImages:
    """One copy of a data set's pixels or features a device, shared by every task that looks at them."""

    def __init__(self, images: Tensor) -> None:
        self.images = images  # uint8 [N, C, H, W]; features are float32
        self._on_device = {images.device: images}

    def on(self, device: torch.device) -> Tensor:
        if device not in self._on_device:
            self._on_device[device] = self.images.to(device)
        return self._on_device[device]


class TaskData(Dataset):
    """The examples of one task: a torch data set that also gives all its pixels at once.

    Avalanche's own strategies read the data set; ours take the pixels.

    Args:
        indices: which of the shared images, int64 [n]; None for all of them.
        labels: int64 [n], as the scenario numbers them.
        head: the output head that the scenario lets the learner use for this task, from 0.
        view: the task's deterministic transformation of whole batches.
        to_float: how uint8 pixels become the network's input.
        augment: what a learner does to each batch of `pixels` that it trains on, anew in every pass, before
            `to_float`; None for nothing. `pixels`, `images` and single examples come without it: strategies
            that read the data set itself, as Avalanche's own do, train without it.
    """

    def __init__(
        self,
        shared: SharedImages,
        indices: Tensor | None,
        labels: Tensor,
        *,
        head: int,
        view: View,
        to_float: Scaling,
        augment: Augment | None = None,
    ) -> None:
        self.shared, self.indices, self.labels = shared, indices, labels
        self.head, self.view, self.to_float, self.augment = head, view, to_float, augment

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        at = index if self.indices is None else int(self.indices[index])
        pixels = self.view(self.shared.images[at].unsqueeze(0))
        return self.to_float(pixels)[0], int(self.labels[index])

    def pixels(self, device: torch.device) -> Tensor:
        """Transform all images of the task: uint8 (features: float32) [n, C, H, W], made anew, not kept."""
        images = self.shared.on(device)
        return self.view(images if self.indices is None else images[self.indices.to(device)])

    def images(self, device: torch.device) -> Tensor:
        """Return all images of the task as the network's input, float [n, C, H, W]."""
        return self.to_float(self.pixels(device))


class TaskStream(NamedTuple):
    """A sequence of tasks and what a network needs to know of it."""

    train: tuple[TaskData, ...]
    validation: tuple[TaskData, ...]  # empty where validation_share is 0
    test: tuple[TaskData, ...]  # empty where the data set was read without test images
    scenario: str  # one of SCENARIOS
    input_shape: tuple[int, int, int]  # C, H, W
    num_classes: int  # outputs of one head
    num_heads: int  # one a task in the scenario `task`, otherwise 1
    order: frozenset[str] | None = None  # names of its permutations or class order; None: it does not tell
    notes: tuple[str, ...] = ()  # in sentences, what is odd about the data and the tasks

    @property
    def num_tasks(self) -> int:
        return len(self.train)
