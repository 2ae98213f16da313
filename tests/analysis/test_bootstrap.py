"""The stratified bootstrap: from where it draws, and what its intervals are."""

import numpy as np
import pytest

from cl_bench.analysis.bootstrap import bootstrapped, iqm, of_all_runs
from cl_bench.analysis.improvement import probability_of_improvement
from cl_bench.analysis.profiles import performance_profile


def strata(*numbers):
    generator = np.random.default_rng(0)
    return [generator.random(number) for number in numbers]


def test_a_resample_draws_from_each_stratum_alone_and_as_many_as_there_are():
    seen = []

    def statistic(drawn):
        seen.append(drawn)
        return drawn[0].mean(axis=-1)

    bootstrapped([[1.0, 2.0], [10.0, 20.0, 30.0]], statistic, num_resamples=50)
    one, two = seen[1]
    assert (one.shape, two.shape) == ((50, 2), (50, 3))
    assert set(one.ravel()) == {1.0, 2.0}
    assert set(two.ravel()) == {10.0, 20.0, 30.0}


def test_the_interval_is_the_quantiles_of_all_resamples_that_there_are():
    # of two values the mean is the low, the middle or the high one: chances 1/4, 1/2, 1/4
    found = bootstrapped([[0.0, 1.0]], lambda drawn: drawn[0].mean(axis=-1), level=0.4)
    assert (float(found.value), float(found.low), float(found.high)) == (0.5, 0.5, 0.5)
    wide = bootstrapped([[0.0, 1.0]], lambda drawn: drawn[0].mean(axis=-1), level=0.95)
    assert (float(wide.low), float(wide.high)) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_interval_and_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    one, two, other = (iqm(strata(5, 5), seed=seed) for seed in (0, 0, 1))
    assert one == two
    assert one.low != other.low
    assert (np.random.get_state()[1] == before).all()


def test_one_run_a_benchmark_has_no_interval():
    single = [np.array([0.5]), np.array([0.7])]
    for found in (
        bootstrapped(single, of_all_runs),
        probability_of_improvement(single, single),
        performance_profile(single, [0.5]),
    ):
        assert np.isfinite(found.value).all()
        assert np.isnan(found.low).all()
        assert np.isnan(found.high).all()


@pytest.mark.parametrize("wrong", [[], [[]], [[0.5], []], [[[0.5]]]])
def test_strata_without_a_value_are_refused(wrong):
    for call in (
        lambda: bootstrapped(wrong, of_all_runs),
        lambda: probability_of_improvement(wrong, wrong),
        lambda: performance_profile(wrong, [0.5]),
    ):
        with pytest.raises(ValueError, match="a stratum must have a value"):
            call()
