"""Scores over benchmarks: profiles, probability of improvement and aggregates against closed forms."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, trim_mean

from cl_bench.analysis import AnalysisError
from cl_bench.analysis.aggregates import STATISTICS, aggregate_scores, optimality_gap
from cl_bench.analysis.bootstrap import draws, iqm
from cl_bench.analysis.improvement import improvements, probability_of_improvement
from cl_bench.analysis.over_benchmarks import NORMALISED, best_first, compared_method, scores_over_benchmarks
from cl_bench.analysis.profiles import performance_profile, performance_profiles, spread
from cl_bench.records.errors import NotMeasuredError


def strata(*numbers, seed=0, places=2):
    """Rounded, so that there are ties."""
    generator = np.random.default_rng(seed)
    return [generator.random(number).round(places) for number in numbers]


def values(scores, metric="average_accuracy"):
    """Rows of `run_metrics` of method -> benchmark -> scores."""
    rows = [
        {"study": "s", "benchmark": benchmark, "method": method, "strategy": method.split(" ")[0]}
        | {"seed": seed, "run": f"{method}-{seed}", "average_accuracy": 0.5}
        | {metric: score}
        for method, each in scores.items()
        for benchmark, found in each.items()
        for seed, score in enumerate(found)
    ]
    return pd.DataFrame(rows)


# Statistics


@pytest.mark.parametrize("numbers", [(3, 3), (5, 4, 7), (1, 1), (10, 10, 10, 10)])
def test_the_interquartile_mean_is_the_trimmed_mean_of_all_runs(numbers):
    found = strata(*numbers, places=6)
    expected = trim_mean(np.concatenate(found), 0.25)
    assert iqm(found).mean == pytest.approx(expected, abs=1e-12)
    assert float(STATISTICS["IQM"](found)) == pytest.approx(expected, abs=1e-12)


def test_mean_and_median_are_over_the_means_of_benchmarks():
    found = [np.array([0.1, 0.3]), np.array([0.9]), np.array([0.4, 0.4, 0.7])]
    means = [0.2, 0.9, 0.5]
    assert float(STATISTICS["mean"](found)) == pytest.approx(np.mean(means))
    assert float(STATISTICS["median"](found)) == pytest.approx(0.5)


def test_the_optimality_gap_of_accuracies_is_the_mean_error_and_excess_is_not_made_up_for():
    found = strata(4, 4)
    assert float(optimality_gap(found)) == pytest.approx(1 - np.concatenate(found).mean())
    assert float(optimality_gap([np.array([0.5]), np.array([3.0])])) == pytest.approx(0.25)


def test_forgetting_has_its_gap_to_none_and_the_least_first():
    scores = {"ewc": {"a": [0.1, 0.2], "b": [0.3, -0.4]}, "si": {"a": [0.0, 0.0], "b": [0.1, 0.1]}}
    found = scores_over_benchmarks(values(scores, "forgetting"), "forgetting")
    table = aggregate_scores(found).set_index(["method", "statistic"])["value"]
    assert not found.higher_is_better
    assert table["ewc", "optimality gap"] == pytest.approx((0.15 + 0.15) / 2)
    assert table["si", "optimality gap"] == pytest.approx(0.05)
    assert best_first(found) == ["si", "ewc"]  # 0.05 of all; 0.15 of the two in the middle


# Probability of improvement


@pytest.mark.parametrize(("ours", "theirs"), [((3, 3), (3, 3)), ((5, 2), (4, 7)), ((1,), (6,))])
def test_the_probability_of_improvement_is_that_of_all_pairs_with_ties_as_one_half(ours, theirs):
    x, y = strata(*ours, places=1), strata(*theirs, seed=1, places=1)
    expected = np.mean(
        [
            np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(one, other)])
            for one, other in zip(x, y, strict=True)
        ]
    )
    assert float(probability_of_improvement(x, y).value) == pytest.approx(expected)
    assert float(probability_of_improvement(y, x).value) == pytest.approx(1 - expected)


def test_it_is_the_statistic_of_mann_and_whitney():
    (x,), (y,) = strata(8, places=1), strata(9, seed=3, places=1)
    expected = mannwhitneyu(x, y).statistic / (len(x) * len(y))
    assert float(probability_of_improvement([x], [y]).value) == pytest.approx(expected)


def test_its_interval_is_that_of_resampled_runs_of_both_methods():
    x, y = strata(3, 4), strata(5, 2, seed=1)
    generator = np.random.default_rng(7)
    first = draws([3, 4], generator=generator, num_resamples=200)
    second = draws([5, 2], generator=generator, num_resamples=200)
    resampled = [
        float(
            probability_of_improvement(
                [one[place[r]] for one, place in zip(x, first, strict=True)],
                [one[place[r]] for one, place in zip(y, second, strict=True)],
                num_resamples=1,
            ).value
        )
        for r in range(200)
    ]
    found = probability_of_improvement(x, y, seed=7, num_resamples=200)
    assert [float(found.low), float(found.high)] == pytest.approx(np.quantile(resampled, [0.025, 0.975]))


def test_different_benchmarks_are_refused():
    with pytest.raises(ValueError, match="the same benchmarks, got 2 and 1"):
        probability_of_improvement([[0.5], [0.5]], [[0.5]])


def test_less_forgetting_is_an_improvement_and_the_two_orders_of_a_pair_add_up():
    scores = {"ewc": {"a": [0.3, 0.2], "b": [0.3, 0.2]}, "si": {"a": [0.1, 0.2], "b": [0.4, 0.1]}}
    found = scores_over_benchmarks(values(scores, "forgetting"), "forgetting")
    table = improvements(found).set_index(["first", "second"])["value"]
    assert table["si", "ewc"] == pytest.approx((3.5 / 4 + 2 / 4) / 2)
    assert table["si", "ewc"] + table["ewc", "si"] == pytest.approx(1)
    assert list(improvements(found, against="ewc")["second"]) == ["si"]


def test_joint_training_is_no_contender_unless_it_is_alone():
    scores = {"joint": {"a": [0.9], "b": [0.9]}, "ewc": {"a": [0.5], "b": [0.5]}}
    found = scores_over_benchmarks(values(scores))
    assert best_first(found) == ["joint", "ewc"]
    assert compared_method(found) == "ewc"


# Profiles


def test_a_profile_counts_the_runs_that_reach_each_threshold():
    found = strata(4, 6, places=1)
    taus = np.linspace(-0.05, 1.05, 23)
    expected = [np.mean([np.mean([x >= tau for x in one]) for one in found]) for tau in taus]
    assert performance_profile(found, taus).value == pytest.approx(expected)


def test_a_run_at_the_threshold_reaches_it():
    assert performance_profile([[0.5], [0.5]], [0.5, np.nextafter(0.5, 1)]).value.tolist() == [1.0, 0.0]


def test_the_area_under_a_profile_is_the_mean():
    found = strata(5, 5, places=6)
    taus = np.linspace(0, 1, 100_001)
    area = np.trapezoid(performance_profile(found, taus, num_resamples=2).value, taus)
    assert area == pytest.approx(np.concatenate(found).mean(), abs=2e-5)


def test_the_band_of_a_profile_is_that_of_resampled_counts():
    found, taus = strata(3, 4), np.linspace(0, 1, 7)
    places = draws([3, 4], generator=np.random.default_rng(3), num_resamples=300)
    resampled = [
        [
            np.mean([np.mean(one[place[r]] >= tau) for one, place in zip(found, places, strict=True)])
            for tau in taus
        ]
        for r in range(300)
    ]
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    band = performance_profile(found, taus, seed=3, num_resamples=300)
    assert band.low == pytest.approx(low)
    assert band.high == pytest.approx(high)


def test_of_forgetting_a_profile_counts_the_runs_that_forget_no_more():
    scores = {"ewc": {"a": [0.1, 0.3], "b": [0.2, 0.4]}, "si": {"a": [0.0], "b": [0.0]}}
    found = scores_over_benchmarks(values(scores, "forgetting"), "forgetting")
    table = performance_profiles(found, thresholds=[0.0, 0.2, 0.5])
    assert table[table["method"] == "ewc"]["mean"].tolist() == [0.0, 0.5, 1.0]
    assert table[table["method"] == "si"]["mean"].tolist() == [1.0, 1.0, 1.0]


def test_thresholds_go_from_where_all_runs_reach_to_where_none_does():
    for scores in ({"a": [0.2, 0.8], "b": [0.5]}, {"a": [0.5], "b": [0.5]}):
        found = scores_over_benchmarks(values({"ewc": scores, "si": scores}))
        shares = performance_profiles(found)["mean"]
        assert (shares.iloc[0], shares.iloc[-1]) == (1.0, 0.0)
        assert len(spread(found)) == len(shares) / 2


# Designs


THREE = {
    "ewc": {"a": [0.5, 0.6], "b": [0.7]},
    "joint": {"a": [0.9, 0.9], "b": [0.8, 0.9]},
    "finetune": {"a": [0.3, 0.3], "b": [0.2]},
    "vcl": {"b": [0.6]},
}


def test_a_method_that_lacks_a_benchmark_is_left_out_and_said_to_be():
    found = scores_over_benchmarks(values(THREE))
    assert found.benchmarks == ["a", "b"]
    assert list(found.strata) == ["ewc", "joint", "finetune"]
    assert found.left_out == ("without vcl (not run on a)",)


def test_a_nan_is_no_run():
    with_nan = THREE | {"ewc": {"a": [0.5, np.nan], "b": [np.nan]}}
    found = scores_over_benchmarks(values(with_nan))
    assert found.left_out == ("without ewc (not run on b)", "without vcl (not run on a)")


def test_normalised_scores_are_0_for_fine_tuning_and_1_for_joint_training():
    found = scores_over_benchmarks(values(THREE), NORMALISED)
    for place in range(2):
        assert found.strata["finetune"][place].mean() == pytest.approx(0)
        assert found.strata["joint"][place].mean() == pytest.approx(1)
    assert found.strata["ewc"][0] == pytest.approx([(0.5 - 0.3) / 0.6, (0.6 - 0.3) / 0.6])
    assert found.strata["ewc"][1] == pytest.approx([(0.7 - 0.2) / (0.85 - 0.2)])


@pytest.mark.parametrize(
    ("scores", "metric", "kind", "said"),
    [
        (
            {"ewc": {"a": [0.5]}, "si": {"a": [0.5]}},
            "average_accuracy",
            NotMeasuredError,
            "these runs are of a",
        ),
        ({}, "average_accuracy", NotMeasuredError, "these runs are of none"),
        (
            {"ewc": {"a": [0.5]}, "si": {"b": [0.5]}},
            "average_accuracy",
            NotMeasuredError,
            "2 methods or more that were all run on each of a, b",
        ),
        (THREE, "accuracy", AnalysisError, "there is no metric 'accuracy' .* average_accuracy"),
        (
            {name: THREE[name] for name in ("ewc", "joint")},
            NORMALISED,
            NotMeasuredError,
            "both be among the methods on a: run them, or compare average_accuracy",
        ),
        (
            THREE | {"finetune": {"a": [0.3], "b": [0.95]}},
            NORMALISED,
            AnalysisError,
            "joint to be better than finetune, and on b it is not",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(scores, metric, kind, said):
    columns = ["benchmark", "method", "strategy", "average_accuracy"]
    table = values(scores) if scores else pd.DataFrame(columns=columns)
    with pytest.raises(kind, match=said):
        scores_over_benchmarks(table, metric)
