"""Trials by the scores so far: the same each time, all different, and nearer to the best than chance."""

import json
import math
import sys

import pytest
import yaml

from cl_bench.cli.main import main
from cl_bench.tuning.space import draw_trials, read_space
from cl_bench.tuning.tpe import propose

pytest.importorskip("optuna")
SPACE = read_space({"a": "tag(log,interval(1e-4,1e-1))", "b": "int(interval(1,9))", "c": "u,v,w"})


def accuracy(trial):
    """Highest at a = 1e-2, b = 6, c = v; some settings diverge."""
    a, b, c = (setting.value for setting in trial)
    if a > 0.09:
        return None
    return 1 - 0.1 * abs(math.log10(a) + 2) - 0.03 * abs(b - 6) - 0.2 * (c != "v")


def searched(seed, *, num_trials=24, at_once=4):
    trials = []
    while len(trials) < num_trials:
        asked = propose(SPACE, trials, [*map(accuracy, trials)], number=at_once, num_startup=8, seed=seed)
        assert len(asked) == at_once
        trials += asked
    return trials


def best(trials):
    return max(score for score in map(accuracy, trials) if score is not None)


def test_a_search_is_that_of_its_seed_and_no_setting_is_tried_twice():
    trials = searched(0)
    assert trials == searched(0)
    assert trials != searched(1)
    assert len(set(trials)) == len(trials)
    for a, b, c in trials:
        assert 1e-4 <= a.value <= 1e-1
        assert b.value in range(1, 9)
        assert c.written in ("u", "v", "w")
        assert float(f"{a.value:.3g}") == a.value


def test_what_is_proposed_is_better_than_chance():
    """The mean of the last 16 of 24, over 8 seeds; of random ones it is that of all."""
    proposed, drawn = [], []
    for seed in range(8):
        _, random = draw_trials(SPACE, num_trials=24, seed=seed)
        for found, trials in ((proposed, searched(seed)[8:]), (drawn, random)):
            known = [score for score in map(accuracy, trials) if score is not None]
            found.append(sum(known) / len(known))
    assert sum(proposed) / 8 > sum(drawn) / 8 + 0.05


def test_of_a_space_that_is_used_up_nothing_is_proposed():
    space = read_space({"c": "u,v,w"})
    trials = propose(space, [], [], number=3, num_startup=1, seed=0)
    assert {setting.value for (setting,) in trials} == {"u", "v", "w"}
    assert propose(space, trials, [0.1, None, 0.3], number=2, num_startup=1, seed=0) == []


def test_a_command_searches_by_scores_within_the_budget_and_repeats_nothing(tune, tmp_path):
    command = (
        *("strategy=ewc", "benchmark=split_digits", "tune.sampler=tpe", "tune.trials=5", "tune.at_once=2"),
        "strategy.strength=tag(log,interval(1,1e4))",
        "training.learning_rate=tag(log,interval(1e-4,1e-1))",
    )
    status, shown, errors = tune(*command)
    assert (status, errors) == (0, "")
    path = tmp_path / "tuning" / "split_digits" / "ewc.yaml"
    found = yaml.safe_load(path.read_text())["tuning"]
    assert (found["search"], found["budget"], found["at_once"], len(found["trials"])) == ("tpe", 5, 2, 5)
    assert found["test_data"] == "not read"
    accuracies = [trial["accuracy"] for trial in found["trials"]]
    assert accuracies[found["chosen"]] == max(accuracies)
    runs = {path: path.stat().st_mtime_ns for path in tmp_path.glob("tuning/*/.*/*/records.csv")}
    assert len(runs) == 5
    assert tune(*command)[1] == shown
    assert runs == {path: path.stat().st_mtime_ns for path in tmp_path.glob("tuning/*/.*/*/records.csv")}


def test_finalists_alone_are_tried_on_more_streams_and_one_of_them_is_chosen(tune, tmp_path):
    command = (
        *(
            "strategy=ewc",
            "benchmark=split_digits",
            "strategy.strength=1",
            "tune.num_seeds=3",
            "tune.finalists=2",
        ),
        "training.learning_rate=1e-5,1e-3,1e30,1e-2",
    )
    status, shown, errors = tune(*command)
    assert (status, errors) == (0, "")
    found = yaml.safe_load((tmp_path / "tuning" / "split_digits" / "ewc.yaml").read_text())["tuning"]
    assert found["finalists"] == 2
    tried = [list(trial["by_seed"]) for trial in found["trials"]]
    firsts = [trial["by_seed"][1000] for trial in found["trials"]]
    assert sorted(map(len, tried)) == [1, 1, 3, 3]
    best = sorted(range(4), key=lambda index: -(firsts[index] or 0))[:2]
    assert all(tried[index] == [1000, 1001, 1002] for index in best)
    assert found["chosen"] == max(best, key=lambda index: found["trials"][index]["accuracy"])
    assert shown.count("on 1000 alone") == 2
    assert tune(*command)[1] == shown


def test_finalists_of_short_runs_are_tried_anew_in_full_on_every_stream(tune, tmp_path):
    """The scores of short runs choose who is tried further, and count for nothing else."""
    command = (
        *("strategy=ewc", "benchmark=split_digits", "strategy.strength=1", "training.epochs=2"),
        *("tune.num_seeds=2", "tune.finalists=2", "tune.short={training.epochs:1,benchmark.num_train:300}"),
        "training.learning_rate=1e-5,1e-3,1e-2",
    )
    status, shown, errors = tune(*command)
    assert (status, errors) == (0, "")
    found = yaml.safe_load((tmp_path / "tuning" / "split_digits" / "ewc.yaml").read_text())["tuning"]
    assert found["short"] == {"training.epochs": 1, "benchmark.num_train": 300}
    assert (found["settings"]["training.epochs"], found["settings"]["benchmark.num_train"]) == (2, None)
    firsts = [trial.get("short", trial["by_seed"])[1000] for trial in found["trials"]]
    best = sorted(range(3), key=lambda index: -firsts[index])[:2]
    for index, trial in enumerate(found["trials"]):
        assert list(trial.get("short", trial["by_seed"])) == [1000]
        assert ("short" in trial) == (index in best)
        assert list(trial["by_seed"]) == ([1000, 1001] if index in best else [1000])
    assert found["chosen"] == max(best, key=lambda index: found["trials"][index]["accuracy"])
    assert shown.count("in short runs on 1000 alone") == 1
    runs = [
        json.loads(path.read_text())["settings"]["training.epochs"]
        for path in tmp_path.glob("tuning/*/.*/*/run.json")
    ]
    assert sorted(runs) == [1, 1, 1, 2, 2, 2, 2]
    assert tune(*command)[1] == shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tune.short={training.epochs:1}",), "tune.short needs finalists"),
        (("tune.short=3", "tune.finalists=2"), "tune.short must be settings such as {training.epochs:2}"),
        (("tune.short={seed:1}", "tune.finalists=2"), "short runs cannot have a seed of their own"),
        (("tune.short={training.epoch:1}", "tune.finalists=2"), "Did you mean training.epochs"),
        (("tune.short={training.epochs:0}", "tune.finalists=2"), "epochs must be a whole number"),
    ],
)
def test_wrong_short_runs_are_refused_before_anything_is_tried(words, told, capsys, tmp_path):
    assert main(["tune", "strategy=ewc", f"results_dir={tmp_path}", *words])
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_grid_within_the_budget_is_tried_whole_with_any_sampler(tune, tmp_path):
    assert (
        tune("strategy=ewc", "strategy.strength=1,10", "training.learning_rate=1e-3", "tune.sampler=tpe")[0]
        == 0
    )
    found = yaml.safe_load((tmp_path / "tuning" / "permuted_digits" / "ewc.yaml").read_text())["tuning"]
    assert (found["search"], len(found["trials"])) == ("grid", 2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tune.sampler=bayes",), "tune.sampler must be one of random, tpe, got tune.sampler='bayes'"),
        (("tune.at_once=0",), "at_once must be a whole number, at least 1"),
    ],
)
def test_a_wrong_sampler_is_told(words, told, capsys):
    assert main(["tune", "strategy=ewc", *words]) == 1
    assert told in capsys.readouterr().err


def test_without_optuna_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert main(["tune", "strategy=ewc", "tune.sampler=tpe"]) == 1
    assert "pip install optuna" in capsys.readouterr().err
