"""Random changes of training images: whole batches at once, uint8, on whatever device the images are."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cl_bench.validation import check_choice

AUGMENTATIONS = ("none", "crop", "crop_flip")


def crop(images: Tensor, down: Tensor, right: Tensor, *, padding: int) -> Tensor:
    """Pad with black on all sides, then cut each image to its old size at its own offset.

    Args:
        images: uint8 [n, C, H, W].
        down, right: int64 [n] in [0, 2 * padding], where the cut begins; (padding, padding) changes nothing.
        padding: pixels on each side, at least 0.

    Returns:
        uint8 [n, C, H, W].

    Raises:
        ValueError: for a padding that is no whole number from 0.
    """
    check_padding(padding)
    height, width = images.shape[2:]
    padded = F.pad(images, (padding, padding, padding, padding))
    cuts = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: [n, C, down, right, H, W]
    return cuts[torch.arange(len(images), device=images.device), :, down, right]


def flip(images: Tensor, which: Tensor) -> Tensor:
    """Mirror the images [n, C, H, W] left-right where `which`, bool [n], is true."""
    return torch.where(which.view(-1, 1, 1, 1), images.flip(3), images)


@dataclass(frozen=True)
class CropFlip:
    """Shift each image by up to `padding` pixels along both sides; with `flip`, mirror some at random.

    Each is mirrored with probability 1/2. He et al. 2016, section 4.2, do so on CIFAR-10 with 4 pixels.

    Raises:
        ValueError: for a padding that is no whole number from 0.
    """

    padding: int
    flip: bool

    def __post_init__(self) -> None:
        check_padding(self.padding)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Change a batch, uint8 [n, C, H, W]; draw from the generator alone, on its device."""
        shape, device = (len(images),), generator.device
        offsets = torch.randint(2 * self.padding + 1, (2, *shape), generator=generator, device=device)
        down, right = offsets.to(images.device)
        images = crop(images, down, right, padding=self.padding)
        if not self.flip:
            return images
        which = torch.randint(2, shape, generator=generator, device=device).bool()
        return flip(images, which.to(images.device))


def augmentation_named(augmentation: str, *, height: int) -> CropFlip | None:
    """Return the augmentation `none`, `crop` or `crop_flip`.

    Its padding is an eighth of the height, at least 1: 4 pixels for 32, as published.

    Raises:
        ValueError: for another name.
    """
    check_choice("augmentation", augmentation, AUGMENTATIONS)
    if augmentation == "none":
        return None
    return CropFlip(padding=max(1, height // 8), flip=augmentation == "crop_flip")


def check_padding(padding: int) -> None:
    if not isinstance(padding, int) or isinstance(padding, bool) or padding < 0:
        raise ValueError(f"padding must be a whole number, at least 0, got {padding=}")
