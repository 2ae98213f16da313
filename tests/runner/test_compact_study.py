"""A run in a compact study is one that was run: it is verified, found finished, and tells its commit."""

import json

import pytest

import cl_bench
from cl_bench.cli.main import main
from cl_bench.cli.merge import merge
from cl_bench.records.compact import run_at, study_at
from cl_bench.records.compact_files import packed_run, write_about
from cl_bench.records.runs import read_run
from cl_bench.runner import code_hashes
from cl_bench.runner.run import execute


@pytest.fixture
def run(configured, tmp_path):
    """The path of a run of a study that was packed."""
    (path,) = execute(configured("strategy=finetune", "study=small"), show_progress=False)
    assert not merge(tmp_path, into=tmp_path, compact=True).problems
    assert not path.exists()
    return path


def test_it_is_verified_and_that_is_recorded(run, capsys):
    assert study_at(run.parent).checks_made["verified"] is None
    assert main(["verify", str(run), "--record"]) == 0
    assert "The same, bit for bit." in capsys.readouterr().out
    assert study_at(run.parent).checks_made["verified"]["runs"] == 1
    assert read_run(run).about["verified"]["commit"] == read_run(run).about["commit"]


def test_a_run_that_differs_is_not_recorded(run, capsys):
    write_about(run, packed_run(run).about | {"weights_sha256": "0" * 64})
    assert main(["verify", str(run), "--record"]) == 1
    assert "DIFFERS" in capsys.readouterr().out
    assert "verified" not in run_at(run).about


def test_the_same_command_finds_it_finished(run, small, caplog):
    before = study_at(run.parent)
    caplog.set_level("INFO")
    frame = cl_bench.run(small("strategy=finetune", "study=small"))
    assert "is finished already" in caplog.text
    assert not run.exists()
    assert len(frame) == 6
    assert study_at(run.parent) == before


def test_a_folder_is_verified_and_recorded_too(configured):
    (path,) = execute(configured("strategy=finetune"), show_progress=False)
    assert main(["verify", str(path), "--record"]) == 0
    assert set(json.loads((path / "run.json").read_text())["verified"]) == {"date", "commit", "dirty"}


@pytest.mark.parametrize("release", [("0123456789ab", True), ("0123456789ab", False), (None, None)])
def test_commit_and_dirty_are_facts_of_a_run(configured, monkeypatch, release):
    told = dict(zip(("commit", "dirty"), release, strict=True))
    asked = []

    def facts():
        asked.append(1)
        return {"version": "0", **told}

    monkeypatch.setattr(code_hashes, "_release", facts)
    (path,) = execute(configured("strategy=finetune"), show_progress=False)
    about = json.loads((path / "run.json").read_text())
    assert (about["commit"], about["dirty"]) == release
    assert asked == [1], "git is asked once"
    found = read_run(path)
    assert (found.commit, found.dirty) == (release[0] or "", release[1])
    del about["commit"], about["dirty"]  # as of before there were these facts
    (path / "run.json").write_text(json.dumps(about))
    found = read_run(path)
    assert (found.commit, found.dirty) == (release[0] or "", release[1])
