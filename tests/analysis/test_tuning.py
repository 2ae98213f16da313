"""Every table says how the settings of its methods were found."""

import numpy as np
import pandas as pd
import pytest

from cl_bench.analysis import load, summary
from cl_bench.analysis.tuning import MOST_SHOWN, WIDTH, Tuning, tuning_lines, tuning_of
from cl_bench.report.latex import latex_tables
from cl_bench.report.page_tables import summary_table
from cl_bench.report.text_table import text_table

FILES = {"tuned/permuted_mnist/ewc.yaml": "3f", "tuned/base/ewc.yaml": "a0"}


def told(search="random, 16 trials", *differs, folder="permuted_mnist"):
    """What a run with tuned settings has in run.json."""
    by = {"search": search, "seeds": [1000], "differs": list(differs)}
    return {"tuning": {f"tuned/{folder}/ewc.yaml": "3f"}, "tuned_by": by}


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (told(), ("tuned", "tuned/permuted_mnist: random, 16 trials")),
        (told("by hand"), ("tuned", "tuned/permuted_mnist: by hand")),
        (
            told("by hand", "a 1 (tuned at 2)", "b 3 (tuned at 4)"),
            ("tuned, other settings", "tuned/permuted_mnist: by hand; a 1 (tuned at 2); b 3 (tuned at 4)"),
        ),
        (told("published: Nguyen 2018"), ("published", "tuned/permuted_mnist: Nguyen 2018")),
        (told("none"), ("not searched", "tuned/permuted_mnist")),
        ({"tuning": "none: defaults"}, ("not tuned", "")),
        # runs from before the search, or anything, was recorded
        ({"tuning": FILES}, ("tuned", "tuned/permuted_mnist: search not recorded")),
        ({}, ("not recorded", "")),
        # by others' hands
        ({"tuning": [1], "tuned_by": 3}, ("not recorded", "")),
        ({"tuning": None, "tuned_by": {}}, ("not recorded", "")),
        ({"tuning": FILES, "tuned_by": [1]}, ("tuned", "tuned/permuted_mnist: search not recorded")),
        (
            {"tuning": FILES, "tuned_by": {"search": "grid", "differs": "x"}},
            ("tuned", "tuned/permuted_mnist: grid"),
        ),
    ],
)
def test_what_run_json_tells_old_or_new(about, expected):
    assert tuning_of(about) == expected


def test_the_legend_under_a_table_has_a_line_for_each_way(write_run, tmp_path):
    other = told("random, 16 trials", "epochs 1 (tuned at 5)")
    for strategy, decay, about in (
        ("vcl", 0.01, told()),
        ("ewc", 0.1, other),
        ("bayesbinn", 0.2, told()),
        ("finetune", 0.5, {"tuning": "none: defaults"}),
        ("old", 1.0, {}),
    ):
        for seed in (0, 1):
            write_run(tmp_path, strategy=strategy, decay=decay, seed=seed, **about)
    write_run(tmp_path, benchmark="split_mnist", **told(folder="split_mnist"))
    first, second, _ = text_table(summary(load(tmp_path))).split("\n\n\n")
    assert first.split("\n\n")[2].splitlines() == [
        "  Settings",
        "    vcl, bayesbinn: tuned (tuned/permuted_mnist: random, 16 trials)",
        "    ewc: tuned, other settings (tuned/permuted_mnist: random, 16 trials; epochs 1 (tuned at 5))",
        "    finetune: not tuned",
        "    old: not recorded",
    ]
    assert "ewc: tuned (tuned/split_mnist: random, 16 trials)" in second


def test_a_method_whose_runs_differ_says_both(write_run, tmp_path):
    write_run(tmp_path, seed=0, **told())
    write_run(tmp_path, seed=1, **{"tuning": "none: defaults"})
    (row,) = summary(load(tmp_path)).to_dict("records")
    assert row["num_seeds"] == 2
    assert row["tuning"] == "tuned or not tuned"


def test_a_long_legend_is_cut_and_wrapped(write_run, tmp_path):
    differs = [f"training.setting_{number} {number} (tuned at {number + 1})" for number in range(9)]
    rows = pd.DataFrame(
        {
            "method": [f"ewc strength={number}" for number in range(30)],
            "tuning": "tuned, other settings",
            "tuning_note": [f"strategy.strength {number} (tuned at 100)" for number in range(20)]
            + ["x"] * 10,
        }
    )
    lines = tuning_lines(rows)
    assert len(lines) == MOST_SHOWN + 1
    assert lines[-1] == f"and {21 - MOST_SHOWN} more: see summary.csv"
    assert tuning_lines(rows[20:]) == [
        ", ".join(rows["method"][20:28]) + " and 2 more: tuned, other settings (x)"
    ]
    write_run(tmp_path, **told("by hand", *differs))
    text = text_table(summary(load(tmp_path)))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert all(each.split()[0] in text for each in differs)


def test_csv_page_and_latex_say_it_too(write_run, tmp_path):
    write_run(tmp_path, **told("random, 16 trials", "model.hidden [4] (tuned at [100, 100])"))
    write_run(tmp_path, strategy="finetune", accuracy=np.full((4, 3), 0.2), tuning="none: defaults")
    rows = summary(load(tmp_path))
    assert rows["tuning"].tolist() == ["tuned, other settings", "not tuned"]
    rows.to_csv(tmp_path / "summary.csv", index=False)
    assert tuning_lines(pd.read_csv(tmp_path / "summary.csv")) == tuning_lines(rows), "an empty note is nan"
    table = summary_table(rows, caption="")
    assert table.columns[-1] == "settings"
    assert [row[-1].text for row in table.rows] == ["tuned, other settings", "not tuned"]
    latex = latex_tables(rows)
    assert r"model.hidden {[}4{]} (tuned at {[}100, 100{]})" in latex
    assert "finetune: not tuned." in latex


def test_a_summary_from_before_has_no_legend(write_run, tmp_path):
    write_run(tmp_path)
    rows = summary(load(tmp_path)).drop(columns=list(Tuning._fields))
    assert "Settings" not in text_table(rows)
