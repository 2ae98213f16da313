"""Sweeps on a real Slurm of one node, given at a terminal; skipped where none can be started."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import terminals

HERE = Path(__file__).parent
SLURM = ("hydra/launcher=slurm", "hydra.launcher.mem_gb=null", "hydra.launcher.array_parallelism=2")


@pytest.fixture(scope="module")
def slurm():
    """The environment of commands that have a Slurm."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="skipped: no Slurm launcher")
    if shutil.which("slurmctld") is None or os.geteuid() != 0:
        pytest.skip("no Slurm: it needs slurmctld and root, see tests/cluster/one-node-slurm")
    started = subprocess.run([HERE / "one-node-slurm"], capture_output=True, text=True, timeout=120)
    if started.returncode:
        pytest.skip(f"no Slurm: {started.stderr}")
    path = [str(HERE / "bin"), os.environ["PATH"]]
    modules = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PATH": os.pathsep.join(path), "PYTHONPATH": os.pathsep.join(modules)}


@pytest.fixture
def sweep(slurm, small, tmp_path):
    """sweep("kill"): a sweep of two seeds, of which one dies so the first time."""

    def run(how):
        plugin = f"plugins=[{{_target_: ill.Ill, how: {how}, once: '{tmp_path / 'once'}'}}]"
        overrides = [*small, *SLURM, plugin, f"results_dir={tmp_path}"]
        terminal = terminals.command(["run", "-m", *overrides], cwd=tmp_path, env=slurm, columns=200)
        return terminal.end(), "\n".join(terminal.lines)

    return run


def statuses(folder):
    found = [json.loads(path.read_text()) for path in folder.glob("default/*/run.json")]
    return sorted((about["seed"], about["status"]) for about in found)


def test_a_job_that_is_killed_costs_its_run_alone_and_the_same_command_finishes_it(sweep, tmp_path):
    status, shown = sweep("kill")
    assert status == 1, shown
    assert "finished: 1 of 2 runs" in shown
    assert "killed  split_digits-finetune-s" in shown
    assert "The same command does only what is left" in shown
    finished = [seed for seed, status in statuses(tmp_path) if status == "finished"]
    assert len(finished) == 1
    status, shown = sweep("kill")
    assert status == 0, shown
    assert statuses(tmp_path) == [(0, "finished"), (1, "finished")]


@pytest.mark.slow
def test_a_job_that_is_told_to_stop_is_queued_again_and_finishes(sweep, tmp_path):
    status, shown = sweep("stop")
    assert status == 0, shown
    assert statuses(tmp_path) == [(0, "finished"), (1, "finished")]
