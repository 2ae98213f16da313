"""Arrays of one's own: images or features by a rule, their classes, their test part."""

import re

import numpy as np
import pytest
import torch

from cl_bench.data import DataError, ImageData, digits, from_arrays
from cl_bench.data.accepted import accepted, converted
from cl_bench.data.cache import stored
from cl_bench.data.fingerprint import digest
from cl_bench.data.image_data import followed_by
from cl_bench.data.locate import Source

RNG = np.random.default_rng(0)
ROWS, TEST_ROWS = RNG.normal(size=(40, 6)) * 9, RNG.normal(size=(20, 6)) * 9
LABELS, TEST_LABELS = np.arange(40) % 4, np.arange(20) % 4
BYTES = RNG.integers(0, 256, (40, 5, 7), dtype=np.uint8)


def rows(x=ROWS, x_test=TEST_ROWS, y=LABELS, y_test=TEST_LABELS, **settings) -> ImageData:
    return from_arrays(x, y, x_test, y_test, **settings)


@pytest.mark.parametrize(
    "change",
    [np.asarray, torch.from_numpy, np.ndarray.tolist, np.asfortranarray, lambda x: x.astype(np.float32)],
)
def test_rows_are_features_kept_as_they_are(change):
    data = rows(change(ROWS), change(TEST_ROWS))
    assert data.features is True
    assert data.train_images.shape == (40, 6, 1, 1)
    for found, given in ((data.train_images, ROWS), (data.test_images, TEST_ROWS)):
        assert torch.equal(found[:, :, 0, 0], torch.from_numpy(given).float())
    assert data.notes == ()


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64, np.float16])
def test_rows_of_any_numbers_are_features_even_where_they_might_be_pixels(dtype):
    whole = (np.abs(ROWS) > 3).astype(dtype)
    data = rows(whole, whole[:20])
    assert (data.features, data.train_images.dtype) == (True, torch.float32)
    assert torch.equal(data.train_images.flatten(1), torch.from_numpy(whole.astype(np.float32)))


def test_more_axes_are_images_unless_they_are_said_to_be_features():
    assert rows(BYTES, BYTES[:20]).train_images.equal(torch.from_numpy(BYTES)[:, None])
    scaled = rows(BYTES / 255, BYTES[:20] / 255)
    assert (scaled.features, scaled.train_images.dtype) == (False, torch.uint8)
    maps = RNG.normal(size=(40, 8, 3, 3))
    with pytest.raises(
        DataError, match=r"got float64 from -.*features=true benchmark.pixels=standardised, or"
    ):
        rows(maps, maps[:20])
    data = rows(maps, maps[:20], features=True)
    assert data.train_images.equal(torch.from_numpy(maps).float())
    assert rows(BYTES, BYTES[:20], features=True).train_images.dtype == torch.float32


def test_rows_are_no_images_where_that_is_said():
    with pytest.raises(DataError, match=r"must be \[N, C, H, W\].*, got \[40, 35\]"):
        rows(BYTES.reshape(40, -1), BYTES[:20].reshape(20, -1), features=False)
    with pytest.raises(DataError, match="must be true, false or null, got 'yes'"):
        converted(rows()._replace(features="yes"))


def test_channels_of_feature_maps_may_be_last_where_that_is_said():
    maps = RNG.normal(size=(40, 5, 4, 3))
    data = rows(maps, maps[:20], features=True, channels_last=True)
    assert data.train_images.equal(torch.from_numpy(maps.transpose(0, 3, 1, 2)).float())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_and_the_first_is_placed(bad):
    spoilt = ROWS.copy()
    spoilt[7, 2] = spoilt[7, 5] = spoilt[30, 0] = bad
    with pytest.raises(
        DataError, match=r"train_images of arrays must be finite, got 3 values .*the first at \[7, 2\]"
    ):
        rows(spoilt)
    spoilt = TEST_ROWS.copy()
    spoilt[1, 1] = bad
    with pytest.raises(DataError, match=r"test_images .* got 1 value that|got 1 value"):
        rows(x_test=spoilt)


def test_values_that_floats_of_32_bits_do_not_have_are_refused_or_told():
    with pytest.raises(DataError, match=r"must fit into floats of 32 bits, got values up to 1e\+50"):
        rows(np.full((40, 6), -1e50))
    index = np.arange(240).reshape(40, 6) + 2**25
    assert "rounded to floats of 32 bits" in rows(index).notes[0]
    assert rows(index - 2**25).notes == ()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (BYTES[:, :, 0].T, "must be|got 5 images, 40 labels"),
        (ROWS.astype(str), "must be numbers"),
        ([[1.0], [1.0, 2.0]], "must be one array, got list"),
        (ROWS[:-1], "got 39 images, 40 labels"),
        (ROWS[:, :0], "must have pixels"),
        (ROWS[:, :3], r"must have one shape .* got \[3, 1, 1\] and \[6, 1, 1\]"),
    ],
)
def test_what_is_no_row_of_numbers_for_each_label_is_refused(x, message):
    with pytest.raises(DataError, match=message) as caught:
        rows(x)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "names", "indices"),
    [
        (LABELS, ("0", "1", "2", "3"), LABELS),
        (LABELS.astype(np.float64)[:, None], ("0", "1", "2", "3"), LABELS),
        (LABELS * 2 - 3, ("-3", "-1", "1", "3"), LABELS),
        (LABELS + 1, ("1", "2", "3", "4"), LABELS),
        (np.array(list("dcba"))[LABELS], ("a", "b", "c", "d"), 3 - LABELS),
        (LABELS > 1, ("0", "1"), LABELS // 2),
        (np.eye(4)[LABELS], ("0", "1", "2", "3"), LABELS),
        (torch.from_numpy(LABELS), ("0", "1", "2", "3"), LABELS),
    ],
)
def test_the_classes_are_the_values_that_occur_sorted(given, names, indices):
    data = rows(y=given, y_test=given[:20])
    assert data.class_names == names
    assert data.train_labels.tolist() == indices.tolist()
    assert data.test_labels.tolist() == indices[:20].tolist()


def test_other_values_than_0_1_2_are_told():
    assert rows(y=LABELS + 1, y_test=TEST_LABELS + 1).notes == (
        "arrays: classes are numbered by the sorted values of the labels: 1 is class 0, 2 is class 1, "
        "3 is class 2, 4 is class 3",
    )
    assert rows(class_names=list("abcd")).notes == ()
    with pytest.raises(DataError, match=r"must be in 0\.\.3, .* got 1\.\.4; if they count from 1"):
        rows(y=LABELS + 1, y_test=TEST_LABELS + 1, class_names=list("abcd"))


def test_a_test_class_without_training_and_a_class_with_fractions_are_refused():
    with pytest.raises(DataError, match="must be classes of the training labels, got 9; add"):
        rows(y_test=np.where(TEST_LABELS == 3, 9, TEST_LABELS))
    with pytest.raises(DataError, match=r"must be whole numbers or names, got 0.5"):
        rows(y=LABELS + 0.5)


def test_without_a_test_part_there_must_be_a_share():
    with pytest.raises(DataError, match=r"must have a test part, got none; give one, or test_share=0.2"):
        from_arrays(ROWS, LABELS)
    with pytest.raises(DataError, match=r"has a test part, got test_share=0.2 too"):
        rows(test_share=0.2)
    for share in (0.0, 1.0, -1):
        with pytest.raises(DataError, match="test_share must lie between 0 and 1"):
            from_arrays(ROWS, LABELS, test_share=share)


def test_a_share_of_each_class_is_kept_for_the_test_and_is_always_the_same():
    torch.manual_seed(1)
    data = from_arrays(ROWS, LABELS, test_share=0.3)
    assert data.test_labels.bincount().tolist() == [3, 3, 3, 3]
    both = torch.cat([data.train_images, data.test_images]).flatten(1)
    assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, torch.from_numpy(ROWS).float().tolist()))
    torch.manual_seed(2)
    assert digest(from_arrays(ROWS, LABELS, test_share=0.3)) == digest(data)
    few = from_arrays(ROWS[:3], [0, 0, 1], test_share=0.01)
    assert (few.train_labels.tolist(), few.test_labels.tolist()) == ([0, 1], [0])


def test_what_is_right_is_not_copied_and_passes_the_door_again():
    data = rows()
    again = accepted(data, by="somebody")
    assert again.train_images.data_ptr() == data.train_images.data_ptr()
    assert digest(again) == digest(data)
    alone = accepted(data, by="somebody", with_test=False)
    assert (len(alone.test_images), alone.test_images.dtype) == (0, torch.float32)


def test_odd_features_are_told():
    odd = ROWS.copy()
    odd[:, 2] = 7
    notes = accepted(rows(odd, np.concatenate([TEST_ROWS[:18], odd[:2]])), by="me").notes
    assert notes == (
        "arrays: 1 of 6 features is one number in all training examples",
        "arrays: 2 of 40 training examples are also among the test examples",
    )
    (same,) = accepted(rows(np.ones((40, 6))), by="me").notes
    assert same == "arrays: all 40 training examples are equal: nothing can be learned"


def test_hashes_see_every_value_and_the_kind():
    changed = ROWS.copy()
    changed[3, 3] += 1e-3
    first, second = digest(rows()), digest(rows(changed))
    assert first["train"] != second["train"]
    assert first["test"] == second["test"]
    assert digest(rows(BYTES, BYTES[:20])) != digest(rows(BYTES, BYTES[:20], features=True))


def test_images_and_features_are_not_joined():
    with pytest.raises(DataError, match="must both be images or both features"):
        followed_by(digits(), rows(), name="both", num_classes=2)
    both = followed_by(rows(), rows(), name="both", num_classes=2)
    assert (both.features, both.train_images.dtype) == (True, torch.float32)


def test_the_cache_keeps_features_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setenv("CL_BENCH_CACHE", str(tmp_path))
    file = tmp_path / "source"
    file.write_text("x")
    calls = []

    def read():
        calls.append(1)
        return rows()

    source = Source("mine", (str(file),), "reader", read)
    found = [stored(source) for _ in range(2)]
    assert len(calls) == 1
    assert digest(found[1]) == digest(rows())
    assert found[1].features is True
    assert stored(source, with_test=False).test_images.dtype == torch.float32


def test_an_error_is_one_line_whatever_the_name_is():
    with pytest.raises(DataError) as caught:
        from_arrays(ROWS * np.nan, LABELS, TEST_ROWS, TEST_LABELS, name="a\nb")
    assert re.search(r"a.{1,4}b", str(caught.value))
    assert "\n" not in str(caught.value)
