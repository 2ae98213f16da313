"""Student's t interval, by hand and against scipy.stats."""

import numpy as np
import pytest
from scipy import stats

from cl_bench.analysis import student_t


def test_an_interval_by_hand():
    # 1, 2, 3: mean 2, s = 1, t(0.975, 2) = 4.30265; half width 4.30265 / sqrt(3) = 2.48414
    mean, low, high = student_t([1.0, 2.0, 3.0])
    assert mean == 2
    assert low == pytest.approx(2 - 2.48414, abs=1e-5)
    assert high == pytest.approx(2 + 2.48414, abs=1e-5)


@pytest.mark.parametrize("number", [2, 3, 10, 100])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_intervals_are_those_of_scipy(number, level):
    values = np.random.default_rng(number).normal(size=(number, 4, 3))
    found = student_t(values, level=level)
    low, high = stats.t.interval(level, number - 1, loc=values.mean(0), scale=stats.sem(values, axis=0))
    np.testing.assert_allclose(found.low, low, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.high, high, rtol=1e-9, atol=1e-12)


def test_one_seed_has_a_mean_and_no_bounds():
    mean, low, high = student_t([[0.5, 0.7]])
    assert list(mean) == [0.5, 0.7]
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_no_seed_is_nan_of_the_right_shape():
    for part in student_t(np.empty((0, 3))):
        assert part.shape == (3,)
        assert np.isnan(part).all()


def test_equal_seeds_have_no_width():
    interval = student_t([0.25, 0.25, 0.25])
    assert interval.low == interval.mean == interval.high


def test_nonsense_is_an_error():
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        student_t([1, 2], level=95)
    with pytest.raises(ValueError, match="axis 0"):
        student_t(0.5)
