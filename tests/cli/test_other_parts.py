"""A package may bring models, data sets, streams and studies, too: all in one run."""

import json
import os
import re
import subprocess
import sys

import pytest

from cl_bench.cli.main import main

pytestmark = pytest.mark.usefixtures("process_as_before")

CODE = '''
import torch

from cl_bench import models, streams
from cl_bench.data import ImageData


def stripes(*, with_test):
    """Horizontal stripes against vertical ones."""
    labels = torch.arange(40) % 2
    lines = torch.arange(8)[:, None].expand(8, 8) % 2 * 255
    images = torch.stack([lines.T if label else lines for label in labels])[:, None].to(torch.uint8)
    data = ImageData("stripes", images, labels, images, labels, ("across", "along"), "made")
    return data if with_test else data.without_test()


def twice(*, data, generator):
    return streams.permuted(
        data=data, padding=0, num_tasks=2, scenario="domain", permute_first=False, pixels="unit",
        validation_share=0.0, num_train=None, generator=generator,
    )


def linear(*, input_shape, num_classes, num_heads):
    return models.mlp(
        input_shape=input_shape, num_classes=num_classes, num_heads=num_heads, hidden=[],
        normalisation="none", weights="real",
    )
'''
FILES = {
    "model/plain.yaml": "# A linear map\nname: plain\n_target_: parts_code.linear\n",
    "benchmark/dataset/stripes.yaml": (
        "# Stripes\nname: stripes\n_target_: parts_code.stripes\nwith_test: ${reads_test:}\n"
    ),
    "benchmark/twice.yaml": (
        "# Two tasks of stripes\ndefaults:\n  - dataset: stripes\n\nname: twice\n_target_: parts_code.twice\n"
    ),
    "experiment/striped.yaml": (
        "# @package _global_\n# Stripes twice\ndefaults:\n  - override /benchmark: twice\n"
        "  - override /model: plain\n\nstudy: striped\ntraining:\n  epochs: 1\nhydra:\n  mode: MULTIRUN\n"
        "  sweeper:\n    params:\n      seed: 0\n      strategy: finetune,joint\n"
    ),
}
GROUPS = {"model": "plain", "benchmark/dataset": "stripes", "benchmark": "twice", "experiment": "striped"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package `parts`, with the module parts_code beside it."""
    site = tmp_path / "site"
    for name, text in FILES.items():
        (site / "parts_conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (site / "parts_conf" / name).write_text(text)
    (site / "parts_conf" / "__init__.py").touch()
    (site / "parts_code.py").write_text(CODE)
    information = site / "parts-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: parts\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[cl_bench.conf]\nparts = parts_conf\n")
    monkeypatch.syspath_prepend(str(site))
    return site


def test_they_are_listed_with_their_package(package, capsys):
    for group, name in GROUPS.items():
        assert main(["list", group]) == 0
        found = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]}
        assert found[name] == "parts"


def test_a_study_of_a_package_runs_on_its_stream_data_and_model(package, tmp_path):
    assert main(["run", "experiment=striped", f"results_dir={tmp_path}"]) == 0
    found = [json.loads(path.read_text()) for path in tmp_path.glob("striped/*/run.json")]
    assert sorted(run["strategy"] for run in found) == ["finetune", "joint"]
    assert {run["benchmark"] for run in found} == {"twice"}
    assert {run["settings"]["model._target_"] for run in found} == {"parts_code.linear"}


def test_an_entry_point_whose_package_is_gone_harms_nobody(package, capsys):
    (package / "parts-1.0.dist-info" / "entry_points.txt").write_text(
        "[cl_bench.conf]\nparts = parts_gone.conf\n"
    )
    path = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "cl_bench", "list", "strategy"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.returncode == 0
    assert "ewc" in done.stdout
    assert "parts_gone.conf" in done.stderr


def test_choices_of_a_folder_are_listed(tmp_path, capsys):
    mine = tmp_path / "mine" / "strategy"
    mine.mkdir(parents=True)
    (mine / "own.yaml").write_text("# Mine\nname: own\n_target_: cl_bench.strategies.L2\nstrength: 1\n")
    assert main(["list", "strategy", "--config-dir", str(mine.parent)]) == 0
    assert re.search(r"own +mine +Mine", capsys.readouterr().out)
    assert main(["list", "strategy", "own", f"--config-dir={mine.parent}"]) == 0
    assert "strategy.strength=1" in capsys.readouterr().out
    assert main(["list", "strategy", "own"]) == 2
    assert main(["list", "strategy", "--config-dir"]) == 2
    assert "--config-dir must be given a folder of YAML files, got ''" in capsys.readouterr().err
