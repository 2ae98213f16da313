"""Published numbers beside ours: the test by hand, the verdicts, the table of a report."""

import json
import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from cl_bench.analysis import AnalysisError, load
from cl_bench.analysis.expected_numbers import expected_numbers
from cl_bench.analysis.labels import with_methods
from cl_bench.analysis.published import against_published, equivalence, verdict
from cl_bench.analysis.two_samples import Sample, difference_of, sample_of
from cl_bench.records.runs import read_runs
from cl_bench.report.build import report
from cl_bench.report.published_table import published_table, remarks, tally

write_run = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))["write_run"]
EXPERIMENTS = Path(__file__).resolve().parents[2] / "conf" / "experiment"
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


def theirs(mean, *, deviation=0.2, number=20):
    return Sample(mean, deviation, number)


def by_hand(values, published, margin):
    """p of the two one-sided tests by Welch's formulas."""
    parts = [np.var(values, ddof=1) / len(values), published.deviation**2 / published.number]
    error = math.sqrt(sum(parts))
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / (len(values) - 1) + parts[1] ** 2 / (published.number - 1))
    low, high = (
        stats.t.sf((difference + margin) / error, degrees)
        for difference in (np.mean(values) - published.mean, published.mean - np.mean(values))
    )
    return max(low, high)


@pytest.mark.parametrize("margin", [0.5, 1.5, 4.0])
def test_it_is_the_larger_p_value_of_two_one_sided_tests(margin):
    values = [89.1, 90.4, 91.0, 88.7, 90.2]
    published = theirs(89.2, deviation=1.4, number=7)
    found = equivalence(values, published=published, margin=margin)
    assert found == pytest.approx(by_hand(values, published, margin), rel=1e-9)


def test_the_published_spread_makes_it_harder_to_agree_and_to_differ():
    near, far = [90.0, 90.1, 89.9], [93.0, 93.1, 92.9]
    for deviation, verdicts in ((0.2, ("agrees", "differs")), (8.0, ("undecided", "undecided"))):
        published = theirs(90.0, deviation=deviation, number=5)
        found = [verdict(each, published=published, margin=1.5, evidence="read") for each in (near, far)]
        assert tuple(found) == verdicts


def test_a_mean_outside_the_margin_is_no_agreement_however_sure_it_is():
    sure = theirs(90.0, deviation=0.0)
    assert equivalence([92.0, 92.01, 91.99], published=sure, margin=1.5) > 0.99
    assert equivalence([92.0, 92.0], published=sure, margin=1.5) == 1
    assert equivalence([90.0, 90.0], published=sure, margin=1.5) == 0


def test_with_one_seed_on_a_side_no_means_are_compared():
    one = theirs(90.0, deviation=math.nan, number=1)
    assert math.isnan(equivalence([90.0], published=theirs(90.0), margin=1))
    assert math.isnan(equivalence([90.0, 90.1], published=one, margin=1))


def test_it_agrees_exactly_where_the_90_percent_interval_lies_within_the_margin():
    values = np.array([89.0, 90.0, 91.0, 90.5])
    published = theirs(values.mean(), deviation=1.1, number=6)
    found = difference_of(sample_of(values), published)
    half = stats.t.ppf(0.95, found.degrees) * found.error
    for margin, expected in ((half + 1e-6, "agrees"), (half - 1e-6, "undecided")):
        assert verdict(values, published=published, margin=margin, evidence="read") == expected


def test_it_differs_exactly_where_the_95_percent_interval_lies_outside_the_margin():
    values = np.array([89.0, 90.0, 91.0, 90.5])
    published = theirs(80.0, deviation=1.1, number=6)
    found = difference_of(sample_of(values), published)
    nearest = found.difference - stats.t.ppf(0.975, found.degrees) * found.error
    for margin, expected in ((nearest - 1e-6, "differs"), (nearest + 1e-6, "undecided")):
        assert verdict(values, published=published, margin=margin, evidence="read") == expected


def test_one_run_is_inside_exactly_where_the_prediction_interval_holds_it():
    values = [82.0, 78.2, 85.7]
    half = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) * math.sqrt(1 + 1 / 3)
    for beyond, margin, expected in (
        (-1e-6, 3.0, "inside the spread of single runs"),
        (1e-6, 3.0, "outside the spread of single runs"),
        (1e-6, 30.0, "outside the spread, within the margin"),
    ):
        one = theirs(np.mean(values) + half + beyond, deviation=math.nan, number=1)
        assert verdict(values, published=one, margin=margin, evidence="measured") == expected


def test_one_run_of_ours_is_held_against_the_published_spread():
    half = stats.t.ppf(0.975, 19) * 0.2 * math.sqrt(1 + 1 / 20)
    for beyond, expected in (
        (-1e-6, "inside the spread of single runs"),
        (1e-6, "outside the spread of single runs"),
    ):
        assert verdict([90 + half + beyond], published=theirs(90.0), margin=0.1, evidence="read") == expected


@pytest.mark.parametrize(
    ("values", "evidence", "expected"),
    [
        ([90.0, 90.1, 89.9], "read", "agrees"),
        ([90.0, 90.1, 89.9], "memory", "unverified source"),
        ([90.0, 90.1, 89.9], "plot", "agrees"),
        ([93.0, 93.1, 92.9], "read", "differs"),
        ([87.0, 87.1, 86.9], "measured", "differs"),
        ([80.0, 90.0, 97.0], "read", "undecided"),
        ([90.0], "read", "inside the spread of single runs"),
        ([90.0], "memory", "unverified source"),
        ([], "memory", "not run"),
    ],
)
def test_verdicts(values, evidence, expected):
    assert verdict(values, published=theirs(90.0), margin=1.5, evidence=evidence) == expected


@pytest.mark.parametrize("number", [1, 5])
def test_one_seed_against_what_has_no_spread_says_nothing(number):
    unknown = theirs(90.0, deviation=math.nan, number=number)
    assert verdict([90.0], published=unknown, margin=1.5, evidence="read") == "one seed"


def test_another_protocol_is_shown_and_counts_nowhere(tmp_path):
    rows = [
        {"strategy": "ewc", "accuracy": 90.0, "spread": 0.2},
        {"strategy": "ewc", "accuracy": 60.0, "spread": 0.2, "protocol": "other", "note": "Ten times longer."},
        {"strategy": "si", "accuracy": 60.0, "protocol": "other", "note": "Ten times longer."},
    ]
    rows[1]["reason"] = "theirs is plain SGD."
    study_of(tmp_path, [90.0, 90.1, 89.9], [GROUP | {"rows": rows}])
    found = compared(tmp_path)
    assert found["verdict"].tolist() == ["agrees", "another protocol", "not run"]
    assert tally(found) == "1 of 1 row agree; not compared: 1 another protocol, 1 not run"
    told = remarks(found)
    assert "ewc is of another protocol: theirs is plain SGD." in told
    assert not [line for line in told if "misses" in line or "beyond the margin" in line]


def test_what_differs_in_another_protocol_must_be_said():
    row = {"strategy": "ewc", "accuracy": 60.0, "protocol": "other"}
    with pytest.raises(AnalysisError, match="must say in its note what differs"):
        expected_numbers([GROUP | {"rows": [row]}])
    with pytest.raises(AnalysisError, match="protocol must be other, or left out, got 'similar'"):
        expected_numbers([GROUP | {"rows": [row | {"protocol": "similar", "note": "x"}]}])


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda each: each.stem)
def test_a_study_whose_note_says_another_protocol_has_it_so(path):
    for one in expected_numbers(yaml.safe_load(path.read_text()).get("expected", [])):
        assert (one.protocol == "other") == ("another protocol" in one.note.lower())


def welch(first, number, second, other):
    """The error and the degrees of freedom of two squared standard errors."""
    both = first + second
    return math.sqrt(both), both**2 / (first**2 / (number - 1) + second**2 / (other - 1))


def test_a_row_is_compared_with_the_runs_of_its_strategy_and_settings(tmp_path):
    rows = [
        {"strategy": "ewc", "training.epochs": 5, "accuracy": 90.0, "spread": 0.2},
        {"strategy": "ewc", "training.epochs": 5, "accuracy": 95.0, "after_task": 1, "margin": 7.0},
        {"strategy": "ewc", "training.epochs": 10, "accuracy": 90.0, "spread": 0.2},
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
    # the first row with its published spread, the second with ours for both
    error, degrees = welch(1 / 3, 3, 0.2**2, 20)
    assert found["half_width"][0] == pytest.approx(stats.t.ppf(0.975, degrees) * error)
    assert found["half_width"][1] == pytest.approx(stats.t.ppf(0.975, 2) * math.sqrt(1 / 3 + 1 / 20))
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
    assert "ewc 90 ± 0.2 SEM (20) 90.0 ± 0.1 4 +0.0 ± 0.4 1.5 agrees 1" in lines
    assert "si 80 (20) – 0 – 1.5 not run 1" in lines
    assert "ewc 99 (20) 90.0 ± 0.1 4 -9.0 ± 0.1 1.5 differs 2" in lines
    assert "ewc 70 (20) 90.0 ± 0.1 4 +20.0 ± 0.1 1.5 unverified source 3" in lines
    assert "1 of 2 rows agree, 1 differs; not compared: 1 not run, 1 unverified source." in lines
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
