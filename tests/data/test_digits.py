"""The digits that come with scikit-learn."""

import random

import numpy as np
import torch
from sklearn.datasets import load_digits

from cl_bench.data import digits


def test_digits_are_all_of_scikit_learns_images_once():
    data, original = digits(), load_digits()
    assert data.train_images.shape == (1_442, 1, 8, 8)
    assert data.test_images.shape == (355, 1, 8, 8)
    assert data.train_images.dtype == torch.uint8
    assert data.train_labels.dtype == torch.int64
    images, labels = (
        torch.cat([data.train_images, data.test_images]),
        torch.cat([data.train_labels, data.test_labels]),
    )
    ours = {
        (label, bytes(image.flatten().tolist())) for image, label in zip(images, labels.tolist(), strict=True)
    }
    scaled = np.round(original.images * 255 / 16).astype(np.uint8)
    theirs = {(int(label), image.tobytes()) for image, label in zip(scaled, original.target, strict=True)}
    assert ours == theirs
    assert len(images) == 1_797
    assert images.max() == 255


def test_one_digit_in_five_of_each_class_is_a_test_image():
    data = digits()
    train, test = data.train_labels.bincount(), data.test_labels.bincount()
    assert torch.equal(test, (train + test) // 5)
    assert data.class_names == tuple("0123456789")


def test_the_split_is_fixed_and_touches_no_random_generator():
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    first, second = digits(), digits()
    assert torch.equal(first.train_images, second.train_images)
    assert torch.equal(first.test_labels, second.test_labels)
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_without_test_images_the_training_images_are_the_same():
    whole, part = digits(), digits(with_test=False)
    assert torch.equal(whole.train_images, part.train_images)
    assert part.test_images.shape == (0, 1, 8, 8)
