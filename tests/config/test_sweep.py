"""The jobs of a sweep: all checked before any starts; combinations that make no sense are left out, named."""

import json
import time

import pytest

from cl_bench.cli.main import main
from cl_bench.config.checked import SettingError
from cl_bench.config.choices import choices
from cl_bench.config.compose import loader, register
from cl_bench.config.given_settings import has, with_overrides
from cl_bench.config.sweep import find, with_the_studys


@pytest.fixture(scope="module")
def source():
    register()
    return loader()


def jobs(source, *overrides):
    return find(source, overrides, anew=True)


def test_a_strategy_without_the_setting_is_left_out_and_named(source):
    found = jobs(source, "strategy=ewc,finetune", "strategy.strength=1,10", "seed=0,1")
    assert found.run == [
        ["strategy=ewc", f"strategy.strength={strength}", f"seed={seed}"]
        for strength in (1, 10)
        for seed in (0, 1)
    ]
    assert found.notes == [
        "left out: strategy=finetune has no setting strategy.strength (4 of 8 combinations)"
    ]
    assert found.left_out[0].where == {"strategy": ["finetune"], "strategy.strength": ["1", "10"]}


def test_a_fixed_value_leaves_out_as_a_swept_one_does(source):
    found = jobs(source, "strategy=ewc,finetune", "strategy.strength=1")
    assert found.run == [["strategy=ewc", "strategy.strength=1"]]
    assert found.num_left_out == 1


def test_a_value_that_some_strategies_take_is_left_out_for_the_others(source):
    found = jobs(source, "strategy=avalanche,finetune", "training.schedule=constant,cosine")
    assert len(found.run) == 3
    (note,) = found.notes
    assert note.startswith("left out: strategy=avalanche: schedule must be constant for a stock Avalanche")
    assert note.endswith("(1 of 4 combinations)")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["strategy=ewc,finetune", "strategy.strengt=1,2"], "Did you mean strategy.strength=1?"),
        (["training.epochs=1,abc", "strategy=ewc,vcl"], "epochs must be a whole number"),
        (["strategy=ewc,lwf", "strategy.strength=1,-1"], "strength must be a number and not negative"),
        (["study=a,../b"], "so that it has one study, got a, ../b: start one for each"),
        (["results_dir=a,b"], "one folder, so that it has one results_dir, got a, b"),
        (["experiment=digits,comparison"], "so that it has one experiment, got digits, comparison"),
        (["strategy=glob(bayes)"], "matches no strategy; did you mean strategy=glob(*bayes*)?"),
        (["benchmark=glob(x*)"], "benchmark=glob(x*) matches no benchmark; see cl-bench list benchmark"),
        (["strategy=glob(vcl,exclude=vcl)"], "strategy=glob(vcl,exclude=vcl) matches no strategy"),
        (["strategy=glob([zz,yy])", "seed=0,1"], "matches no strategy"),
        (["benchmark.num_train=-5", "strategy=ewc,vcl"], "num_train must be a whole number, at least 1"),
        (["strategy=ewc", "strategy.mode=online,onlin"], "mode must be one of separate, online"),
        (["strategy=ewc,lwf", "strategy.mode=online", "strategy.temperature=1"], "no setting strategy."),
        (["seed=0,-1"], "a seed must be a whole number"),
        (["training.learning_rate=interval(0,1)"], "a sweep needs values, as in a,b,c or range(0,5)"),
    ],
)
def test_what_no_job_takes_stops_all_of_them(source, overrides, message):
    with pytest.raises(SettingError) as caught:
        jobs(source, *overrides)
    assert message in str(caught.value)


def test_additions_deletions_and_choices_by_pattern_are_jobs_as_hydra_has_them(source):
    found = jobs(source, "strategy=glob(online_e*)", "~data.download", "training.epochs=2")
    assert found.run == [["strategy=online_ewc", "~data.download", "training.epochs=2"]]
    many = jobs(source, "strategy=avalanche", "+strategy.settings.ewc_lambda=1,10")
    assert [job[-1] for job in many.run] == [f"+strategy.settings.ewc_lambda={each}" for each in (1, 10)]


def test_a_thousand_jobs_are_checked_by_as_many_compositions_as_they_have_choices(source, monkeypatch):
    counted = []
    load = type(source).load_configuration
    monkeypatch.setattr(
        type(source), "load_configuration", lambda *given, **named: counted.append(1) or load(*given, **named)
    )
    started = time.process_time()
    found = jobs(source, "strategy=ewc,si", "seed=range(0,50)", "training.epochs=range(1,11)")
    assert len(found.run) == 1000
    assert len(counted) == 2
    assert time.process_time() - started < 10


def test_what_was_found_is_found_once(source, monkeypatch):
    first = jobs(source, "seed=0,1")
    monkeypatch.setattr("cl_bench.config.sweep._find", None)
    assert find(source, ["seed=0,1"]) is first


def test_a_setting_without_a_value_and_an_element_of_a_list_are_there(source):
    config = source.load_configuration("config", ["benchmark/dataset=image_folder"], "RUN")
    assert has(config, "benchmark.dataset.path")
    assert not has(config, "benchmark.dataset.paht")
    config = with_overrides(config, ["plugins=[{_target_: x}]"])
    assert has(config, "plugins.0")
    assert not has(config, "plugins.1")


# The command


@pytest.fixture
def executed(monkeypatch):
    """The configurations that a command runs; nothing is trained."""
    found = []
    monkeypatch.setattr("cl_bench.runner.job.execute", lambda config, **settings: found.append(config) or [])
    return found


def test_a_sweep_runs_what_makes_sense_and_plans_it(small, executed, tmp_path, capsys):
    main(["run", "-m", *small("strategy=ewc,finetune", "strategy.strength=1,10")])
    assert [(each.strategy.name, each.strategy.strength) for each in executed] == [("ewc", 1), ("ewc", 10)]
    said = "cl-bench: left out: strategy=finetune has no setting strategy.strength (2 of 4 combinations)"
    assert said in capsys.readouterr().err
    plan = json.loads((tmp_path / "default" / "sweep.json").read_text())
    assert plan["left_out"] == [{"strategy": ["finetune"], "strategy.strength": ["1", "10"]}]


def test_a_sweep_of_one_says_so(small, executed, capsys):
    main(["run", "-m", *small("strategy=ewc")])
    assert len(executed) == 1
    assert "-m sweeps over several values, as in seed=0,1; here are none" in capsys.readouterr().err


@pytest.mark.parametrize("study", choices("experiment"))
def test_seeds_take_the_place_of_those_of_a_study(source, study):
    whole = source.load_configuration("config", [f"experiment={study}"], "MULTIRUN")
    swept = with_the_studys(whole, ["seeds=[3,4]"])
    assert not any(each.startswith("seed=") for each in swept)
    others = [each for each in with_the_studys(whole, []) if not each.startswith("seed=")]
    assert swept == [*others, "seeds=[3,4]"]


def test_a_study_with_seeds_of_its_own_runs_and_plans_those(executed, tmp_path, capsys):
    few = ["experiment=digits", "strategy=ewc", "benchmark=split_digits", "hydra/launcher=basic"]
    assert main(["run", *few, "seeds=[3,4]", f"results_dir={tmp_path}"]) == 0
    assert [list(each.seeds) for each in executed] == [[3, 4]]
    assert json.loads((tmp_path / "digits" / "sweep.json").read_text())["seed"] == ["3", "4"]
    assert "here are none" not in capsys.readouterr().err  # nobody typed -m


def test_a_wrong_value_anywhere_in_a_sweep_starts_nothing(small, executed, tmp_path, capsys):
    assert main(["run", "-m", *small("seed=0,1", "training.batch_size=8,0")]) == 2
    assert executed == []
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err.startswith("cl-bench: batch_size must be a whole number, at least 1")


def test_hydras_own_sweeper_may_be_taken(small, executed):
    main(["run", "-m", *small("hydra/sweeper=basic", "seed=0,1")])
    assert [each.seed for each in executed] == [0, 1]


def test_a_run_goes_to_a_path_of_any_letters(executed, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    main(["run", "results_dir=~/run=1, (v2) #ü", "study=a (b)"])
    assert [each.results_dir for each in executed] == [f"{tmp_path}/run=1, (v2) #ü"]
    assert [path.name for path in tmp_path.iterdir()] == ["run=1, (v2) #ü"]
    assert (tmp_path / "run=1, (v2) #ü" / "a (b)").is_dir()
