"""What a user calls a network with: images of the stream and a task, or a sentence on what they must be."""

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor, fx


def check_task(task: object) -> None:
    """Check that a head's index, one for each example or several are told as `Task` has it.

    Raises:
        ValueError: for a list, a number with a fraction, and whatever else is no task.
    """
    if isinstance(task, fx.Proxy):  # torch looks at how the network is made
        right = True
    elif isinstance(task, bool):
        right = False
    elif isinstance(task, Tensor):
        right = task.dtype == torch.int64 and task.dim() == 1
    elif isinstance(task, tuple):
        right = all(isinstance(each, Integral) for each in task)
    else:
        right = isinstance(task, Integral)
    if not right:
        got = f"{task.dtype} {list(task.shape)}" if isinstance(task, Tensor) else repr(task)
        raise ValueError(
            f"task must be the index of a head, from 0, or one for each image as an int64 tensor [B], got "
            f"{got}" + (f": write torch.tensor({task!r})" if isinstance(task, list) else "")
        )


def check_shape(images: Tensor, input_shape: Sequence[int]) -> None:
    """Check that images are a batch of images of a shape.

    Raises:
        ValueError: with what to do.
    """
    if tuple(images.shape[1:]) != tuple(input_shape):
        wanted = ", ".join(map(str, ("B", *input_shape)))
        raise ValueError(
            f"images must be [{wanted}], a batch of the stream's, got {list(images.shape)}: "
            f"{_advice(images, tuple(input_shape))}"
        )


def check_axes(images: object, input_shape: Sequence[int] | None) -> None:
    """Check that images are a tensor, with as many axes as a batch has; a network may take other sizes.

    Raises:
        ValueError: with what to do.
    """
    if isinstance(images, fx.Proxy):  # torch looks at how the network is made
        return
    if not isinstance(images, Tensor):
        raise ValueError(
            f"images must be a torch tensor, got a {type(images).__name__}: take torch.as_tensor"
        )
    if input_shape is not None and images.dim() != 1 + len(input_shape):
        check_shape(images, input_shape)


def _advice(images: Tensor, input_shape: tuple[int, ...]) -> str:
    if tuple(images.shape) == input_shape:
        return "images[None] is a batch of one"
    if len(input_shape) == 3 and input_shape[0] == 1 and tuple(images.shape[1:]) == input_shape[1:]:
        return "images[:, None] has the channel"
    return "bring them to that shape"
