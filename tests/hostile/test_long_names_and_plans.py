"""Many settings, long names and large plans of a sweep cost little, and what they say is exact."""

import json

import pytest
from hostile.folders import BAD, GOOD, bad, change, in_run_json, set_settings

from cl_bench.analysis import load
from cl_bench.analysis.labels import LONGEST, short_names
from cl_bench.analysis.missing_runs import missing
from cl_bench.records.runs import read_runs


@pytest.mark.parametrize("number", [500, 8_000])
def test_many_settings_that_differ_cost_little(base, tables_of, number):
    for place, run in enumerate((GOOD, BAD)):
        set_settings(base / "study" / run, {f"strategy.a{each}.b": each + place for each in range(number)})
    frame = load(base)
    found = tables_of(base)
    assert sum(name.startswith("strategy.a") for name in frame) == number
    methods = set(frame["method"])
    assert len(methods) == 2
    assert all(len(each) <= LONGEST for each in methods)
    assert all(each.startswith("ewc a0.b=") and " more (" in each for each in methods)
    assert len(found.text) < 20_000
    assert (base / "report.html").stat().st_size < 8_000_000


def test_settings_that_end_alike_are_told_apart_in_linear_time():
    keys = [f"a{place}." + "x." * 30 + "y" for place in range(5_000)]
    names = short_names(keys)
    assert names == {key: key for key in keys}
    assert short_names(["a.x", "b.x", "x"]) == {"a.x": "a.x", "b.x": "b.x", "x": "x"}


LONG = "a" * 10_000
LONG_NAMES = {
    **{name: in_run_json(**{name: LONG}) for name in ("study", "benchmark", "strategy", "scenario")},
    "error": in_run_json(status="failed", error="\n".join([LONG] * 100)),
    "one line of error": in_run_json(status="failed", error=LONG * 100),
    "notes": in_run_json(notes=[f"{place} {LONG}" for place in range(300)]),
    "versions": in_run_json(versions={f"{place} {LONG}": LONG for place in range(100)}),
    "arguments": in_run_json(arguments=[LONG] * 300),
    "tuning": in_run_json(tuning={f"{LONG}/x": "y"}, tuned_by={"search": LONG, "differs": [LONG] * 100}),
    "value": lambda results: set_settings(bad(results), {"strategy.strength": LONG}),
    "list": lambda results: set_settings(bad(results), {"strategy.strength": [[LONG]] * 300}),
    "setting": lambda results: set_settings(bad(results), {f"strategy.{LONG}": 1, f"{LONG}.x": 1}),
    "parts": lambda results: set_settings(bad(results), {"strategy" + ".a" * 100_000: 1}),
    "purpose": lambda results: set_settings(bad(results), {f"seed_for.{LONG}": LONG}),
    "plan": lambda results: (results / "study" / "sweep.json").write_text(
        json.dumps({"strategy": ["ewc", *(f"{place}{LONG}" for place in range(50))], "seed": ["0", "1"]})
    ),
    "published": lambda results: (results / "study" / "expected.json").write_text(
        json.dumps(
            [
                {
                    **{"source": LONG, "evidence": "read", "margin": 1.0, "note": LONG, "spread_kind": LONG},
                    "rows": [{"strategy": LONG, LONG: LONG, f"a.{LONG}": LONG, "accuracy": 1}],
                }
            ]
        )
    ),
    "published setting": lambda results: (results / "study" / "expected.json").write_text(
        json.dumps(
            [
                {
                    **{"source": LONG, "evidence": "read", "margin": 1.0, "note": LONG, "reason": LONG},
                    "rows": [{"strategy": "ewc", f"a.{LONG}": LONG, "accuracy": 1, "run_with": [LONG] * 9}],
                }
            ]
        )
    ),
}


@pytest.mark.parametrize("name", LONG_NAMES)
def test_long_names_are_cut_in_tables_and_pages(base, tables_of, name):
    LONG_NAMES[name](base)
    found = tables_of(base)
    assert LONG not in "".join([found.text, *found.notes])
    assert len(found.text) + sum(map(len, found.notes)) < 1_000_000
    for path in [*base.glob("*.csv"), base / "report.html", base / "table.tex"]:
        content = path.read_text()
        assert path.stat().st_size < 7_000_000, path
        assert LONG not in content or path.name in ("runs.csv", "expected.csv"), path
    assert GOOD in set(load(base)["run"])


def test_long_names_that_differ_stay_different_methods(base):
    change(base / "study" / GOOD, strategy=LONG + "b")
    change(bad(base), strategy=LONG + "c")
    methods = set(load(base)["method"])
    assert len(methods) == 2
    assert all(len(method) <= 200 for method in methods)


@pytest.mark.parametrize(
    "plan",
    [
        {f"k{place}": ["1", "2"] for place in range(5_000)},
        {"strategy": ["ewc"] * 60_000, "seed": ["0", "1"] * 5_000},
        {"strategy": [f"s{place}" for place in range(1_000)], "seed": [str(seed) for seed in range(999)]},
        {
            **{
                "strategy": [f"s{place}" for place in range(1_000)],
                "seed": [str(seed) for seed in range(999)],
            },
            "left_out": [{"seed": [str(seed), "7"]} for seed in range(500)],
        },
        {
            **{f"k{place}": ["1", "2"] for place in range(19)},
            "left_out": [{f"k{place}": ["1"]} for place in range(19)] * 300,
        },
    ],
    ids=["too many", "the same", "a million", "with what is left out", "and more"],
)
def test_a_plan_is_counted_and_not_listed(base, plan):
    (base / "study" / "sweep.json").write_text(json.dumps(plan))
    for run in (GOOD, BAD):
        set_settings(base / "study" / run, {"strategy": "s1", **{f"k{place}": 1 for place in range(19)}})
    found = missing(read_runs(base))
    assert len(found) <= 1
    assert all(len(note) < 2_000_000 for note, _ in found)


def test_what_a_large_plan_lacks_is_exact(base):
    plan = {"strategy": [f"s{place}" for place in range(1_000)], "seed": [str(seed) for seed in range(100)]}
    plan |= {"left_out": [{"seed": ["5", "6"]}, {"seed": ["6"], "strategy": ["s1"]}, {"strategy": ["s0"]}]}
    (base / "study" / "sweep.json").write_text(json.dumps(plan))
    for run in (GOOD, BAD):
        set_settings(base / "study" / run, {"strategy": "s1"})
    ((note, _),) = missing(read_runs(base))
    total = 999 * 98
    assert note.startswith(f"study: {total - 2} of {total} runs of the last sweep have not begun: ")
    assert "strategy=s1 seed=2" in note
    assert "strategy=s1 seed=0" not in note
    assert "seed=5" not in note
