"""All of `python -m gpu`, on a few images, without a GPU and without any file of a data set."""

import os
import subprocess
import sys

import pytest

from cl_bench.analysis import load
from gpu import rows
from gpu.items import DONE, FAIL, LEFT_OUT, MEASURED
from gpu.page import PAGE
from gpu.programme import NOT_TINY, RESULTS
from speed.table import LINES


def command(folder, *more):
    nothing = folder / "nothing"
    nothing.mkdir(exist_ok=True)
    environment = os.environ | {"CL_BENCH_DATA": str(nothing), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-m", "gpu", "--output", str(folder / "out"), *more],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    found = command(folder, "--device", "cpu", "--tiny", "--workers", "1", "--minutes", "30")
    return found, folder / "out"


def test_every_item_is_done_or_says_that_it_is_not_tiny(done):
    found, output = done
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stderr == ""
    ended = {(row.part, row.item): row for row in rows.read(output / RESULTS) if not row.result}
    assert {part for part, _ in ended} == {"correctness", "speed", "headline", "studies"}
    assert {row.said for row in ended.values() if row.status == LEFT_OUT} == {NOT_TINY}
    finished = [key for key, row in ended.items() if row.status == DONE]
    assert len(finished) == sum(row.status != LEFT_OUT for row in ended.values()) >= 10


def test_its_numbers_are_there_and_nothing_was_wrong(done):
    _, output = done
    found = rows.read(output / RESULTS)
    assert not [row for row in found if row.status == FAIL]
    assert all("torch " in row.card for row in found)
    named = {(row.item, row.result): row for row in found}
    assert named["permuted_mnist", "all methods"].value > 0
    assert named["memory of a long stream", "finetune"].reached == "yes"
    (group,) = {row.item for row in found if row.part == "speed" and row.status == DONE}
    lines = {line.name for line in LINES if line.group == group}
    assert {row.result for row in found if row.item == group and row.status == MEASURED} == lines
    page = (output / PAGE).read_text()
    assert "Nothing that was done." in page
    assert "| permuted_mnist | all methods |" in page


def test_its_results_are_ordinary_ones(done):
    _, output = done
    frame = load(output / "results")
    assert {"headline", "precision", "split_cifar100"} <= set(frame["study"])
    assert set(frame["status"]) == {"finished"}
    precisions = frame.loc[frame["study"] == "precision", "training.precision"]
    assert set(precisions) == {"float32", "tf32", "bfloat16"}


@pytest.mark.parametrize("minutes", ["-1", "nan", "soon"])
def test_minutes_are_a_number_from_0(tmp_path, minutes):
    found = command(tmp_path, "--minutes", minutes)
    assert found.returncode == 2
    assert "--minutes" in found.stderr
