"""A setting is never taken for a measurement, nor one method for another, whatever they are called."""

import json

import pandas as pd
import pytest
from hostile.folders import BAD, GOOD, bad, change, set_settings

from cl_bench.analysis import calibration, load, states, summary
from cl_bench.analysis.frame import RUN_COLUMNS
from cl_bench.analysis.registry import registered
from cl_bench.analysis.results import Results
from cl_bench.analysis.run_metrics import RUN
from cl_bench.records.rows import FILES
from cl_bench.report.run_rows import RUNS

METRIC_NAMES = [metric.name for metric in registered()]
ADDED = (
    "seen",
    "when",
    "draw",
    "change",
    "steps_since",
    "end",
    "pairs",
    "size",
    "share",
    "ece",
    "part",
    "index",
)
COLUMNS = sorted(
    {
        *RUN_COLUMNS,
        *RUNS,
        *RUN,
        *METRIC_NAMES,
        *ADDED,
        *(name for kind in FILES for name in kind._fields),
        *(f"{name}_{part}" for name in METRIC_NAMES for part in ("mean", "low", "high")),
        "average_nll",
        "mean",
        "settings",
        "settings.accuracy",
    }
)


def numbers(results):
    """What is measured, of each run, whatever the methods are called."""
    frames = {"load": load(results), "states": states(results), "calibration": calibration(results)}
    return {
        name: frame.drop(columns="method")[[column for column in frame if column in COLUMNS_OF[name]]]
        for name, frame in frames.items()
    }


MEASURED = {"load": 0, "states": 1, "calibration": 2}
COLUMNS_OF = {
    name: {*RUN_COLUMNS, *list(FILES)[place]._fields} - {"method"} for name, place in MEASURED.items()
}


@pytest.mark.parametrize("prefix", ["", "settings.", "seed_for.", "strategy."])
def test_settings_called_like_columns_change_no_number(base, tables_of, prefix):
    for place, run in enumerate((GOOD, BAD)):
        set_settings(base / "study" / run, {"strategy.strength": place})  # two methods, before and after
    before = numbers(base)
    tables_of(base)
    tables = {path.name: pd.read_csv(path) for path in base.glob("*.csv")}
    figures = {name: getattr(Results.read(base), name) for name in ("records", "states", "calibration")}
    for place, run in enumerate((GOOD, BAD)):
        set_settings(base / "study" / run, {f"{prefix}{name}": [1.0, 0.99][place] for name in COLUMNS})
    for name, frame in numbers(base).items():
        pd.testing.assert_frame_equal(frame, before[name])
    tables_of(base)
    for name, table in tables.items():
        if name == "seed_variance.csv":
            continue
        after = pd.read_csv(base / name)
        for column in table.select_dtypes("number"):
            assert after[column].tolist() == pytest.approx(table[column].tolist(), nan_ok=True), (
                name,
                column,
            )
    for name, frame in figures.items():
        again = getattr(Results.read(base), name)
        columns = [column for column in frame if column != "method"]
        pd.testing.assert_frame_equal(again[columns], frame[columns])


def test_a_fabricated_accuracy_is_a_column_of_its_own(base):
    for place, run in enumerate((GOOD, BAD)):
        set_settings(base / "study" / run, {"accuracy": [1.0, 0.99][place], "settings.accuracy": place})
    frame = load(base)
    assert frame["accuracy"].max() < 0.95
    assert frame.groupby("seed")["settings.settings.accuracy"].first().tolist() == [1.0, 0.99]
    assert frame.groupby("seed")["settings.accuracy"].first().tolist() == [0, 1]


FORGED = {
    "a value": ({"strategy.a": "1 b=2"}, {"strategy.a": "1", "strategy.b": "2"}),
    "a text": ({"strategy.a": "None"}, {"strategy.a": "none"}),
}


@pytest.mark.parametrize("name", FORGED)
def test_settings_whose_labels_read_alike_are_two_methods(base, name):
    for run, settings in zip((GOOD, BAD), FORGED[name], strict=True):
        set_settings(base / "study" / run, settings)
    rows = summary(load(base))
    assert len(rows) == 2
    assert rows["num_seeds"].tolist() == [1, 1]


def test_a_strategy_called_like_another_with_its_settings_is_another(base, tables_of):
    third = base / "study" / "permuted_mnist-forged-s0-ab12cd"
    third.mkdir()
    for path in (base / "study" / GOOD).iterdir():
        (third / path.name).write_bytes(path.read_bytes())
    set_settings(base / "study" / GOOD, {"strategy.strength": 1})
    set_settings(bad(base), {"strategy.strength": 2})
    change(third, strategy="ewc strength=1")
    tables_of(base)
    rows = pd.read_csv(base / "summary.csv")
    assert rows["num_seeds"].tolist() == [1, 1, 1]
    assert sorted(rows["method"]) == ["ewc strength=1", "ewc strength=1 (2)", "ewc strength=2"]


def test_a_method_called_like_one_of_another_study_is_told_apart(base):
    other = base / "other" / GOOD
    other.mkdir(parents=True)
    third = base / "study" / "permuted_mnist-forged-s0-ab12cd"
    third.mkdir()
    for path in (base / "study" / GOOD).iterdir():
        for folder in (other, third):
            (folder / path.name).write_bytes(path.read_bytes())
    change(other, study="other")
    change(third, strategy="ewc (other)")
    found = Results.read(base).told_apart().found
    assert len({(run.method, run.study) for run in found}) == len({run.method for run in found}) == 3


def test_what_run_json_says_besides_never_shadows(base, tables_of):
    before = load(base)
    shadows = {
        name: "x" for name in COLUMNS if name not in ("study", "benchmark", "strategy", "seed", "status")
    }
    del shadows["run"], shadows["scenario"], shadows["num_tasks"], shadows["settings"]
    shadows |= {"records": [[0, 1, 1, 1.0]], "path": "/etc", "name": "x", "method": "best", "other": "x"}
    change(bad(base), **json.loads(json.dumps(shadows)))
    after = load(base)
    columns = [name for name in before if name not in ("tuning", "tuning_note")]
    pd.testing.assert_frame_equal(after[columns], before[columns])
    tables_of(base)
    assert pd.read_csv(base / "summary.csv")["num_seeds"].tolist() == [2]
