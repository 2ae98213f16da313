"""Rotated streams: each task turns the images further."""

import pytest
import torch

from cl_bench.streams.transforms import Rotation

CPU = torch.device("cpu")


def images_of(*shape):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.mark.parametrize("degrees", [0.0, 360.0, -720.0])
def test_a_whole_turn_changes_nothing(degrees):
    images = images_of(4, 3, 7, 5)
    assert Rotation(degrees)(images).equal(images)


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize(
    ("degrees", "quarters"), [(90.0, 1), (180.0, 2), (270.0, 3), (-90.0, -1), (450.0, 1)]
)
def test_quarter_turns_of_square_images_are_exact_and_against_the_clock(side, degrees, quarters):
    images = images_of(4, 3, side, side)
    assert Rotation(degrees)(images).equal(images.rot90(quarters, (2, 3)))


def test_half_a_turn_of_other_images_is_exact():
    images = images_of(4, 1, 6, 10)
    assert Rotation(180.0)(images).equal(images.flip(2, 3))


def test_a_turn_does_not_shear_images_that_are_not_square():
    image = torch.zeros(1, 1, 20, 40, dtype=torch.uint8)
    image[0, 0, 9:11, 14:26] = 255  # a bar, 12 wide and 2 high, in the middle
    turned = Rotation(90.0)(image)
    expected = torch.zeros_like(image)
    expected[0, 0, 4:16, 19:21] = 255
    assert turned.equal(expected)
    for degrees in (30.0, 45.0, 135.0):
        assert int(Rotation(degrees)(image).sum()) == pytest.approx(int(image.sum()), rel=0.03)


def test_the_angles_of_a_stream_are_evenly_spaced_from_upright_to_the_largest(build, data):
    stream = build("rotated", num_tasks=5, max_degrees=180.0)
    assert stream.train[0].pixels(CPU).equal(data.train_images)
    for number, task in enumerate(stream.test):
        assert task.pixels(CPU).equal(Rotation(45.0 * number)(data.test_images))
    assert stream.train[4].pixels(CPU).equal(data.train_images.flip(2, 3))


def test_one_task_is_upright(build, data):
    assert build("rotated", num_tasks=1).train[0].pixels(CPU).equal(data.train_images)


def test_large_sets_are_turned_in_parts_without_a_seam():
    images = images_of(10_003, 1, 3, 3)
    assert Rotation(90.0)(images).equal(images.rot90(1, (2, 3)))


@pytest.mark.parametrize("degrees", ["abc", None, float("nan")])
def test_an_angle_that_is_no_number_is_an_error(build, degrees):
    with pytest.raises(ValueError, match="max_degrees must be a number, got max_degrees="):
        build("rotated", max_degrees=degrees)
