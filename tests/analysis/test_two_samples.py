"""Two independent samples of seeds, known by mean, spread and number: Welch's error against scipy and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from cl_bench.analysis.two_samples import (
    Difference,
    Sample,
    difference_of,
    equivalence_p,
    half_width,
    published_sample,
    sample_of,
)

SAMPLES = [
    (Sample(90.0, 1.0, 4), Sample(91.0, 2.0, 20)),
    (Sample(57.3, 7.4, 20), Sample(60.0, 9.0, 10)),
    (Sample(97.6, 0.05, 20), Sample(97.9, 0.4, 3)),
]


@pytest.mark.parametrize(("ours", "published"), SAMPLES)
def test_error_and_degrees_are_welchs(ours, published):
    found = difference_of(ours, published)
    theirs = stats.ttest_ind_from_stats(*ours, *published, equal_var=False)
    assert found.difference / found.error == pytest.approx(theirs.statistic)
    assert 2 * stats.t.sf(abs(theirs.statistic), found.degrees) == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize(("ours", "published"), SAMPLES)
def test_one_sided_tests_are_scipys_of_shifted_means(ours, published):
    """A margin of d moves the published mean by d to either side."""
    for margin in (0.5, 2.0, 8.0):
        shifted = [
            stats.ttest_ind_from_stats(
                *ours, *published._replace(mean=published.mean + side * margin), equal_var=False, alternative=to
            ).pvalue
            for side, to in ((-1, "greater"), (1, "less"))
        ]
        found = equivalence_p(difference_of(ours, published), margin=margin)
        assert found == pytest.approx(max(shifted), rel=1e-9)


@pytest.mark.parametrize("number", [1, 6])
def test_an_unknown_spread_is_taken_to_be_the_known_one(number):
    """Then the error is that of the t-test with equal variances, of which one sample tells the variance."""
    known, unknown = Sample(82.0, 3.7, 3), Sample(87.4, math.nan, number)
    error = 3.7 * math.sqrt(1 / 3 + 1 / number)
    for first, second in ((known, unknown), (unknown, known)):
        found = difference_of(first, second)
        assert found == (pytest.approx(first.mean - second.mean), pytest.approx(error), 2)
    assert half_width(found) == pytest.approx(stats.t.ppf(0.975, 2) * error)


def test_a_prediction_interval_holds_19_of_20_new_seeds():
    generator = np.random.default_rng(0)
    seeds = generator.normal(80, 4, size=(4_000, 4))
    inside = [
        abs(found.difference) <= half_width(found)
        for found in (difference_of(sample_of(each[:3]), Sample(each[3], math.nan, 1)) for each in seeds)
    ]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.012)


def test_no_spread_is_no_error():
    found = difference_of(Sample(90.0, math.nan, 1), Sample(91.0, math.nan, 1))
    assert found.difference == -1
    assert math.isnan(found.error)
    assert math.isnan(half_width(found))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"spread": 0.5, "spread_kind": "SEM", "number": 16}, (2.0, 16)),
        ({"spread": 0.5, "spread_kind": "std", "number": 16}, (0.5, 16)),
        ({"spread": 0.5, "spread_kind": "", "number": 16}, (math.nan, 16)),
        ({"spread": None, "spread_kind": "SEM", "number": 16}, (math.nan, 16)),
        ({"spread": 0.5, "spread_kind": "std", "number": 1}, (math.nan, 1)),
        ({"spread": 0.5, "spread_kind": "std", "number": None}, (math.nan, 1)),
    ],
)
def test_what_a_paper_tells_of_its_seeds(told, expected):
    found = published_sample(90.0, **told)
    assert (found.deviation, found.number) == pytest.approx(expected, nan_ok=True)


def test_a_margin_must_be_positive():
    with pytest.raises(ValueError, match="margin must be positive, got margin=0"):
        equivalence_p(Difference(0.0, 1.0, 3.0), margin=0)


def test_values_without_spread_are_sure():
    found = difference_of(sample_of([90.0, 90.0]), Sample(90.0, 0.0, 5))
    assert found.error == 0
    assert [equivalence_p(found._replace(difference=each), margin=1.0) for each in (0.5, 1.0, 2.0)] == [0, 0.5, 1]
