"""docs/comparison.md and the pages like it are what the records of their studies make."""

import json
import math
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml
from english import faults, measured

from cl_bench import records
from cl_bench.analysis.results import Results
from cl_bench.config.choices import choices
from cl_bench.records.rows import Foreign, State
from docs.hooks import comparison, searches
from docs.hooks.comparison_figures import run_everywhere
from docs.hooks.comparison_pages import PAGES

TESTS = Path(__file__).parents[1]
write_run = runpy.run_path(str(TESTS / "analysis" / "synthetic.py"))["write_run"]
PAGE = PAGES[0]  # of four streams
BENCHMARKS = ("permuted_mnist", "split_cifar10", "split_mnist")
ENDS = {"joint": 0.97, "ewc": 0.93, "vcl": 0.931, "finetune": 0.6}  # average accuracy
SEARCHED = {"tuning": {"tuned/x/ewc.yaml": "0"}, "tuned_by": {"search": "random, 16 trials", "differs": []}}


def state(seed, after, *, old, sampled):
    counted = (math.nan, math.nan) if old else (1500.0 * after, 65536.0 if sampled else 8192.0)
    return State(seed, after, math.nan, math.nan, 131072, 8192, 1.0, 10, math.nan, *counted)


def run(folder, benchmark, strategy, seed, *, end, old=False, **about):
    noise = 0.004 * np.random.default_rng(sum(map(ord, strategy)) + 1000 * seed).standard_normal()
    accuracy = np.array([[0.1, 0.1], [0.95, 0.1], [2 * end - 0.96, 0.96]]) + noise
    made = write_run(folder, benchmark=benchmark, strategy=strategy, seed=seed, accuracy=accuracy, **about)
    rows = [state(seed, after, old=old, sampled=strategy == "vcl") for after in range(3)]
    records.append(made / "states.csv", *rows)
    if about.get("ood"):
        records.append(made / "ood.csv", Foreign(seed, 2, 1, 0.9 + noise, 0.5, math.nan, 100))
    return made


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three benchmarks, of which one is of JPEG files and lacks a method; five seeds."""
    folder = tmp_path_factory.mktemp("reference") / "comparison"
    for benchmark in BENCHMARKS:
        jpeg = benchmark == "split_cifar10"
        source = "image folder cifar10-jpeg.tar.xz" if jpeg else "idx files"
        for strategy, end in ENDS.items():
            for seed in range(5):
                about = {"ewc": SEARCHED, "finetune": {"tuning": "none: defaults"}}.get(strategy, {})
                about = about | ({"ood": ["letters"]} if benchmark == "split_mnist" else {})
                run(folder, benchmark, strategy, seed, end=end, data_source=source, **about)
        if not jpeg:
            run(folder, benchmark, "si", 0, end=0.9, old=True)
    return folder


@pytest.fixture(scope="module")
def made(study):
    comparison.draw(study)
    return comparison.page(PAGE, study)


def section(page, title):
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text):
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    header, _, *lines = found
    return {line[0].strip("`"): dict(zip(header, line, strict=True)) for line in lines}


@pytest.mark.parametrize("about", PAGES, ids=lambda about: about.study)
def test_the_committed_page_is_the_one_that_its_command_writes(about):
    assert about.path.read_text() == comparison.page(about), "make reference"


def test_every_benchmark_has_a_table_sorted_by_accuracy(made):
    after = ["The activation matters as much as the method", "Differences to `finetune`"]
    assert re.findall(r"^## (.*)$", made, re.M) == ["Ranks", *BENCHMARKS, *after]
    for benchmark in BENCHMARKS:
        table = rows(section(made, benchmark))
        accuracies = [float(row["average accuracy"].strip("*").split()[0]) for row in table.values()]
        assert accuracies == sorted(accuracies, reverse=True)
        assert set(table) == {*ENDS, *(["si"] if benchmark != "split_cifar10" else [])}


def test_a_row_says_what_a_method_reached_and_cost(made):
    table = rows(section(made, "permuted_mnist"))
    assert re.fullmatch(r"\*\*93\.\d ± \d\.\d\*\*", table["ewc"]["average accuracy"])
    assert {name: row["trials"] for name, row in table.items()} == {
        "ewc": "16", "finetune": "0", "joint": "not recorded", "vcl": "not recorded", "si": "not recorded",
    }  # fmt: skip
    assert [table[name]["predicting (KiB)"] for name in ("ewc", "vcl", "si")] == ["1.0", "8.0", "1.0"]
    assert {row["deployed (KiB)"] for row in table.values()} == {"1.0"}
    assert [table[name]["gradients (thousand)"] for name in ("ewc", "si")] == ["4.5", "–"]
    assert table["ewc"]["stored (KiB)"] == "16.0"
    assert table["ewc"]["epochs"] == "5"
    assert "`predicting` is the network with one set of weights" in section(made, "permuted_mnist")
    assert "`predicting` is the network with one set of weights" not in section(made, "split_cifar10")


def test_bold_is_the_best_and_what_is_not_told_from_it(made):
    table = rows(section(made, "split_mnist"))
    bold = {name for name, row in table.items() if row["average accuracy"].startswith("**")}
    assert bold == {"ewc", "vcl"}, "joint training aside"
    assert re.search(r"`(ewc|vcl)` leads with 93\.\d %, 33\.\d points above `finetune`", made)
    assert re.search(r"does not separate it from `(ewc|vcl)`\.", section(made, "split_mnist"))


def test_foreign_data_have_a_column_where_they_were_tested(made):
    has = {name: "foreign AUROC" in next(iter(rows(section(made, name)).values())) for name in BENCHMARKS}
    assert has == {"permuted_mnist": False, "split_cifar10": False, "split_mnist": True}
    table = rows(section(made, "split_mnist"))
    assert re.fullmatch(r"(\*\*)?9\d\.\d ± \d\.\d(\*\*)?", table["ewc"]["foreign AUROC"])
    assert table["si"]["foreign AUROC"] == "–"
    shown = [name for name in BENCHMARKS if "out_of_distribution-" in section(made, name)]
    assert shown == ["split_mnist"]


def test_images_that_were_coded_are_said_to_be(made):
    assert [name for name in BENCHMARKS if "JPEG-coded" in section(made, name)] == ["split_cifar10"]


def test_ranks_are_of_methods_that_were_run_everywhere(made, study):
    ranks = section(made, "Ranks")
    assert set(rows(ranks)) == {"ewc", "vcl", "finetune"}
    assert "3 methods over 3 benchmarks" in ranks
    for method, row in rows(ranks).items():
        for name in BENCHMARKS:
            assert row[name] == rows(section(made, name))[method]["average accuracy"].strip("*")
    assert "reference/comparison/figures/critical_difference-comparison.png" in ranks
    drawn = {path.name for path in (study / "figures").iterdir()}
    assert drawn == {
        "critical_difference-comparison.png",
        "forgetting_over_benchmarks-comparison.png",
        "out_of_distribution-split_mnist.png",
    }
    assert "reference/comparison/figures/forgetting_over_benchmarks-comparison.png" in made


def test_the_figure_of_all_benchmarks_has_the_methods_that_were_run_on_each(study):
    values = Results.read(study).metrics
    assert sorted(run_everywhere(values)) == ["ewc", "finetune", "joint", "vcl"]
    assert "si" in run_everywhere(values[values["benchmark"] != "split_cifar10"])


def test_differences_that_hold_are_bold_and_what_was_not_run_says_so(made):
    table = rows(section(made, "Differences to `finetune`"))
    assert all(table["ewc"][name].startswith("**+33") for name in BENCHMARKS)
    assert re.match(r"\+3[67]\.\d ± ", table["joint"]["split_mnist"]), "a reference is never bold"
    assert table["si"]["split_cifar10"] == "not run"
    assert re.fullmatch(r"\+\d\d\.\d", table["si"]["split_mnist"]), "one seed has no interval"
    last = made.splitlines()[-1]
    missing = set(choices("strategy")) - {*ENDS, "si", "avalanche"}
    assert set(re.findall(r"`(\w+)`", last)) <= missing
    assert missing == set(re.findall(r"`(\w+)`", made.partition("\nNot run: ")[2]))


def test_the_better_activation_is_the_one_that_was_taken(made):
    lines = section(made, "The activation matters as much as the method").splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    assert table[0] == ["benchmark", "method", "`relu`", "`gate`"]
    for benchmark, method, *scores in table[2:]:
        (column,) = [place for place, score in enumerate(scores) if score.startswith("**")]
        path = searches.TUNED / f"comparison_{benchmark}" / f"{method.strip('`')}.yaml"
        chosen = yaml.safe_load(path.read_text())
        assert chosen["model"]["activation"] == ("relu", "gate")[column], path
        best = max(trial["accuracy"] for trial in chosen["tuning"]["trials"])
        assert scores[column] == f"**{100 * best:.1f}**"


def test_a_search_without_a_choice_of_activations_has_no_row(tmp_path):
    (tmp_path / "comparison_few").mkdir()
    trial = {"settings": {"model.activation": "relu"}, "accuracy": 0.5}
    for name, others in {
        "ewc": [],
        "vcl": [{"settings": {"model.activation": "gate"}, "accuracy": None}],
    }.items():
        tuned = {"tuning": {"trials": [trial, *others]}}
        (tmp_path / "comparison_few" / f"{name}.yaml").write_text(yaml.safe_dump(tuned))
    (tmp_path / "comparison_few" / "si.yaml").write_text("tuning: {search: by hand}\n")
    assert searches.section("comparison", tmp_path) == ""


def test_the_made_page_is_read_once(made):
    assert not faults(measured(made))


def test_few_seeds_are_not_tested_and_few_benchmarks_have_no_ranks(tmp_path):
    for strategy in ("ewc", "finetune"):
        run(tmp_path / "comparison", "split_mnist", strategy, 0, end=ENDS[strategy])
    page = comparison.page(PAGE, tmp_path / "comparison")
    assert "so that nothing is tested" in page
    assert "Ranks need 3 benchmarks" in page


def test_one_commit_of_all_runs_is_named(tmp_path):
    for number, strategy in enumerate(("ewc", "finetune")):
        made = run(tmp_path / "comparison", "split_mnist", strategy, 0, end=ENDS[strategy])
        about = json.loads((made / "run.json").read_text())
        (made / "run.json").write_text(json.dumps(about | {"commit": "0123abcd", "dirty": False}))
        named = "All runs are of commit `0123abcd`." in comparison.page(PAGE, tmp_path / "comparison")
        assert named, number
    (made / "run.json").write_text(json.dumps(about | {"commit": "4567cdef", "dirty": False}))
    assert "All runs are of commits `0123abcd` and `4567cdef`." in comparison.page(
        PAGE, tmp_path / "comparison"
    )
    run(tmp_path / "comparison", "split_mnist", "vcl", 0, end=0.9)
    assert "of commit" not in comparison.page(PAGE, tmp_path / "comparison")
