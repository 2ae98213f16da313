"""A small data set whose images tell where each pixel value came from."""

from collections.abc import Callable
from functools import partial

import pytest
import torch

from cl_bench.data import ImageData
from cl_bench.streams import TaskStream, permuted, rotated, split

COMMON = {
    "padding": 0,
    "num_tasks": 3,
    "scenario": "domain",
    "pixels": "unit",
    "validation_share": 0.0,
    "num_train": None,
}
BUILDERS = {
    "permuted": partial(permuted, **COMMON, permute_first=True),
    "rotated": partial(rotated, **COMMON, max_degrees=100.0, augmentation="none"),
    "split": partial(split, **COMMON, class_order="fixed", augmentation="none"),
}


def small_data(
    *, shape: tuple[int, int, int] = (2, 4, 6), num_train: int = 60, num_test: int = 30, num_classes: int = 10
) -> ImageData:
    generator = torch.Generator().manual_seed(1)

    def part(num_images: int) -> tuple[torch.Tensor, torch.Tensor]:
        images = torch.randint(256, (num_images, *shape), generator=generator, dtype=torch.uint8)
        images[0] = torch.arange(images[0].numel(), dtype=torch.uint8).view(shape)  # all values differ
        return images, torch.arange(num_images) % num_classes

    names = tuple(f"class {number}" for number in range(num_classes))
    return ImageData("small", *part(num_train), *part(num_test), names, "nowhere")


@pytest.fixture
def data() -> ImageData:
    """60 + 30 random images 2x4x6 of 10 classes; the first of each part holds the values 0 to 47."""
    return small_data()


@pytest.fixture
def make_data() -> Callable[..., ImageData]:
    """make_data(shape=..., num_train=...): the like in another size."""
    return small_data


@pytest.fixture
def build(data: ImageData) -> Callable[..., TaskStream]:
    """build(kind, seed=..., setting=...): a stream over `data`, with changes to the settings above."""

    def make(kind: str, *, seed: int = 0, **changes: object) -> TaskStream:
        settings = {"data": data, "generator": torch.Generator().manual_seed(seed)} | changes
        return BUILDERS[kind](**settings)

    return make


@pytest.fixture(params=BUILDERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of stream."""
    return request.param


@pytest.fixture(params=["task", "domain", "class"])
def scenario(request: pytest.FixtureRequest) -> str:
    """Each scenario."""
    return request.param
