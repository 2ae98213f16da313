"""A finished run is run again and compared; whatever was changed in between is named."""

import json
from importlib.metadata import version

import pytest

from cl_bench import records
from cl_bench.cli.main import main
from cl_bench.config.known_code import known_names
from cl_bench.runner.run import execute
from cl_bench.runner.stored_config import StoredConfigError, stored_config


@pytest.fixture
def finished(configured):
    """The folder of a finished run."""
    return lambda *overrides: execute(configured(*overrides))[0]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def tamper(folder):
    """Make one accuracy better."""
    rows = records.read(folder / "records.csv")
    (folder / "records.csv").unlink()
    records.append(folder / "records.csv", *rows[:-1], rows[-1]._replace(accuracy=1.0))


def test_a_run_agrees_with_itself_run_again(finished, capsys):
    folder = finished("strategy=bayesbinn", "training.probe_every=3", "seed=2")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["verify", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "DIFFERS" not in said
    for what in ("final weights", "records.csv", "states.csv", "calibration.csv", "probes.csv"):
        assert f"  {what}" in said
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_seeds_that_were_trained_at_once_are_trained_at_once_again(configured, capsys):
    folder = execute(configured("seeds=[3,4]", "training.stacked=true"))[1]
    assert main(["verify", str(folder)]) == 0
    assert "bit for bit" in capsys.readouterr().out


def test_a_record_that_was_changed_is_named_and_so_are_other_versions(finished, capsys):
    folder = finished()
    tamper(folder)
    assert main(["verify", str(folder)]) == 1
    said = capsys.readouterr().out
    assert (
        "records.csv      DIFFERS  1 of 6 rows differ: seed=0 after_task=2 on_task=2 accuracy 1.0 and" in said
    )
    assert "final weights    agrees" in said
    assert "versions and hardware are those of the first time" in said

    about = json.loads((folder / "run.json").read_text())
    about["versions"]["torch"] = "1.0.0"
    about["hardware"]["processor"] = "an abacus"
    (folder / "run.json").write_text(json.dumps(about))
    assert main(["verify", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "version of torch: 1.0.0 then" in said
    assert "hardware: processor: an abacus then" in said


def test_a_setting_that_was_changed_shows_in_the_hash(finished, capsys):
    folder = finished()
    edit(folder / "config.yaml", "learning_rate: 0.001", "learning_rate: 0.002")
    assert main(["verify", str(folder)]) == 1
    assert "hash             DIFFERS" in capsys.readouterr().out


def test_only_a_finished_run_can_be_verified(finished, tmp_path, capsys):
    folder = finished()
    edit(folder / "run.json", '"finished"', '"running"')
    assert main(["verify", str(folder)]) == 1
    assert "it must be finished, got status='running'" in capsys.readouterr().err
    assert main(["verify", str(tmp_path / "nothing")]) == 1
    assert f"there is no folder {tmp_path / 'nothing'}" in capsys.readouterr().err
    assert main(["verify", str(folder.parent)]) == 1
    assert f"it is no run but holds 1; name one, such as {folder}" in capsys.readouterr().err
    (folder / "run.json").write_text("[]")
    assert main(["verify", str(folder)]) == 1
    assert "it must be the folder of a run" in capsys.readouterr().err
    assert main(["verify"]) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("plugins: []", "plugins: [{_target_: os.system, command: 'touch PLANTED'}]"),
        ("loggers: []", "loggers: [{_target_: builtins.open, file: 'PLANTED', mode: w}]"),
        ("_target_: cl_bench.models.mlp", "_target_: cl_bench.cli.main.os.system"),
        ("_target_: cl_bench.strategies.Finetune", "_target_: cl_bench.strategies.stock\n  path: os.system"),
        ("weights: real", "weights: real\n  deep: [{a: {_target_: os.system}}]"),
    ],
)
def test_a_strangers_configuration_runs_no_code_of_its_own(finished, tmp_path, capsys, old, new):
    folder = finished()
    planted = tmp_path / "planted"
    edit(folder / "config.yaml", old, new.replace("PLANTED", str(planted)))
    assert main(["verify", str(folder)]) == 1
    assert "only what conf/ or an installed package names at this setting is run" in capsys.readouterr().err
    assert not planted.exists()
    stored_config(folder, trust=True)


def test_names_that_lead_out_of_the_folder_are_refused(finished, tmp_path, capsys):
    folder = finished()
    edit(folder / "config.yaml", "name: split_digits", f"name: ../../..{tmp_path}/escaped/x")
    assert main(["verify", str(folder)]) == 1
    assert "names must not lead out of a folder" in capsys.readouterr().err
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n", "no YAML aliases"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
        ("[1, 2]", "must hold settings by name"),
        ("seed: 0", "must have the settings of a run, got no study"),
        ("[" * 10_000, "brackets"),
        ("a" * (2**18 + 1), "at most"),
        ("seed: 0\nseed", "cannot be read"),
    ],
    ids=["aliases", "python", "list", "short", "deep", "long", "torn"],
)
def test_what_is_no_configuration_is_named(tmp_path, text, rule):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(StoredConfigError, match=rule) as caught:
        stored_config(tmp_path)
    assert "config.yaml" in str(caught.value)


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "${oc.create:[{_target_:torch.utils.collect_env.run,command:'touch PWNED'}]}",
        "[{path: '${oc.env:HOME}'}]",
        "{'${run_name:}': 1}",
    ],
)
def test_no_interpolation_of_a_stored_configuration_is_ever_resolved(
    finished, monkeypatch, tmp_path, text, trust
):
    monkeypatch.chdir(tmp_path)
    folder = finished()
    edit(folder / "config.yaml", "plugins: []", f"plugins: {text}")
    assert main(["verify", str(folder), *["--trust"][:trust]]) == 1
    assert not (tmp_path / "PWNED").exists()
    with pytest.raises(StoredConfigError, match="must hold plain values, got the interpolation"):
        stored_config(folder, trust=trust)


def test_known_names_are_those_of_the_choices():
    named = {str(each) for each in known_names()}
    assert "strategy._target_='cl_bench.strategies.EWC'" in named
    assert "benchmark.dataset._target_='cl_bench.data.mnist'" in named
    assert "model._target_='cl_bench.models.mlp'" in named
    assert not any("'os" in each or each.startswith(("plugins", "loggers")) for each in named)


def test_a_run_of_other_settings_than_this_version_has_is_refused_in_words(finished, capsys):
    folder = finished()
    edit(folder / "config.yaml", "  precision: float32\n", "")
    assert main(["verify", str(folder)]) == 1
    assert (
        f"written by cl_bench {version('cl-bench')}, which had no setting training.precision"
        in capsys.readouterr().err
    )
    folder = finished("seed=8")
    edit(folder / "config.yaml", "  checkpoint_minutes: 10\n", "")
    assert main(["verify", str(folder)]) == 0
