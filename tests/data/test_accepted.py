"""Arrays as people have them: converted where only one reading is possible, else refused in a sentence."""

import re

import numpy as np
import pytest
import torch

from cl_bench.data import DataError, ImageData, digits
from cl_bench.data.accepted import accepted, converted
from cl_bench.data.peculiar import shared_images

NAMES = tuple("abcde")
RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (40, 3, 6, 7), dtype=np.uint8)
TEST = RNG.integers(0, 256, (20, 3, 6, 7), dtype=np.uint8)
GREY = TRAIN[:, 0], TEST[:, 0]
LABELS = np.arange(40) % 5, np.arange(20) % 5


def mine(images=(TRAIN, TEST), labels=LABELS, **fields) -> ImageData:
    given = {"name": "mine", "class_names": NAMES, "source": "arrays"} | fields
    return ImageData(
        train_images=images[0], train_labels=labels[0], test_images=images[1], test_labels=labels[1], **given
    )


def through(data, **settings) -> ImageData:
    return accepted(data, by="my.builder", **settings)


def both(change, pair=(TRAIN, TEST)):
    return tuple(change(each) for each in pair)


def last(images):
    return images.transpose(0, 2, 3, 1)


@pytest.mark.parametrize(
    "change",
    [
        torch.from_numpy,
        lambda images: images,
        lambda images: images.astype(np.int64),
        lambda images: images.astype(">u2"),
        lambda images: torch.from_numpy(images).to(torch.int16),
        lambda images: images.astype(np.float64),
        lambda images: torch.from_numpy(images).to(torch.bfloat16),
        lambda images: list(images),
        lambda images: [torch.from_numpy(image) for image in images],
        lambda images: np.asfortranarray(images),
        lambda images: images[:, :, ::-1][:, :, ::-1],
        lambda images: torch.from_numpy(images).float().requires_grad_(),
        last,
    ],
)
def test_every_usual_array_of_pixels_is_the_same_data(change):
    data = through(mine(both(change)))
    for found, expected in ((data.train_images, TRAIN), (data.test_images, TEST)):
        assert found.dtype == torch.uint8
        assert torch.equal(found, torch.from_numpy(expected))


def test_images_without_a_channel_axis_have_one_channel():
    data = through(mine(GREY))
    assert torch.equal(data.train_images, torch.from_numpy(TRAIN[:, :1]))
    assert data.notes == ()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_in_0_to_1_become_bytes_and_are_told(dtype):
    data = through(mine(both(lambda images: (images / 255).astype(dtype))))
    assert torch.equal(data.train_images, torch.from_numpy(TRAIN))
    assert data.notes == ("mine: images in [0, 1] were read as bytes: times 255, rounded",)


def test_truth_values_are_black_and_white():
    data = through(mine(both(lambda images: images > 127)))
    assert torch.equal(data.test_images, torch.from_numpy((TEST > 127) * np.uint8(255)))


@pytest.mark.parametrize("size", [(8, 8), (5, 9), (28, 28), (64, 32)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_are_found_first_or_last(size, channels):
    first = RNG.integers(0, 256, (40, channels, *size), dtype=np.uint8)
    pair = first, first[:20]
    assert torch.equal(through(mine(pair)).train_images, torch.from_numpy(first))
    data = through(mine(both(last, pair)))
    assert torch.equal(data.train_images, torch.from_numpy(first))
    assert "mine: images [N, H, W, C] were read with their channels last" in data.notes


@pytest.mark.parametrize("shape", [(4, 4, 3), (28, 28, 2), (64, 64, 13), (3, 3, 3), (3, 28, 1), (28, 2, 2)])
def test_a_shape_of_two_readings_is_refused_until_it_is_told(shape):
    images = RNG.integers(0, 256, (40, *shape), dtype=np.uint8)
    pair = images, images[:20]
    if shape != (28, 2, 2):
        with pytest.raises(DataError, match=r"channels_last=True\) or False"):
            through(mine(pair))
    first, other = (through(mine(pair, channels_last=told)).train_images for told in (False, True))
    assert torch.equal(first, torch.from_numpy(images))
    assert torch.equal(other, torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            both(lambda x: (x - 127.5) / 60),
            "must be whole numbers 0..255 or floats in .*, got float64 from -",
        ),
        (both(lambda x: x * 257.0), "got float64 from 0 to 65535; scale them"),
        (both(lambda x: x.astype(np.uint16) * 257), "got uint16 from 0 to 65535; scale them"),
        (both(lambda x: x.astype(np.int16) - 128), "got int16 from -128 to 127; scale them"),
        (both(lambda x: x / 15.9375), "got float64 from 0 to 16 with fractions"),
        (
            both(lambda x: np.where(x == 7, np.nan, x / 255)),
            r"must be finite, got [\d,]+ pixels that are nan",
        ),
        (both(lambda x: np.where(x == 7, np.inf, x / 255)), r"must be finite, got [\d,]+ pixels"),
        (both(lambda x: x + 1j), "must be an array of numbers, got ndarray of complex128"),
        (both(lambda x: x.astype(str)), "must be numbers, got"),
        (both(lambda x: x[None]), r"must be \[N, C, H, W\].*, got \[1, 40, 3, 6, 7\]"),
        (both(lambda x: [*x[1:], x[0, :, 1:]]), "must be one array, got list"),
        ((None, None), "must be an array of numbers, got NoneType"),
        ((TRAIN, None), "test_images of mine must be an array of numbers, got NoneType"),
        (both(lambda x: {"a": x}), "must be an array of numbers, got dict"),
        (both(lambda x: (each for each in x)), "must be an array of numbers, got generator"),
        (both(lambda x: np.ma.masked_less(x, 9)), "must have no masked values"),
        ((TRAIN / 255, TEST), r"must have one unit, got \[0, 1\] up to 1 and 0\.\.255 up to 255"),
        ((TRAIN, TEST / 255), r"must have one unit, got 0\.\.255 up to 255 and \[0, 1\] up to 1"),
        (
            (TRAIN, (TEST > 9).astype(np.uint8)),
            r"must have one unit, got 0\.\.255 up to 255 and 0\.\.255 up to 1",
        ),
        ((TRAIN, TEST[:, :1]), r"must have one shape in mine .*, got \[3, 6, 7\] and \[1, 6, 7\]"),
        ((TRAIN[:0], TEST), "at least one image, in mine, train, .*, got 0 images"),
        ((TRAIN, TEST[:0]), "at least one image, in mine, test, .*, got 0 images"),
        ((TRAIN[:, :, :0], TEST[:, :, :0]), "images must have pixels"),
        ((TRAIN[:-1], TEST), "got 39 images, 40 labels; correct its builder"),
    ],
)
def test_pixels_of_more_than_one_reading_are_refused_with_rule_and_value(images, message):
    with pytest.raises(DataError, match=message) as caught:
        through(mine(images))
    assert "\n" not in str(caught.value)
    assert "mine" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        torch.from_numpy,
        list,
        lambda labels: labels.astype(np.int32),
        lambda labels: labels.astype(np.uint8),
        lambda labels: labels.astype(np.uint64),
        lambda labels: labels.astype(np.float32),
        lambda labels: labels[:, None],
        lambda labels: torch.from_numpy(labels)[:, None].int(),
        lambda labels: np.eye(5)[labels],
        lambda labels: np.eye(5, dtype=bool)[labels],
        lambda labels: np.array(NAMES)[labels],
        lambda labels: [NAMES[label] for label in labels],
        lambda labels: np.array([NAMES[label] for label in labels], dtype=object),
    ],
)
def test_every_usual_kind_of_label_is_the_same_class(change):
    data = through(mine(labels=both(change, LABELS)))
    for found, expected in ((data.train_labels, LABELS[0]), (data.test_labels, LABELS[1])):
        assert found.dtype == torch.int64
        assert found.tolist() == expected.tolist()


def test_truth_values_are_labels_of_two_classes():
    data = through(mine(labels=both(lambda labels: labels > 2, LABELS), class_names=("no", "yes")))
    assert data.train_labels.tolist() == (LABELS[0] > 2).astype(int).tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x + 1, r"in 0\.\.4, for 5 class_names, got 1\.\.5; if they count from 1, subtract 1"),
        (lambda x: x - 1, r"got -1\.\.3; remove the images without a class"),
        (lambda x: x * 2, r"got 0\.\.8; name every class"),
        (lambda x: x.astype(np.uint64) + 2**63, "must be in 0"),
        (lambda x: x + 0.5, "must be whole numbers, got 0.5"),
        (lambda x: np.where(x == 2, np.nan, x), "must be whole numbers, got nan"),
        (lambda x: np.eye(6)[x], r"or one-hot \[N, 5\], got \[40, 6\]"),
        (lambda x: np.eye(5)[x] * 0.9, "must have a single 1 in each row"),
        (lambda x: np.eye(5)[x][:, :, None], r"must be \[N\], a class for each image, got \[40, 5, 1\]"),
        (lambda x: [f"class {each}" for each in x], "must be in class_names, got 'class 0' \\(5 such\\)"),
        (lambda x: None, "must be an array of numbers, got NoneType"),
        (lambda x: [*x[1:], None], "must be an array of numbers"),
        (lambda x: x[1:], "got 40 images, 39 labels"),
    ],
)
def test_labels_that_are_no_classes_are_refused(change, message):
    with pytest.raises(DataError, match=message) as caught:
        through(mine(labels=both(change, LABELS)))
    assert "\n" not in str(caught.value)


def test_no_label_is_ever_another_class():
    """Labels 1..10 lost a class without a word."""
    for offset in range(1, 4):
        with pytest.raises(DataError, match="train_labels of mine must be in"):
            through(mine(labels=both(lambda labels: labels + offset, LABELS)))  # noqa: B023


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, "must be a sequence of names, got None"),
        ("abcde", "must be a sequence of names, got 'abcde'"),
        (5, "must be a sequence of names, got 5"),
        ((), "must name every class, got none"),
        (["a", "x", "b", "x", "c"], "must differ, got 'x' 2 times"),
        (NAMES[:3], r"must be in 0\.\.2, for 3 class_names, got 0\.\.4"),
    ],
)
def test_class_names_are_one_text_a_class(names, message):
    with pytest.raises(DataError, match=message):
        through(mine(class_names=names))


def test_class_names_may_be_a_list_and_numbers():
    assert through(mine(class_names=[0, 1, 2, np.str_("c"), 4])).class_names == ("0", "1", "2", "c", "4")


@pytest.mark.parametrize("found", [None, {}, (TRAIN, LABELS[0]), TRAIN, ImageData])
def test_what_is_no_image_data_is_refused_with_the_builders_name(found):
    with pytest.raises(DataError, match=r"my\.builder must return a cl_bench\.data\.ImageData, got"):
        through(found)


def test_without_test_no_test_image_is_looked_at():
    data = through(mine((TRAIN, object()), (LABELS[0], object())), with_test=False)
    assert data.test_images.shape == (0, 3, 6, 7)
    assert data.test_labels.tolist() == []


def test_right_data_pass_as_they_are():
    data = through(digits())
    again = through(data)
    assert again.train_images is data.train_images
    assert again.notes == data.notes == ()
    assert converted(again) is not None


@pytest.mark.parametrize(
    ("keep", "notes"),
    [
        ((lambda y: y != 3, lambda y: y != 3), ["no training image of class d", "no test image of class d"]),
        ((lambda y: y >= 0, lambda y: y != 3), ["no test image of class d"]),
        ((lambda y: y > 1, lambda y: y >= 0), ["no training image of classes a, b"]),
        (
            (lambda y: y > 0, lambda y: y > 0),
            [
                f"no {part} image of class a (label 0; labels are 1..4: do they count from 1?)"
                for part in ("training", "test")
            ],
        ),
    ],
)
def test_classes_without_images_are_told(keep, notes):
    kept = [which(labels) for which, labels in zip(keep, LABELS, strict=True)]
    images = TRAIN[kept[0]], TEST[kept[1]]
    labels = LABELS[0][kept[0]], LABELS[1][kept[1]]
    assert through(mine(images, labels)).notes == tuple(f"mine: {note}" for note in notes)


@pytest.mark.parametrize(
    ("images", "note"),
    [
        (both(np.zeros_like), "all 40 training images are equal, all black: nothing can be learned"),
        ((np.repeat(TRAIN[:1], 40, 0), TEST), "all 40 training images are equal: nothing can be learned"),
        (
            (np.broadcast_to(np.arange(100, 140, dtype=np.uint8)[:, None, None, None], TRAIN.shape), TEST),
            "each training image is one flat colour: are they decoded rightly?",
        ),
        (both(lambda x: x // 16), "the brightest training pixel is 15 of 255: should pixels be scaled?"),
        (both(lambda x: x // 128), "the brightest training pixel is 1 of 255: should pixels be scaled?"),
    ],
)
def test_images_that_show_nothing_are_told(images, note):
    assert f"mine: {note}" in through(mine(images)).notes


def test_training_images_among_the_test_images_are_counted():
    test = np.concatenate([TRAIN[3:5], TRAIN[3:4], TEST[3:]])
    data = through(mine((TRAIN, test)))
    assert data.notes == ("mine: 2 of 40 training images are also among the test images",)
    assert through(mine((TRAIN, np.concatenate([TRAIN[:1], TEST[1:]])))).notes == (
        "mine: 1 of 40 training images is also among the test images",
    )


def test_a_difference_in_one_value_is_one():
    """The first comparison looks at a few values only."""
    test = torch.from_numpy(TRAIN[:20].copy())
    for place in range(20):
        test.view(20, -1)[place, 6 * place + 1] ^= 1
    assert shared_images(torch.from_numpy(TRAIN), test) == 0


def test_notes_of_a_builder_stay_first():
    data = through(mine(both(lambda x: x / 255), notes=["as it was found"]))
    assert data.notes[0] == "as it was found"
    assert len(data.notes) == 2
    assert through(mine(notes="one")).notes == ("one",)
    assert through(mine(notes=None)).notes == ()


def test_real_data_have_no_peculiarity(data_root):
    from cl_bench.data import mnist

    assert through(mnist(root=str(data_root), download=False)).notes == ()


def test_an_error_never_breaks_a_line():
    with pytest.raises(DataError) as caught:
        through(mine(class_names=["a\nb"] * 2))
    assert re.search(r"\n", str(caught.value)) is None
