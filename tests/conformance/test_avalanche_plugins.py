"""The committed table of Avalanche's plugins says what is seen now."""

import re
from pathlib import Path

import pytest

from cl_bench.conformance.plugins import TOLERANCE, compared, page, plugin_classes
from cl_bench.learner.links import ALIASED, WITHOUT_TESTS

PAGE = Path(__file__).parents[2] / "results" / "avalanche_plugins.md"
OUTCOMES = dict(re.findall(r"^\| (\w+) \| ([\w ]+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
# with Naive on a CPU they have none, and the table says so
WITHOUT_EFFECT = {"TrainGeneratorAfterExpPlugin"}


def test_the_table_has_every_plugin_that_avalanche_brings():
    assert set(OUTCOMES) - {"plugin"} == set(plugin_classes())
    assert set(OUTCOMES.values()) <= {"same", "refused", "does not run with Naive", "with a learner"}


@pytest.mark.parametrize("name", plugin_classes())
def test_a_plugin_does_to_a_learner_what_it_does_to_naive_or_is_refused(name):
    row = compared(name)
    assert row.outcome == OUTCOMES[name], page([row])
    if row.outcome == "same":
        assert row.apart <= TOLERANCE
        assert (row.effect > 0.001) == (name not in WITHOUT_EFFECT), "a comparison of two that do nothing"
    else:
        assert row.naive.reason or row.ours.reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [("EarlyStoppingPlugin", WITHOUT_TESTS), ("SynapticIntelligencePlugin", ALIASED)],
)
def test_a_plugin_is_refused_only_where_it_has_no_effect_with_naive_either(name, reason):
    row = compared(name)
    assert reason in row.ours.reason
    assert row.effect == 0
