"""`cl-bench table`: one table over benchmarks, and what is bold in it."""

import csv
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel

from cl_bench.analysis import AnalysisError, load
from cl_bench.analysis.paired_tests import holm
from cl_bench.analysis.registry import registered
from cl_bench.analysis.summary import summary
from cl_bench.cli.main import main
from cl_bench.report import latex_table
from cl_bench.report.latex import escaped
from cl_bench.report.paper_table import METRICS, paper_table

HERE = Path(__file__).parents[1]  # tests
write_run = runpy.run_path(str(HERE / "analysis" / "synthetic.py"))["write_run"]
measure = runpy.run_path(str(HERE / "figures" / "full_runs.py"))["measure"]


def matrix(accuracy, forgetting=0.0):
    """Of a stream of two tasks with this average accuracy and forgetting."""
    end = accuracy
    return np.array([[0.1, 0.1], [end + forgetting, 0.1], [end, end]])


def write(folder, scores, **more):
    """Runs of benchmark -> strategy -> average accuracies, one a seed; nan: no such run."""
    for benchmark, strategies in scores.items():
        for strategy, accuracies in strategies.items():
            for seed, accuracy in enumerate(accuracies):
                if not np.isnan(accuracy):
                    write_run(
                        folder,
                        benchmark=benchmark,
                        strategy=strategy,
                        seed=seed,
                        accuracy=matrix(accuracy),
                        **more,
                    )
    return folder


SCORES = {
    "a_1": {
        "joint": [0.99, 0.99, 0.99],
        "ewc": [0.90, 0.92, 0.91],
        "vcl": [0.91, 0.90, 0.92],
        "si": [0.70, 0.73, 0.70],
    },
    "b": {
        "joint": [0.95, 0.95, 0.96],
        "ewc": [0.50, 0.55, 0.52],
        "vcl": [0.80, 0.83, 0.82],
        "si": [0.60, 0.62, np.nan],
    },
}


@pytest.fixture(scope="module")
def two_benchmarks(tmp_path_factory):
    return write(tmp_path_factory.mktemp("results"), SCORES)


def bold(made):
    return {
        (method, column.benchmark, column.metric.name)
        for method, row in made.rows.items()
        for column, number in zip(made.columns, row, strict=True)
        if number.bold
    }


# What is bold


def test_bold_are_the_best_and_what_a_paired_test_with_holm_does_not_tell_from_it(two_benchmarks):
    made = paper_table(two_benchmarks, metrics="average_accuracy")
    expected = set()
    for benchmark, methods in SCORES.items():
        names = [name for name in methods if name != "joint"]
        pairs = [(x, y) for place, x in enumerate(names) for y in names[place + 1 :]]
        known = {name: np.array(methods[name]) for name in names}
        p = [
            ttest_rel(*(known[name][~np.isnan(known[x] + known[y])] for name in (x, y))).pvalue
            for x, y in pairs
        ]
        adjusted = {frozenset(pair): value for pair, value in zip(pairs, holm(p), strict=True)}
        best = max(names, key=lambda name: np.nanmean(known[name]))
        expected |= {(best, benchmark, "average_accuracy")}
        expected |= {
            (name, benchmark, "average_accuracy")
            for name in names
            if name != best and adjusted[frozenset((best, name))] > 0.05
        }
    assert bold(made) == expected
    assert ("ewc", "a_1", "average_accuracy") in expected, "ewc and vcl are not told apart there"
    assert ("ewc", "b", "average_accuracy") not in expected


def test_of_forgetting_the_least_is_bold(tmp_path):
    for strategy, forgetting in (("ewc", 0.05), ("vcl", 0.01)):
        for seed in range(3):
            accuracy = matrix(0.9 - 0.01 * seed, forgetting + 0.001 * seed * (strategy == "ewc"))
            write_run(tmp_path, strategy=strategy, seed=seed, accuracy=accuracy)
    made = paper_table(tmp_path, metrics=["forgetting"])
    assert bold(made) == {("vcl", "permuted_mnist", "forgetting")}


def test_joint_training_is_never_bold_nor_tested(two_benchmarks):
    made = paper_table(two_benchmarks)
    assert not any(number.bold for number in made.rows["joint"])
    without = paper_table(two_benchmarks, methods="ewc,vcl,si")
    assert bold(made) == bold(without)
    assert "joint training aside" in " ".join(made.caption)
    assert "joint" not in " ".join(without.caption)


def test_one_seed_is_not_tested_and_the_best_alone_is_bold(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9], "vcl": [0.8]}})
    made = paper_table(tmp_path, metrics="average_accuracy")
    assert bold(made) == {("ewc", "a", "average_accuracy")}
    assert "Methods without two seeds in common are not tested" in made.caption
    assert "Percent, mean over 1 seed" in made.caption


def test_what_has_no_direction_or_one_method_has_no_best(tmp_path):
    directionless = next(metric.name for metric in registered() if not metric.better)
    write(tmp_path, {"a": {"ewc": [0.9, 0.8]}})
    assert bold(paper_table(tmp_path, metrics=f"average_accuracy,{directionless}")) == set()


def test_methods_that_are_alike_are_all_bold(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9, 0.8], "vcl": [0.9, 0.8]}})
    assert len(bold(paper_table(tmp_path, metrics="average_accuracy"))) == 2


# Numbers and words


def test_the_numbers_are_those_of_the_summary(two_benchmarks):
    expected = summary(load(two_benchmarks)).set_index(["benchmark", "method"])
    made = paper_table(two_benchmarks)
    for method, row in made.rows.items():
        for column, number in zip(made.columns, row, strict=True):
            told = expected.loc[(column.benchmark, method)]
            assert number.mean == pytest.approx(told[f"{column.metric.name}_mean"])
            assert number.mean + number.half_width == pytest.approx(told[f"{column.metric.name}_high"])
            assert number.num_seeds == told["num_seeds"]


@pytest.mark.parametrize(("interval", "half"), [("se", 0.01 / np.sqrt(3)), ("sd", 0.01), ("none", np.nan)])
def test_what_stands_behind_plus_minus_is_chosen_and_said(two_benchmarks, interval, half):
    made = paper_table(two_benchmarks, interval=interval, metrics="average_accuracy")
    assert made.rows["ewc"][0].half_width == pytest.approx(half, nan_ok=True)
    said = {"se": "± standard error", "sd": "± standard deviation", "none": ""}[interval]
    assert f"Percent, mean over 3 seeds (si on b 2) {said}".strip() in made.caption


def test_metrics_of_records_and_states_are_columns_too(tmp_path):
    for seed in range(2):
        for strategy in ("ewc", "vcl"):
            measure(write_run(tmp_path, strategy=strategy, seed=seed), seed=seed, num_tasks=3)
    made = paper_table(tmp_path, metrics=["stored_bits", "ece", "entropy"])
    (stored, ece, entropy) = made.rows["ewc"]
    assert stored.mean == 1000
    assert np.isfinite([ece.mean, entropy.mean]).all()
    arrows = {"higher": " ↑", "lower": " ↓", "": ""}
    for column in made.columns:
        assert (
            column.title.lower()
            == (
                column.metric.title + f" ({column.metric.unit})" * (column.metric.unit in ("KiB", "nats"))
            ).lower()
            + arrows[column.metric.better]
        )
    said = paper_table(tmp_path, metrics="stored_bits").caption
    assert said[:2] == ["Stored (KiB) ↓", "Mean over 2 seeds ± half width of the 95 % Student t interval"]


def test_methods_benchmarks_and_metrics_have_their_labels_and_order(two_benchmarks):
    labels = "vcl=VCL, ours,b=Split B,average_accuracy=ACC"
    made = paper_table(two_benchmarks, methods="vcl,joint", labels=labels)
    assert list(made.rows) == ["VCL, ours", "joint"]
    assert [(column.benchmark, column.title) for column in made.columns] == [
        ("a_1", "ACC ↑"),
        ("a_1", "Forgetting ↓"),
        ("Split B", "ACC ↑"),
        ("Split B", "Forgetting ↓"),
    ]


def test_the_caption_says_how_settings_were_found_and_what_is_missing(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9, 0.8], "vcl": [0.7, 0.6]}}, tuning="defaults")
    write(tmp_path, {"b": {"ewc": [0.9, 0.8]}}, tuning={"tuned/b/ewc.yaml": ""})
    write_run(tmp_path, benchmark="a", strategy="si", last_task=1)
    said = paper_table(tmp_path).caption
    assert "a: ewc, vcl: defaults" in said
    assert any(sentence.startswith("b: ewc: tuned (tuned/b") for sentence in said)
    assert "1 incomplete run left out" in said
    assert "–: not run, or not measured" in said


# LaTeX


def columns_of(line):
    """How many columns the cells of a line take."""
    cells = re.split(r"(?<!\\)&", line.removesuffix(r"\\"))
    spans = [re.match(r"\s*\\multicolumn\{(\d+)\}", cell) for cell in cells]
    return sum(int(span[1]) if span else 1 for span in spans)


def check_latex(text):
    """What a LaTeX that is not here would stumble over."""
    plain = re.sub(r"\\[\\&%$#_{}]", "", text)
    assert plain.count("{") == plain.count("}")
    depth = 0
    for letter in plain:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert plain.count("$") % 2 == 0
    opened = []
    for verb, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        opened.append(name) if verb == "begin" else None
        assert verb == "begin" or opened.pop() == name
    assert not opened
    assert text.isascii(), "not every LaTeX has other letters"
    (spec,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    body = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(lines) >= 2
    for line in lines:
        assert columns_of(line) == len(spec)
        assert not line.startswith("["), "it would be an option of the line before"
    outside = re.sub(r"\$[^$]*\$|\\[a-z]+\{|\\[%_#&$]", "", plain.partition("\n")[2])
    assert not re.search(r"[_^#%]", outside), "a sign that is a command"
    for first, last in re.findall(r"\\cmidrule\(lr\)\{(\d+)-(\d+)\}", text):
        assert 2 <= int(first) <= int(last) <= len(spec)


@pytest.mark.parametrize("metrics", [METRICS, "average_accuracy", "stored_bits,ece,forgetting"])
def test_the_table_is_whole(two_benchmarks, metrics):
    text = latex_table(two_benchmarks, metrics=metrics)
    check_latex(text)
    assert text.startswith("% made by cl-bench table; needs \\usepackage{booktabs}\n")
    assert (r"\multicolumn" in text) == ("," in metrics)


def test_every_sign_is_escaped(two_benchmarks):
    signs = r"[&] % $ # _ { } ~ ^ \ < > | * λ ± –"
    text = latex_table(two_benchmarks, labels={"ewc": signs, "a_1": signs + " B", "forgetting": signs + " F"})
    check_latex(text)
    for part in (r"{[}\&{]} \% \$ \# \_ \{ \}", r"\textbackslash{}", r"$\lambda$ $\pm$ --"):
        assert part in text


def test_the_checker_itself_sees_what_is_wrong():
    check_latex(latex_of("a & b"))
    for wrong in ("a & b & c", "a", "a & b_1", "a & $b", "a & {b", "a & é", "[a & b", "a & 5 %"):
        with pytest.raises(AssertionError):
            check_latex(latex_of(wrong))


def latex_of(row):
    return (
        "% x\n\\begin{table}\n\\begin{tabular}{lr}\n\\toprule\n"
        f"x & y \\\\\n{row} \\\\\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def test_a_missing_cell_is_two_dashes_and_bold_is_the_mean_alone(tmp_path):
    write(tmp_path, {"a": {"ewc": [0.9, 0.9], "vcl": [0.5, 0.6]}, "b": {"ewc": [0.5, 0.7]}})
    text = latex_table(tmp_path, metrics="average_accuracy", interval="sd")
    assert r"ewc & $\mathbf{90.0} \pm 0.0$ & $60.0 \pm 14.1$ \\" in text
    assert r"vcl & $\mathbf{55.0} \pm 7.1$ & -- \\" in text, "two seeds do not tell 35 points apart"


def test_letters_are_escaped_one_by_one():
    assert escaped("50 % of λ_1") == r"50 \% of $\lambda$\_1"


# The command


def table(*arguments):
    return main(["table", *map(str, arguments)])


def test_the_command_prints_or_writes_the_same_text(two_benchmarks, tmp_path, capsys):
    assert table(two_benchmarks) == 0
    printed = capsys.readouterr().out
    assert printed == latex_table(two_benchmarks)
    assert table(two_benchmarks, "-o", tmp_path / "t.tex") == 0
    assert capsys.readouterr().out == f"{tmp_path / 't.tex'}\n"
    assert (tmp_path / "t.tex").read_text() == printed


def test_the_other_formats_have_the_same_numbers(two_benchmarks, tmp_path):
    made = paper_table(two_benchmarks)
    assert table(two_benchmarks, "-o", tmp_path / "t.csv") == 0
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert len(rows) == len(made.rows) * len(made.columns)
    found = {(row["method"], row["benchmark"], row["metric"]): row for row in rows}
    row = found["ewc", "a_1", "average_accuracy"]
    assert float(row["mean"]) == pytest.approx(0.91)
    assert {key for key, row in found.items() if row["bold"] == "True"} == bold(made)
    assert table(two_benchmarks, "-o", tmp_path / "t.md", "--metrics", "average_accuracy") == 0
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines[2] == r"| Method | a\_1 | b |"
    assert {line.count("|") for line in lines if line.startswith("|")} == {4}
    assert "| **91.0** ± 2.5 |" in "\n".join(lines)


@pytest.mark.parametrize("name", ["t.tex", "t.md", "t.csv"])
def test_a_table_is_renewed_and_another_file_is_kept(two_benchmarks, tmp_path, capsys, name):
    assert table(two_benchmarks, "-o", tmp_path / name) == 0
    assert table(two_benchmarks, "-o", tmp_path / name, "--methods", "ewc") == 0
    assert "vcl" not in (tmp_path / name).read_text()
    (tmp_path / name).write_text("mine\n")
    assert table(two_benchmarks, "-o", tmp_path / name) == 1
    assert "holds something else, and is kept" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "mine\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "required: DIR"),
        (["{}", "--metrics", "accuracy"], 1, "there is no metric 'accuracy'; did you mean"),
        (["{}", "--metrics", ","], 1, "metrics must name one or more"),
        (["{}", "--methods", "ewcc"], 1, "there is no method 'ewcc' in these runs; did you mean ewc?"),
        (["{}", "--labels", "ewc"], 1, "a label is given as name=label"),
        (["{}", "--labels", "ewc=X,vcl=X"], 1, "would both be called 'X'"),
        (["{}", "--interval", "iqr"], 2, "invalid choice"),
        (["{}", "-o", "t.doc"], 1, "the ending of a table must be .tex, .md, .csv"),
        (["{}", "-o", "t.md", "--format", "csv"], 1, "a file that ends in .md is no csv"),
        (["{}/nowhere"], 1, "there is no folder"),
    ],
)
def test_a_slip_is_one_sentence(two_benchmarks, tmp_path, monkeypatch, capsys, arguments, status, said):
    monkeypatch.chdir(tmp_path)
    assert table(*(argument.format(two_benchmarks) for argument in arguments)) == status
    printed, wrong = capsys.readouterr()
    assert said in wrong
    assert status == 2 or len(wrong.splitlines()) == 1
    assert "Traceback" not in printed + wrong
    assert not list(tmp_path.iterdir())


def test_runs_that_are_not_complete_make_no_table(tmp_path):
    write_run(tmp_path, last_task=1, status="failed", error="no")
    with pytest.raises(AnalysisError, match="no run is complete"):
        paper_table(tmp_path)


def test_a_method_that_two_studies_ran_is_told_apart_by_study(tmp_path):
    for study in ("one", "two"):
        write(tmp_path, {"a": {"ewc": [0.9, 0.8]}}, study=study)
    assert list(paper_table(tmp_path).rows) == ["ewc (one)", "ewc (two)"]
