"""A tuned file tells what its values were found with; a run that is set otherwise says so."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from cl_bench.config.compose import compose, config_hash, plain
from cl_bench.config.places import conf_folder
from cl_bench.config.tuned import differences, tuned_by, warning
from cl_bench.config.tuned_files import NOT_SEARCHED, found_by, read_files
from cl_bench.runner.run import execute

CONF = Path(conf_folder())
TUNED = sorted(f"{path.parent.name}/{path.stem}" for path in CONF.glob("tuned/*/*.yaml"))
NEEDED = {"benchmark.num_tasks", "model.name", "strategy.name"}
LENGTH = {"training.epochs", "training.iterations"}


def found(choice, *folders, group="tuned"):
    """What the files of a choice tell, without composing anything."""
    sources = [SimpleNamespace(schema="file", path=str(folder)) for folder in (*folders, CONF)]
    read = read_files(
        SimpleNamespace(runtime=SimpleNamespace(choices={group: choice}, config_sources=sources))
    )
    return found_by(read)


@pytest.fixture(scope="module")
def known():
    """Every setting of a run."""
    return compose(["benchmark=permuted_mnist", "strategy=bayesbinn"])


@pytest.mark.parametrize("choice", TUNED)
def test_every_tuned_file_tells_its_search_and_what_the_values_were_found_with(choice, known):
    told = found(choice)
    how = told.search.split(",")[0].split(":")[0]
    assert how in ("grid", "random", "tpe", "by hand", "published", NOT_SEARCHED)
    if how != NOT_SEARCHED:
        assert set(told.settings) >= NEEDED
        assert LENGTH & set(told.settings)
        assert {"benchmark.name", "benchmark.dataset.name"} & set(told.settings)
    if how == "by hand":
        assert told.seeds
        assert told.settings["benchmark.scenario"] in ("task", "domain", "class")
        values = {key for key in told.settings if key.startswith("strategy.")}
        assert all(OmegaConf.select(known, key) is not None for key in set(told.settings) - values), (
            "a setting that no run has"
        )


@pytest.mark.parametrize(
    "settings",
    [
        ["experiment=comparison", "strategy=ewc", "benchmark=permuted_mnist"],
        ["experiment=comparison", "strategy=vcl", "benchmark=split_mnist"],
        ["experiment=digits", "strategy=bayesbinn", "benchmark=permuted_digits"],
        ["experiment=vandeven_split_mnist", "strategy=si", "benchmark.scenario=class"],
        ["experiment=vcl_split_mnist", "strategy.coreset=k_center"],
        ["strategy=bayesbinn", "benchmark=permuted_digits"],
        ["strategy=ewc", "benchmark=permuted_digits", "seed=7", "seed_for.order=8", "training.threads=2"],
        ["strategy=vcl", "benchmark=permuted_digits", "training.test_on=validation",
         "benchmark.validation_share=0.2"],
    ],
)  # fmt: skip
def test_a_run_as_its_settings_were_found_differs_in_nothing(settings):
    config = compose(settings)
    assert tuned_by(config)["search"]
    assert differences(config) == []
    assert warning(config) == ""


EWC = ("experiment=comparison", "strategy=ewc", "benchmark=permuted_mnist")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ([*EWC, "training.epochs=1"], ["training.epochs 1 (tuned at 10)"]),
        ([*EWC, "training.batch_size=32"], ["training.batch_size 32 (tuned at 128)"]),
        ([*EWC, "model.hidden=[50]"], ["model.hidden [50] (tuned at [100, 100])"]),
        ([*EWC, "training.iterations=9", "training.epochs=null"],
         ["training.epochs null (tuned at 10)", "training.iterations 9 (tuned at null)"]),
        ([*EWC, "strategy.strength=3"], ["strategy.strength 3 (tuned at 17.4)"]),
        ([*EWC, "benchmark.scenario=class"], ["benchmark.scenario class (tuned at domain)"]),
        (
            ["strategy=online_ewc", "benchmark=permuted_mnist", "training.epochs=10",
             "benchmark.pixels=standardised"],
            ["strategy.mode online (tuned at separate)", "strategy.name online_ewc (tuned at ewc)"],
        ),
        (
            ["experiment=bayesbinn_permuted_mnist", "strategy=bayesbinn", "training.epochs=30"],
            ["training.batch_size 100 (tuned at 128)", "training.epochs 30 (tuned at 5)"],
        ),
        (
            ["experiment=vcl_restart_permuted_mnist", "strategy.coreset=none"],
            ["training.epochs 100 (published at 800)"],
        ),
        (["experiment=bayesbinn_permuted_mnist", "strategy=finetune"], []),  # nothing was searched
        (["strategy=mas", "benchmark=permuted_mnist", "training.epochs=1"], []),  # defaults
        ([*EWC, "training.epochs=1", "tuned=none"], []),
    ],
)  # fmt: skip
def test_what_is_set_otherwise_is_named_with_both_values(settings, expected):
    config = compose(settings)
    assert sorted(differences(config)) == expected
    assert (warning(config) != "") == bool(expected)
    assert "\n" not in warning(config)


def test_a_setting_that_only_the_study_s_protocol_changes_is_named_too():
    config = compose(["strategy=bayesbinn", "benchmark=permuted_digits", "model.activation=gate"])
    assert differences(config) == ["model.activation gate (tuned at relu)"]


def test_what_a_file_tells_of_its_search_is_no_part_of_the_hash():
    config = compose([*EWC])
    before = config_hash(config)
    assert "tuning" not in plain(config)
    config.tuning.search.settings["training.epochs"] = 3
    config.tuning.found = None
    assert config_hash(config) == before
    same = ["strategy.strength=17.4", "training.learning_rate=0.00571", "training.schedule=cosine"]
    same += ["model.normalisation=layer", "tuned=none"]
    assert config_hash(compose([*EWC, *same])) == before, "the values are"


@pytest.mark.parametrize(
    ("study", "name"),
    [
        (
            ["experiment=digits", "strategy=ewc", "benchmark=permuted_digits"],
            "permuted_digits-ewc-s0-6e437288",
        ),
        (["experiment=digits", "strategy=bayesbinn", "benchmark=rotated_digits"],
         "rotated_digits-bayesbinn-s0-8d347d35"),
        (["experiment=comparison", "strategy=ewc", "benchmark=split_cifar10"],
         "split_cifar10-ewc-s0-4f269573"),
    ],
)  # fmt: skip
def test_studies_have_the_settings_of_their_reference_results(study, name):
    assert name.endswith(config_hash(compose([*study, "seed=0"])))


def test_the_nearest_file_that_tells_speaks_and_a_later_value_wins(tmp_path):
    for folder, text in {
        "base": "strategy: {a: 1, b: 2}\ntuning:\n  search: by hand\n  streams: {5: []}\n  settings: {c: 3}",
        "over": "defaults: [base/x]\nstrategy: {b: 4, d: '${c}'}",
        "anew": "defaults: [base/x]\nstrategy: {b: 4}\ntuning:\n  search: grid\n  settings: {c: 9}\n"
        "  streams: {6: []}\n  trials: [{}, {}]",
        "silent": "strategy: {b: 7}",
    }.items():
        (tmp_path / "tuned" / folder).mkdir(parents=True)
        (tmp_path / "tuned" / folder / "x.yaml").write_text(text)
    values = {"strategy.a": 1, "strategy.b": 4}
    over, anew = found("over/x", tmp_path), found("anew/x", tmp_path)
    assert list(over.files) == ["tuned/over/x.yaml", "tuned/base/x.yaml"]
    assert over[1:] == ("by hand", [5], values | {"c": 3})
    assert anew[1:] == ("grid, 2 trials", [5, 6], values | {"c": 9})
    assert found("silent/x", tmp_path)[1:] == ("not told", [], {"strategy.b": 7})
    assert found("nowhere/x", tmp_path) is None


@pytest.mark.parametrize(("alone", "level"), [(True, logging.WARNING), (False, logging.INFO)])
def test_a_run_says_it_once_and_writes_it_and_a_sweep_leaves_it_to_its_table(tmp_path, caplog, alone, level):
    caplog.set_level(logging.INFO)
    small = ["benchmark.num_tasks=1", "training.epochs=1", "model.hidden=[4]"]
    common = ["strategy=ewc", "benchmark=permuted_digits", *small, f"results_dir={tmp_path}", "seeds=[0,1]"]
    folders = execute(compose(common), show_progress=alone)
    assert "tuned=none, or" in warning(compose(common))
    (said,) = [each for each in caplog.records if "tuned under another protocol" in each.getMessage()]
    assert said.levelno == level
    assert "ewc uses settings of tuned/permuted_digits/ewc.yaml" in said.getMessage()
    assert "training.epochs 1 (tuned at 5)" in said.getMessage()
    for folder in folders:
        about = json.loads((folder / "run.json").read_text())
        assert list(about["tuning"]) == ["tuned/permuted_digits/ewc.yaml"]
        assert about["tuned_by"]["search"] == "random, 16 trials"
        assert about["tuned_by"]["seeds"] == [1000, 1001]
        assert set(about["tuned_by"]["differs"]) == {
            "benchmark.num_tasks 1 (tuned at 5)",
            "training.epochs 1 (tuned at 5)",
            "model.hidden [4] (tuned at [100, 100])",
        }
    caplog.clear()
    execute(compose(common), show_progress=alone)
    assert not [each for each in caplog.records if "were found" in each.getMessage()], "finished already"
