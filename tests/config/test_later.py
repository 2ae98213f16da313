"""A setting that comes later renames no old run."""

import json
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf, open_dict

from cl_bench.analysis import load
from cl_bench.cli.main import main
from cl_bench.config.build import build
from cl_bench.config.checked import SettingError, checked
from cl_bench.config.compose import compose, config_hash, plain
from cl_bench.config.known_code import names_in
from cl_bench.records.identity import LATER_KEY, identifying, neutral_values
from cl_bench.runner.run import execute

OWN = """
from cl_bench.strategies import Finetune


class Mine(Finetune):
    def __init__(self, *, rate{later}, **learner):
        super().__init__(**learner)
"""


def nodes(settings, prefix=""):
    """The dotted names of all groups of settings, the root's too."""
    yield prefix
    for key, value in settings.items():
        if isinstance(value, dict) and key not in (LATER_KEY, "optimizer_settings"):  # which are one value
            yield from nodes(value, f"{prefix}.{key}" if prefix else key)


OPEN = {"training.optimizer_settings"}  # a value as a whole
NODES = sorted({*nodes(plain(compose(["strategy=ewc", "benchmark=split_digits"])))} - OPEN)


@pytest.mark.parametrize("node", NODES)
def test_a_new_setting_at_its_neutral_value_changes_no_hash(node):
    config = compose(["strategy=ewc", "benchmark=split_digits"])
    before = config_hash(config)
    place = OmegaConf.select(config, node) if node else config
    with open_dict(place):
        place.brand_new = 0.5
    renamed = config_hash(config)
    with open_dict(place):
        place[LATER_KEY] = {**(place.get(LATER_KEY) or {}), "brand_new": 0.5}
    kept = config_hash(config)
    place.brand_new = 0.25
    if node in ("data", "seed_for.probe", "tracking"):  # no part of a hash, whatever is in them
        assert before == renamed == kept == config_hash(config)
    else:
        assert before == kept != renamed
        assert config_hash(config) not in (before, renamed)


@pytest.mark.parametrize(
    ("neutral", "value", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (None, None, True),
        (None, 0, False),
        ([4, 6], [4, 6], True),
        (0, False, False),
    ],
)
def test_what_is_neutral(neutral, value, same):
    found = identifying({"strategy": {LATER_KEY: {"new": neutral}, "new": value, "old": 3}})
    assert found == {"strategy": {"old": 3} | ({} if same else {"new": value})}


def test_neutral_values_have_dotted_names():
    found = neutral_values({LATER_KEY: {"a": 1}, "b": {"c": {LATER_KEY: {"d": None}}}})
    assert found.items() >= {"a": 1, "b.c.d": None}.items()


def write(folder: Path, *, later: str) -> list[str]:
    """A strategy of one's own beside its YAML, without or with a setting that came later."""
    (folder / "conf" / "strategy").mkdir(parents=True, exist_ok=True)
    settings = {"name": "mine", "_target_": "later_strategy.Mine", "rate": 1.0}
    if later:
        settings |= {"decay": 0.9, LATER_KEY: {"decay": 0.9}}
    (folder / "conf" / "strategy" / "mine.yaml").write_text(yaml.safe_dump(settings))
    (folder / "later_strategy.py").write_text(OWN.format(later=later))
    return ["--config-dir", str(folder / "conf"), "strategy=mine"]


def test_runs_of_before_an_own_setting_came_are_found_again_and_told_from_others(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.syspath_prepend(str(tmp_path))
    small = ["benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]"]
    results = f"results_dir={tmp_path / 'results'}"
    assert main(["run", *write(tmp_path, later=""), *small, results]) == 0
    (before,) = (tmp_path / "results").glob("*/*/run.json")
    again = write(tmp_path, later=", decay")
    assert main(["run", *again, *small, results, "resume=keep"]) == 0
    assert list((tmp_path / "results").glob("*/*/run.json")) == [before], "the same folder, finished already"
    assert "decay" not in json.loads(before.read_text())["settings"]
    capsys.readouterr()
    monkeypatch.delitem(__import__("sys").modules, "later_strategy")
    assert main(["run", *again, *small, results, "strategy.decay=0.5"]) == 0
    (new,) = set((tmp_path / "results").glob("*/*/run.json")) - {before}
    about = json.loads(new.read_text())
    assert about["neutral"].items() >= {"strategy.decay": 0.9}.items()
    assert not any(LATER_KEY in key for key in about["settings"])
    assert set(load(tmp_path / "results")["method"]) == {"mine", "mine decay=0.5"}


def test_a_run_whose_every_part_has_a_later_setting_runs(tmp_path):
    small = ["benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]", f"results_dir={tmp_path}"]
    config = compose(["strategy=ewc", "benchmark=split_digits", *small])
    before = config_hash(config)
    for node, name in (
        ("strategy", "mode"),
        ("benchmark", "padding"),
        ("model", "weights"),
    ):
        with open_dict(OmegaConf.select(config, node)) as part:
            part[LATER_KEY] = {**(part.get(LATER_KEY) or {}), name: part[name]}
    assert config_hash(config) != before, "what they have now is neutral"
    (folder,) = execute(checked(config))
    about = json.loads((folder / "run.json").read_text())
    assert about["status"] == "finished"
    assert about["neutral"].items() >= {"strategy.mode": "separate", "benchmark.padding": 0}.items()


@pytest.mark.parametrize("declared", ["[rate]", "{rat: 1.0}", "rate"])
def test_a_slip_in_what_came_later_is_told(declared):
    config = compose(["strategy=ewc"])
    with open_dict(config.strategy):
        config.strategy[LATER_KEY] = yaml.safe_load(declared)
    with pytest.raises(SettingError, match=r"strategy\._later_ must"):
        checked(config)


@pytest.mark.parametrize(("neutral", "value"), [([1, 2], [True, 2]), ({"a": 0}, {"a": False})])
def test_truth_values_within_lists_are_no_numbers(neutral, value):
    assert identifying({LATER_KEY: {"new": neutral}, "new": value}) == {"new": value}
    assert identifying({LATER_KEY: {"new": neutral}, "new": neutral}) == {}


def test_a_plugin_in_a_list_may_have_settings_that_came_later():
    plugin = {"_target_": "mine.Plugin", "data": "x", "rate": 1.0}
    before = identifying({"plugins": [plugin, "text"]})
    assert before == {"plugins": [plugin, "text"]}
    now = plugin | {"decay": 0.9, LATER_KEY: {"decay": 0.9}}
    assert identifying({"plugins": [now, "text"]}) == before
    assert identifying({"plugins": [now | {"decay": 0.5}]}) == {"plugins": [plugin | {"decay": 0.5}]}


def test_what_came_later_is_no_code():
    found = list(names_in({"strategy": {LATER_KEY: {"decay": 1e-3, "kind": "plain"}, "decay": 1e-3}}))
    assert found == []
    hidden = {"strategy": {LATER_KEY: {"hook": "os.system"}}}
    assert [each.value for each in names_in(hidden)] == ["os.system"], "a path of code is one anywhere"


def test_a_part_of_a_strategy_may_have_settings_that_came_later():
    node = {"_target_": "builtins.dict", "part": {"_target_": "builtins.dict", "b": 4, LATER_KEY: {"b": 4}}}
    assert build(OmegaConf.create(node | {"parts": [node]})) == {
        "part": {"b": 4},
        "parts": [{"part": {"b": 4}}],
    }
