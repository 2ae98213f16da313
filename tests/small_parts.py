"""A stream of two small tasks, a network for it, and the settings of a learner."""

import pytest
import torch

from cl_bench.data import ImageData
from cl_bench.learner.seeds import Seeds
from cl_bench.models import Network, mlp
from cl_bench.streams import TaskStream, split


def small_stream(**changes: object) -> TaskStream:
    generator = torch.Generator().manual_seed(3)

    def part(num_images: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(num_images) % 4
        images = torch.randint(200, (num_images, 1, 4, 4), generator=generator, dtype=torch.uint8)
        images[torch.arange(num_images), 0, labels] = 255  # each class has a bright row of its own
        return images, labels

    data = ImageData("small", *part(64), *part(20), ("a", "b", "c", "d"), "nowhere")
    settings = {
        "padding": 0,
        "num_tasks": 2,
        "scenario": "task",
        "class_order": "fixed",
        "pixels": "unit",
        "augmentation": "none",
        "validation_share": 0.25,
        "num_train": None,
    }
    return split(data=data, generator=generator, **(settings | changes))


@pytest.fixture
def stream() -> TaskStream:
    """Two tasks of two classes, 1x4x4: about 24 training, 8 validation, 10 test examples each; two heads."""
    return small_stream()


@pytest.fixture
def single_head_stream() -> TaskStream:
    """Two tasks of two classes that share one head."""
    return small_stream(scenario="domain")


@pytest.fixture
def augmented_stream() -> TaskStream:
    """Two tasks of two classes, with random crops of training images."""
    return small_stream(augmentation="crop")


@pytest.fixture
def network() -> Network:
    """Two heads of two outputs on 8 hidden units."""
    torch.manual_seed(0)
    return mlp(
        input_shape=(1, 4, 4), num_classes=2, num_heads=2, hidden=[8], normalisation="none", weights="real"
    )


@pytest.fixture
def learner() -> dict[str, object]:
    """What every strategy of ours takes besides the model."""
    return {
        "epochs": 2,
        "iterations": None,
        "batch_size": 8,
        "test_batch_size": 3,
        "optimizer": "adam",
        "optimizer_state": "new",
        "active_classes": "all",
        "learning_rate": 0.01,
        "schedule": "constant",
        "device": "cpu",
        "compile": False,
        "precision": "float32",
        "seeds": Seeds(0),
    }
