"""All of `python -m speed`, on a few images and without any file of a data set."""

import csv
import json
import os
import subprocess
import sys

from speed.bench import TINY
from speed.rows import NO_CUDA, NOT_MEASURED
from speed.strategies import names as strategy_names
from speed.table import GROUPS, LINES


def test_the_whole_table_is_measured_drawn_and_written(tmp_path):
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "CL_BENCH_DATA": str(nothing),
        "CL_BENCH_CACHE": str(nothing),
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "speed", "--tiny", "--output", str(tmp_path / "out")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "quiet where nobody watches"
    assert "tiny: the numbers say nothing about speed" in done.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"speed.csv", "speed.json", "speed.png", "speed.svg"}
    with (tmp_path / "out" / "speed.csv").open() as file:
        rows = list(csv.DictReader(file))
    left_out = {f"{kind}_{name}" for kind in ("strategy", "gradients") for name in strategy_names()}
    left_out -= {f"{kind}_{name}" for kind in ("strategy", "gradients") for name in TINY.strategies or ()}
    assert len(rows) == sum(len(line.devices) for line in LINES)
    for row in rows:
        if row["device"] == "cpu" and row["name"] in left_out:
            assert (row["ratio"], row["note"]) == ("", NOT_MEASURED)
        elif row["device"] == "cpu":
            assert float(row["ratio"]) > 0, row["name"]
            assert row["reached"] == "" if row["target"] == "" else row["reached"] in ("yes", "no")
        else:
            assert (row["ratio"], row["note"]) == ("", NO_CUDA)
    about = json.loads((tmp_path / "out" / "speed.json").read_text())
    assert list(about) == list(GROUPS)
    for group in about.values():
        assert group["hardware"][0]["device"] == "cpu"
        assert group["versions"]["avalanche-lib"]
        assert group["scale"].startswith("tiny")
    assert str(tmp_path) not in (tmp_path / "out" / "speed.csv").read_text() + json.dumps(about)
