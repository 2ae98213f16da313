"""The command that a report names does the same run again: its settings have the same hash."""

import json
import shlex

import pytest

from cl_bench.analysis.missing_runs import missing, read_plan
from cl_bench.cli.main import main
from cl_bench.config.choices import hidden_choices
from cl_bench.config.compose import compose, config_hash, one_seed_each
from cl_bench.config.places import conf_folder
from cl_bench.records.runs import read_run
from cl_bench.report.rerun_command import command
from cl_bench.runner.run_folder import RunFolder

RUNS = [
    [],
    ["strategy=bayesbinn", "benchmark=split_mnist", "seed=7"],
    ["experiment=digits", "strategy=ewc", "benchmark=split_digits", "seed=3", "strategy.strength=1e-10"],
    ["experiment=vandeven_permuted_mnist", "strategy=si", "seeds=[4,5]"],
    ["experiment=vandeven_permuted_mnist", "strategy=online_ewc"],  # several seeds of the study's own
    ["benchmark=permuted_mnist", "+strategy.note='50 % \\'so\\' C:\\dir \"x\" $HOME; rm -r'"],
    ["+strategy.texts=['null','1e3','a b','']", "+strategy.text='7'", "+strategy.yes='true'"],
    ["strategy=avalanche", "strategy.path=avalanche.training.EWC", "+strategy.settings.ewc_lambda=100"],
    ["plugins=[{_target_:my.Plugin,path:'a b/c',sizes:[1,2.5],on:true,of:null}]", "model.hidden=[8]"],
]


def opened(config):
    """The run's folder as it is when the run begins."""
    folder = RunFolder(one_seed_each(config)[-1])
    folder.open()
    return folder


def composed(line):
    program, verb, *rest = shlex.split(line)
    assert (program, verb) == ("cl-bench", "run")
    return compose(rest)


@pytest.mark.parametrize("overrides", RUNS)
def test_the_command_of_a_run_leads_to_its_hash(tmp_path, overrides):
    folder = opened(compose([*overrides, f"results_dir={tmp_path}"]))
    line = command(read_run(folder.path))
    config = composed(line)
    assert config_hash(config) == config_hash(folder.config)
    assert (config.seed, config.seeds) == (folder.config.seed, None)
    assert RunFolder(config).path == folder.path


@pytest.mark.parametrize("overrides", RUNS)
def test_a_run_from_before_arguments_were_recorded_names_every_setting(tmp_path, overrides):
    folder = opened(compose([*overrides, f"results_dir={tmp_path}"]))
    about = json.loads((folder.path / "run.json").read_text())
    del about["arguments"]
    (folder.path / "run.json").write_text(json.dumps(about))
    config = composed(command(read_run(folder.path)))
    assert config_hash(config) == config_hash(folder.config)
    assert config.study == folder.config.study


@pytest.fixture
def sweep(monkeypatch, tmp_path):
    """Sweeps whose runs begin and do nothing; those of strategy=vcl do not even begin."""

    def begin(config, **_):
        return [opened(config).path] if config.strategy.name != "vcl" else []

    monkeypatch.setattr("cl_bench.runner.job.execute", begin)
    return lambda *arguments: main(["run", *arguments, f"results_dir={tmp_path}", "hydra/launcher=basic"])


def test_the_command_of_a_run_of_a_study_leads_to_that_run_alone(sweep, tmp_path):
    assert sweep("experiment=digits", "seed=0,1", "benchmark=split_digits", "strategy=ewc") == 0
    found = list(tmp_path.glob("digits/*/run.json"))
    assert len(found) == 2
    for path in found:
        assert RunFolder(composed(command(read_run(path.parent)))).path == path.parent
    line = command(read_run(found[0].parent))
    for path in found:
        path.unlink()
    assert main([*shlex.split(line)[1:], "hydra/launcher=basic"]) == 0
    assert list(tmp_path.glob("digits/*/run.json")) == found[:1]


def test_a_command_names_the_folder_that_configurations_came_from(sweep, tmp_path, monkeypatch):
    mine = tmp_path / "my conf" / "strategy"
    mine.mkdir(parents=True)
    (mine / "decay.yaml").write_text("name: decay\n_target_: decaying.Decay\nrate: 1e-4\n")
    learner = "from cl_bench.strategies import Learner\n\nclass Decay(Learner):\n"
    (tmp_path / "decaying.py").write_text(
        f"{learner}    def __init__(self, *, rate: float, **learner): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sweep("--config-dir", str(mine.parent), "strategy=decay", "strategy.rate=2") == 0
    (run,) = tmp_path.glob("default/*")
    line = command(read_run(run))
    assert f"--config-dir '{mine.parent}'" in line
    (run / "run.json").unlink()
    assert main(shlex.split(line)[1:]) == 0
    assert (run / "run.json").exists()
    found = f"hydra.searchpath=['{mine.parent}']"
    config = compose([found, "strategy=decay", "strategy.rate=3", f"results_dir={tmp_path}"])
    assert config_hash(composed(command(read_run(opened(config).path)))) == config_hash(config)


def test_several_folders_of_configurations_all_count(sweep, tmp_path):
    for number in (1, 2, 3):
        folder = tmp_path / f"my conf {number}" / "strategy"
        folder.mkdir(parents=True)
        (folder / f"mine{number}.yaml").write_text(
            f"name: mine{number}\n_target_: cl_bench.strategies.L2\nstrength: {number}\n"
        )
    first, second, third = (str(path) for path in sorted(tmp_path.glob("my conf*")))
    both = ["--config-dir", first, "--config-dir", second, f"hydra.searchpath=['file://{third}']"]
    assert sweep(*both, "-m", "strategy=mine1,mine2,mine3") == 0
    found = {run.settings["strategy.strength"]: run for run in map(read_run, tmp_path.glob("default/*-s0-*"))}
    assert set(found) == {1, 2, 3}
    for run in found.values():
        (run.path / "run.json").unlink()
        assert main(shlex.split(command(run))[1:]) == 0
        assert (run.path / "run.json").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["tune", "strategy=ewc", "benchmark=no_such_benchmark"],
        ["features", "benchmark/dataset=no_such_data", "-o", "features.safetensors"],
    ],
    ids=lambda command: command[0],
)
def test_other_verbs_tell_of_a_choice_whose_name_is_taken(command, tmp_path, capsys):
    mine = tmp_path / "mine" / "strategy"
    mine.mkdir(parents=True)
    (mine / "ewc.yaml").write_text("name: ewc\n_target_: cl_bench.strategies.L2\nstrength: 1\n")
    assert main([*command, "--config-dir", str(mine.parent)]) != 0
    assert f"cl-bench: {mine / 'ewc.yaml'} is not used" in capsys.readouterr().err


def test_a_choice_whose_name_is_taken_is_told(sweep, tmp_path, capsys):
    mine = tmp_path / "mine" / "strategy"
    mine.mkdir(parents=True)
    (mine / "ewc.yaml").write_text("name: ewc\n_target_: cl_bench.strategies.L2\nstrength: 1\n")
    assert sweep("--config-dir", str(mine.parent), "strategy=ewc") == 0
    said = f"cl-bench: {mine / 'ewc.yaml'} is not used, since there is strategy=ewc already"
    assert said in capsys.readouterr().err
    (run,) = map(read_run, tmp_path.glob("default/*"))
    assert run.settings["strategy._target_"] == "cl_bench.strategies.EWC"
    assert list(hidden_choices([conf_folder()])) == []


def test_a_report_says_which_runs_of_a_sweep_have_not_begun(sweep, small, tmp_path):
    assert (
        sweep("-m", *small("strategy=finetune,vcl", "training.learning_rate=1e-3,1e-4", "seeds=[0,1]")) == 1
    )
    assert read_plan(tmp_path / "default")["seed"] == ["0", "1"]
    runs = [read_run(path.parent) for path in tmp_path.glob("*/*/run.json")]
    ((note, number),) = missing(runs)
    assert missing([run for run in runs if run.status == "broken"]) == []
    # of seeds 0 and 1 in one job only the last begins here
    assert number == 6
    assert note.startswith("default: 6 of 8 runs of the last sweep have not begun: ")
    assert "strategy=vcl training.learning_rate=0.001 seed=1" in note
    assert "strategy=finetune training.learning_rate=0.0001 seed=0" in note
    assert "strategy=finetune training.learning_rate=0.0001 seed=1" not in note
