"""Results of several machines in one folder: nothing is lost, nothing is chosen silently."""

import json
import os

import pytest

from cl_bench import records
from cl_bench.analysis import load
from cl_bench.cli.main import main
from cl_bench.cli.merge import merge
from cl_bench.records.rows import Record, State

NAME = "split_digits-ewc-s{seed}-0123abcd"


def make(results, *, seed=0, study="study", status="finished", accuracy=0.5, num_records=4, weights="0" * 64):
    """A run folder of two tasks."""
    folder = results / study / NAME.format(seed=seed)
    folder.mkdir(parents=True)
    pairs = [(after, on) for after in (1, 2) for on in (1, 2)][:num_records]
    records.append(
        folder / "records.csv",
        *(Record(seed, after, on, accuracy, 0.7, 10, brier=0.1) for after, on in pairs),
    )
    seconds = float(len(list(results.parent.rglob("run.json"))))  # each run took another time
    records.append(folder / "states.csv", State(seed, 1, 0.1, 0.0, 8, 8, seconds, 4, float("nan")))
    about = {"study": study, "benchmark": "split_digits", "strategy": "ewc", "seed": seed, "hash": "0123abcd"}
    about |= {"status": status, "scenario": "task", "num_tasks": 2, "wall_seconds": seconds}
    about |= {"weights_sha256": weights} if status == "finished" else {}
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "run.log").write_text(f"of {results.name}")
    return folder


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def places(tmp_path):
    return tmp_path / "a", tmp_path / "b", tmp_path / "c"


def test_runs_of_two_folders_are_in_one_and_the_same_run_counts_once(places, capsys):
    a, b, c = places
    first, second = make(a, seed=0), make(b, seed=1)
    make(b, seed=0)  # again, with other seconds
    assert main(["merge", str(a), str(b), "-o", str(c)]) == 0
    assert capsys.readouterr().out == "2 runs copied\n"
    assert sorted(load(c)["seed"].unique()) == [0, 1]
    assert files(c / "study" / first.name) == files(first)
    assert files(c / "study" / second.name) == files(second)
    before = files(c)
    assert main(["merge", str(b), str(a / "study"), str(second), "-o", str(c)]) == 0
    assert capsys.readouterr().out == "2 runs there already\n"
    assert files(c) == before


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"accuracy": 0.25}, "accuracy 0.5 and 0.25"),
        ({"weights": "1" * 64}, "final weights: 000000000000..., 1111"),
    ],
)
def test_a_run_that_differs_in_two_places_is_reported_and_neither_is_chosen(places, capsys, other, said):
    a, b, c = places
    make(a), make(b, **other), make(b, seed=1)
    assert main(["merge", str(a), str(b), "-o", str(c)]) == 1
    out = capsys.readouterr().out
    assert said in out
    assert str(a / "study") in out
    assert str(b / "study") in out
    assert [path.name for path in c.glob("study/split*")] == [NAME.format(seed=1)]


def test_what_is_finished_there_is_never_replaced(places, capsys):
    a, _, c = places
    make(a, accuracy=0.25), make(c)
    before = files(c)
    assert main(["merge", str(a), "-o", str(c)]) == 1
    assert "accuracy 0.5 and 0.25" in capsys.readouterr().out
    assert {path: content for path, content in files(c).items() if ".locks" not in path.parts} == before


def test_finished_beats_unfinished_and_the_longest_of_the_unfinished_counts(places, capsys):
    a, b, c = places
    done = make(a)
    make(b, status="running", num_records=3), make(c, status="failed", num_records=1)
    make(b, seed=1, status="running", num_records=3)
    make(a, seed=1, status="failed", num_records=2)
    assert main(["merge", str(b), str(a), "-o", str(c)]) == 0
    assert files(c / "study" / done.name) == files(done)
    other = NAME.format(seed=1)
    assert files(c / "study" / other) == files(b / "study" / other)
    assert "1 run unfinished, copied as far as they are" in capsys.readouterr().out
    assert not list(c.glob("study/.merging*"))


def test_a_broken_run_is_named_and_a_whole_one_takes_its_place(places, capsys):
    a, b, c = places
    (make(a) / "run.json").write_text("{")
    make(b)
    (make(a, seed=1) / "records.csv").write_text("what\n")
    assert main(["merge", str(a), str(b), "-o", str(c)]) == 1
    out = capsys.readouterr().out
    assert "run.json is unreadable" in out
    assert "the header must be" in out
    assert [path.name for path in c.glob("study/split*")] == [NAME.format(seed=0)]
    assert main(["merge", str(b), "-o", str(c)]) == 0


def test_what_lies_beside_the_runs_of_a_study_is_taken_over(places, capsys):
    a, b, c = places
    make(a), make(b, seed=1)
    numbers = [{"source": "Somebody", "evidence": "read", "margin": 1.5, "rows": []}]
    (a / "study" / "expected.json").write_text(json.dumps(numbers))
    (a / "study" / "sweep.json").write_text('{"strategy": ["ewc"], "seed": ["0"]}')
    (b / "study" / "sweep.json").write_text('{"strategy": ["ewc"], "seed": ["1"]}')
    assert main(["merge", str(a), str(b), "-o", str(c)]) == 0
    assert json.loads((c / "study" / "expected.json").read_text()) == numbers
    assert json.loads((c / "study" / "sweep.json").read_text()) == {"strategy": ["ewc"], "seed": ["0", "1"]}

    numbers[0]["margin"] = 2.5
    (b / "study" / "expected.json").write_text(json.dumps(numbers))
    (b / "study" / "sweep.json").write_text('{"strategy": ["vcl"], "seed": ["7"]}')
    assert main(["merge", str(b), "-o", str(c)]) == 1
    out = capsys.readouterr().out
    assert "expected.json" in out
    assert "sweep.json" in out
    assert "the one there stays" in out
    assert json.loads((c / "study" / "expected.json").read_text())[0]["margin"] == 1.5


def test_a_strangers_folder_leads_nowhere_else(places, tmp_path):
    a, _, c = places
    for place, study in enumerate(("../../escaped", "/escaped", "..", "")):
        folder = make(a, seed=place, study=f"study {place}")
        about = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps(about | {"study": study}))
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "link").symlink_to(secret)
    merged = merge(a, into=c)
    assert [place for place, _ in merged.problems] == [f"study 3/{folder.name}"]
    assert "link is a link to" in merged.problems[0][1]
    assert {path.name for path in c.iterdir()} == {f"study {place}" for place in range(4)}
    assert "secret" not in {path.name for path in c.rglob("*")}
    assert not (c / "study 3" / folder.name).exists()


def test_a_copy_that_fails_leaves_what_was_there(places, monkeypatch):
    a, _, c = places
    make(a), make(c, status="running", num_records=2)
    before = files(c)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        merge(a, into=c)
    assert {path: content for path, content in files(c).items() if ".locks" not in path.parts} == before


def test_a_folder_without_runs_is_an_error_of_one_line(places, capsys):
    a, _, c = places
    a.mkdir()
    assert main(["merge", str(a), "-o", str(c)]) == 1
    assert "no runs in" in capsys.readouterr().err
    assert main(["merge", str(a)]) == 2


CPU, CUDA = {"device": "cpu"}, {"device": "cuda:0", "gpu": "NVIDIA H200"}


def on(hardware, folder):
    """The same run with the hardware that it ran on."""
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hardware": hardware}))
    return folder


@pytest.mark.parametrize("first", [CPU, CUDA], ids=["cpu", "cuda"])
def test_runs_of_one_name_on_two_kinds_of_device_are_two(places, capsys, first):
    a, b, c = places
    second = CUDA if first is CPU else CPU
    one, other = on(first, make(a)), on(second, make(b, accuracy=0.6, weights="1" * 64))
    assert main(["merge", str(a), str(b), "-o", str(c)]) == 0
    assert capsys.readouterr().out == "2 runs copied\n"
    assert files(c / "study" / one.name) == files(one)
    assert files(c / "study" / "beside" / other.name) == files(other)
    assert set(load(c)["method"]) == {"ewc (cpu)", "ewc (cuda)"}
    before = files(c)
    for sources in ([b, a], [b], [c]):  # in whatever order they come
        assert main(["merge", *map(str, sources), "-o", str(c)]) == 0
    assert files(c) == before


def test_two_that_disagree_on_one_device_are_still_named(places):
    a, b, c = places
    on(CUDA, make(a)), on(CUDA, make(b, weights="1" * 64))
    assert merge(a, b, into=c).outcomes["not merged"] == 1
