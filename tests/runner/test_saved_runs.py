"""Runs with training.save over their life: done again, killed, merged, packed, verified, removed."""

import json
import re
import shutil

import pytest

import cl_bench
from cl_bench.cli.main import main
from cl_bench.cli.merge import merge
from cl_bench.runner.checkpoints import Checkpoints
from cl_bench.runner.load_saved import SavedWeightsError
from cl_bench.runner.run import execute
from cl_bench.runner.stopped import Stopped

EACH = "training.save=[weights@each,predictions@each]"
ALL_FILES = [
    *(f"predictions_after_{task}.safetensors" for task in range(3)),
    *(f"weights_after_{task}.safetensors" for task in (1, 2)),
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # after every run: most of the time of such small ones


def about(folder):
    return json.loads((folder / "run.json").read_text())


def saved(folder):
    return {path.name: path.read_bytes() for path in (folder / "saved").iterdir()}


@pytest.mark.parametrize(
    ("save", "names"),
    [
        ("[]", []),
        ("[weights]", ALL_FILES[-1:]),
        ("[predictions]", ALL_FILES[2:3]),
        ("[predictions@each,weights]", [*ALL_FILES[:3], ALL_FILES[4]]),
        ("[weights@each]", ALL_FILES[3:]),
    ],
)
def test_what_is_asked_for_is_there_and_nothing_else(configured, save, names):
    (folder,) = execute(configured(f"training.save={save}"))
    there = sorted(saved(folder)) if names else []
    assert there == names
    assert (folder / "saved").exists() == bool(names)
    assert sorted(about(folder).get("saved", {})) == names
    (again,) = execute(configured(f"training.save={save}"))
    assert again == folder


def test_with_only_the_newest_tested_the_untrained_network_answers_nothing(configured):
    (folder,) = execute(configured("training.test_last=1", "training.save=[predictions@each]"))
    assert sorted(saved(folder)) == ALL_FILES[1:3]
    first = about(folder)["finished"]
    execute(configured("training.test_last=1", "training.save=[predictions@each]"))
    assert about(folder)["finished"] == first


def test_a_finished_run_is_done_again_for_what_it_has_not_saved_and_kept_otherwise(configured):
    (folder,) = execute(configured())
    execute(configured(EACH))
    first, files = about(folder)["finished"], saved(folder)
    for less in ("training.save=[weights]", "training.save=[]", EACH):
        execute(configured(less))
    assert about(folder)["finished"] == first
    (folder / "saved" / ALL_FILES[0]).unlink()
    execute(configured(EACH))
    assert about(folder)["finished"] != first
    assert saved(folder) == files, "the same bytes"
    assert not (folder / "saved.previous").exists()


@pytest.mark.parametrize("extra", [(), ("seeds=[0,1]", "training.stacked=true")], ids=["alone", "at once"])
@pytest.mark.parametrize("steps", [1, 5, 9])
def test_a_killed_run_saves_each_file_once_with_the_same_bytes(configured, monkeypatch, steps, extra):
    settings = ("strategy=vcl", "training.checkpoint_minutes=0", EACH, *extra)
    expected = [saved(folder) for folder in execute(configured(*settings, "study=whole"))]
    _kill_after(monkeypatch, steps)
    with pytest.raises(Stopped):
        execute(configured(*settings))
    monkeypatch.undo()
    monkeypatch.setattr("gc.collect", lambda: 0)
    folders = execute(configured(*settings))
    assert [saved(folder) for folder in folders] == expected
    assert all("resumed" in about(folder) for folder in folders)


def _kill_after(monkeypatch, steps):
    after_step, taken = Checkpoints.after_step, []

    def limited(self):
        after_step(self)
        taken.append(1)
        if len(taken) == steps:
            raise Stopped(15)

    monkeypatch.setattr(Checkpoints, "after_step", limited)


def test_a_run_killed_before_it_was_to_save_begins_anew_where_it_must(configured, monkeypatch, caplog):
    settings = ("strategy=vcl", "training.checkpoint_minutes=0")
    (whole,) = execute(configured(*settings, EACH, "study=whole"))
    _kill_after(monkeypatch, 9)  # in the second task
    with pytest.raises(Stopped):
        execute(configured(*settings))
    monkeypatch.undo()
    (folder,) = execute(configured(*settings, EACH))
    assert "predictions_after_0.safetensors is to be saved, and was not" in caplog.text
    assert saved(folder) == saved(whole)
    assert "resumed" not in about(folder)


def test_what_is_saved_in_the_end_needs_no_new_beginning(configured, monkeypatch):
    settings = ("strategy=vcl", "training.checkpoint_minutes=0")
    final = "training.save=[weights,predictions]"
    (whole,) = execute(configured(*settings, final, "study=whole"))
    _kill_after(monkeypatch, 9)
    with pytest.raises(Stopped):
        execute(configured(*settings))
    monkeypatch.undo()
    (folder,) = execute(configured(*settings, final))
    assert "resumed" in about(folder)
    assert saved(folder) == saved(whole)


def test_merge_copies_what_was_saved_and_it_is_loaded_from_there(configured, tmp_path):
    (folder,) = execute(configured("strategy=ewc", EACH))
    merged = merge(tmp_path / "default", into=tmp_path / "merged")
    assert not merged.problems
    copy = tmp_path / "merged" / "default" / folder.name
    assert saved(copy) == saved(folder)
    shutil.rmtree(folder)
    assert cl_bench.load_network(copy).state_dict().keys() == cl_bench.load_network(copy).state_dict().keys()
    assert cl_bench.load_strategy(copy).steps_taken > 0


def test_merge_takes_the_run_that_has_saved_more_and_says_what_it_leaves(configured, tmp_path):
    (without,) = execute(configured("study=one"))
    (having,) = execute(configured(EACH, "study=two"))
    text = (having / "run.json").read_text()
    (having / "run.json").write_text(text.replace('"study": "two"', '"study": "one"'))
    shutil.copytree(having, tmp_path / "b" / "one" / having.name)
    merged = merge(tmp_path / "one", tmp_path / "b", into=tmp_path / "c")
    assert not merged.problems
    assert len(saved(tmp_path / "c" / "one" / having.name)) == 5
    merged = merge(tmp_path / "b", into=tmp_path / "one" / "..")
    (problem,) = merged.problems
    assert "which stay there: copy the folder by hand" in problem[1]
    assert not (without / "saved").exists()


def test_other_predictions_of_the_same_run_are_a_disagreement(configured, tmp_path):
    (folder,) = execute(configured(EACH))
    shutil.copytree(folder, tmp_path / "b" / "default" / folder.name)
    text = (folder / "run.json").read_text()
    sha256 = about(folder)["saved"]["predictions_after_2.safetensors"]["sha256"]
    (folder / "run.json").write_text(text.replace(sha256, "0" * 64))
    merged = merge(tmp_path / "default", tmp_path / "b", into=tmp_path / "c")
    assert "differ in predictions_after_2.safetensors" in merged.problems[0][1]


def test_a_compact_study_takes_no_saved_files_unless_they_may_be_lost(configured, tmp_path):
    (folder,) = execute(configured(EACH, "study=small"))
    merged = merge(tmp_path, into=tmp_path, compact=True)
    assert "it has saved, which no compact study holds; to lose that, give --leave-out saved" in str(
        merged.problems
    )
    assert len(saved(folder)) == 5
    assert not merge(tmp_path, into=tmp_path, compact=True, leave_out=["saved"]).problems
    assert not folder.exists()
    with pytest.raises(SavedWeightsError, match=re.escape("training.save=[weights]")):
        cl_bench.load_network(folder)


def test_verify_compares_what_was_saved(configured, capsys):
    (folder,) = execute(configured(EACH, "strategy=vcl"))
    assert main(["verify", str(folder)]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ALL_FILES)
    assert "DIFFERS" not in said


def test_without_saved_weights_the_command_that_makes_them_is_said(configured, tmp_path):
    (folder,) = execute(configured("strategy=ewc", "training.save=[predictions]"))
    with pytest.raises(SavedWeightsError) as caught:
        cl_bench.load_strategy(folder)
    command = re.search(r"`cl-bench run (.*)`", str(caught.value))[1]
    assert "strategy=ewc" in command
    assert command.endswith("'training.save=[weights]'")
    with pytest.raises(SavedWeightsError, match=re.escape("after task 1: ")):
        cl_bench.load_network(folder, after_task=1)


def test_a_folder_of_one_run_will_do_and_one_of_several_will_not(configured, tmp_path):
    execute(configured("training.save=[weights]"))
    assert cl_bench.load_network(tmp_path)
    execute(configured("training.save=[weights]", "seed=1"))
    with pytest.raises(SavedWeightsError, match="holds 2 runs: name the folder of one"):
        cl_bench.load_network(tmp_path)


def test_a_run_of_other_code_warns(configured):
    (folder,) = execute(configured("training.save=[weights]"))
    told = about(folder)
    told["code"]["cl_bench"] |= {"tree": "0" * 16, "source": "0", "compiled": "0"}
    (folder / "run.json").write_text(json.dumps(told))
    for load in (cl_bench.load_network, cl_bench.load_strategy):
        with pytest.warns(UserWarning, match="was made otherwise: cl_bench"):
            load(folder)


@pytest.mark.parametrize(
    ("save", "said"),
    [
        ("[weight]", "save must be a list of some of weights, predictions, weights@each, predictions@each"),
        ("weights", "save must be a list of some of"),
        ("[weights,weights@each]", "save must name weights once and predictions once"),
        ("[predictions,predictions]", "save must name weights once and predictions once"),
    ],
)
def test_what_cannot_be_saved_is_refused_before_anything_is_trained(small, tmp_path, capsys, save, said):
    assert main(["run", *small(f"training.save={save}")]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.rglob("run.json"))
