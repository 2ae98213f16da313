"""What holds for every stream: pixels, validation, and the two ways to read a task."""

import pytest
import torch

from cl_bench.streams.augmentation import CropFlip

CPU = torch.device("cpu")


def kept(task, num_images):
    """Which of the shared images a task uses, as a set."""
    return set(range(num_images) if task.indices is None else task.indices.tolist())


def test_unit_pixels_lie_between_0_and_1_and_reach_both(build, kind):
    images = torch.cat([task.images(CPU) for task in build(kind, pixels="unit").train])
    assert images.min() == 0
    assert images.max() == 1
    assert images.dtype == torch.float32


def test_unit_pixels_are_bytes_divided_by_255(build, data):
    images = build("permuted", permute_first=False).train[0].images(CPU)
    torch.testing.assert_close(images, data.train_images / 255, rtol=1e-6, atol=0)


def test_standardised_pixels_have_mean_0_and_variance_1_in_each_channel(build, data):
    data = data._replace(train_images=data.train_images.clone())
    data.train_images[:, 1] //= 3  # the second channel is darker
    images = build("rotated", data=data, pixels="standardised").train[0].images(CPU)
    variance, mean = torch.var_mean(images.double(), dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(mean, torch.zeros(2).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(variance, torch.ones(2).double(), rtol=1e-5, atol=0)


def test_permuted_values_are_standardised_all_alike_since_they_leave_their_channel(build, data):
    data = data._replace(train_images=data.train_images.clone())
    data.train_images[:, 1] //= 3
    plain, permuted = (
        build("permuted", data=data, permute_first=first, pixels="standardised").train[0].images(CPU)
        for first in (False, True)
    )
    variance, mean = torch.var_mean(permuted.double(), correction=0)
    torch.testing.assert_close(mean, torch.zeros(()).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(variance, torch.ones(()).double(), rtol=1e-5, atol=0)
    assert torch.equal(plain.flatten(1).sort().values, permuted.flatten(1).sort().values)


def test_test_images_are_standardised_by_the_training_images(build, data):
    test = build("rotated", pixels="standardised").test[0].images(CPU)
    variance, mean = torch.var_mean(data.train_images.double(), dim=(0, 2, 3), correction=0, keepdim=True)
    expected = ((data.test_images - mean) / variance.sqrt()).float()
    torch.testing.assert_close(test, expected, rtol=0, atol=1e-5)


def test_a_channel_that_is_constant_is_standardised_to_0(build, data):
    data = data._replace(train_images=torch.full_like(data.train_images, 7))
    images = build("split", data=data, pixels="standardised").train[0].images(CPU)
    assert images.abs().max() < 1e-5


@pytest.mark.parametrize("pixels", ["unit", "standardised"])
@pytest.mark.parametrize("validation_share", [0.0, 0.3])
def test_examples_one_by_one_equal_all_at_once(build, kind, scenario, pixels, validation_share):
    stream = build(kind, scenario=scenario, pixels=pixels, validation_share=validation_share)
    for task in (*stream.train, *stream.validation, *stream.test):
        images = task.images(CPU)
        assert len(images) == len(task.labels) == len(task)
        assert images.equal(task.to_float(task.pixels(CPU)))
        for number in (0, len(task) // 2, len(task) - 1, -1):
            image, label = task[number]
            assert image.equal(images[number])
            assert isinstance(label, int)
            assert label == task.labels[number]


def test_a_task_is_a_finite_data_set(build, kind):
    task = build(kind).test[1]
    assert len(list(task)) == len(task)


def test_validation_and_training_are_disjoint_and_together_everything(build, data, kind, scenario):
    stream = build(kind, scenario=scenario, validation_share=0.2)
    num_images = len(data.train_labels)
    used = (
        [kept(task, num_images) for task in stream.train],
        [kept(task, num_images) for task in stream.validation],
    )
    for train, validation in zip(*used, strict=True):
        assert validation
        assert not train & validation
    assert set.union(*used[0]) | set.union(*used[1]) == set(range(num_images))
    assert not set.union(*used[0]) & set.union(*used[1])
    assert len(set.union(*used[1])) == 12


def test_validation_images_come_from_the_training_images_and_labels_fit(build, data, kind):
    stream = build(kind, validation_share=0.2)
    for validation, train, test in zip(stream.validation, stream.train, stream.test, strict=True):
        assert validation.shared is train.shared
        assert validation.shared.images.data_ptr() == data.train_images.data_ptr()
        assert test.shared.images.data_ptr() == data.test_images.data_ptr()
        assert validation.head == train.head
        assert validation.labels.dtype == torch.int64
    whole = build(kind)
    for part, all_of_it in zip(stream.validation, whole.train, strict=True):
        numbers = list(range(60)) if all_of_it.indices is None else all_of_it.indices.tolist()
        labels = dict(zip(numbers, all_of_it.labels.tolist(), strict=True))
        assert part.labels.tolist() == [labels[number] for number in part.indices.tolist()]


def test_the_test_tasks_do_not_depend_on_validation(build, kind):
    for one, other in zip(build(kind).test, build(kind, validation_share=0.5).test, strict=True):
        assert one.pixels(CPU).equal(other.pixels(CPU))
        assert one.labels.equal(other.labels)


def test_without_a_share_there_is_no_validation(build, kind):
    assert build(kind).validation == ()


def test_a_stream_says_what_a_network_needs(build, kind):
    stream = build(kind)
    assert stream.input_shape == (2, 4, 6)
    assert len(stream.test) == stream.num_tasks == 3


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, "half", None, float("nan"), 0.999])
def test_a_wrong_validation_share_is_an_error_that_names_it(build, kind, share):
    with pytest.raises(ValueError, match="got validation_share="):
        build(kind, validation_share=share)


@pytest.mark.parametrize("setting", ["scenario", "pixels"])
def test_an_unknown_choice_is_an_error_that_lists_the_choices(build, kind, setting):
    choices = {"scenario": "task, domain, class", "pixels": "unit, standardised, raw"}[setting]
    with pytest.raises(ValueError, match=f"{setting} must be one of {choices}, got {setting}='foo'"):
        build(kind, **{setting: "foo"})


@pytest.mark.parametrize("kind", ["rotated", "split"])
@pytest.mark.parametrize("augmentation", ["none", "crop", "crop_flip"])
def test_only_training_tasks_are_augmented(build, kind, augmentation):
    stream = build(kind, augmentation=augmentation, validation_share=0.2)
    expected = None if augmentation == "none" else CropFlip(padding=1, flip=augmentation == "crop_flip")
    assert [task.augment for task in stream.train] == [expected] * 3
    assert [task.augment for task in (*stream.validation, *stream.test)] == [None] * 6


@pytest.mark.parametrize("kind", ["rotated", "split"])
def test_a_task_shows_its_images_without_augmentation(build, kind):
    plain, augmented = (build(kind, augmentation=name).train for name in ("none", "crop_flip"))
    for one, other in zip(plain, augmented, strict=True):
        assert one.pixels(CPU).equal(other.pixels(CPU))
        assert one.images(CPU).equal(other.images(CPU))
        assert one[3][0].equal(other[3][0])


def test_permuted_streams_take_no_augmentation(build):
    assert all(task.augment is None for task in build("permuted").train)
    with pytest.raises(TypeError, match="augmentation"):
        build("permuted", augmentation="crop")


@pytest.mark.parametrize("kind", ["rotated", "split"])
def test_an_unknown_augmentation_is_an_error_that_lists_the_choices(build, kind):
    rule = "augmentation must be one of none, crop, crop_flip, got augmentation='foo'"
    with pytest.raises(ValueError, match=rule):
        build(kind, augmentation="foo")
