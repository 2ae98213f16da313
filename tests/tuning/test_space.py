"""What is searched, and which settings are tried."""

import math

import pytest
import yaml

from cl_bench.config.choices import choices
from cl_bench.config.compose import compose
from cl_bench.config.places import conf_folder
from cl_bench.tuning.search_files import space_of
from cl_bench.tuning.space import Choices, Interval, dimension, draw_trials, read_space

LOG = "tag(log,interval(1e-4,1e-1))"


def values(trial):
    return tuple(setting.value for setting in trial)


@pytest.mark.parametrize("strategy", choices("strategy"))
def test_every_strategy_has_a_space_of_settings_that_it_has(strategy):
    space = space_of(strategy, [], {})
    _, trials = draw_trials(space, num_trials=1, seed=0)
    compose([f"strategy={strategy}", *(setting.override for setting in trials[0])])
    assert len({each.key for each in space}) == len(space)


@pytest.mark.parametrize("strategy", choices("strategy"))
def test_every_strategy_has_the_whole_budget_or_is_tried_at_all_points(strategy):
    budget = yaml.safe_load((conf_folder() / "tune.yaml").read_text())["trials"]
    space = space_of(strategy, [], {})
    _, trials = draw_trials(space, num_trials=budget, seed=0)
    grid = [len(each.values) for each in space if isinstance(each, Choices)]
    most = math.prod(grid) if len(grid) == len(space) else budget
    assert len({values(trial) for trial in trials}) == min(budget, most)


def test_every_space_is_that_of_a_strategy():
    assert set(choices("search")) == set(choices("strategy"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,10,1e-3", (1, 10, 0.001)),
        ("range(1,4)", (1, 2, 3)),
        ("choice(relu,gate)", ("relu", "gate")),
        ("choice(relu)", ("relu",)),
        ("null,2.5", (None, 2.5)),
        ("true,false", (True, False)),
        ("[1,2],[3]", ([1, 2], [3])),
        ("'a b',c", ("a b", "c")),
    ],
)
def test_choices_are_written_so_that_they_are_read_as_the_same(text, expected):
    found = dimension("a.b", text)
    assert isinstance(found, Choices)
    assert found.values == expected
    again = dimension("a.b", found.text)
    assert again == found


def test_intervals_are_read_with_their_kind():
    assert dimension("a", "interval(1,3)") == Interval("a", 1.0, 3.0, log=False)
    assert dimension("a", LOG) == Interval("a", 1e-4, 1e-1, log=True)
    assert dimension("a", Interval("a", 1e-4, 1e-1, log=True).text) == dimension("a", LOG)
    assert dimension("a", "3") is None


@pytest.mark.parametrize("text", ["interval(2,1)", "interval(1,1)", "tag(log,interval(0,1))"])
def test_an_interval_that_holds_nothing_is_an_error(text):
    with pytest.raises(ValueError, match=r"an interval must have .*start < end, got a=.*interval"):
        dimension("a", text)


def test_a_space_of_one_value_is_an_error():
    with pytest.raises(ValueError, match=r"several values, got strategy\.strength=3"):
        read_space({"strategy.strength": 3})


def test_a_grid_within_the_budget_is_tried_whole_and_once():
    space = read_space({"a": "1,2,3", "b": "x,y"})
    how, trials = draw_trials(space, num_trials=6, seed=0)
    assert how == "grid"
    assert [values(trial) for trial in trials] == [(a, b) for a in (1, 2, 3) for b in ("x", "y")]
    assert [setting.override for setting in trials[3]] == ["a=2", "b=y"]


def test_of_a_larger_grid_different_points_are_drawn_by_the_seed_alone():
    space = read_space({"a": "1,2,3", "b": "x,y"})
    how, trials = draw_trials(space, num_trials=5, seed=0)
    assert how == "random"
    assert len({values(trial) for trial in trials}) == 5
    assert draw_trials(space, num_trials=5, seed=0) == (how, trials)
    assert any(draw_trials(space, num_trials=5, seed=seed)[1] != trials for seed in (1, 2, 3))


@pytest.mark.parametrize("text", ["int(interval(1,4))", "interval(0.001,0.00102)"])
def test_no_setting_is_drawn_twice_and_a_small_space_gives_fewer(text):
    for seed in range(5):
        how, trials = draw_trials(read_space({"a": text, "b": "u,v"}), num_trials=16, seed=seed)
        written = [tuple(setting.override for setting in trial) for trial in trials]
        assert how == "random"
        assert len(written) == len(set(written)) == 6


def test_draws_lie_in_their_interval_evenly_by_their_logarithm():
    space = read_space({"a": LOG, "b": "int(interval(1,4))", "c": "interval(-1,1)", "d": "u,v"})
    how, trials = draw_trials(space, num_trials=400, seed=0)
    assert how == "random"
    log, whole, linear, choice = zip(*map(values, trials), strict=True)
    assert all(1e-4 <= value <= 1e-1 for value in log)
    assert sum(map(math.log10, log)) / 400 == pytest.approx(-2.5, abs=0.15)  # 3.5 standard errors
    assert set(whole) == {1, 2, 3}
    assert all(-1 <= value <= 1 for value in linear)
    assert sum(linear) / 400 == pytest.approx(0, abs=0.1)
    assert set(choice) == {"u", "v"}
    assert all(float(f"{value:.3g}") == value for value in log)
