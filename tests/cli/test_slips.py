"""Slips of whole commands: what they would do wrongly is refused, in a line."""

import json

import pytest
from plotted import write_run

from cl_bench.cli.exit_status import status_of
from cl_bench.cli.main import main
from cl_bench.records.lock import RunInUseError


@pytest.mark.parametrize("launcher", ["slurm", "ray"])
def test_a_launcher_of_sweeps_starts_no_single_run_here(launcher, tmp_path, monkeypatch, capsys):
    """Somebody on a cluster's login node means it to be sent away."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", "strategy=finetune", f"hydra/launcher={launcher}"]) == 2
    assert "add -m" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_that_another_process_has_is_a_line_and_no_traceback(capsys):
    def work():
        raise RunInUseError("a run folder belongs to one process at a time")

    assert status_of(work) == 1
    assert capsys.readouterr().err == "cl-bench: a run folder belongs to one process at a time\n"


def test_a_study_is_not_merged_into_itself(tmp_path, capsys):
    write_run(tmp_path / "results", study="few")
    study = tmp_path / "results" / "few"
    before = sorted(tmp_path.rglob("*"))
    assert main(["merge", str(study), "-o", str(study)]) == 1
    assert f"give -o {study.parent}" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert main(["merge", str(study), "-o", str(study.parent)]) == 0
    assert main(["merge", str(tmp_path / "results"), "-o", str(tmp_path / "other")]) == 0
    assert (tmp_path / "other" / "few").is_dir()


@pytest.mark.parametrize("there", [False, True])
def test_a_root_that_does_not_exist_is_told_and_recorded(there, tmp_path, capsys):
    """The data are found elsewhere then, and may be others than somebody means."""
    root = tmp_path / "data"
    if there:
        root.mkdir()
    small = (
        "benchmark=permuted_digits",
        "benchmark.num_tasks=1",
        "benchmark.num_train=20",
        "training.epochs=1",
    )
    assert main(["run", *small, f"data.root={root}", f"results_dir={tmp_path / 'results'}"]) == 0
    said = f"data.root={root} does not exist; the data come from elsewhere: scikit-learn's load_digits"
    assert (said in capsys.readouterr().err) != there
    (path,) = (tmp_path / "results").rglob("run.json")
    assert (said in json.loads(path.read_text())["notes"]) != there
