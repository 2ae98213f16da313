"""What is made of numbers in words never speaks of 0 more seeds, -0.0 points or nan."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_bench.analysis.comparison import comparison
from cl_bench.report.latex import latex_tables
from cl_bench.report.sentences import _probed, sentence, sentences
from cl_bench.report.text_table import text_table

WRONG = re.compile(
    r"\bnan\b|\binf\b|-0\.0|-\d+ more|[2-9] (more )?seed\b"
    r"|(?<![\d.])(1 (more )?seeds|1 points|0\.0 points|0 (more )?seeds?)"
)


def table(scores):
    """[methods, seeds] -> one row per run, as `run_metrics`."""
    rows = [
        {"study": "s", "benchmark": "b", "method": f"m{method}", "strategy": f"m{method}", "seed": seed}
        | {"average_accuracy": value, "forgetting": 1 - value}
        for method, row in enumerate(scores)
        for seed, value in enumerate(row)
        if not math.isnan(value)
    ]
    return pd.DataFrame(rows)


def summary_of(values):
    groups = values.groupby("method")["average_accuracy"].agg(["mean", "count"]).reset_index()
    groups = groups.rename(columns={"count": "num_seeds"}).sort_values("mean", ascending=False)
    return groups.assign(study="s", benchmark="b", strategy=groups["method"])


accuracies = st.one_of(
    st.just(math.nan), st.floats(0, 1), st.sampled_from([0.0, 0.5, 0.5001, 0.50049, 0.51, 1.0])
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(accuracies, min_size=4, max_size=4), min_size=2, max_size=4))
def test_no_sentence_says_what_is_no_number_of_seeds_or_points(scores):
    values = table(scores)
    if values.empty:
        return
    for text in sentences(comparison(values), summary_of(values)):
        assert not WRONG.search(text), text


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        (2, "more seeds may decide it"),
        (3, "more seeds may decide it"),
        (4, "about 1 more seed is needed"),
        (5, "about 2 more seeds are needed"),
        (pd.NA, "no number of seeds in sight would separate them"),
    ],
)
def test_more_seeds_are_asked_for_only_where_there_are_more(needed, said):
    pair = {"first": "a", "second": "b", "num_seeds": 3, "difference": 0.03, "low": 0.001, "high": 0.06}
    pair |= {"p_student_holm": 0.08, "p_equivalent": 0.9, "seeds_needed": needed}
    assert sentence(pair, num_pairs=6).endswith(f"{said}.")


def test_a_difference_that_is_written_as_none_is_named_as_small():
    pair = {
        "first": "a",
        "second": "b",
        "num_seeds": 1,
        "difference": 1e-5,
        "low": math.nan,
        "high": math.nan,
    }
    assert sentence(pair, num_pairs=1).startswith(
        "a is less than 0.1 points more accurate than b with the one"
    )
    assert sentence(pair | {"difference": 0.0}, num_pairs=1).startswith("a is as accurate as b with the one")
    same = pair | {"num_seeds": 3, "difference": 0.0, "low": 0.0, "high": 0.0}
    assert sentence(same, num_pairs=1) == "a and b are as accurate as each other with each of 3 seeds."


def test_what_was_not_probed_is_not_spoken_of():
    names = ("minimum_accuracy", "worst_case_accuracy", "gap_depth", "share_recovered", "steps_to_recovery")
    mean = pd.Series(dict.fromkeys(names, math.nan) | {"probe_seconds": math.nan})
    assert _probed(mean) == ""
    mean["worst_case_accuracy"], mean["probe_seconds"] = 0.5, 2.0
    assert _probed(mean) == "worst-case accuracy 50.0; probing took 2.0 s a run"


@pytest.mark.parametrize("value", [-1e-9, 0.0, math.nan])
def test_tables_have_no_minus_nought_and_no_nan(write_run, tmp_path, value):
    from cl_bench.analysis import load, summary

    write_run(tmp_path)
    rows = summary(load(tmp_path))
    numbers = [name for name in rows.columns if name.endswith(("_mean", "_high", "_low"))]
    rows[numbers] = np.where(rows[numbers].notna(), value, math.nan)
    for text in (text_table(rows), latex_tables(rows)):
        assert not WRONG.search(text), text


@pytest.mark.parametrize(("number", "said"), [(2, "p = 0.08)."), (3, "about 2 more seeds are needed.")])
def test_of_two_seeds_no_number_of_needed_ones_follows(number, said):
    pair = {"first": "a", "second": "b", "num_seeds": number, "difference": 0.03, "low": -0.1, "high": 0.16}
    pair |= {"p_student_holm": 0.08, "p_equivalent": 0.9, "seeds_needed": number + 2}
    assert sentence(pair, num_pairs=1).endswith(said)
