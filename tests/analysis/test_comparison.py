"""All pairs of methods, and what is said of them."""

import math

import pandas as pd
import pytest

from cl_bench.analysis import load, summary
from cl_bench.analysis.bootstrap import iqm
from cl_bench.analysis.comparison import aggregate, comparison
from cl_bench.analysis.paired_tests import paired
from cl_bench.analysis.run_metrics import run_metrics
from cl_bench.report.sentences import sentence, sentences


def values(scores, *, benchmark="b", metric="average_accuracy", **columns):
    """method -> scores by seed, as rows of runs; the other metrics are 0."""
    rows = [
        {"study": "s", "benchmark": benchmark, "method": method, "strategy": method, "seed": seed}
        | {"average_accuracy": 0.0, "forgetting": 0.0}
        | {metric: score}
        for method, by_seed in scores.items()
        for seed, score in enumerate(by_seed)
    ]
    return pd.DataFrame(rows).assign(**columns)


def means(frame):
    """As much of a summary as sentences need."""
    grouped = frame.groupby(["study", "benchmark", "method", "strategy"])["average_accuracy"]
    rows = grouped.agg(["mean", "count"]).reset_index().sort_values("mean", ascending=False)
    return rows.rename(columns={"count": "num_seeds"})


CLEAR = {"vcl": [0.90, 0.91, 0.92], "finetune": [0.50, 0.52, 0.51], "ewc": [0.89, 0.93, 0.90]}


def test_every_pair_is_compared_on_the_seeds_it_shares():
    rows = comparison(values(CLEAR | {"ewc": [0.89, 0.93]}), metrics=["average_accuracy"])
    assert list(zip(rows["first"], rows["second"], strict=True)) == [
        ("vcl", "finetune"), ("vcl", "ewc"), ("finetune", "ewc"),
    ]  # fmt: skip
    assert rows["num_seeds"].tolist() == [3, 2, 2]
    expected = paired([0.40, 0.39, 0.41])
    assert rows["difference"][0] == pytest.approx(0.40)
    assert (rows["low"][0], rows["high"][0]) == pytest.approx((expected.low, expected.high))
    assert rows["p_student"][0] == pytest.approx(expected.p_student)


def test_holm_is_over_the_pairs_of_one_benchmark_and_metric():
    rows = comparison(pd.concat([values(CLEAR), values(CLEAR, benchmark="c")]))
    assert len(rows) == 2 * 2 * 3
    first = rows[(rows["benchmark"] == "b") & (rows["metric"] == "average_accuracy")]
    assert first["p_student_holm"].min() == pytest.approx(3 * first["p_student"].min())
    assert rows[rows["metric"] == "forgetting"]["p_student_holm"].tolist() == [1.0] * 6


def test_runs_match_by_what_was_drawn_where_that_is_known():
    scores = {"a": [0.5, 0.6], "b": [0.4, 0.4]}
    frame = values(scores, draw=["0 init=1", "0 init=2", "0 init=2", "0 init=3"])
    (row,) = comparison(frame, metrics=["average_accuracy"]).to_dict("records")
    assert (row["num_seeds"], row["difference"]) == (1, pytest.approx(0.2))


def test_a_clear_difference_is_said_with_its_interval():
    frame = values({"vcl": [0.90, 0.91, 0.92], "finetune": [0.50, 0.52, 0.51]})
    (block,) = sentences(comparison(frame), means(frame))
    lines = block.splitlines()
    assert lines[0] == "b: accuracy after the last task, averaged over tasks; vcl on matched seeds"
    # differences 0.40, 0.39, 0.41: 40 +- 4.3027 / sqrt 3 = 2.484
    assert lines[1] == (
        "  vcl is 40.0 points (95 % interval 37.5 to 42.5, 3 seeds) more accurate than finetune; p < 0.001."
    )
    assert lines[2].endswith("Wilcoxon's test cannot decide with 3 seeds: its smallest p is 0.25.")


def test_where_it_is_undecided_the_seeds_to_come_are_counted():
    # differences 0.03, -0.01, 0.04: mean 0.02, s = 0.0265, effect 0.756: 16 seeds in all
    frame = values({"a": [0.63, 0.59, 0.64], "b": [0.60, 0.60, 0.60]})
    (row,) = comparison(frame, metrics=["average_accuracy"]).to_dict("records")
    assert row["seeds_needed"] == 16
    assert sentence(row, num_pairs=1) == (
        "a is 2.0 points (95 % interval -4.6 to 8.6, 3 seeds) more accurate than b, which does not tell them "
        "apart (p = 0.32); about 13 more seeds are needed."
    )


def test_a_difference_that_is_clear_alone_may_not_be_among_many_pairs():
    # differences 0.03, 0.04, 0.05: t = 4 sqrt 3, p = 0.0202, times 3 pairs
    scores = {"a": [0.93, 0.94, 0.95], "b": [0.90, 0.90, 0.90], "c": [0.89, 0.91, 0.90]}
    (block,) = sentences(comparison(values(scores)), means(values(scores)))
    assert "than b, which is not enough among 3 pairs (Holm-adjusted p = 0.061); about " in block


def test_a_small_and_sure_difference_is_the_same_within_the_margin():
    frame = values({"a": [0.601, 0.599, 0.6, 0.6], "b": [0.6] * 4})
    (row,) = comparison(frame, metrics=["average_accuracy"]).to_dict("records")
    assert sentence(row, num_pairs=1).endswith("the same within 1 point (TOST, p < 0.001).")


def test_what_joint_is_better_by_is_said_of_the_best_other_method():
    frame = values({"joint": [0.97, 0.98, 0.99], "vcl": [0.90, 0.92, 0.91]})
    (block,) = sentences(comparison(frame), means(frame))
    assert "vcl is 7.0 points" in block
    assert "less accurate than joint" in block


def test_one_seed_in_common_or_none_is_said():
    frame = values({"a": [0.5, 0.6], "b": [0.4]})
    (row,) = comparison(frame, metrics=["average_accuracy"]).to_dict("records")
    assert sentence(row, num_pairs=1) == (
        "a is 10.0 points more accurate than b with the one seed they share; no interval."
    )
    apart = values({"a": [0.5], "b": [0.4]}, draw=["0", "1"])
    (row,) = comparison(apart, metrics=["average_accuracy"]).to_dict("records")
    assert sentence(row, num_pairs=1) == "a and b have no seed in common."


@pytest.mark.parametrize("scores", [{"a": [0.5, 0.6]}, {"a": [0.5], "b": [0.4]}, {"joint": [0.5, 0.6]}])
def test_where_there_is_nothing_to_compare_nothing_is_said(scores):
    frame = values(scores)
    assert sentences(comparison(frame), means(frame)) == []


def test_methods_over_benchmarks_by_hand():
    two = pd.concat(
        [
            values({"a": [0.9, 0.8], "b": [0.5, 0.7]}),
            values({"a": [0.6, 0.6], "b": [0.7, 0.9]}, benchmark="c"),
            values({"a": [0.1]}, benchmark="only a"),
        ]
    )
    rows = aggregate(two, metrics=["average_accuracy"]).set_index("method")
    # of 0.6, 0.6, 0.8, 0.9 the middle two: 0.7
    assert rows.loc["a", "iqm"] == pytest.approx(0.7)
    assert rows.loc["a", "low"] == iqm([[0.9, 0.8], [0.6, 0.6]]).low
    assert rows["num_benchmarks"].tolist() == [2, 2]
    assert rows["num_runs"].tolist() == [4, 4]
    assert rows["average_rank"].isna().all(), "two benchmarks are too few for ranks"


def test_of_forgetting_the_lowest_ranks_first():
    two = [values({"a": [0.1], "b": [0.3]}, benchmark=name, metric="forgetting") for name in "bcd"]
    rows = aggregate(pd.concat(two), metrics=["forgetting"]).set_index("method")
    assert rows["average_rank"].to_dict() == {"a": 1.0, "b": 2.0}
    one = aggregate(two[0], metrics=["forgetting"])
    assert math.isnan(one["average_rank"][0])


def test_a_row_a_run_has_its_metrics_and_its_intransigence(write_run, tmp_path):
    for seed in range(2):
        write_run(tmp_path, strategy="ewc", seed=seed)
        write_run(tmp_path, strategy="joint", seed=seed)
    write_run(tmp_path, strategy="ewc", seed=5, last_task=1, status="running")
    frame = load(tmp_path)
    rows = run_metrics(frame)
    assert len(rows) == 4
    table = summary(frame).set_index("method")
    for name in ("average_accuracy", "forgetting", "worst_task_accuracy", "intransigence"):
        means = rows.groupby("method")[name].mean()
        assert means["ewc"] == pytest.approx(table.loc["ewc", f"{name}_mean"])


def test_the_metrics_of_a_loss_come_from_its_column(write_run, tmp_path):
    for strategy in ("ewc", "joint"):
        write_run(tmp_path, strategy=strategy)
    frame = load(tmp_path)
    frame["nll"] = 1 - frame["accuracy"]
    losses, accuracies = run_metrics(frame, column="nll"), run_metrics(frame)
    assert losses["average_nll"].tolist() == pytest.approx((1 - accuracies["average_accuracy"]).tolist())
    for name in ("forgetting", "backward_transfer", "intransigence"):
        assert losses[f"{name}_nll"].tolist() == pytest.approx(accuracies[name].tolist())
