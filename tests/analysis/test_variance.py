"""Variance by part of the seed: against the analysis of variance, and unbiased by enumeration."""

import itertools

import numpy as np
import pandas as pd
import pytest

from cl_bench.analysis.matched_seeds import draw_of, moving_together, parts_of
from cl_bench.analysis.variance import variance_components, variance_shares


def crossed(*numbers):
    """Levels of all combinations, [F, n]."""
    return np.array(list(itertools.product(*map(range, numbers)))).T


def one_at_a_time(*numbers):
    """Levels of runs that differ from a first one in one factor, [F, n]."""
    runs = [[0] * len(numbers)]
    for factor, number in enumerate(numbers):
        runs += [[level * (place == factor) for place in range(len(numbers))] for level in range(1, number)]
    return np.array(runs).T


def named(levels):
    return dict(zip("abcd", levels, strict=False))


def test_one_factor_has_the_sample_variance():
    values = [0.3, 0.5, 0.9, 0.2]
    assert variance_components(values, {"a": range(4)}) == pytest.approx({"a": np.var(values, ddof=1)})


@pytest.mark.parametrize("numbers", [(2, 2), (3, 4), (5, 2)])
def test_two_crossed_factors_have_the_estimates_of_the_analysis_of_variance(numbers):
    values = np.random.default_rng(0).normal(size=numbers)
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    residual = values - rows[:, None] - columns + values.mean()
    error = (residual**2).sum() / ((numbers[0] - 1) * (numbers[1] - 1))
    expected = {
        "a": rows.var(ddof=1) - error / numbers[1],  # (MS_a - MS_e) / levels of b
        "b": columns.var(ddof=1) - error / numbers[0],
        "interaction": error,
    }
    assert variance_components(values.ravel(), named(crossed(*numbers))) == pytest.approx(expected)


@pytest.mark.parametrize(
    "levels",
    [crossed(2, 2), crossed(2, 3)[:, :5], one_at_a_time(2, 3, 2), one_at_a_time(3, 3)],
    ids=["crossed", "crossed with a gap", "one at a time, three", "one at a time, two"],
)
def test_estimates_are_unbiased_on_an_additive_model(levels):
    """Over all equally likely draws of the effects: -s or s for each level, of variance s^2."""
    scales = [2.0, 1.0, 0.5][: len(levels)]
    numbers = [len(set(level)) for level in levels]
    found = []
    for signs in itertools.product((-1, 1), repeat=sum(numbers)):
        effects = np.split(np.array(signs, dtype=float), np.cumsum(numbers)[:-1])
        values = sum(
            scale * effect[level] for scale, effect, level in zip(scales, effects, levels, strict=True)
        )
        found.append(variance_components(values, named(levels)))
    mean = {name: np.mean([each[name] for each in found]) for name in found[0]}
    expected = {name: scale**2 for name, scale in zip("abc", scales, strict=False)}
    assert {name: value for name, value in mean.items() if name != "interaction"} == pytest.approx(expected)
    assert mean.get("interaction", 0.0) == pytest.approx(0.0, abs=1e-12)


def test_interactions_are_seen_where_factors_are_crossed_only():
    assert "interaction" in variance_components(np.arange(4.0), named(crossed(2, 2)))
    assert "interaction" not in variance_components(np.arange(3.0), named(one_at_a_time(2, 2)))


def test_a_pure_interaction_is_neither_factors():
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    found = variance_components(signs, named(crossed(2, 2)))
    # MS_e = 4 / 1; both factors (0 - 4) / 2
    assert found == pytest.approx({"a": -2.0, "b": -2.0, "interaction": 4.0})


def test_a_run_done_twice_says_nothing_of_variance():
    once = variance_components([1.0, 2.0, 4.0], named(one_at_a_time(2, 2)))
    again = variance_components([1.0, 2.0, 4.0, 4.0], named(np.column_stack([one_at_a_time(2, 2), [0, 1]])))
    assert set(once) == set(again)


def test_factors_that_never_move_alone_cannot_be_told_apart():
    with pytest.raises(ValueError, match="cannot tell a, b apart"):
        variance_components([1.0, 2.0, 3.0], {"a": [0, 1, 2], "b": [0, 1, 2]})
    with pytest.raises(ValueError, match="a level a run"):
        variance_components([1.0, 2.0], {"a": [0, 1, 2]})


def test_the_seed_of_a_part_is_its_own_or_the_runs():
    settings = {"seed": 3, "seed_for.init": None, "seed_for.order": 0, "training.epochs": 5}
    assert parts_of(3, settings) == {"init": 3, "order": 0}
    assert draw_of(3, settings) == "3 order=0"
    assert draw_of(3, {"seed_for.init": 3}) == "3"


def test_parts_that_move_together_are_one_factor():
    parts = pd.DataFrame({"init": [0, 1, 1], "order": [5, 7, 7], "batches": [0, 0, 1], "noise": [2, 2, 2]})
    found = moving_together(parts)
    assert {name: level.tolist() for name, level in found.items()} == {
        "init + order": [0, 1, 1],
        "batches": [0, 0, 1],
    }


def frame(levels, values, method="ewc"):
    about = {"study": "s", "benchmark": "b", "method": method}
    return pd.DataFrame({"init": levels[0], "order": levels[1], "average_accuracy": values}).assign(**about)


def test_shares_are_of_the_sum_and_negative_variances_count_as_none():
    levels = crossed(2, 2)
    values = np.array([0.0, 0.0, 2.0, 2.0])  # init alone: MS = 4, over two orders
    shares = variance_shares(frame(levels, values), ["init", "order"], ["average_accuracy"]).set_index("part")
    assert shares["variance"].to_dict() == pytest.approx({"init": 2.0, "order": 0.0, "interaction": 0.0})
    assert shares["share"].to_dict() == pytest.approx({"init": 1.0, "order": 0.0, "interaction": 0.0})
    assert shares["num_levels"].to_dict() == {"init": 2, "order": 2, "interaction": 4}


def test_where_all_parts_change_together_there_is_nothing_to_share():
    together = frame([[0, 1, 2], [0, 1, 2]], [0.1, 0.2, 0.3])
    assert variance_shares(together, ["init", "order"], ["average_accuracy"]).empty


def test_one_part_swept_alone_is_named():
    alone = frame([[0, 1, 2], [4, 4, 4]], [0.1, 0.2, 0.3])
    (row,) = variance_shares(alone, ["init", "order"], ["average_accuracy"]).to_dict("records")
    assert (row["part"], row["share"]) == ("init", 1.0)
    assert row["variance"] == pytest.approx(0.01)
