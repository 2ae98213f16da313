"""What makes a task of a data set: pure functions on batches of uint8 images [n, C, H, W]."""

import torch
from torch import Tensor, nn

from cl_bench.data import ImageData
from cl_bench.data.accepted import converted
from cl_bench.data.memory import check_fits


def identity(images: Tensor) -> Tensor:
    return images


def padded(data: ImageData, padding: int) -> ImageData:
    """Put `padding` more black pixels at each side of a data set's images; convert it first if need be.

    Raises:
        ValueError: for a padding that is no whole number from 0, and for features, which have no black.
    """
    if not isinstance(padding, int) or isinstance(padding, bool) or padding < 0:
        raise ValueError(f"padding must be a whole number and not negative, got {padding=}")
    tested = getattr(data, "test_labels", None)
    none = tested is None or (hasattr(tested, "__len__") and len(tested) == 0)
    data = converted(data, with_test=not none)
    if padding == 0:
        return data
    check_images(data, what="padded", remedy="set padding=0")
    num_images = len(data.train_images) + len(data.test_images)
    channels, height, width = data.train_images.shape[1:]
    num_values = num_images * channels * (height + 2 * padding) * (width + 2 * padding)
    check_fits(num_values, what=f"{num_images:,} images with {padding=}", remedy="set a smaller one")
    sides = (padding,) * 4
    train, test = (nn.functional.pad(images, sides) for images in (data.train_images, data.test_images))
    return data._replace(train_images=train, test_images=test)


def check_images(data: ImageData, *, what: str, remedy: str) -> None:
    """Refuse features where a pixel's neighbours, or black, are needed. `what` cannot be done with them.

    Raises:
        ValueError: that says what to do.
    """
    if data.features:
        raise ValueError(f"features cannot be {what}, got those of {data.name}: only images can; {remedy}")


class Permutation:
    """One rearrangement of all C*H*W values, for every image; `order` is int64 [C*H*W]."""

    def __init__(self, order: Tensor) -> None:
        self.order = order

    def __call__(self, images: Tensor) -> Tensor:
        values = images.flatten(1)
        if images.device.type == "cpu":  # numpy gathers bytes along rows five times faster than torch
            return torch.from_numpy(values.numpy().take(self.order.numpy(), axis=1)).view_as(images)
        return values.index_select(1, self.order.to(images.device)).view_as(images)


class Rotation:
    """Rotation by `degrees` against the clock about the centre, bilinear, with black outside."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def __call__(self, images: Tensor) -> Tensor:
        if self.degrees % 360 == 0:
            return images
        angle = torch.deg2rad(torch.tensor(self.degrees, dtype=torch.float64)).item()
        cosine, sine = torch.cos(torch.tensor(angle)).item(), torch.sin(torch.tensor(angle)).item()
        height, width = images.shape[2:]
        # grid_sample works in [-1, 1] along each side: the ratio of the sides undoes the shear
        theta = torch.tensor(
            [[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]],
            device=images.device,
        )
        rotated = []
        for part in images.split(10_000):  # bounded memory: the floats are four times the bytes
            grid = nn.functional.affine_grid(
                theta.expand(len(part), 2, 3), list(part.shape), align_corners=False
            )
            floats = nn.functional.grid_sample(part.float(), grid, align_corners=False)
            rotated.append(floats.round().clamp(0, 255).to(torch.uint8))
        return torch.cat(rotated)
