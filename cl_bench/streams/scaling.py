"""How pixels and features become a network's input."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from cl_bench.data import ImageData
from cl_bench.streams.tasks import Scaling, View
from cl_bench.streams.transforms import identity
from cl_bench.validation import check_choice

PIXELS = ("unit", "standardised", "raw")
CHUNK = 2**22  # values whose moments are summed up at once, in double precision
ROUNDING = 2.0**-23  # of floats of 32 bits: a column that varies by less, of its mean, is one number


def scaling_of(data: ImageData, pixels: str, *, by_channel: bool = True) -> Scaling:
    """Return the scaling of a data set's pixels or features.

    Args:
        pixels: `unit` for [0, 1]: bytes are divided by 255, and features must lie there already.
            `standardised` for mean 0 and variance 1 in all training images. `raw` for features as they are.
        by_channel: whether the moments are those of each channel or of all values together. A column of a
            table is a channel. One that is the same number everywhere becomes 0.

    Raises:
        ValueError: for another name, for features out of [0, 1] with `unit`, and for images with `raw`.
    """
    check_choice("pixels", pixels, PIXELS)
    num_channels = data.train_images.shape[1] if by_channel else 1
    if pixels == "raw" and not data.features:
        raise ValueError(
            f"pixels=raw is for features, got the images of {data.name}; set pixels=unit or standardised"
        )
    if pixels == "unit" and data.features:
        _check_unit(data)
    if pixels == "standardised":
        return _standardising(data, by_channel=by_channel)
    factor = 1.0 if data.features else 1 / 255
    return Scaling(torch.full((num_channels, 1, 1), factor), torch.zeros(num_channels, 1, 1))


def scaled_first(data: ImageData, views: Sequence[View], pixels: str) -> tuple[list[View], Scaling]:
    """Return views that move values to other channels, and the scaling that comes after them.

    Bytes are scaled after the view, all alike. Features are scaled before it, each column by its own moments.

    Raises:
        ValueError: as `scaling_of`.
    """
    check_choice("pixels", pixels, PIXELS)
    if not data.features:
        return list(views), scaling_of(data, pixels, by_channel=False)
    first = scaling_of(data, pixels)
    return [ScaledView(first, view) for view in views], Scaling(torch.ones(1, 1, 1), torch.zeros(1, 1, 1))


class ScaledView:
    """A view of features that are scaled first."""

    def __init__(self, scaling: Scaling, view: View) -> None:
        self.scaling, self.view = scaling, view

    def __call__(self, features: Tensor) -> Tensor:
        return self.view(self.scaling(features))


def unmoved(view: View) -> View:
    """Return the view that moves nothing: of features it scales all the same."""
    return ScaledView(view.scaling, identity) if isinstance(view, ScaledView) else identity


def _check_unit(data: ImageData) -> None:
    lowest, highest = float(data.train_images.min()), float(data.train_images.max())
    if lowest < 0 or highest > 1:
        images = (
            "; if they are images, give them as [N, H, W]" if data.train_images.shape[2:] == (1, 1) else ""
        )
        raise ValueError(
            f"pixels=unit needs features in [0, 1], got {lowest:.6g} to {highest:.6g} in {data.name}; set "
            "benchmark.pixels=standardised (mean 0, variance 1 of each) or benchmark.pixels=raw (as they "
            f"are){images}"
        )


def _standardising(data: ImageData, *, by_channel: bool) -> Scaling:
    if data.features:
        mean, deviation = _moments(data.train_images)
        still = deviation <= ROUNDING * mean.abs()
        factor = torch.where(still, 1.0, 1 / deviation.clamp_min(torch.finfo(torch.float32).tiny))
    else:
        images = data.train_images if by_channel else data.train_images.flatten(1).unsqueeze(1)
        mean, deviation = _moments_of_bytes(images)
        factor = 1 / deviation.clamp_min(1)
    offset = -mean * factor
    return Scaling(factor.float().view(-1, 1, 1), offset.float().view(-1, 1, 1))


def _moments_of_bytes(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of uint8 [N, C, ...], exact: float64 [C] each."""
    means, deviations = [], []
    values = torch.arange(256, dtype=torch.float64)
    for channel in range(images.shape[1]):
        counts = torch.bincount(images[:, channel].flatten(), minlength=256).double()
        mean = (counts * values).sum() / counts.sum()
        means.append(mean)
        deviations.append(((counts * (values - mean) ** 2).sum() / counts.sum()).sqrt())
    return torch.stack(means), torch.stack(deviations)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of float32 [N, C, H, W]: float64 [C] each."""
    count = features[:, 0].numel()
    mean = _sum(part.double() for part in _chunks(features)) / count
    by_channel = mean.view(-1, 1, 1)
    squares = _sum((part.double() - by_channel) ** 2 for part in _chunks(features))
    return mean, (squares / count).sqrt()


def _sum(parts: Iterator[Tensor]) -> Tensor:
    return torch.stack([part.sum(dim=(0, 2, 3)) for part in parts]).sum(dim=0)


def _chunks(features: Tensor) -> Iterator[Tensor]:
    yield from features.split(max(1, CHUNK // max(1, features[0].numel())))
