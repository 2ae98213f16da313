"""What a user asks a learner to predict: images and the task's head, or a sentence on what they must be."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cl_bench.models.asked import check_shape, check_task


def asked(
    images: Any, task: Any, *, input_shape: Sequence[int] | None, device: torch.device
) -> tuple[Tensor, int | Tensor]:
    """Return images and task as a network takes them, on its device.

    Args:
        images: [B, *input_shape] in floating point.
        task: a head's index from 0, or one for each image, int64 [B].
        input_shape: of one image; None where it is not known.

    Raises:
        ValueError: for what a network cannot take, with what to do.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        got = str(images.dtype) if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(
            f"images must be a torch tensor of floats, scaled as those in training, got {got}: take "
            'stream.test[0].images("cpu"), or torch.as_tensor(array, dtype=torch.float32)'
        )
    if input_shape is not None:
        check_shape(images, input_shape)
    check_task(task)
    return images.to(device), task.to(device) if isinstance(task, Tensor) else task
