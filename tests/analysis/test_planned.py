"""What the last sweep has not begun is found from its plan, whatever the spelling of values."""

import json

import pytest

from cl_bench.analysis.missing_runs import missing, read_plan
from cl_bench.records.runs import read_runs


def planned(results, **plan):
    (results / "study" / "sweep.json").write_text(json.dumps(plan))
    return [each.note for each in missing(read_runs(results))]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.001, "1e-3"), (None, "null"), (True, "true"), ("[8, 8]", "[8,8]"), ("a b", "'a b'")],
)
def test_a_value_is_the_same_however_it_is_written(tmp_path, write_run, value, text):
    write_run(tmp_path, settings={"strategy.setting": value})
    assert planned(tmp_path, **{"strategy.setting": [text, "other"]}) == [
        "study: 1 of 2 runs of the last sweep have not begun: strategy.setting=other."
    ]


def test_what_a_sweep_leaves_out_is_not_missing(tmp_path, write_run):
    write_run(tmp_path, settings={"strategy.name": "ewc", "strategy.strength": 1.0})
    plan = {"strategy": ["ewc", "finetune"], "strategy.strength": ["1", "10"]}
    left_out = [{"strategy": ["finetune"], "strategy.strength": ["1", "10"]}]
    (note,) = planned(tmp_path, **plan, left_out=left_out)
    assert note == ("study: 1 of 2 runs of the last sweep have not begun: strategy=ewc strategy.strength=10.")
    assert planned(tmp_path, **plan, left_out=[*left_out, {"strategy.strength": ["10"]}]) == []
    assert planned(tmp_path, **plan, left_out="nonsense")[0].startswith("study: 3 of 4")


def test_a_plan_of_no_runs_or_of_more_than_anybody_runs_is_none(tmp_path):
    for values in ([], [str(number) for number in range(1001)]):
        (tmp_path / "sweep.json").write_text(json.dumps({"seed": values, "strategy": values}))
        assert read_plan(tmp_path) == {}


def test_choices_are_known_by_their_names_and_more_than_enough_are_counted(tmp_path, write_run):
    names = {"strategy.name": "ewc", "benchmark.name": "permuted_mnist", "benchmark.dataset.name": "mnist"}
    write_run(tmp_path, settings=names)
    plan = {
        "strategy": ["ewc", "vcl"],
        "benchmark": ["permuted", "split"],
        "benchmark/dataset": ["mnist", "x"],
    }
    (note,) = planned(tmp_path, **plan, seed=["0", "1", "2", "3"])
    assert note.startswith("study: 31 of 32 runs of the last sweep have not begun: ")
    assert "strategy=ewc benchmark=permuted benchmark/dataset=mnist seed=0;" not in note
    assert "strategy=ewc benchmark=permuted benchmark/dataset=mnist seed=1;" in note
    assert note.endswith(" and 11 more.")


def test_nothing_is_missing_where_all_is_there_or_the_runs_cannot_tell(tmp_path, write_run):
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1)
    assert planned(tmp_path, seed=["0", "1"], experiment=["digits"]) == []
    assert planned(tmp_path, experiment=["digits", "other"]) == []
    (tmp_path / "study" / "sweep.json").write_text("[1")
    assert missing(read_runs(tmp_path)) == []
