"""What a user asks a learner to predict: images and the task's head, or a sentence on what they must be."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cl_bench.models.heads import check_task


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
            "stream.test[0].images(\"cpu\"), or torch.as_tensor(array, dtype=torch.float32)"
        )
    if input_shape is not None and tuple(images.shape[1:]) != tuple(input_shape):
        wanted = ", ".join(map(str, ("B", *input_shape)))
        raise ValueError(
            f"images must be [{wanted}], a batch of the stream's, got {list(images.shape)}: "
            f"{_advice(images, tuple(input_shape))}"
        )
    check_task(task)
    return images.to(device), task.to(device) if isinstance(task, Tensor) else task


def _advice(images: Tensor, input_shape: tuple[int, ...]) -> str:
    if tuple(images.shape) == input_shape:
        return "images[None] is a batch of one"
    if len(input_shape) == 3 and input_shape[0] == 1 and tuple(images.shape[1:]) == input_shape[1:]:
        return "images[:, None] has the channel"
    return "bring them to that shape"
