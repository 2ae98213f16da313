"""`cl-bench verify` of a stranger's run: nothing of it is run, imported or resolved, nothing is large."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from cl_bench.cli.main import main
from cl_bench.config import known_code
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose, plain
from cl_bench.config.known_code import Named, is_known, known_names, names_in
from cl_bench.records.runs import MOST_TASKS as READ_AT_MOST
from cl_bench.runner.run import execute
from cl_bench.runner.stored_config import StoredConfigError, read_yaml, stored_config
from cl_bench.validation import MOST_TASKS

OVERRIDES = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]")


@pytest.fixture(autouse=True)
def _as_before(process_as_before: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a second."""
    results = tmp_path_factory.mktemp("original")
    return execute(compose([*OVERRIDES, f"results_dir={results}"]))[0]


@pytest.fixture
def run(original: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(original, tmp_path / "theirs" / original.name))


def set_in(run: Path, place: str, value: Any) -> None:
    """Change a setting of the stored configuration; a place such as benchmark.dataset.root."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    node, (*way, last) = config, place.split(".")
    for key in way:
        node = node[key]
    node[last] = value
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def refused(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said, in one line, of a run that is not verified."""
    before = time.monotonic()
    assert main(["verify", str(run)]) == 1
    assert time.monotonic() - before < 20
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.isprintable() or said[:-1].isprintable()
    return said


COMMAND = {"_target_": "torch.utils.collect_env.run", "command": "touch PWNED"}
PLACES = [
    *("plugins", "loggers", "strategy.mode", "strategy.strength", "training.epochs", "training.optimizer"),
    *("model.activation", "model.hidden", "benchmark.num_tasks", "benchmark.dataset.name", "seed_for.init"),
    *("seed", "seeds", "study", "results_dir", "resume", "benchmark.name", "strategy.name", "extra"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "value", [COMMAND, [COMMAND], {"deep": [{"er": COMMAND}]}, {"_target_": "builtins.exec", "_args_": ["1"]}]
)
def test_a_target_that_nobody_names_there_is_refused_wherever_it_stands(run: Path, place: str, value: Any):
    set_in(run, place, value)
    with pytest.raises(StoredConfigError):
        stored_config(run)
    assert not Path("PWNED").exists()


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "${oc.create:[{_target_:torch.utils.collect_env.run,command:'touch PWNED'}]}",
        "${oc.env:HOME}",
        "\\${oc.env:HOME}",
        "a ${run_name:} b",
        "${seed}",
        "${",
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_no_interpolation_is_taken_wherever_it_stands(run: Path, place: str, text: str, trust: bool):
    set_in(run, place, text)
    with pytest.raises(StoredConfigError, match="must hold plain values, got the interpolation"):
        stored_config(run, trust=trust)


@pytest.mark.parametrize(
    "seeds", ["${oc.create:[1]}", ["${seed}"], [0, [1]], {"a": 1}, 10**400, [1], [0] * 2]
)
def test_seeds_in_run_json_are_numbers_and_nothing_else(
    run: Path, capsys: pytest.CaptureFixture[str], seeds: Any
):
    about = json.loads((run / "run.json").read_text())
    text = json.dumps(about | {"trained_at_once_with_seeds": "HERE"})
    shown = json.dumps(seeds) if not isinstance(seeds, int) else "1" + "0" * 400
    (run / "run.json").write_text(text.replace('"HERE"', shown))
    assert "cannot verify" in refused(run, capsys)


def test_more_seeds_at_once_than_anybody_trains_are_refused(run: Path, capsys: pytest.CaptureFixture[str]):
    about = json.loads((run / "run.json").read_text()) | {"trained_at_once_with_seeds": list(range(5000))}
    (run / "run.json").write_text(json.dumps(about))
    assert "at most 1000 seeds" in refused(run, capsys)


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("strategy", "cl_bench.data.mnist"),
        ("strategy", "cl_bench.runner.tracking.TensorBoard"),
        ("strategy", "cl_bench.runner.sweep_progress.SweepProgress"),
        ("model", "cl_bench.strategies.EWC"),
        ("benchmark", "cl_bench.data.image_folder"),
        ("benchmark.dataset", "cl_bench.streams.split"),
        ("training", "cl_bench.models.mlp"),
        ("seed_for", "cl_bench.data.digits"),
    ],
)
def test_a_known_target_in_the_wrong_place_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str], place: str, target: str
):
    set_in(run, f"{place}._target_", target)
    assert f"{place}._target_='{target}'" in refused(run, capsys)


@pytest.mark.parametrize("place", ["plugins", "loggers", "strategy.mode", "training.epochs", "model.hidden"])
@pytest.mark.parametrize(
    "target",
    ["cl_bench.data.mnist", "cl_bench.strategies.EWC", "cl_bench.runner.tracking.WeightsAndBiases"],
)
def test_a_known_target_within_a_setting_is_refused(run: Path, place: str, target: str):
    set_in(run, place, [{"_target_": target}])
    with pytest.raises(StoredConfigError, match="only what conf/ or an installed package names at this"):
        stored_config(run)


@pytest.mark.parametrize("key", ["_args_", "_partial_", "_convert_", "_recursive_", "_mode_", "_new_"])
@pytest.mark.parametrize("node", ["strategy", "model", "benchmark", "benchmark.dataset"])
def test_no_other_way_to_call_a_target_is_taken(run: Path, node: str, key: str):
    set_in(run, f"{node}.{key}", ["x"])
    with pytest.raises(StoredConfigError, match=key):
        stored_config(run)


@pytest.mark.parametrize(
    "path",
    ["os.system", "torch.optim.SGD", "theirs.Evil", "torch.utils.collect_env.run", "cl_bench.cli.main.main"],
)
def test_the_path_of_a_stock_strategy_is_one_of_avalanches(
    run: Path, capsys: pytest.CaptureFixture[str], path: str
):
    set_in(run, "strategy._target_", "cl_bench.strategies.stock")
    set_in(run, "strategy.path", path)
    assert f"strategy.path='{path}'" in refused(run, capsys)


@pytest.mark.parametrize("text", ["hf-hub:somebody/weights", "local-dir:x", "/tmp/weights.pth", "a\\b"])
@pytest.mark.parametrize("place", ["model_name", "deep"])
def test_a_stock_strategy_is_given_no_path_and_no_address(run: Path, place: str, text: str):
    set_in(run, "strategy._target_", "cl_bench.strategies.stock")
    set_in(run, "strategy.path", "avalanche.training.LearningToPrompt")
    set_in(run, "strategy.settings", {place: [text] if place == "deep" else text, "pretrained": True})
    with pytest.raises(StoredConfigError, match="only what conf/ or an installed package names at this"):
        stored_config(run)
    set_in(run, "strategy.settings", {"model_name": "vit_base_patch16_224", "mode": "online", "x": 1.0})
    stored_config(run)


@pytest.mark.parametrize(
    "place", ["strategy.mode", "training.optimizer", "model.activation", "strategy.extra"]
)
@pytest.mark.parametrize("text", ["os.system", "torch.nn.ReLU", "subprocess:run", "cl_bench.strategies.EWC"])
def test_a_text_that_is_the_path_of_code_counts_as_a_target(run: Path, place: str, text: str):
    set_in(run, place, text)
    with pytest.raises(StoredConfigError, match="only what conf/ or an installed package names at this"):
        stored_config(run)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("study", "test.case"),
        ("results_dir", "json.decoder"),
        ("benchmark.dataset.root", "test.data"),
        ("benchmark.dataset.path", "test.tar"),
        ("strategy.name", "torch.like"),
        ("strategy.path", "loss"),
        ("model.activation", "no_such_module_here.relu"),
        ("training.device", "cuda:1"),
        ("strategy.note", "see torch.nn for more."),
    ],
)
def test_other_texts_are_no_code(run: Path, place: str, text: str):
    set_in(run, place, text)
    stored_config(run)


def test_every_strategy_benchmark_model_and_data_set_of_ours_is_known():
    known = known_names()
    groups = ("strategy", "benchmark", "model", "tracking")
    for choice in [f"{group}={name}" for group in groups for name in choices(group)]:
        config = compose([choice, *["benchmark/dataset=digits"][: not choice.startswith("benchmark")]])
        assert [each for each in names_in(plain(config)) if not is_known(each, known)] == []


def test_what_an_installed_package_names_counts_where_it_is_put(tmp_path: Path, monkeypatch):
    """Nested targets, whole studies and groups that a Defaults list puts elsewhere."""
    files = {
        "strategy/mine.yaml": "name: mine\n_target_: mine.Mine\ne: {_target_: mine.E, _partial_: true}",
        "optimizer/fast.yaml": "_target_: mine.Fast",
        "strategy/other.yaml": "defaults: [{/optimizer@optimizer: fast}, _self_]\n_target_: mine.Other",
        "experiment/study.yaml": "# @package _global_\nplugins: [{_target_: mine.Plugin}]",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(known_code, "folders", lambda: {tmp_path: "mine"})
    known = known_names()
    expected = {
        Named(("strategy", "_target_"), "mine.Mine"),
        Named(("strategy", "e", "_target_"), "mine.E"),
        Named(("strategy", "e", "_partial_"), "True"),
        Named(("strategy", "optimizer", "_target_"), "mine.Fast"),
        Named(("plugins", "[]", "_target_"), "mine.Plugin"),
    }
    assert expected <= known
    assert Named(("loggers", "[]", "_target_"), "mine.Plugin") not in known


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: !!python/name:os.system", "cannot be read"),
        ("a: !!python/object/new:os.system [x]", "cannot be read"),
        ("a: 1\na: 2", "must stand once"),
        ("a: {b: 1, b: 2}", "must stand once"),
        ("a: {<<: {_target_: os.system}}", "a key must be a name"),
        ("a: {[1]: 2}", "a key must be a name"),
        ("a: 0x" + "f" * 60_000, "below 2"),
        ("a: " + "9" * 60_000, "cannot be read"),
        ("a: " + "1:" * 30_000 + "1", "below 2"),
        ("a: 2001-01-01", "plain values, got a date"),
        ("a: !!binary aGk=", "plain values, got a bytes"),
        ("a: !!set {x}", "plain values, got a set"),
        ("- " * 30_000, "nested at most"),
        ("{a: " * 900 + "1" + "}" * 900, "nested at most"),
        ("1: 2", "settings by name"),
        ("a: \x1b[31m", "cannot be read"),
        ("a: &x 1\nb: *x", "no YAML aliases"),
        ("a" * 70_000, "at most 65,536 bytes"),
        ("a: 1\n" * 10_000, "must stand once"),
    ],
)
def test_what_yaml_could_do_besides_is_refused_in_seconds(tmp_path: Path, text: str, rule: str):
    (tmp_path / "config.yaml").write_text(text)
    before = time.monotonic()
    with pytest.raises(StoredConfigError, match=rule) as caught:
        read_yaml(tmp_path / "config.yaml")
    assert time.monotonic() - before < 10
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["config.yaml", "run.json"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "endless", "unreadable"])
def test_a_file_of_another_kind_is_named_and_never_waited_for(
    run: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str
):
    (run / name).unlink()
    if kind == "pipe":
        os.mkfifo(run / name)
    elif kind == "folder":
        (run / name).mkdir()
    elif kind == "device":
        (run / name).symlink_to("/dev/zero")
    elif kind == "endless":
        with (run / name).open("wb") as file:
            file.truncate(2**40)
    else:
        (run / name).write_bytes(b"\xff\xfe\x00")
    assert name in refused(run, capsys)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("training", 5),
        ("training", ["a"]),
        ("strategy", "ewc"),
        ("plugins", "abc"),
        ("plugins", ["abc"]),
        ("loggers", None),
        ("benchmark", None),
        ("seed_for", 3),
        ("benchmark.dataset", 3),
        ("training.epochs", None),
        ("training.epochs", {"a": {"b": 1}}),
        ("training.model", 5),
        ("training", {"seeds": 1, "device": "cpu"}),
        ("plugins", [{"a": 1}]),
        ("plugins", [{}] * 1000),
        ("loggers", [{"a": 1}]),
        ("benchmark.dataset", [1]),
        ("benchmark.dataset", {"name": "x"}),
        ("strategy.settings", {1: 2, "a": 3}),
        ("strategy", {"name": "x", "_target_": "cl_bench.strategies.Finetune", True: 2}),
        ("strategy", {"_target_": "cl_bench.strategies.Finetune"}),
        ("strategy.name", "???"),
        ("strategy.name", None),
        ("training.threads", 100_000),
        ("training.device", "meta"),
        ("benchmark.num_tasks", MOST_TASKS + 1),
        ("benchmark.num_tasks", 10**15),
        ("benchmark.padding", 10**5),
        ("model.hidden", [10**6, 10**6]),
        ("model.hidden", "abc"),
        (
            "benchmark.dataset",
            {"_target_": "cl_bench.data.image_folder", "name": "x", "root": None, "path": "/dev"},
        ),
    ],
)
def test_settings_that_no_run_has_are_refused_in_one_line(
    run: Path, capsys: pytest.CaptureFixture[str], place: str, value: Any
):
    set_in(run, place, value)
    refused(run, capsys)


@pytest.mark.parametrize("root", ["/etc", "http://example.org/x", "/dev/stdin", "PIPE", "\x00", "a" * 5000])
def test_data_are_looked_for_where_a_stranger_says_and_nothing_happens_there(
    run: Path, capsys: pytest.CaptureFixture[str], root: str
):
    os.mkfifo("PIPE")
    set_in(run, "benchmark.dataset", {"_target_": "cl_bench.data.image_folder", "name": "x", "root": root,
                                      "path": "pictures", "size": 8, "with_test": True})  # fmt: skip
    refused(run, capsys)


def test_names_with_control_characters_are_shown_and_not_obeyed(
    run: Path, capsys: pytest.CaptureFixture[str]
):
    about = json.loads((run / "run.json").read_text())
    about["versions"] = {"torch\x1b[2J": "1\r2"}
    about["hash"] = "\x1b]0;x\x07"
    (run / "run.json").write_text(json.dumps(about))
    assert main(["verify", str(run)]) == 1
    said = capsys.readouterr().out
    assert all(line.isprintable() for line in said.splitlines())
    assert "torch\\x1b[2J" in said


def test_a_settings_file_that_asks_for_a_tuning_or_hydra_is_not_heard(run: Path):
    set_in(run, "tuning", {"search": {"streams": {}}, "given": {"overrides": ["x"], "flags": []}})
    set_in(run, "hydra", {"launcher": 3})
    config = stored_config(run)
    assert "tuning" not in config
    assert "hydra" not in config


def test_a_run_may_have_as_many_tasks_as_a_report_reads():
    assert MOST_TASKS == READ_AT_MOST


def test_the_untouched_copy_agrees(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", str(run)]) == 0
    assert "bit for bit" in capsys.readouterr().out
