"""What was found in folders of strangers later: odd files where a process locks, or was killed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile.merging import Capture, contents, make, merged

from cl_bench.records.lock import alone_in
from cl_bench.records.row_files import append
from cl_bench.records.rows import State
from cl_bench.records.whole_copies import _prefix, recover
from cl_bench.runner.logs import RunLog

NAME = "split_digits-ewc-s0-0123abcd"


def test_a_lock_that_is_another_file_too_is_not_emptied(tmp_path: Path):
    other = tmp_path / "other"
    other.write_text("keep")
    run = tmp_path / "study" / NAME
    lock = run.parent / ".locks" / f"{NAME}.lock"
    lock.parent.mkdir(parents=True)
    os.link(other, lock)
    with alone_in(run):
        assert other.read_text() == "keep"
        assert "process" in lock.read_text()
    assert other.read_text() == "keep"
    assert other.stat().st_nlink == 1


@pytest.mark.parametrize("odd", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/null")])
def test_a_run_whose_lock_is_no_file_is_named_and_the_others_are_merged(
    tmp_path: Path, capsys: Capture, odd: Callable[[Path], object]
):
    a, c = tmp_path / "a", tmp_path / "c"
    run = make(a)
    other = make(a, study="other")
    lock = c / run.relative_to(a).parent / ".locks" / f"{run.name}.lock"
    lock.parent.mkdir(parents=True)
    odd(lock)
    status, said = merged(a, into=c, capsys=capsys)
    assert status == 1
    assert str(lock) in said
    assert contents(c / other.relative_to(a)) == contents(other)
    assert not (c / run.relative_to(a)).exists()


def test_nothing_is_moved_out_of_a_folder_that_a_link_leads_to(tmp_path: Path):
    target = tmp_path / "study" / NAME
    outside = tmp_path / "outside"
    (outside / "old").mkdir(parents=True)
    (outside / "old" / "mine").write_text("keep")
    target.parent.mkdir()
    (target.parent / f"{_prefix(target)}x").symlink_to(outside)
    recover(target)
    assert not os.path.lexists(target)
    assert (outside / "old" / "mine").read_text() == "keep"


@pytest.mark.parametrize("odd", [os.mkfifo, lambda path: path.symlink_to("outside")])
def test_what_is_added_to_goes_through_no_link_and_waits_for_no_pipe(
    tmp_path: Path, odd: Callable[[Path], object]
):
    (tmp_path / "outside").write_text("keep")
    for name, add in {
        "run.log": lambda path: RunLog(str(path)),
        "states.csv": lambda path: append(path, State(0, 0, 0.0, 0.0, 1, 1, 0.0, 0, 0.5)),
    }.items():
        odd(tmp_path / name)
        with pytest.raises(OSError, match="remove it"):
            add(tmp_path / name)
    assert (tmp_path / "outside").read_text() == "keep"
