"""`cl-bench tune`, from the command line to the YAML and the run that takes it up."""

import hashlib
import json
import sys
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from small_runs import SMALL_SEARCH

from cl_bench import records
from cl_bench.cli.main import main
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose, config_hash
from cl_bench.runner.run import execute
from cl_bench.tuning.document import nested, write_tuned
from cl_bench.tuning.search import Score, best
from cl_bench.tuning.space import Setting, dimension, draw_trials
from cl_bench.tuning.tune import check_same_benchmark, table

EWC = ("strategy=ewc", "benchmark=permuted_digits")
RATES = "training.learning_rate=1e-3,1e30,1e-2"
CANARY = ("benchmark.dataset._target_=canary.canary_data", "~benchmark.dataset.with_test")


def written(tmp_path, benchmark="permuted_digits", strategy="ewc"):
    return yaml.safe_load((tmp_path / "tuning" / benchmark / f"{strategy}.yaml").read_text())


def runs(tmp_path):
    return sorted(tmp_path.glob("tuning/*/.*/*/run.json"))


def test_the_best_is_the_highest_mean_and_of_equal_ones_the_first():
    scores = [
        Score({1: 0.2, 2: 0.4}),
        Score({1: 0.9, 2: None}, "nan"),
        Score({1: 0.5, 2: 0.1}),
        Score({1: 0.1}),
    ]
    assert [score.accuracy for score in scores] == [pytest.approx(0.3), None, pytest.approx(0.3), 0.1]
    assert best(scores) == 0
    assert best([scores[1], scores[3], Score({1: 0.0})]) == 1
    assert best([scores[1]]) is None


def test_dotted_settings_become_nested_ones():
    trial = (Setting("a.b", 1, "1"), Setting("+a.c.d", None, "null"), Setting("e", "x", "x"))
    assert nested(trial) == {"a": {"b": 1, "c": {"d": None}}, "e": "x"}


def test_a_file_has_a_line_a_trial_whatever_its_error_says(tmp_path):
    trials = [(Setting("a.b", value, str(value)),) for value in (1e-5, None, "x: {y}")]
    scores = [
        Score({1: 2 / 3, 2: 0.1}, short={1: 1 / 3}),
        Score({1: None}, "Error: a: {b}\n  # c"),
        Score({1: 0.5}),
    ]
    path = tmp_path / "tuned.yaml"
    write_tuned(path, trials=trials, scores=scores, chosen=0, about={"command": "cl-bench tune"})
    found = yaml.safe_load(path.read_text())
    assert found["a"] == {"b": 1e-5}
    assert found["tuning"]["trials"] == [
        {
            "settings": {"a.b": 1e-5},
            "accuracy": 0.38333333,
            "by_seed": {1: 0.66666667, 2: 0.1},
            "short": {1: 0.33333333},
        },
        {"settings": {"a.b": None}, "accuracy": None, "by_seed": {1: None}, "error": scores[1].error},
        {"settings": {"a.b": "x: {y}"}, "accuracy": 0.5, "by_seed": {1: 0.5}},
    ]
    assert sum(line.startswith("  - ") for line in path.read_text().splitlines()) == 3


def test_a_search_writes_the_best_values_with_every_trial(tune, tmp_path):
    status, shown, errors = tune(*EWC, "strategy.strength=1", RATES, "tune.num_seeds=2")
    assert (status, errors) == (0, "")
    found = written(tmp_path)
    search = found.pop("tuning")
    assert (search["search"], search["budget"]) == ("grid", 16)
    trials = search["trials"]
    assert [trial["settings"] for trial in trials] == [
        {"training.learning_rate": rate} for rate in (1e-3, 1e30, 1e-2)
    ]
    assert trials[1]["accuracy"] is None
    assert trials[1]["by_seed"] == {1000: None, 1001: None}
    assert trials[1]["error"].startswith("NonFiniteLossError")
    for trial in (trials[0], trials[2]):
        expected = {1000: [], 1001: []}  # after the last of 2 tasks, straight from the records
        for path in runs(tmp_path):
            rate = json.loads(path.read_text())["settings"]["training.learning_rate"]
            if rate == trial["settings"]["training.learning_rate"]:
                for record in records.read(path.parent / "records.csv"):
                    if record.after_task == 2:
                        expected[record.seed].append(record.accuracy)
        assert trial["by_seed"] == {seed: pytest.approx(sum(two) / 2) for seed, two in expected.items()}
        assert trial["accuracy"] == pytest.approx(sum(map(sum, expected.values())) / 4)
    chosen = max((trials[0], trials[2]), key=lambda trial: trial["accuracy"])
    assert trials[search["chosen"]] == chosen
    assert found == nested(
        [Setting("training.learning_rate", chosen["settings"]["training.learning_rate"], "")]
    )
    assert search["command"].startswith("cl-bench tune ")
    assert "strategy=ewc benchmark=permuted_digits" in search["command"]
    assert search["settings"]["strategy.strength"] == 1
    assert search["test_data"] == "not read"
    assert list(search["streams"]) == [1000, 1001]
    assert str(tmp_path / "tuning" / "permuted_digits" / "ewc.yaml") in shown
    assert json.loads(runs(tmp_path)[0].read_text())["test_data"] == "not read"


@pytest.mark.parametrize(
    ("test_last", "tested"), [("null", [(1, 1), (2, 1), (2, 2)]), ("1", [(1, 1), (2, 2)])]
)
def test_a_trial_tests_what_its_score_needs_and_ends_as_a_run_that_tests_all(
    tune, tmp_path, test_last, tested
):
    small = [*EWC, "strategy.strength=1"]
    assert tune(*small, "training.learning_rate=1e-3,2e-3", f"training.test_last={test_last}")[0] == 0
    trial, _ = written(tmp_path)["tuning"]["trials"]
    rates = {
        json.loads(path.read_text())["settings"]["training.learning_rate"]: path for path in runs(tmp_path)
    }
    path = rates[1e-3]
    found = records.read(path.parent / "records.csv")
    assert [(each.after_task, each.on_task) for each in found] == tested
    validation = ["training.test_on=validation", "benchmark.validation_share=0.1", "seed=1000"]
    others = [each for each in SMALL_SEARCH if not each.startswith("tune.")]
    again = [*small, *others, *validation, "training.learning_rate=1e-3", f"results_dir={tmp_path}"]
    assert main(["run", *again]) == 0
    (path,) = tmp_path.glob("default/*/records.csv")
    whole = {(each.after_task, each.on_task): each for each in records.read(path)}
    assert [whole[each.after_task, each.on_task] for each in found] == found
    ends = [each.accuracy for each in found if each.after_task == 2]
    assert trial["accuracy"] == pytest.approx(sum(ends) / len(ends))


def test_the_same_command_again_runs_nothing_that_is_finished(tune, tmp_path, monkeypatch):
    assert tune(*EWC, "strategy.strength=1,10", "training.learning_rate=1e-3")[0] == 0
    first = written(tmp_path)

    def broken(*arguments, **settings):
        raise AssertionError("a run was done again")

    monkeypatch.setattr("cl_bench.runner.run._run", broken)
    assert tune(*EWC, "strategy.strength=1,10", "training.learning_rate=1e-3")[0] == 0
    assert written(tmp_path)["tuning"]["trials"] == first["tuning"]["trials"]


def test_every_strategy_has_the_same_budget_and_each_pair_its_own_file(tune, tmp_path):
    status, _, _ = tune("strategy=ewc,finetune", "benchmark=split_digits", "tune.trials=2")
    assert status == 0
    for strategy in ("ewc", "finetune"):
        search = written(tmp_path, "split_digits", strategy)["tuning"]
        assert (search["search"], search["budget"], len(search["trials"])) == ("random", 2, 2)
        assert search["settings"]["benchmark.class_order"] == "seeded", "the reported order is fixed"


def test_a_run_takes_the_search_up_and_says_so_and_command_line_settings_win(tune, tmp_path, capsys):
    assert tune(*EWC, "strategy.strength=7", "training.learning_rate=2e-3,3e-3")[0] == 0
    path = tmp_path / "tuning" / "permuted_digits" / "ewc.yaml"
    small = [*EWC, "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]"]
    take_up = ["run", "--config-dir", str(tmp_path), *small, f"results_dir={tmp_path}"]

    def about():
        (found,) = tmp_path.glob("default/*/run.json")
        content = json.loads(found.read_text())
        for file in found.parent.iterdir():
            file.unlink()
        found.parent.rmdir()
        return content

    assert main(take_up) == 0
    told = about()
    tuned = written(tmp_path)["training"]["learning_rate"]
    assert told["settings"]["training.learning_rate"] == tuned
    assert not any(key.startswith("tuning") for key in told["settings"])
    assert told["hash"] == config_hash(compose([*small, f"training.learning_rate={tuned}"]))
    assert told["test_data"] == "read only to report"
    assert told["tuning"]["tuning/permuted_digits/ewc.yaml"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "tuned/permuted_digits/ewc.yaml" in told["tuning"]  # ours, of which it changes the step size
    assert told["tuned_by"] == {
        "search": "grid, 2 trials",
        "seeds": [1000, 1001],
        "differs": ["strategy.strength 100 (tuned at 7)"],  # ours, and it was searched with 7
    }

    assert main([*take_up, "training.learning_rate=5e-3"]) == 0
    assert about()["settings"]["training.learning_rate"] == 5e-3
    assert main([*take_up, "tuned=none", "tuning=none"]) == 0
    assert about()["tuning"] == "none: defaults"


def test_a_run_on_a_stream_that_was_tuned_on_is_refused(tune, tmp_path, capsys):
    assert tune(*EWC, "strategy.strength=7", "training.learning_rate=2e-3,3e-3")[0] == 0
    small = [
        *EWC,
        "benchmark.num_tasks=1",
        "training.epochs=1",
        "model.hidden=[8]",
        f"results_dir={tmp_path}",
    ]
    take_up = ["run", "--config-dir", str(tmp_path), *small]
    assert main([*take_up, "seed=1000"]) == 1
    assert "must not be one that its settings were tuned on, got seed=1000" in capsys.readouterr().err
    assert main([*take_up, "seed=3", "seed_for.order=1000"]) == 1
    assert "got seed=3, which shares permutation" in capsys.readouterr().err
    assert not list(tmp_path.glob("default/*/records.csv"))


@pytest.mark.parametrize("strategy", ["finetune", "ewc", "joint", "replay", "bayesbinn", "avalanche"])
def test_a_run_on_validation_images_cannot_see_a_test_image(tmp_path, monkeypatch, strategy):
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent), *sys.path])
    small = ["benchmark=permuted_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[4]"]
    common = [
        *small,
        *CANARY,
        f"strategy={strategy}",
        f"results_dir={tmp_path}",
        "benchmark.validation_share=0.5",
    ]
    (folder,) = execute(compose([*common, "training.test_on=validation"]))
    assert {record.num_examples for record in records.read(folder / "records.csv")} == {30}
    with pytest.raises(AssertionError, match="test data were read"):
        execute(compose(common))


def test_a_search_cannot_see_a_test_image(tune, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parent), *sys.path])
    status, _, errors = tune("strategy=finetune", "benchmark=split_digits", *CANARY, "tune.trials=2")
    assert status == 0
    assert all("no validation image" in line for line in errors.splitlines())
    assert written(tmp_path, "split_digits", "finetune")["tuning"]["data_source"] == "nowhere"


def test_no_report_takes_trials_for_results(tune, tmp_path, capsys):
    assert tune(*EWC, "strategy.strength=1,10", "training.learning_rate=1e-3")[0] == 0
    assert runs(tmp_path)
    assert main(["report", str(tmp_path)]) == 1
    assert "no runs in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["benchmark=permuted_digits"], "a search needs a strategy, got none"),
        ([*EWC, "seed=3"], "a search sets seed itself, got seed=3; set tune.first_seed"),
        ([*EWC, "training.ood=[mnist]"], "got training.ood=[mnist]; leave it out: validation images give"),
        ([*EWC, "training.save=[weights]"], "a search sets training.save itself"),
        ([*EWC, "training.test_on=test"], "only validation images are scored"),
        ([*EWC, "tune.trial=3"], "there is no setting tune.trial; there are tune.trials"),
        ([*EWC, "tune.trials=0"], "trials=0"),
        ([*EWC, "-m"], "got -m"),
        (
            [*EWC, "strategy.strengt=1,2"],
            "there is no setting strategy.strengt. Did you mean strategy.strength=1?",
        ),
        (
            ["strategy=ewc,finetune", "strategy.strength=1,10"],
            "strategy=finetune has no setting strategy.str",
        ),
        ([*EWC, "strategy.strength=1,-1"], "strength must be a number and not negative, got strength=-1"),
        ([*EWC, "training.epochs=0", "strategy.strength=1,2"], "epochs must be a whole number"),
        (["strategy=ewcc", "benchmark=permuted_digits"], "Did you mean strategy=ewc?"),
        (["strategy=finetune", "benchmark=permuted_digits", "training.learning_rate=1"], "nothing to search"),
        ([*EWC, "strategy.strength=interval(3,1)"], "start < end"),
        ([*EWC, "training.epochs=abc", "tune.trials=1"], "epochs"),
        (
            [*EWC, "training.learning_rate=1e30", "strategy.strength=1,2"],
            "cannot choose settings: all 2 trials failed",
        ),
    ],
)
def test_what_cannot_be_searched_is_one_line_and_nothing_is_written(tune, tmp_path, arguments, expected):
    status, shown, errors = tune(*arguments)
    assert status in (1, 2)
    assert shown == ""
    (line,) = [line for line in errors.splitlines() if not line.startswith("Error executing job with")]
    assert line.startswith("cl-bench: ")
    assert expected in line
    assert not list(tmp_path.glob("tuning/*/*.yaml"))


def test_a_search_takes_the_place_of_none_on_another_data_set(tmp_path):
    path = tmp_path / "split" / "ewc.yaml"
    check_same_benchmark(path, "split_blobs")  # there is none
    path.parent.mkdir()
    path.write_text("tuning: {settings: {benchmark.name: split_blobs}}\n")
    check_same_benchmark(path, "split_blobs")
    with pytest.raises(
        ValueError, match=r"searched on split_blobs, and this search is on split_other: .*tune.fold"
    ):
        check_same_benchmark(path, "split_other")


def test_help_names_every_setting_of_the_search(capsys):
    assert main(["tune", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "tag(log,interval" in shown
    assert "trials: 16" in shown
    assert "validation_share: 0.1" in shown


def test_the_groups_of_tuned_settings_are_no_choices_of_ours():
    assert choices("tuning") == {}


def test_early_stopping_is_tuned_on_the_validation_images_of_the_search(tune, tmp_path):
    status, _, errors = tune(
        *EWC, "strategy.strength=1,10", "training.patience=1", "training.learning_rate=1e-3"
    )
    assert (status, errors) == (0, "")
    assert written(tmp_path)["tuning"]["settings"]["training.patience"] == 1


def test_the_table_of_trials_writes_values_as_a_command_takes_them():
    grid = [dimension("strategy.clip", "null,0.1"), dimension("+strategy.restart", "true,false")]
    _, trials = draw_trials(grid, num_trials=4, seed=0)
    shown = table(trials, [Score({1000: 0.5})] * 4, chosen=0).splitlines()
    for line, trial in zip(shown, trials, strict=True):
        words = line.removeprefix("*").split()[:-1]
        read = OverridesParser.create().parse_overrides(words)
        assert [each.value() for each in read] == [setting.value for setting in trial]
    assert "strategy.clip=null" in shown[0]
