"""A checkpoint whose hash is right, and that says what cannot be, is left aside; the run ends as ever."""

import copy
import hashlib
import io
import math
import os
import shutil
import zipfile

import pytest
import torch
from small_runs import SMALL

from cl_bench.config.compose import compose
from cl_bench.runner import checkpoint_file, checkpoints
from cl_bench.runner.checkpoint_file import CheckpointError
from cl_bench.runner.run import execute

from .killing import about, outcome
from .test_checkpoints import EVERY_STEP, dies_after

SETTINGS = ("strategy=ewc", "training.batch_size=128", EVERY_STEP)
STEPS = 8  # so that it dies in the second task: there are both files


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed run leaves."""
    folder = tmp_path_factory.mktemp("whole")
    return outcome(*execute(compose([*SMALL, *SETTINGS, f"results_dir={folder}"])))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """(configuration, folder, its `Checkpoints`): a run that died in its second task."""
    place, made = tmp_path_factory.mktemp("stopped"), []
    config = compose([*SMALL, *SETTINGS, f"results_dir={place}"])

    class Kept(checkpoints.Checkpoints):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            made.append(self)

    with pytest.MonkeyPatch.context() as patched, dies_after(STEPS):
        patched.setattr(checkpoints, "Checkpoints", Kept)
        execute(config)
    (folder,) = place.glob("default/*/checkpoint")
    assert {path.name for path in folder.iterdir()} == {"task", "step"}
    return config, folder.parent, made[0]


@pytest.fixture
def again(stopped, tmp_path):
    """again(change, names): the run's folder after `change` was done to the content of its checkpoints, and
    the same command was given.
    """
    config, before, _ = stopped
    shutil.copytree(before.parent.parent, tmp_path / "results")
    config = copy.deepcopy(config)
    config.results_dir = str(tmp_path / "results")
    folder = tmp_path / "results" / "default" / before.name

    def run(change, names=("task", "step")):
        for name in names:
            path = folder / "checkpoint" / name
            content = checkpoint_file.read(path)
            content = change(content) or content
            checkpoint_file.write(path, content)
        assert execute(config) == [folder]
        return folder

    return run


def put(*keys, value):
    """A change of what stands under the keys."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def without(*keys):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


def network(change):
    """A change of the network's tensors."""

    def of(content):
        tensors = content["state"]["network"]
        name = next(iter(tensors))
        change(tensors, name)

    return of


def rows(value):
    """A change of what is said of records.csv."""

    def change(content):
        said = content["rows"][0]["records.csv"]
        content["rows"][0]["records.csv"] = value(said)

    return change


def of(name, *values):
    """What it says -> the change that says so, for each value of a field."""
    return {f"{name} {value!r}"[:30]: put(name, value=value) for value in values}


IMPOSSIBLE = {
    **{
        f"after_task {value!r}": put("after_task", value=value)
        for value in (99, -1, "1", math.nan, None, True)
    },
    **{f"after_task is {value}": put("after_task", value=value) for value in (0, 2)},
    **{
        f"seconds {value!r}": put("wall_seconds", value=value)
        for value in (math.nan, -1.0, "1", math.inf, 10**400)
    },
    "task seconds": put("task_seconds", value=math.nan),
    **{
        f"versions {value!r}": put("versions", value=value)
        for value in (None, [], "torch", {"torch": 2}, {1: "2"})
    },
    **{f"made_by {value!r}": put("made_by", value=value) for value in (None, [], 3)},
    **{
        f"rows {value!r}"[:40]: put("rows", value=value)
        for value in (None, {}, [], [{}], [{}, {}], [[]], ["x"])
    },
    "rows of a file elsewhere": put("rows", 0, "../../records.csv", value=[10, "0"]),
    "rows beyond the file": rows(lambda said: [10**9, said[1]]),
    "negative rows": rows(lambda said: [-1, said[1]]),
    "rows within a line": rows(lambda said: [said[0] - 1, said[1]]),
    "rows of another hash": rows(lambda said: [said[0], "0" * 64]),
    "rows of before": rows(lambda said: said[0]),
    "no rows of states": without("rows", 0, "states.csv"),
    **{f"no {name}": without(name) for name in ("state", "rows", "after_task", "made_by", "versions")},
    **{f"state {value!r}": put("state", value=value) for value in (None, {}, [], 1)},
    **{
        f"state without {name}": without("state", name) for name in ("network", "kept", "clock", "generators")
    },
    "one more in the state": put("state", "more", value=1),
    "a tensor less": network(lambda tensors, name: tensors.pop(name)),
    "a tensor more": network(lambda tensors, name: tensors.update(other=torch.zeros(2))),
    "another shape": network(lambda tensors, name: tensors.update({name: torch.zeros(1, 2, 3)})),
    "another dtype": network(lambda tensors, name: tensors.update({name: tensors[name].double()})),
    "no tensor": network(lambda tensors, name: tensors.update({name: [0.0]})),
    "of another strategy": put("state", "kept", value={"coreset": torch.zeros(3)}),
    "kept is none": put("state", "kept", value=None),
    "generators of torch": put(
        "state", "global_generators", "torch", value=torch.zeros(3, dtype=torch.uint8)
    ),
    "generators of Python": put("state", "global_generators", "python", value=[3, [1], None]),
    "steps": put("state", "steps_taken", value=10**9),
    "negative steps": put("state", "steps_taken", value=-3),
    "steps are a text": put("state", "steps_taken", value="3"),
    "negative gradients": put("state", "gradient_evaluations", value=-1),
    "gradients are a text": put("state", "gradient_evaluations", value="3"),
    "clock": put("state", "clock", value={}),
    "tasks of the clock": put("state", "clock", "train_exp_counter", value=7),
    "epochs of the clock": put("state", "clock", "train_exp_epochs", value=-1),
    "nothing": lambda content: {"x": 1},
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_it_is_left_aside(stopped, caplog, what):
    _, folder, found = stopped
    paths = [folder / "checkpoint" / name for name in ("task", "step")]
    before = [path.read_bytes() for path in paths]
    try:
        for path in paths:
            content = checkpoint_file.read(path)
            checkpoint_file.write(path, IMPOSSIBLE[what](content) or content)
        assert found.find() is None
    finally:
        for path, content in zip(paths, before, strict=True):
            path.write_bytes(content)
    assert caplog.text.count("left aside") == 2
    assert found.find() is not None


# what nobody can tell before it is taken up, and some of what can be told
AT_ITS_START = {
    "optimizer": put("state", "optimizer", value={"state": {}, "param_groups": []}),
    "optimizer is none": put("state", "optimizer", value=None),
    **{what: IMPOSSIBLE[what] for what in ("after_task 99", "rows beyond the file", "of another strategy")},
}


@pytest.mark.parametrize("what", AT_ITS_START)
def test_the_run_begins_again_and_ends_as_ever(again, whole, caplog, what):
    folder = again(AT_ITS_START[what])
    assert outcome(folder) == whole
    assert "left aside" in caplog.text
    assert "resumed" not in about(folder)


OF_A_STEP = {
    "groups of the optimizer": put("state", "optimizer", "param_groups", value=[{"params": [7]}]),
    "no batches": put("state", "batches", value=None),
    "places": put("state", "batches", "order", value=torch.full((3,), 10**9)),
    "served": put("state", "batches", "num_served", value=10**6),
    "negative": put("state", "batches", "num_served", value=-1),
    "epochs beyond": put("state", "clock", "train_exp_epochs", value=10**6),
    "kept of another shape": lambda content: content["state"]["kept"].update(
        {name: torch.zeros(1, 1, 1) for name in content["state"]["kept"]}
    ),
}


@pytest.mark.parametrize("what", OF_A_STEP)
def test_a_step_that_does_not_fit_leaves_the_end_of_the_last_task(again, whole, caplog, what):
    folder = again(OF_A_STEP[what], names=["step"])
    assert outcome(folder) == whole
    assert "left aside" in caplog.text
    assert about(folder)["resumed"] == "after task 1"


@pytest.mark.parametrize("what", ["a folder", "a link to nothing", "a pipe", "not to be read"])
def test_what_is_no_file_is_left_aside(again, stopped, tmp_path, whole, what):
    _, before, _ = stopped
    path = tmp_path / "results" / "default" / before.name / "checkpoint" / "task"
    path.unlink()
    if what == "a folder":
        path.mkdir()
    elif what == "a pipe":
        os.mkfifo(path)
    elif what == "a link to nothing":
        path.symlink_to("nowhere")
    else:
        path.symlink_to("/proc/self/mem")
    assert outcome(again(lambda content: None, names=())) == whole


@pytest.mark.parametrize("kind", ["file", "link"])
def test_the_folder_of_checkpoints_may_be_anything(again, stopped, tmp_path, whole, kind):
    _, before, _ = stopped
    path = tmp_path / "results" / "default" / before.name / "checkpoint"
    shutil.rmtree(path)
    path.write_text("x") if kind == "file" else path.symlink_to(tmp_path / "nowhere")
    assert outcome(again(lambda content: None, names=())) == whole


# Files that would take more memory than they have bytes


def forged(path, content, compression=zipfile.ZIP_STORED):
    """A checkpoint of this content whose archive is packed so."""
    plain, packed = io.BytesIO(), io.BytesIO()
    torch.save(content, plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed, "w", compression) as new:
        for part in old.infolist():
            new.writestr(part.filename, old.read(part))
    payload = packed.getvalue()
    path.write_bytes(checkpoint_file.MAGIC + hashlib.sha256(payload).digest() + payload)
    return path


def doubled(depth):
    value = [0]
    for _ in range(depth):
        value = [value, value]
    return value


def nested(depth):
    value = [0]
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "state",
    [torch.zeros(1).expand(10**12), torch.zeros(5).to_sparse(), doubled(60), nested(300)],
    ids=["stride 0", "sparse", "doubled", "nested"],
)
def test_one_value_does_not_stand_for_many(tmp_path, state):
    path = tmp_path / "task"
    checkpoint_file.write(path, {"state": state})
    with pytest.raises(CheckpointError):
        checkpoint_file.read(path)


def test_a_compressed_archive_is_refused(tmp_path):
    path = forged(tmp_path / "task", {"state": torch.zeros(10**6)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10**5
    with pytest.raises(CheckpointError, match="compressed"):
        checkpoint_file.read(path)
    assert checkpoint_file.read(forged(path, {"state": 1})) == {"state": 1}


def test_equal_tensors_and_large_ones_are_read(tmp_path):
    tensor = torch.arange(1000.0)
    content = {"state": [tensor, tensor.clone(), tensor[:10], None, {"a": [1, 2.0, "x", True]}]}
    checkpoint_file.write(tmp_path / "task", content)
    back = checkpoint_file.read(tmp_path / "task")
    assert torch.equal(back["state"][1], tensor)
