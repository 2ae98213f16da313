"""Streams of features: scaled by the training examples, column by column; what needs images is refused."""

import numpy as np
import pytest
import torch

from cl_bench.data import from_arrays
from cl_bench.streams import permuted, rotated, split

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
SCALES, MEANS = np.array([1e-3, 1.0, 50.0, 1e4, 1.0]), np.array([0.0, -5.0, 1e3, 1e5, 7.0])
ROWS = RNG.normal(size=(60, 5)) * SCALES + MEANS
ROWS[:, 4] = 7.0
TEST_ROWS = RNG.normal(size=(20, 5)) * SCALES * 3 + MEANS
LABELS, TEST_LABELS = np.arange(60) % 4, np.arange(20) % 4
DATA = from_arrays(ROWS, LABELS, TEST_ROWS, TEST_LABELS)
COMMON = {
    "padding": 0,
    "num_tasks": 2,
    "scenario": "domain",
    "pixels": "raw",
    "validation_share": 0.0,
    "num_train": None,
}
BUILDERS = {
    "split": (split, {"class_order": "fixed", "augmentation": "none"}),
    "permuted": (permuted, {"permute_first": False}),
    "rotated": (rotated, {"max_degrees": 90.0, "augmentation": "none"}),
}


def build(kind, data=DATA, **changes):
    builder, own = BUILDERS[kind]
    return builder(data=data, generator=torch.Generator().manual_seed(0), **COMMON | own | changes)


def shown(tasks):
    return torch.cat([task.images(CPU) for task in tasks]).flatten(1)


def test_raw_features_are_the_numbers_given_bit_for_bit():
    stream = build("split")
    assert stream.input_shape == (5, 1, 1)
    order = torch.cat([torch.from_numpy(np.flatnonzero(np.isin(LABELS, each))) for each in ([0, 1], [2, 3])])
    assert shown(stream.train).equal(torch.from_numpy(ROWS).float()[order])
    image, _ = stream.train[1][3]
    assert image.equal(stream.train[1].images(CPU)[3])


def test_standardised_columns_have_mean_0_and_variance_1_in_training_and_the_same_scaling_in_tests():
    stream = build("split", pixels="standardised")
    found = shown(stream.train).double()
    assert found.mean(0).abs().max() < 1e-4
    assert ((found.std(0, correction=0) - 1).abs()[:4] < 1e-4).all()
    assert (found[:, 4] == 0).all()  # a column that is one number
    mean, deviation = ROWS.mean(0), ROWS.std(0)
    expected = (TEST_ROWS - mean)[:, :4] / deviation[:4]
    order = np.argsort(TEST_LABELS // 2, kind="stable")
    assert np.allclose(shown(stream.test)[:, :4], expected[order], rtol=1e-3, atol=1e-3)


def test_test_and_validation_have_no_part_in_the_moments_but_for_validation_of_training_images():
    other = DATA._replace(test_images=DATA.test_images * 100)
    for kind in ("split", "permuted"):
        first, second = (shown(build(kind, each, pixels="standardised").train) for each in (DATA, other))
        assert first.equal(second)


def test_a_permutation_moves_columns_that_were_scaled_before():
    plain, moved = (shown([task]) for task in build("permuted", pixels="standardised").train)
    assert (moved.sort(dim=1).values == plain.sort(dim=1).values).all()
    assert not moved.equal(plain)
    of_split = shown(build("split", pixels="standardised", num_tasks=1).train)
    assert plain.equal(of_split)
    raw, moved_raw = (shown([task]) for task in build("permuted").train)
    assert (moved_raw.sort(dim=1).values == raw.sort(dim=1).values).all()


def test_maps_are_standardised_by_channel():
    maps = RNG.normal(size=(60, 3, 4, 2)) * np.array([1, 10, 100])[:, None, None] + 5
    data = from_arrays(maps, LABELS, maps[:20], TEST_LABELS, features=True, channels_last=False)
    for kind in ("split", "permuted"):
        stream = build(kind, data, pixels="standardised", num_tasks=1)
        found = torch.cat([task.images(CPU) for task in stream.train]).double()
        assert found.shape[1:] == (3, 4, 2)
        assert found.mean((0, 2, 3)).abs().max() < 1e-5
        assert (found.var((0, 2, 3), correction=0) - 1).abs().max() < 1e-4


def test_unit_asks_that_features_lie_there():
    with pytest.raises(
        ValueError, match=r"pixels=unit needs features in \[0, 1\], got -.*pixels=standardised"
    ) as caught:
        build("split", pixels="unit")
    assert "[N, H, W]" in str(caught.value)
    inside = from_arrays(RNG.random((60, 5)), LABELS, RNG.random((20, 5)), TEST_LABELS)
    unit, raw = (shown(build("permuted", inside, pixels=pixels).train) for pixels in ("unit", "raw"))
    assert unit.equal(raw)


def test_raw_is_not_for_images(data):
    for kind in BUILDERS:
        with pytest.raises(ValueError, match=r"pixels=raw is for features, got the images of"):
            build(kind, data)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (
            "rotated",
            {},
            "features cannot be rotated, got those of arrays: only images can; take benchmark=split",
        ),
        ("split", {"padding": 2}, "features cannot be padded, .*; set padding=0"),
        ("permuted", {"padding": 2}, "features cannot be padded"),
        ("split", {"augmentation": "crop"}, "cannot be cropped or mirrored, .*; set augmentation=none"),
        ("split", {"augmentation": "crop_flip"}, "cannot be cropped or mirrored"),
    ],
)
def test_what_needs_pixels_is_refused_in_words(kind, changes, message):
    with pytest.raises(ValueError, match=message):
        build(kind, **changes)


def test_a_large_mean_costs_little_and_moments_are_summed_in_double_precision():
    column = torch.arange(2000, dtype=torch.float64) % 7
    rows = torch.stack([column + 1e6, column], dim=1).numpy()
    data = from_arrays(rows, np.arange(2000) % 4, rows[:20], TEST_LABELS)
    found = shown(build("split", data, pixels="standardised", num_tasks=1).train)
    assert (found[:, 0] - found[:, 1]).abs().max() < 0.05  # a float of 32 bits near 1e6 has steps of 1/16
