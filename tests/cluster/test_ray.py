"""Sweeps on a Ray head started on this machine, given at a terminal; skipped where there is no Ray."""

import json
import os
from pathlib import Path

import pytest
import terminals


@pytest.mark.slow
def test_a_worker_that_is_killed_is_started_again_and_all_runs_finish(small, tmp_path):
    pytest.importorskip("ray", reason="skipped: no Ray")
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="skipped: no Ray launcher")
    plugin = f"plugins=[{{_target_: ill.Ill, how: kill, once: '{tmp_path / 'once'}'}}]"
    modules = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    sweep = ["run", "-m", "hydra/launcher=ray", *small, plugin, f"results_dir={tmp_path}"]
    terminal = terminals.command(sweep, cwd=tmp_path, env={"PYTHONPATH": os.pathsep.join(modules)})
    assert terminal.end() == 0, terminal.written
    found = [json.loads(path.read_text()) for path in tmp_path.glob("default/*/run.json")]
    assert sorted((about["seed"], about["status"]) for about in found) == [(0, "finished"), (1, "finished")]
    assert (tmp_path / "once").exists(), "one was killed"
