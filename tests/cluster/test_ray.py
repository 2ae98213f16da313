"""Sweeps on a Ray head that is started on this machine; skipped where there is no Ray."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_worker_that_is_killed_is_started_again_and_all_runs_finish(small, tmp_path):
    pytest.importorskip("ray", reason="skipped: no Ray")
    pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="skipped: no Ray launcher")
    plugin = f"plugins=[{{_target_: ill.Ill, how: kill, once: '{tmp_path / 'once'}'}}]"
    modules = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [*(sys.executable, "-m", "cl_bench", "run", "-m", "hydra/launcher=ray", *small), plugin,
         f"results_dir={tmp_path}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(modules)},
        cwd=tmp_path, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(path.read_text()) for path in tmp_path.glob("default/*/run.json")]
    assert sorted((about["seed"], about["status"]) for about in found) == [(0, "finished"), (1, "finished")]
    assert (tmp_path / "once").exists(), "one was killed"
