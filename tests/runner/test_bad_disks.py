"""A full disk, somebody else's folder, a clock that goes back: a clear error, whole records."""

import contextlib
import json
import os
import resource
import subprocess
import tempfile
from pathlib import Path

import pytest

from cl_bench import records
from cl_bench.cli.main import main
from cl_bench.records.runs import read_run
from cl_bench.runner import run_folder as folder_module


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_what_was_recorded_is_whole(small, small_disk, capsys):
    run = ["run", *small(), f"results_dir={small_disk}"]
    assert main(run) == 0
    (folder,) = small_disk.glob("default/[!.]*")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    os.truncate(filler, filler.stat().st_size - 12 * 1024)  # a run needs more
    capsys.readouterr()
    assert main([*run, "seed=1"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    for other in small_disk.glob("default/*-s1-*"):
        if (other / "records.csv").exists():
            records.read(other / "records.csv")
        assert read_run(other).status in ("running", "failed", "broken")
    filler.unlink()
    assert main([*run, "seed=1"]) == 0


def test_a_limit_on_files_is_named_and_what_was_recorded_is_whole(small, tmp_path, capsys):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, limit[1]))
    try:
        assert main(["run", *small("benchmark=permuted_digits", "benchmark.num_tasks=8")]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    said = capsys.readouterr().err
    assert "File too large" in said or "No space left" in said  # refused, or cut off
    (folder,) = tmp_path.glob("default/[!.]*")
    for kind, name in records.FILES.items():
        if (folder / name).exists():
            records.read(folder / name, kind)


@contextlib.contextmanager
def as_nobody():
    """Root may write anywhere; nobody may not."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_folder_that_may_not_be_written_is_named(small, capsys):
    from cl_bench.runner.run import execute  # what is imported later may not be readable to nobody

    assert execute
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o555)
        with as_nobody():
            assert main(["run", *small(), f"results_dir={place}"]) == 1
        assert "Permission denied" in (said := capsys.readouterr().err)
        assert place in said
        assert list(Path(place).iterdir()) == []
        Path(place).chmod(0o755)


def test_a_clock_that_goes_back_changes_no_number(small, tmp_path, monkeypatch):
    years = iter(range(2030, 1990, -1))
    monkeypatch.setattr(folder_module, "_now", lambda: f"{next(years)}-01-01T00:00:00+00:00")
    assert main(["run", *small()]) == 0
    (path,) = tmp_path.glob("default/*/run.json")
    about = json.loads(path.read_text())
    assert about["finished"] < about["started"]
    assert 0 < about["wall_seconds"] < 600
    os.utime(path, (2**31, 2**31))
    assert read_run(path.parent).status == "finished"
    assert main(["report", str(tmp_path)]) == 0
