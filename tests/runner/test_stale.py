"""A run that other code or other data made is never shown as if it had just been made."""

import json
import os
import shutil
import sys
from importlib import invalidate_caches

import pytest
import torch

import cl_bench
from cl_bench import records
from cl_bench.cli.main import main
from cl_bench.config import build
from cl_bench.config.compose import compose
from cl_bench.data import DataError, ImageData
from cl_bench.data.fingerprint import digest
from cl_bench.records.runs import read_run
from cl_bench.runner.fingerprints import data_now
from cl_bench.runner.run import execute

STRATEGY = "from cl_bench.strategies import Learner\n\nclass Mine(Learner):\n    factor = 1.0\n"
DATA = """
import torch
from cl_bench.data import ImageData

def images():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 200, (80, 1, 4, 4), generator=generator, dtype=torch.uint8)
    labels = torch.arange(80) % 4
    level = int(open("level").read())
    pixels[0, 0, 0, 0] = level
    return ImageData("mine", pixels[:60], labels[:60], pixels[60:], labels[60:], tuple("abcd"), "mine")
"""


@pytest.fixture
def mine(tmp_path, monkeypatch, request):
    """A strategy in a loose file: its module, and `edit`, which lets a new process find it edited."""
    name = f"stale_{abs(hash(request.node.name))}"
    path = tmp_path / "code" / f"{name}.py"
    path.parent.mkdir()
    path.write_text(STRATEGY)
    monkeypatch.syspath_prepend(str(path.parent))
    invalidate_caches()

    def edit(before, after):
        path.write_text(path.read_text().replace(before, after))
        sys.modules.pop(name, None)
        invalidate_caches()

    return name, edit


@pytest.fixture
def overrides(small, mine):
    return lambda *more: small("strategy.name=mine", f"strategy._target_={mine[0]}.Mine", *more)


def about(folder):
    return json.loads((folder / "run.json").read_text())


def test_an_edited_strategy_is_marked_and_done_again_or_kept_on_request(overrides, mine):
    (folder,) = execute(compose(overrides()))
    before = about(folder)
    assert set(before["code"]["outside"]) == {mine[0]}
    mine[1]("1.0", "2.0")
    execute(compose(overrides()))
    assert about(folder)["stale"] == [f"the module {mine[0]} has changed"]
    assert about(folder)["started"] == before["started"]  # not run again
    execute(compose(overrides("resume=keep")))
    assert "stale" not in about(folder)
    execute(compose(overrides()))
    assert "stale" not in about(folder)
    execute(compose(overrides("resume=stale")))
    after = about(folder)
    assert "kept" not in after
    assert after["code"] != before["code"]


def test_an_edit_that_is_undone_leaves_no_mark(overrides, mine):
    (folder,) = execute(compose(overrides()))
    mine[1]("1.0", "2.0")
    execute(compose(overrides()))
    assert "stale" in about(folder)
    mine[1]("2.0", "1.0")
    execute(compose(overrides()))
    assert "stale" not in about(folder)


def test_the_command_says_what_is_stale_and_has_a_status_for_it(overrides, mine, capsys):
    assert main(["run", *overrides()]) == 0
    assert main(["run", *overrides()]) == 0
    assert "1 run: it was finished before, nothing was run" in capsys.readouterr().out
    mine[1]("1.0", "2.0")
    assert main(["run", "-m", *overrides("seed=0,1")]) == 1
    shown = capsys.readouterr().out
    assert "mine (other code)" in shown
    assert "seed 0: the module" in shown
    assert "resume=stale" in shown
    assert "2 runs: 1 finished before, 1 run now" in shown


def test_from_python_a_stale_run_is_a_warning(overrides, mine):
    cl_bench.run(overrides())
    mine[1]("1.0", "2.0")
    with pytest.warns(UserWarning, match="has changed"):
        frame = cl_bench.run(overrides())
    assert set(frame["method"]) == {"mine (other code)"}


def test_code_edited_in_a_process_that_has_imported_it_is_not_run(overrides, mine, tmp_path):
    (folder,) = execute(compose(overrides()))
    path = tmp_path / "code" / f"{mine[0]}.py"
    path.write_text(path.read_text() + "\n    def criterion(self):\n        return super().criterion() * 0\n")
    execute(compose(overrides("seed=1")))  # what is new was never imported: nothing old is run
    path.write_text(path.read_text().replace("* 0", "* 2"))
    sys.modules.pop(mine[0])
    execute(compose(overrides("seed=2")))
    path.write_text(path.read_text().replace("* 2", "* 3"))
    with pytest.raises(ValueError, match="edited after this process had imported it"):
        execute(compose(overrides("seed=3")))
    assert not list(folder.parent.glob("*-s3-*"))


@pytest.fixture
def own_data(tmp_path, monkeypatch, request):
    name = f"own_data_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(DATA)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    invalidate_caches()
    (tmp_path / "level").write_text("1")
    dataset = f"+benchmark.dataset={{name: mine, _target_: {name}.images}}"
    small = ("benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]")
    results = f"results_dir={tmp_path / 'results'}"
    return ["benchmark=split", *small, "~benchmark/dataset", dataset, results]


def test_other_pixels_make_a_run_stale(own_data, tmp_path):
    (folder,) = execute(compose(own_data))
    (tmp_path / "level").write_text("2")
    execute(compose(own_data))
    assert about(folder)["stale"] == ["the train images or labels are others"]
    assert read_run(folder).status == "finished"


def test_a_killed_run_does_not_go_on_with_other_data(own_data, tmp_path, monkeypatch, caplog):
    config = compose([*own_data, "training.checkpoint_minutes=0"])
    append, calls = records.append, []

    def limited(path, *rows):
        if isinstance(rows[0], records.Record) and len(calls) == 4:
            raise KeyboardInterrupt
        calls.extend(row for row in rows if isinstance(row, records.Record))
        append(path, *rows)

    with monkeypatch.context() as patch:
        patch.setattr(records, "append", limited)
        with pytest.raises(KeyboardInterrupt):
            execute(config)
    (folder,) = tmp_path.glob("results/default/[!.]*")
    assert about(folder)["status"] == "interrupted"
    assert (folder / "checkpoint").is_dir()
    (tmp_path / "level").write_text("2")
    execute(config)
    assert "the run begins anew: the train images or labels are others; it is left aside" in caplog.text
    assert "resumed" not in about(folder)


def test_data_are_read_again_only_where_their_files_have_changed(tmp_path, monkeypatch, data_root):
    (tmp_path / "mnist").mkdir()
    shutil.copytree(data_root / "mnist", tmp_path / "mnist", dirs_exist_ok=True)
    config = compose(
        ["benchmark=permuted_mnist", f"data.root={tmp_path}", f"results_dir={tmp_path / 'results'}"]
    )
    reads = []
    real = build.build_data
    monkeypatch.setattr(build, "build_data", lambda config: reads.append(1) or real(config))
    first = data_now(config)
    assert data_now(config) == first
    assert len(reads) == 1
    file = next(path for path in (tmp_path / "mnist").rglob("*") if path.is_file())
    os.utime(file)
    assert data_now(config) == first
    assert len(reads) == 1
    about, content = file.stat(), file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))  # of the same size and time
    with pytest.raises(DataError, match=file.name):
        data_now(config)
    assert len(reads) == 2


def test_a_finished_run_on_another_device_is_told(small, caplog):
    execute(compose(small("training.device=cpu")))
    execute(compose(small("training.device=cuda")))
    assert "was finished on cpu before, and that is what is shown" in caplog.text


def test_a_finished_run_whose_records_are_lost_is_done_again(small):
    (folder,) = execute(compose(small()))
    lines = (folder / "records.csv").read_text().splitlines(keepends=True)
    (folder / "records.csv").write_text("".join(lines[:-1]))
    execute(compose(small()))
    assert (folder / "records.csv").read_text().splitlines(keepends=True) == lines


@pytest.mark.parametrize("value", ["yes", "again", "1"])
def test_resume_takes_four_values(small, value):
    with pytest.raises(ValueError, match="resume must be true, false, stale or keep"):
        execute(compose(small(f"resume={value}")))


def test_the_hash_of_pixels_does_not_depend_on_how_they_lie_in_memory():
    pixels = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5)
    turned = pixels.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    labels = torch.tensor([0, 1])
    empty = pixels[:0], labels[:0]
    one, other = (
        digest(ImageData("a", each, labels, *empty, ("a", "b"), "here")) for each in (pixels, turned)
    )
    assert one == other
    assert one["test"] is None
