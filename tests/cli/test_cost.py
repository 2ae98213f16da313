"""`cl-bench cost` and `cl-bench export`: what is shown at a terminal, and what cannot be said."""

import shutil

import pandas as pd
import pytest

from cl_bench.config.compose import compose
from cl_bench.runner.run import execute

SMALL = ("benchmark=permuted_digits", "benchmark.num_tasks=2", "training.iterations=3", "model.hidden=[8,8]")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two seeds of a binary method, and one of a real one."""
    place = tmp_path_factory.mktemp("results")
    common = (*SMALL, f"results_dir={place}", "model.activation=gate", "model.normalisation=layer")
    for more in (
        ("strategy=bimu", "training.save=[weights]"),
        ("strategy=bimu", "seed=1"),
        ("strategy=ewc",),
    ):
        execute(compose([*common, *more, "tuned=none"]))
    return place


def test_methods_stand_below_each_other_with_all_ways_to_predict(command, results):
    status, shown, errors = command("cost", str(results))
    assert (status, errors) == (0, "")
    binary, sampled, as_floats, real = (
        next(line.split() for line in shown.splitlines() if words in line)
        for words in ("bimu", "weight samples", "the same in float32", "ewc ")
    )
    assert binary[-5:-1] == ["0", "512", "144", "0.1"], "64 pixels and 8 + 8 hidden units, 10 classes"
    assert sampled[-5:-2] == ["0", "2,560", "720"]
    assert as_floats[-5:-1] == ["656", "0", "0", "2.6"]
    assert real[-5:-2] == ["656", "0", "0"]
    assert "an estimate by a table (Horowitz, ISSCC 2014: 45 nm, 0.9 V), and no measurement" in shown
    assert "by layer" not in shown


def test_one_method_is_shown_by_layer_and_with_the_flips_of_each_task(command, results):
    (run, _) = sorted(results.glob("*/*bimu*"))
    _, shown, _ = command("cost", str(run))
    layers = [line.split()[0] for line in shown.splitlines() if line.startswith(("  body", "  heads"))]
    assert layers == ["body.1", "body.4", "heads.linear"]
    assert "Weights that flip in each task, in percent: " in shown
    assert len(shown.partition("in percent: ")[2].splitlines()[0].split(", ")) == 2


def test_seeds_are_counted_and_the_table_is_written(command, results, tmp_path):
    path = tmp_path / "cost.csv"
    status, shown, _ = command("cost", str(results), "-o", str(path))
    assert status == 0
    kept = shown.partition("What is kept")[2]
    (line,) = (line.split() for line in kept.splitlines() if line.strip().startswith("bimu"))
    assert line[1] == "2"
    assert line[-1] == "%"
    frame = pd.read_csv(path)
    assert list(frame["prediction"]) == [
        *("one set of weights", "5 weight samples", "the same in float32", "one set of weights")
    ]
    assert list(frame["multiply_adds"]) == [0, 0, 656, 656]
    assert (frame["estimated_arithmetic_pj"] > 0).all()


def test_states_without_flips_are_told_to_be_made_again(command, results, tmp_path):
    (run, _) = sorted(results.glob("*/*bimu*"))
    shutil.copytree(run, tmp_path / "old" / run.name)
    path = tmp_path / "old" / run.name / "states.csv"
    path.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in path.read_text().splitlines()))
    status, shown, _ = command("cost", str(tmp_path))
    assert status == 0
    assert "Runs from before that was recorded" in shown
    assert "in percent" not in shown


def test_what_cannot_be_counted_is_said_beside_the_rest(command, results, tmp_path):
    for number, run in enumerate(sorted(results.glob("default/[!.]*"))):
        shutil.copytree(run, tmp_path / "some" / run.name)
        if number == 0:
            (tmp_path / "some" / run.name / "config.yaml").unlink()
        if number == 1:
            (tmp_path / "some" / run.name / "run.json").write_text("[]")
    status, shown, errors = command("cost", str(tmp_path))
    assert status == 1
    assert "ewc" in shown
    first, second = errors.splitlines()
    assert "run.json must hold an object" in first
    assert "config.yaml" in second


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cost"], 2),
        (["cost", "nowhere"], 1),
        (["cost", "nowhere", "-o", "table.txt"], 1),
        (["export", "nowhere"], 2),
        (["export", "nowhere", "-o", "a.npz"], 1),
        (["export", "nowhere", "-o", "a.bin"], 1),
    ],
)
def test_a_wrong_command_line_is_one_line_and_a_status(command, arguments, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, shown, errors = command(*arguments)
    assert (status, shown) == (expected, "")
    assert errors


def test_an_export_says_its_size_beside_that_in_float32(command, results, tmp_path):
    run = next(path for path in results.glob("*/*bimu*") if (path / "saved").is_dir())
    status, shown, errors = command("export", str(run), "-o", str(tmp_path / "small.npz"))
    assert (status, errors) == (0, "")
    assert f"small.npz: {(tmp_path / 'small.npz').stat().st_size:,} bytes" in shown
    assert "The same network in float32: " in shown
    assert "logits of 100 random images and 1 head differ by" in shown
    assert "average 5 weight samples" in shown
