"""Paired tests, Holm, equivalence, power, ranks and the bootstrap: against enumeration, tables and scipy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from cl_bench.analysis.bootstrap import interquartile_mean, iqm
from cl_bench.analysis.paired_tests import (
    differences,
    holm,
    paired,
    power,
    seeds_needed,
    smallest_wilcoxon,
    tost,
    wilcoxon,
    wilcoxon_holm,
)
from cl_bench.analysis.ranks import ranks

SAMPLES = [np.random.default_rng(number).normal(0.5, 1.0, size=3 + number) for number in range(8)]


def test_differences_are_on_the_seeds_that_both_methods_have():
    first, second = {0: 0.9, 3: 0.5, 1: 0.7, 4: math.nan}, {3: 0.25, 0: 0.4, 2: 0.1, 4: 1.0}
    assert differences(first, second) == pytest.approx([0.5, 0.25])


def test_a_paired_difference_by_hand():
    # 1, 2, 3: mean 2, s = 1; t_2(0.975) = 4.3027; 2 +- 4.3027 / sqrt 3 = 2 +- 2.4841; t = 2 sqrt 3 = 3.4641
    found = paired([1.0, 2.0, 3.0])
    assert (found.num_seeds, found.difference, found.deviation) == (3, 2.0, 1.0)
    assert (found.low, found.high) == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-4)
    # of two degrees of freedom, P(T <= t) = 1/2 + t / (2 sqrt(2 + t^2))
    assert found.p_student == pytest.approx(1 - math.sqrt(12) / math.sqrt(14))
    assert found.p_wilcoxon == 0.25


@pytest.mark.parametrize("sample", SAMPLES)
def test_paired_tests_are_those_of_scipy(sample):
    found = paired(sample)
    assert found.p_student == pytest.approx(stats.ttest_1samp(sample, 0.0).pvalue)
    assert found.p_wilcoxon == pytest.approx(stats.wilcoxon(sample, method="exact").pvalue)


@pytest.mark.parametrize(
    "sample", [*SAMPLES[:6], np.array([1.0, 1.0, -1.0, 2.0]), np.array([0.0, 1.0, 2.0, 3.0, -2.0])]
)
def test_wilcoxons_p_is_the_share_of_signs_at_least_as_far_from_the_middle(sample):
    ranked = stats.rankdata(np.abs(sample)) * (sample != 0)
    middle = ranked.sum() / 2
    observed = abs(ranked[sample > 0].sum() - middle)
    signs = itertools.product((0, 1), repeat=len(sample))
    far = [abs(float(np.dot(sign, ranked)) - middle) >= observed - 1e-9 for sign in signs]
    assert wilcoxon(sample) == pytest.approx(np.mean(far))


@pytest.mark.parametrize("number", range(1, 8))
def test_wilcoxon_cannot_be_below_what_few_seeds_allow(number):
    assert wilcoxon(np.arange(1.0, number + 1)) == pytest.approx(smallest_wilcoxon(number))


def test_five_seeds_are_too_few_for_wilcoxon_and_six_are_enough():
    assert smallest_wilcoxon(5) > 0.05 >= smallest_wilcoxon(6)


def test_equal_differences_are_certain_and_no_difference_is_none():
    assert paired([0.5, 0.5, 0.5]).p_student == 0
    nothing = paired([0.0, 0.0, 0.0])
    assert (nothing.difference, nothing.p_student, nothing.p_wilcoxon) == (0, 1, 1)


def test_differences_of_equal_scores_tie_although_they_are_rounded_in_the_last_bit():
    first = np.array([0.90, 0.83, 0.71, 0.94, 0.55, 0.38, 0.29])
    exact = np.array([0.02, -0.02, 0.02, 0.02, -0.02, 0.02, 0.02])
    observed = first - np.array([0.88, 0.85, 0.69, 0.92, 0.57, 0.36, 0.27])
    assert len(set(np.abs(observed))) > 1, "rounded"
    for scale in (1.0, 1e-6, 1e6):
        assert wilcoxon(observed * scale) == wilcoxon(exact) == pytest.approx(29 / 64)
    alike = first - np.array([0.88, 0.81, 0.69, 0.92, 0.53, 0.36, 0.27])
    found = paired(alike)
    assert (found.deviation, found.p_student, found.p_wilcoxon) == (0, 0, 2 / 2**7)
    assert seeds_needed(alike) == 2
    assert tost(alike, margin=0.03).p == 0
    assert tost(alike, margin=0.01).p == 1


def test_one_seed_has_a_difference_and_nothing_else():
    one = paired([0.25])
    assert (one.num_seeds, one.difference, one.p_wilcoxon) == (1, 0.25, 1)
    assert all(math.isnan(value) for value in (one.low, one.high, one.deviation, one.p_student))
    none = paired([])
    assert none.num_seeds == 0
    assert math.isnan(none.difference)


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, and never less than the one
    # before
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    found = holm([0.01, math.nan, 0.02])
    assert found[[0, 2]] == pytest.approx([0.02, 0.02])
    assert math.isnan(found[1])


def test_holm_rejects_what_the_step_down_procedure_rejects():
    generator = np.random.default_rng(1)
    for _ in range(50):
        values = generator.random(5) ** 4
        alpha, rejected = 0.05, set()
        for step, place in enumerate(np.argsort(values)):
            if values[place] > alpha / (5 - step):
                break
            rejected.add(int(place))
        assert set(np.flatnonzero(holm(values) <= alpha).tolist()) == rejected


def test_wilcoxon_holm_adjusts_wilcoxons():
    assert wilcoxon_holm(SAMPLES) == pytest.approx(holm([wilcoxon(sample) for sample in SAMPLES]))


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("margin", [0.3, 1.5, 3.0])
def test_equivalence_is_a_ninety_percent_interval_within_the_margin(sample, margin):
    found = tost(sample, margin=margin)
    inside = paired(sample, level=0.90)
    assert found.equivalent == (-margin < inside.low and inside.high < margin)
    above = stats.ttest_1samp(sample, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(sample, margin, alternative="less").pvalue
    assert found.p == pytest.approx(max(above, below))


def test_without_spread_equivalence_is_a_comparison():
    assert tost([0.1, 0.1], margin=0.2).equivalent
    assert not tost([0.3, 0.3], margin=0.2).equivalent
    assert not tost([0.1], margin=0.2).equivalent
    with pytest.raises(ValueError, match="margin must be positive, got margin=0"):
        tost([0.1, 0.1], margin=0)


def exact_sample(*, mean, deviation=1.0):
    """Two values of this mean and this sample deviation."""
    return [mean - deviation / math.sqrt(2), mean + deviation / math.sqrt(2)]


@pytest.mark.parametrize(("effect", "number"), [(0.2, 199), (0.5, 34), (0.8, 15), (-0.5, 34), (1.0, 10)])
def test_the_seeds_needed_are_those_of_the_tables_of_the_paired_t_test(effect, number):
    assert seeds_needed(exact_sample(mean=effect)) == number


@pytest.mark.parametrize("effect", [0.1, 0.37, 1.3, 2.5, 10.0])
def test_one_seed_less_than_needed_is_too_few(effect):
    number = seeds_needed(exact_sample(mean=effect))
    assert power(effect, num_seeds=number) >= 0.8 > power(effect, num_seeds=number - 1)


def test_the_power_without_an_effect_is_the_level():
    assert power(0.0, num_seeds=7) == pytest.approx(0.05)


def test_power_is_the_share_of_simulated_tests_that_reject():
    samples = np.random.default_rng(0).normal(0.9, 1.0, size=(20_000, 8))
    share = np.mean(stats.ttest_1samp(samples, 0.0, axis=1).pvalue <= 0.05)
    assert power(0.9, num_seeds=8) == pytest.approx(share, abs=0.012)  # four standard errors


def test_where_no_number_of_seeds_can_be_named_there_is_none():
    assert seeds_needed([0.3]) is None
    assert seeds_needed([-1.0, 1.0]) is None
    assert seeds_needed(exact_sample(mean=1e-3)) is None
    assert seeds_needed([0.3, 0.3]) == 2
    assert seeds_needed(exact_sample(mean=1e6)) == 2


@pytest.mark.parametrize("number", range(1, 14))
def test_the_interquartile_mean_is_scipys_trimmed_mean(number):
    values = np.random.default_rng(number).random((3, number))
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25, axis=1))


def test_the_stratified_bootstrap_is_close_to_all_resamples():
    strata = [np.array([0.0, 1.0, 5.0]), np.array([10.0, 12.0])]
    every = [
        interquartile_mean([*first, *second])
        for first in itertools.product(strata[0], repeat=3)
        for second in itertools.product(strata[1], repeat=2)
    ]
    found = iqm(strata, level=0.8, num_resamples=20_000)
    assert found.mean == pytest.approx((1 + 5 + 10) / 3)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(every, [0.1, 0.9])), abs=0.35)


def test_a_resample_never_mixes_strata():
    found = iqm([[1.0] * 4, [3.0] * 4])
    assert found == (2.0, 2.0, 2.0)


def test_the_bootstrap_is_the_same_each_time_and_one_seed_has_no_interval():
    values = [np.random.default_rng(0).random(40)]
    assert iqm(values) == iqm(values)
    assert iqm(values) != iqm(values, seed=1)
    one = iqm([[0.5], [0.7]])
    assert one.mean == pytest.approx(0.6)
    assert math.isnan(one.low)
    with pytest.raises(ValueError, match="at least one seed"):
        iqm([[0.5], []])


def test_ranks_by_hand():
    # ranks 1 2 3, 1 2 3, 1 3 2, 1 2 3; averages 1, 2.25, 2.75
    scores = [[0.9, 0.8, 0.7], [0.6, 0.5, 0.4], [0.9, 0.1, 0.2], [0.3, 0.2, 0.1]]
    found = ranks(scores)
    assert found.average == pytest.approx([1.0, 2.25, 2.75])
    # 12 N / (k (k + 1)) * (sum of squares - k (k + 1)^2 / 4) = 4 * (13.625 - 12) = 6.5
    assert found.p_friedman == pytest.approx(math.exp(-6.5 / 2))  # chi-squared of two degrees of freedom
    # Demsar's table of q at 0.05: 2.343 for three methods
    assert found.critical_difference == pytest.approx(2.343 * math.sqrt(3 * 4 / (6 * 4)), abs=1e-3)
    assert ranks(-np.array(scores), higher_is_better=False).average == pytest.approx(found.average)


@pytest.mark.parametrize(("methods", "quantile"), [(2, 1.960), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_demsars_table(methods, quantile):
    scores = np.random.default_rng(0).random((14, methods))
    expected = quantile * math.sqrt(methods * (methods + 1) / (6 * 14))
    assert ranks(scores).critical_difference == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("methods", [2, 3, 7, 40, 41])
def test_ranks_are_those_of_scipy_whose_quantiles_are_kept(methods):
    scores = np.random.default_rng(methods).integers(0, 20, (5, methods)) / 20  # with ties
    found = ranks(scores)
    quantile = stats.studentized_range.ppf(0.95, methods, np.inf)
    assert found.critical_difference == pytest.approx(
        quantile / math.sqrt(2) * math.sqrt(methods * (methods + 1) / 30), rel=1e-9
    )
    assert found.average == pytest.approx(stats.rankdata(-scores, axis=1).mean(axis=0), abs=0)
    if methods > 2:
        assert found.p_friedman == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue, rel=1e-12)


def test_ranks_of_methods_that_are_alike_and_of_too_little():
    assert ranks(np.ones((3, 3))).p_friedman == 1
    assert math.isnan(ranks([[0.2, 0.1], [0.4, 0.3]]).p_friedman)
    with pytest.raises(ValueError, match="at least two benchmarks and two methods"):
        ranks([[0.1, 0.2]])
    with pytest.raises(ValueError, match="got nan"):
        ranks([[0.1, math.nan], [0.1, 0.2]])
