"""What is left to do is decided under the lock; what is finished is whole; nothing else is left behind."""

import json
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from small_runs import SMALL

from cl_bench.config.compose import compose
from cl_bench.records.lock import RunInUseError, RunLostError, alone_in
from cl_bench.records.rows import Record
from cl_bench.records.runs import read_run
from cl_bench.runner import run as job
from cl_bench.runner.fingerprints import of_run
from cl_bench.runner.run import execute
from cl_bench.runner.run_folder import CHECKPOINTS, RunFolder

from .killing import about, outcome
from .test_checkpoints import EVERY_STEP, begun_anew, dies_after

STACKED = pytest.mark.parametrize("stacked", [True, False], ids=["at once", "one by one"])
FILES = ("records.csv", "states.csv", "calibration.csv", "config.yaml", "probes.csv")
PROBED = "training.probe_every=4"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A results folder with a finished run, which was probed."""
    place = tmp_path_factory.mktemp("finished")
    execute(compose([*SMALL, PROBED, f"results_dir={place}"]))
    return place


@pytest.fixture
def folder(finished, tmp_path):
    """The run's folder, copied; what `configured` has leads to it."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    (found,) = tmp_path.glob("default/[!.]*")
    return found


@pytest.fixture
def trained(monkeypatch):
    """The seeds that were trained, in their order; nothing is."""
    seen = []

    def train(folders, parts, **_):
        seen.extend(each.config.seed for each in folders)
        for each in folders:
            each.begin()
        return ["0" * 64 for _ in folders]

    monkeypatch.setattr(job, "train_and_test", train)
    return seen


# Whole, or done again


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["lost", "emptied", "cut", "a row less", "a row more", "other rows"])
def test_a_finished_run_without_its_rows_is_not_finished(folder, configured, name, how):
    path, run = folder / name, RunFolder(configured(PROBED))
    assert run.path == folder
    assert run.finished()
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    changed = {
        "emptied": b"",
        "cut": content[:-7],
        "a row less": b"".join(lines[:-1]),
        "a row more": content + lines[-1],
        "other rows": content.replace(b"1", b"2"),
    }
    path.unlink() if how == "lost" else path.write_bytes(changed[how])
    assert not run.finished()


def test_it_is_done_again_and_as_before(folder, configured):
    before = outcome(folder)
    (folder / "records.csv").write_bytes(b"")
    assert execute(configured(PROBED)) == [folder]
    assert outcome(folder) == before
    assert read_run(folder).status == "finished"


def test_a_run_of_before_there_were_hashes_still_counts(folder, configured):
    run, summary = RunFolder(configured(PROBED)), about(folder)
    del summary["files"]
    (folder / "run.json").write_text(json.dumps(summary))
    assert run.finished()
    rows = (folder / "records.csv").read_bytes().splitlines(keepends=True)
    (folder / "records.csv").write_bytes(b"".join(rows[:-1]))
    assert not run.finished()


@pytest.mark.parametrize(
    "changes",
    [
        *({"files": value} for value in ("x", [], 3, {"records.csv": None}, {"records.csv": "0"})),
        *({"num_tasks": value} for value in (10**12, -1, "2", None, 2.5)),
        *({"settings": value} for value in (None, [], "x")),
        {"seed": 7},
    ],
    ids=str,
)
def test_a_summary_that_cannot_be_is_of_no_finished_run(folder, configured, changes):
    (folder / "run.json").write_text(json.dumps({**about(folder), **changes}))
    assert not RunFolder(configured(PROBED)).finished()


# Nothing left behind


def test_what_a_kill_after_the_end_has_left_is_removed(folder, configured, tmp_path):
    before = sorted(path.name for path in folder.iterdir())
    (folder / CHECKPOINTS).mkdir()
    (folder / CHECKPOINTS / "task").write_bytes(b"a state")
    (folder / "records.previous.csv").write_bytes(b"rows")
    (folder / ".run.json-x.unfinished").write_bytes(b"{")
    dead = subprocess.run([sys.executable, "-c", WRITE, str(folder.parent)], check=False)
    assert dead.returncode == 9
    assert list(folder.parent.glob(".*.unfinished"))
    assert execute(configured(PROBED)) == [folder]
    assert sorted(path.name for path in folder.iterdir()) == before
    assert list(folder.parent.glob(".*.unfinished")) == []


WRITE = """
import os, sys
from pathlib import Path
os.fsync = lambda _: os._exit(9)
from cl_bench.records.atomic import write_whole
write_whole(Path(sys.argv[1], "expected.json"), "[]")
"""


def test_what_another_process_is_writing_stays(folder, configured):
    code = WRITE.replace("os._exit(9)", "(print('writes', flush=True), sys.stdin.read())")
    command = [sys.executable, "-c", code, str(folder.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "writes\n"
        execute(configured(PROBED))
        assert list(folder.parent.glob(".expected.json*"))
        other.communicate("")
    assert (folder.parent / "expected.json").read_text() == "[]"


# Under the lock


@contextmanager
def finishing(folders, when, monkeypatch):
    """Another process finishes runs just before this one has their locks."""
    held = RunFolder.held

    @contextmanager
    def late(self):
        for each in folders:
            if each.path.name == self.path.name and when(self):
                with held(each):
                    each.open()
                    finish(each)
                folders.remove(each)
                break
        with held(self):
            yield

    monkeypatch.setattr(RunFolder, "held", late)
    yield


def finish(run):
    """Make it a finished run of two tasks."""
    run.tell(num_tasks=2)
    for after in range(3):
        for on in (1, 2):
            run.append(Record(run.config.seed, after, on, 0.5, 1.0, 10))
    run.finish(share=1.0, weights_sha256="0" * 64)


@STACKED
@pytest.mark.parametrize("resume", ["true", "false", "stale", "keep"])
def test_a_seed_that_another_process_has_just_finished_is_left(
    configured, trained, monkeypatch, stacked, resume
):
    settings = (f"resume={resume}", f"training.stacked={stacked}")
    others = [RunFolder(configured(f"seed={seed}", *settings)) for seed in (0, 2)]
    for each in others:  # as an earlier command left them, where `resume=false` does them again
        if resume == "false":
            with each.held():
                each.open()
                finish(each)
    with finishing(list(others), lambda run: run.hold is None, monkeypatch):
        execute(configured("seeds=[0,1,2]", *settings))
    assert trained == [1]


@STACKED
def test_with_resume_false_all_that_was_finished_before_is_done_again(configured, trained, stacked):
    settings = ("seeds=[0,1]", "resume=false", f"training.stacked={stacked}")
    for _ in range(2):
        execute(configured(*settings))
    assert trained == [0, 1, 0, 1]


def test_a_sweep_that_began_before_another_process_finished_leaves_its_run(configured, trained):
    """A command of several jobs: its beginning counts, and not that of the job."""
    began = time.time()
    run = RunFolder(configured("resume=false"))
    with run.held():
        run.open()
        finish(run)
    execute(run.config, since=began)
    assert trained == []
    execute(run.config, since=time.time())
    assert trained == [0]


@pytest.mark.parametrize("ended", ["2199-01-01T00:00:00+00:00", "yesterday", None])
def test_what_was_finished_in_the_future_is_done_again(configured, trained, ended):
    run = RunFolder(configured("resume=false"))
    with run.held():
        run.open()
        finish(run)
    (run.path / "run.json").write_text(json.dumps({**about(run.path), "finished": ended}))
    execute(run.config)
    assert trained == [0]


@STACKED
def test_a_seed_that_another_process_runs_is_named_and_the_others_are_run(
    configured, trained, caplog, stacked
):
    config = configured("seeds=[0,1,2]", f"training.stacked={stacked}")
    taken = RunFolder(configured("seed=1")).path
    with alone_in(taken), pytest.raises(RunInUseError, match=taken.name):
        execute(config)
    assert trained == [0, 2]
    assert "the other seeds were run meanwhile" in caplog.text


def test_a_seed_that_the_other_process_has_finished_meanwhile_is_no_error(configured, trained, monkeypatch):
    taken = RunFolder(configured("seed=0"))
    with taken.held():
        taken.open()
        do = job._do

        def while_the_other_finishes(folders, command, stack):
            do(folders, command, stack)
            finish(taken)
            taken.hold.release()

        monkeypatch.setattr(job, "_do", while_the_other_finishes)
        assert len(execute(configured("seeds=[0,1]"))) == 2
    assert trained == [1]


def test_a_run_whose_folder_goes_away_writes_nothing_there(configured, tmp_path):
    run = RunFolder(configured())
    append = RunFolder.append

    def gone(self, *rows):
        self.path.rename(self.path.with_name("moved-s0-0000"))
        self.path.mkdir()
        (self.path / "records.csv").write_text("somebody else's")
        append(self, *rows)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RunFolder, "append", gone)
        with pytest.raises(RunLostError, match="removed or replaced"):
            execute(run.config)
    assert {path.name: path.read_text() for path in run.path.iterdir()} == {"records.csv": "somebody else's"}


def test_a_killed_run_goes_on_only_with_the_same_data(configured, monkeypatch, caplog):
    with dies_after(9):
        execute(configured(EVERY_STEP))

    def other(config, data):
        found = of_run(config, data)
        return {**found, "data": {**found["data"], "train": "0" * 64}}

    monkeypatch.setattr("cl_bench.runner.assembly.of_run", other)
    (folder,) = execute(configured(EVERY_STEP))
    assert "the train images or labels are others" in caplog.text
    assert begun_anew(folder)
