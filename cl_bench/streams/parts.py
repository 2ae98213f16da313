"""Which of the training images a stream trains on, and which it keeps for validation."""

from typing import NamedTuple

import torch
from torch import Tensor

from cl_bench.validation import check_count, check_number


class Parts(NamedTuple):
    """Positions among the training images of a data set, sorted, int64; no position is in both parts."""

    train: Tensor | None  # None for all images
    validation: Tensor | None  # None where there is no validation


def draw_parts(
    num_examples: int, *, validation_share: float, num_train: int | None, generator: torch.Generator
) -> Parts:
    """Draw the validation images, then those to train on among the others.

    `num_train` changes neither the validation images nor what was drawn before: it is the last draw, and None
    draws nothing. With the same seed a larger choice holds the smaller ones.

    Raises:
        ValueError: that names the setting, its value and the rule.
    """
    if num_train is not None:
        check_count(num_train=num_train)
    train, validation = _without_validation(num_examples, validation_share, generator)
    if num_train is None:
        return Parts(train, validation)
    num_left = num_examples if train is None else len(train)
    _check_num_train(num_train, num_left)
    chosen = torch.randperm(num_left, generator=generator)[:num_train].sort().values
    return Parts(chosen if train is None else train[chosen], validation)


def _without_validation(num_examples: int, share: float, generator: torch.Generator) -> Parts:
    check_number("validation_share", share)
    if not 0 <= share < 1:
        raise ValueError(f"validation_share must be at least 0 and below 1, got validation_share={share}")
    num_validation = round(share * num_examples)
    if share == 0:
        return Parts(None, None)
    if num_validation == 0:
        raise ValueError(
            f"validation_share must be 0 or keep at least one of {num_examples:,} images, got "
            f"validation_share={share}"
        )
    if num_validation == num_examples:
        raise ValueError(f"validation_share must leave images to train on, got validation_share={share}")
    order = torch.randperm(num_examples, generator=generator)
    return Parts(order[num_validation:].sort().values, order[:num_validation].sort().values)


def _check_num_train(num_train: int, num_left: int) -> None:
    if num_train > num_left:
        raise ValueError(
            f"num_train must be null or at most the {num_left} images that validation leaves, got "
            f"{num_train=}"
        )
