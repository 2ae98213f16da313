"""Every study in conf/experiment runs what its published numbers are compared with."""

import csv
from functools import cache
from itertools import product

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob

from cl_bench.analysis.expected_numbers import expected_numbers
from cl_bench.analysis.labels import shown
from cl_bench.config.choices import choices
from cl_bench.config.compose import compose, config_hash, plain
from cl_bench.records.identity import flatten

STUDIES = choices("experiment")


@cache
def parameters(study):
    """What the study sweeps: setting -> its values, as text; seeds apart."""
    text = yaml.safe_load(STUDIES[study].read_text())
    swept = text["hydra"]["sweeper"]["params"]
    return {key: one_by_one(key, str(value)) for key, value in swept.items() if key != "seed"}


def one_by_one(key, values):
    found = OverridesParser.create().parse_override(f"{key}={values}").value()
    return found.filter(choices(key)) if isinstance(found, Glob) else values.split(",")


def expected(study):
    return expected_numbers(yaml.safe_load(STUDIES[study].read_text()).get("expected", []))


@cache
def composed(study, *overrides):
    return compose([f"experiment={study}", *overrides])


def settings(study, *overrides):
    return flatten(plain(composed(study, *overrides)))


NUMBERS = [(study, one) for study in STUDIES for one in expected(study)]


@pytest.mark.parametrize("study", STUDIES)
def test_every_job_of_a_study_composes_to_settings_of_its_own(study):
    swept = parameters(study)
    jobs = [
        tuple(f"{key}={value}" for key, value in zip(swept, values, strict=True))
        for values in product(*swept.values())
    ]
    found = {config_hash(composed(study, *job)) for job in jobs}
    assert len(found) == len(jobs)


@pytest.mark.parametrize(("study", "one"), NUMBERS, ids=[f"{study}-{one.strategy}" for study, one in NUMBERS])
def test_a_published_number_belongs_to_a_job_of_its_study(study, one):
    swept = parameters(study)
    given = {"strategy": one.strategy} | {key: shown(value) for key, value in one.settings.items()}
    overrides = one.run_with or tuple(f"{key}={given[key]}" for key in swept if key in given)
    for override in () if one.run_with else overrides:
        key, _, value = override.partition("=")
        assert value in swept[key]
    found = settings(study, *overrides)
    assert found["strategy.name"] == one.strategy
    for key, value in one.settings.items():
        assert shown(found[key]) == shown(value)
    others = set(swept) - set(given) - {"benchmark"}
    assert not others, "a setting that is swept must say which of its values the number belongs to"
    if one.after_task is not None:
        assert 1 <= one.after_task <= found["benchmark.num_tasks"]


# papers that were read after the table was made; their files say where
READ_SINCE = ("Melo et al.",)


def test_the_published_numbers_are_those_of_the_reference_table(data_root):
    path = data_root.parent / "reference" / "published.csv"
    if not path.is_file():
        pytest.skip(f"no reference table at {path}")
    with path.open() as file:
        table = {
            (row["source"], row["evidence"], float(row["accuracy"]), row["spread"])
            for row in csv.DictReader(file)
        }
    for study, one in NUMBERS:
        spread = "" if one.spread is None else str(one.spread)
        known = (one.source, one.evidence, one.accuracy, spread) in table
        assert known != one.source.startswith(READ_SINCE), (study, one)


def test_published_numbers_are_no_part_of_a_run(tmp_path):
    study = ["experiment=vandeven_split_mnist", "strategy=ewc"]
    config = compose(study)
    assert len(config.expected) == 2
    assert "expected" not in plain(config)
    assert config_hash(compose([*study, "expected=[]"])) == config_hash(config)


@pytest.mark.parametrize(("scenario", "strength"), [("task", 1e7), ("domain", 1e6), ("class", 1e8)])
def test_a_strength_of_its_own_for_each_scenario(scenario, strength):
    found = settings("vandeven_split_mnist", "strategy=ewc", f"benchmark.scenario={scenario}")
    assert found["strategy.strength"] == strength
    assert found["benchmark.name"] == f"split_mnist_{scenario}"
    assert settings("vandeven_split_mnist", "strategy=ewc", "strategy.strength=3")["strategy.strength"] == 3


@pytest.mark.parametrize(
    ("seed", "order"),
    [
        (1, [4, 6, 0, 5, 3, 9, 2, 7, 8, 1]),
        (2, [3, 1, 5, 6, 0, 2, 7, 4, 9, 8]),
        (1111, [3, 7, 5, 1, 6, 8, 4, 9, 2, 0]),
    ],
)
def test_digits_in_the_order_that_the_published_code_draws(seed, order):
    """p = 2 9 6 4 0 3 1 7 8 5 of seed 1, 4 1 5 0 7 2 3 6 9 8 of 2, 9 3 8 0 6 2 4 1 5 7 of 1111.

    A task has labels 2t and 2t + 1.
    """
    assert composed("vandeven_split_mnist_orders", f"seed={seed}").benchmark.class_order == order
