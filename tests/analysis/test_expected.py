"""Published numbers beside ours: the test by hand, the verdicts, the table of a report."""

import json
import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cl_bench.analysis import AnalysisError, load
from cl_bench.analysis.expected_numbers import expected_numbers
from cl_bench.analysis.labels import with_methods
from cl_bench.analysis.published import against_published, equivalence, verdict
from cl_bench.records.runs import read_runs
from cl_bench.report.build import report
from cl_bench.report.published_table import published_table, remarks

write_run = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))["write_run"]
GROUP = {"source": "Somebody 2020", "evidence": "read", "seeds": 20, "spread_kind": "SEM", "margin": 1.5}


def level_matrix(accuracy, *, num_tasks=2):
    """R with this average accuracy in the end, [1 + T, T]; after task 1 the first task is known better by
    0.05."""
    matrix = np.full((1 + num_tasks, num_tasks), accuracy)
    matrix[1, 0] = accuracy + 0.05
    return matrix


def study_of(results, accuracies, groups, *, study="study", **about):
    """A study whose seeds end at these accuracies (percent), and the numbers that it is compared with."""
    for seed, accuracy in enumerate(accuracies):
        write_run(results, study=study, seed=seed, accuracy=level_matrix(accuracy / 100), **about)
    (results / study).mkdir(exist_ok=True)
    (results / study / "expected.json").write_text(json.dumps(groups))


def compared(results):
    found, _ = with_methods(read_runs(results))
    return against_published(found, load(results))


def test_two_values_by_hand():
    """Mean 90, standard error 1; with one degree of freedom F is 1/2 + atan(x) / pi. Published 90.5, margin
    2.5: the nearer bound is 2 standard errors away, and 1 - F(2) = 1/2 - atan(2) / pi.
    """
    assert equivalence([89, 91], published=90.5, margin=2.5) == pytest.approx(0.5 - math.atan(2) / math.pi)


def test_it_is_the_larger_p_value_of_two_one_sided_t_tests():
    values, published, margin = [89.1, 90.4, 91.0, 88.7, 90.2], 89.2, 1.5
    lower = stats.ttest_1samp(values, published - margin, alternative="greater").pvalue
    upper = stats.ttest_1samp(values, published + margin, alternative="less").pvalue
    assert equivalence(values, published=published, margin=margin) == pytest.approx(max(lower, upper))


def test_a_mean_outside_the_margin_is_no_agreement_however_sure_it_is():
    assert equivalence([92.0, 92.01, 91.99], published=90, margin=1.5) > 0.99
    assert equivalence([92.0, 92.0], published=90, margin=1.5) == 1
    assert equivalence([90.0, 90.0], published=90, margin=1.5) == 0


def test_one_value_is_no_test():
    with pytest.raises(ValueError, match="two seeds or more, got 1"):
        equivalence([90.0], published=90, margin=1)


def test_it_agrees_exactly_where_the_90_percent_interval_lies_within_the_margin():
    values = np.array([89.0, 90.0, 91.0, 90.5])
    half = stats.t.ppf(0.95, 3) * values.std(ddof=1) / 2
    for margin, expected in ((half + 1e-6, "agrees"), (half - 1e-6, "undecided")):
        assert verdict(values, published=values.mean(), margin=margin, evidence="read") == expected


@pytest.mark.parametrize(
    ("values", "evidence", "expected"),
    [
        ([90.0, 90.1, 89.9], "read", "agrees"),
        ([90.0, 90.1, 89.9], "memory", "unverified source"),
        ([90.0, 90.1, 89.9], "plot", "agrees"),
        ([93.0, 93.1, 92.9], "read", "differs"),
        ([87.0, 87.1, 86.9], "measured", "differs"),
        ([80.0, 90.0, 97.0], "read", "undecided"),
        ([90.0], "read", "one seed"),
        ([90.0], "memory", "unverified source"),
        ([], "memory", "not run"),
    ],
)
def test_verdicts(values, evidence, expected):
    assert verdict(values, published=90, margin=1.5, evidence=evidence) == expected


def test_a_row_is_compared_with_the_runs_of_its_strategy_and_settings(tmp_path):
    rows = [
        {"strategy": "ewc", "training.epochs": 5, "accuracy": 90.0, "spread": 0.2},
        {"strategy": "ewc", "training.epochs": 5, "accuracy": 95.0, "after_task": 1, "margin": 7.0},
        {"strategy": "ewc", "training.epochs": 10, "accuracy": 90.0},
        {"strategy": "si", "training.epochs": 5, "accuracy": 90.0, "run_with": ["strategy=si"]},
    ]
    study_of(tmp_path, [89.0, 90.0, 91.0], [GROUP | {"rows": rows}])
    for seed, accuracy in enumerate([50.0, 52.0]):
        settings = {"training.epochs": 10}
        matrix = level_matrix(accuracy / 100)
        write_run(tmp_path, seed=seed, accuracy=matrix, settings=settings, run_hash="ffff00")
    found = compared(tmp_path)
    assert found["mean"].tolist() == pytest.approx([90.0, 95.0, 51.0, math.nan], nan_ok=True)
    assert found["num_seeds"].tolist() == [3, 3, 2, 0]
    assert found["difference"].tolist() == pytest.approx([0.0, 0.0, -39.0, math.nan], nan_ok=True)
    assert found["high"][0] - found["mean"][0] == pytest.approx(stats.t.ppf(0.975, 2) / math.sqrt(3))
    assert found["verdict"].tolist() == ["undecided", "agrees", "differs", "not run"]
    assert found["method"].tolist() == [
        "ewc epochs=5",
        "ewc epochs=5, after task 1",
        "ewc epochs=10",
        "si epochs=5",
    ]
    assert found["margin"].tolist() == [1.5, 7.0, 1.5, 1.5]


def test_runs_of_several_variants_are_not_mixed(tmp_path):
    study_of(tmp_path, [90.0, 90.1], [GROUP | {"rows": [{"strategy": "ewc", "accuracy": 90.0}]}])
    write_run(
        tmp_path, seed=2, accuracy=level_matrix(0.9), settings={"training.epochs": 10}, run_hash="ffff00"
    )
    (row,) = compared(tmp_path).to_dict("records")
    assert row["verdict"] == "several variants"
    assert row["num_seeds"] == 0


def test_an_unfinished_run_counts_nowhere(tmp_path):
    study_of(tmp_path, [90.0, 90.1], [GROUP | {"rows": [{"strategy": "ewc", "accuracy": 90.0}]}])
    write_run(tmp_path, seed=2, accuracy=level_matrix(0.1), last_task=1, status="running")
    assert compared(tmp_path)["num_seeds"].tolist() == [2]


def test_a_study_without_published_numbers_has_no_table(tmp_path):
    write_run(tmp_path)
    assert compared(tmp_path).empty
    assert published_table(compared(tmp_path)) == ""


def test_the_report_shows_the_table_and_writes_it_as_csv(tmp_path):
    rows = [
        {"strategy": "ewc", "accuracy": 90.0, "spread": 0.2},
        {"strategy": "si", "accuracy": 80.0, "run_with": ["strategy=si"]},
    ]
    known = {"strategy": "ewc", "accuracy": 70.0, "source": "Else 2019", "evidence": "memory"}
    missed = {
        "strategy": "ewc",
        "accuracy": 99.0,
        "reason": "their network is larger.",
        "note": "Another network.",
    }
    study_of(
        tmp_path, [90.0, 90.1, 89.9, 90.0], [GROUP | {"rows": [*rows, missed]}, GROUP | {"rows": [known]}]
    )
    found = report(tmp_path)
    lines = [" ".join(line.split()) for line in found.text.splitlines()]
    assert "study: published, and here" in lines
    assert "method published here seeds difference margin agrees? source" in lines
    assert "ewc 90 ± 0.2 SEM (20) 90.0 ± 0.1 4 +0.0 1.5 agrees 1" in lines
    assert "si 80 (20) – 0 – 1.5 not run 1" in lines
    assert "ewc 99 (20) 90.0 ± 0.1 4 -9.0 1.5 differs 2" in lines
    assert "ewc 70 (20) 90.0 ± 0.1 4 +20.0 1.5 unverified source 3" in lines
    assert "1 Somebody 2020 (read)." in lines
    assert "2 Somebody 2020 (read). Another network." in lines
    assert "ewc misses the published number: their network is larger." in lines
    assert "si was not run; run it with strategy=si" in lines
    table = pd.read_csv(tmp_path / "expected.csv")
    assert table["verdict"].tolist() == ["agrees", "not run", "differs", "unverified source"]
    assert tmp_path / "expected.csv" in found.paths


def test_the_reason_of_an_undecided_number_is_told_where_its_mean_is_beyond_the_margin(tmp_path):
    rows = [{"strategy": "ewc", "accuracy": accuracy, "reason": f"{accuracy}."} for accuracy in (83.0, 83.9)]
    study_of(tmp_path, [80.0, 85.0, 90.0], [GROUP | {"rows": rows}])
    assert compared(tmp_path)["verdict"].tolist() == ["undecided", "undecided"]
    told = remarks(compared(tmp_path))
    assert "ewc is beyond the margin: 83.0." in told
    assert not [line for line in told if "83.9" in line]


def test_each_study_has_its_own_numbers(tmp_path):
    for study, accuracy in (("one", 90.0), ("two", 50.0)):
        study_of(
            tmp_path,
            [90.0, 90.1],
            [GROUP | {"rows": [{"strategy": "ewc", "accuracy": accuracy}]}],
            study=study,
        )
    assert compared(tmp_path)[["study", "published"]].values.tolist() == [["one", 90.0], ["two", 50.0]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"accuracy": 90.0}, "strategy"),
        ({"strategy": "ewc", "accuracy": 90.0, "acuracy": 1}, "acuracy"),
        ({"strategy": "ewc", "accuracy": 90.0, "evidence": "hearsay"}, "evidence must be one of .*hearsay"),
        ({"strategy": "ewc", "accuracy": 90.0, "margin": 0}, "margin must be positive"),
    ],
)
def test_a_row_that_says_too_little_or_too_much_is_named(row, message):
    with pytest.raises(AnalysisError, match=message):
        expected_numbers([GROUP | {"rows": [row]}])


def test_a_broken_file_is_named(tmp_path):
    write_run(tmp_path)
    (tmp_path / "study" / "expected.json").write_text("[{")
    with pytest.raises(AnalysisError, match=r"expected\.json"):
        compared(tmp_path)


def test_runs_on_a_cpu_and_on_a_gpu_are_compared_apart(tmp_path):
    row = {"strategy": "ewc", "accuracy": 90.0}
    groups = [GROUP | {"rows": [row]}]
    study_of(tmp_path / "here", [89.0, 91.0], groups, hardware={"device": "cpu"})
    study_of(tmp_path / "there", [79.0, 81.0, 80.0], groups, hardware={"device": "cuda:0"})
    found = compared(tmp_path).set_index("method")
    assert found["num_seeds"].to_dict() == {"ewc (cpu)": 2, "ewc (cuda)": 3}
    assert list(compared(tmp_path / "here")["method"]) == ["ewc"]
    assert found["mean"].to_dict() == pytest.approx({"ewc (cpu)": 90, "ewc (cuda)": 80})
