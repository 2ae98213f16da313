"""Runs under one benchmark's name that were measured otherwise: named, and compared among themselves."""

from itertools import product

import numpy as np
import pytest
from plotted import write_run

from cl_bench.analysis import load
from cl_bench.analysis.comparison import comparison
from cl_bench.analysis.over_benchmarks import scores_over_benchmarks
from cl_bench.analysis.results import Results
from cl_bench.analysis.run_metrics import run_metrics
from cl_bench.report.build import report
from cl_bench.report.notes import recorded_notes
from cl_bench.report.paper_table import paper_table

MEASURED = {  # what differs -> two values
    "benchmark.scenario": ("task", "class"),
    "benchmark.num_tasks": (2, 3),
    "training.test_on": ("test", "validation"),
}
VALIDATION = "scores are of validation images, not of test images (training.test_on)"


def write(folder, key, *, studies=("one", "two"), num_seeds=3):
    """`ewc` and `si` measured in one way, `vcl` and `mas` in another, the latter with higher scores."""
    for (place, names), seed in product(enumerate((("ewc", "si"), ("vcl", "mas"))), range(num_seeds)):
        for number, name in enumerate(names):
            value = MEASURED[key][place]
            num_tasks = value if key.endswith("num_tasks") else 2
            matrix = np.full((1 + num_tasks, num_tasks), 0.4 + 0.3 * place + 0.01 * number + 0.001 * seed)
            write_run(
                folder,
                study=studies[place],
                strategy=name,
                seed=seed,
                settings={key: value},
                accuracy=matrix,
            )


@pytest.mark.parametrize("key", MEASURED)
@pytest.mark.parametrize("studies", [("one", "two"), ("one", "one")])
def test_methods_of_a_column_that_were_measured_otherwise_say_so(tmp_path, key, studies):
    write(tmp_path, key, studies=studies)
    folders = [tmp_path / study for study in sorted(set(studies))]
    made = paper_table(*folders, metrics="average_accuracy")
    first, second = (f"{key.rpartition('.')[2]}={value}" for value in MEASURED[key])
    assert set(made.rows) == {f"ewc {first}", f"si {first}", f"vcl {second}", f"mas {second}"}
    bold = {method for method, (number,) in made.rows.items() if number.bold}
    assert bold == {f"si {first}", f"mas {second}"}, "the best of each"
    assert any("measured otherwise" in said for said in made.caption)
    assert any(said.endswith(VALIDATION) for said in made.caption) == (key == "training.test_on")


@pytest.mark.parametrize("key", MEASURED)
def test_no_pair_of_methods_that_were_measured_otherwise_is_tested(tmp_path, key):
    write(tmp_path, key, studies=("one", "one"))
    pairs = comparison(Results.read(tmp_path).metrics, metrics=["average_accuracy"])
    tested = {
        frozenset((first.split()[0], second.split()[0]))
        for first, second in pairs[["first", "second"]].values
    }
    assert tested == {frozenset(("ewc", "si")), frozenset(("vcl", "mas"))}


def test_where_all_is_measured_alike_nothing_is_said(tmp_path):
    for strategy, seed in product(("ewc", "si"), range(3)):
        write_run(tmp_path, strategy=strategy, seed=seed, settings={"benchmark.scenario": "task"})
    made = paper_table(tmp_path, metrics="average_accuracy")
    assert set(made.rows) == {"ewc", "si"}
    assert not any("otherwise" in said or "validation" in said for said in made.caption)


def test_scores_of_validation_images_are_said_to_be_that_wherever_runs_are_summarised(tmp_path):
    write_run(tmp_path, settings={"training.test_on": "validation"})
    assert recorded_notes(Results.read(tmp_path).found) == [f"study: permuted_mnist: {VALIDATION}"]
    assert any(VALIDATION in note for note in report(tmp_path, figures=False).notes)


def test_runs_of_several_studies_are_no_seeds_of_one_method(tmp_path):
    for study, benchmark, strategy in product(("one", "two"), ("a", "b"), ("ewc", "si")):
        write_run(tmp_path, study=study, benchmark=benchmark, strategy=strategy)
    values = run_metrics(load(tmp_path / "one", tmp_path / "two"))
    found = scores_over_benchmarks(values)
    assert set(found.strata) == {"ewc (one)", "ewc (two)", "si (one)", "si (two)"}
    assert {len(scores) for each in found.strata.values() for scores in each} == {1}
    assert found.strategies["ewc (two)"] == "ewc"
    assert set(scores_over_benchmarks(run_metrics(load(tmp_path / "one"))).strata) == {"ewc", "si"}
