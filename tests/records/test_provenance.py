"""What differs between the code and data of two runs, in words."""

import pytest

from cl_bench.analysis.labels import with_methods
from cl_bench.records.provenance import NUMBERS, RELEASES, differences, tells
from cl_bench.records.rows import Record
from cl_bench.records.runs import Run

RELEASED = next(iter(RELEASES))
OURS = {"version": "0.1.0", "commit": "0123abcd", "dirty": False, "tree": "t", "source": "s", "compiled": "c"}
CODE = {"python": "3.11", "cl_bench": OURS, "outside": {"mine": {"source": "1", "compiled": "2"}}}
ABOUT = {"code": CODE, "data": {"train": "a", "test": "b"}}


def changed(**parts):
    code = {**CODE, **{key: value for key, value in parts.items() if key in CODE}}
    return {"code": code, "data": parts.get("data", ABOUT["data"])}


def ours(**parts):
    return changed(cl_bench={**OURS, **parts})


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (ABOUT, []),
        ({}, []),  # a run from before there were fingerprints
        (changed(data={"train": "a", "test": None}), []),  # tuned without test images
        (changed(data={"train": "x", "test": "b"}), ["the train images or labels are others"]),
        (changed(data={"train": "a", "test": "x"}), ["the test images or labels are others"]),
        (changed(outside={"mine": {"source": "9", "compiled": "2"}}), []),  # a comment
        (changed(outside={"mine": {"source": "9", "compiled": "9"}}), ["the module mine has changed"]),
        (changed(outside={}), ["the module mine is gone"]),
        (changed(outside={**CODE["outside"], "new": {"source": "1"}}), ["the module new is new"]),
        (ours(tree="x", source="x"), []),
        (ours(tree="x", compiled="x"), []),
        (ours(tree="x", source="x", compiled="x", commit="ffff", dirty=True, version="0.2.0"),
         ["cl_bench 0.1.0 (commit 0123abcd) then, cl_bench 0.2.0 (commit ffff, changed) now"]),
        (ours(tree=RELEASED, source="x", compiled="x"),
         ["cl_bench 0.1.0 (commit 0123abcd) then, cl_bench 0.1.0 (commit 0123abcd) now"]),
        (changed(python="3.12", outside={"mine": {"source": "9", "compiled": "2"}}),
         ["the module mine has changed"]),
        (changed(python="3.12"), []),
    ],
)  # fmt: skip
def test_what_differs_is_said(other, expected):
    assert differences(ABOUT, other) == expected


def test_releases_of_one_version_of_the_numbers_are_the_same_code(monkeypatch):
    monkeypatch.setitem(RELEASES, "one", 7)
    monkeypatch.setitem(RELEASES, "two", 7)
    monkeypatch.setitem(RELEASES, "three", 8)
    one, two, three, mine = (
        ours(tree=tree, source=tree, compiled=tree) for tree in ("one", "two", "three", "mine")
    )
    assert differences(one, two) == differences(two, one) == []
    assert differences(two, three)
    assert differences(mine, two), "code that was edited, committed or not, is known by its hashes alone"
    assert differences(mine, mine) == []
    assert differences(ours(tree=["one"], source="y", compiled="y"), two)


def test_versions_grow():
    assert set(RELEASES.values()) == set(range(1, NUMBERS + 1))


def test_what_was_kept_on_request_counts_as_the_same():
    now = changed(outside={"mine": {"source": "9", "compiled": "9"}})
    assert differences({**ABOUT, "kept": now}, now) == []
    assert differences(now, {**ABOUT, "kept": now}) == []


def test_odd_things_in_a_run_json_are_no_fingerprints():
    for odd in (
        None,
        3,
        "x",
        [],
        {"code": 1, "data": 2},
        {"code": {"cl_bench": 3, "outside": []}, "data": {}},
    ):
        about = odd if isinstance(odd, dict) else {"code": odd, "data": odd}
        assert differences(about, ABOUT) == [] or isinstance(odd, dict)
        assert not tells(about)


def run(path, seed, about, **more):
    tests = (Record(seed, 1, 1, 0.5, 1.0, 10),)
    return Run(
        path / f"a-run-s{seed}-0123abcd",
        *("study", "digits", "ewc", seed),
        **{"status": "finished", "num_tasks": 1, "records": tests, "about": about, **more},
    )


def test_runs_of_other_code_are_no_seeds_of_one_method(tmp_path):
    old = {**ABOUT, "finished": "2026-01-01"}
    new = {**changed(outside={"mine": {"source": "9", "compiled": "9"}}), "finished": "2026-02-01"}
    found, _ = with_methods([run(tmp_path, 0, old), run(tmp_path, 1, new), run(tmp_path, 2, new)])
    assert [each.method for each in found] == ["ewc (other code)", "ewc", "ewc"]
    assert [each.other for each in found] == ["the module mine has changed", "", ""]


def test_runs_of_other_data_and_of_two_other_codes_have_names_of_their_own(tmp_path):
    def at(month, **parts):
        return {**changed(**parts), "finished": f"2026-{month:02}-01"}

    abouts = [
        at(1, data={"train": "x", "test": "b"}),
        at(2, outside={"mine": {"source": "8", "compiled": "8"}}),
        at(3, outside={"mine": {"source": "9", "compiled": "9"}}),
        at(4),
    ]
    found, _ = with_methods([run(tmp_path, seed, about) for seed, about in enumerate(abouts)])
    assert [each.method for each in found] == [
        "ewc (other data 3)",
        "ewc (other code 2)",
        "ewc (other code)",
        "ewc",
    ]


def variants(tmp_path, *abouts):
    """The methods of runs of one strategy with other settings each."""
    runs = [
        run(tmp_path, seed, about)._replace(settings={"strategy.strength": seed})
        for seed, about in enumerate(abouts)
    ]
    return [each.method.partition(" strength=")[2] for each in with_methods(runs)[0]]


def test_variants_of_old_code_are_marked_beside_one_of_new(tmp_path):
    finished = ("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")
    edited = changed(outside={"mine": {"source": "9", "compiled": "9"}})
    old, new = ({**about, "finished": when} for about, when in zip((ABOUT, edited), finished, strict=True))
    assert variants(tmp_path, old, new) == ["0 (other code)", "1"]
    assert variants(tmp_path, old, old) == ["0", "1"]
    marked = {**ABOUT, "stale": ["the module mine has changed"]}
    assert variants(tmp_path, ABOUT, marked) == ["0 (other code)", "1 (other code)"]
    assert variants(tmp_path, edited, marked) == ["0", "1 (other code)"]


def test_a_variant_may_have_modules_of_its_own(tmp_path):
    more = changed(outside={**CODE["outside"], "plugin": {"source": "5", "compiled": "5"}})
    assert variants(tmp_path, ABOUT, more) == ["0", "1"]


def test_a_run_marked_as_stale_is_so_even_alone(tmp_path):
    found, _ = with_methods([run(tmp_path, 0, {**ABOUT, "stale": ["the module mine has changed"]})])
    assert [each.method for each in found] == ["ewc (other code)"]
    found, _ = with_methods([run(tmp_path, 0, {**ABOUT, "stale": ["the test images or labels are others"]})])
    assert [each.method for each in found] == ["ewc (other data)"]


def test_runs_from_before_fingerprints_are_seeds_of_one_method(tmp_path):
    found, _ = with_methods([run(tmp_path, 0, {}), run(tmp_path, 1, {}), run(tmp_path, 2, ABOUT)])
    assert {each.method for each in found} == {"ewc"}
