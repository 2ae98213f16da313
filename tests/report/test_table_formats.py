"""The formats of `cl-bench table`, its file and its slips."""

import csv
import re
import runpy
from pathlib import Path

import pytest

from cl_bench.analysis import AnalysisError
from cl_bench.cli.main import main
from cl_bench.report import latex_table
from cl_bench.report.latex import escaped
from cl_bench.report.paper_table import METRICS, paper_table

HERE = Path(__file__).parents[1]  # tests
write_run = runpy.run_path(str(HERE / "analysis" / "synthetic.py"))["write_run"]
_numbers = runpy.run_path(str(Path(__file__).with_name("test_paper_table.py")))
write, bold, SCORES = (_numbers[name] for name in ("write", "bold", "SCORES"))


@pytest.fixture(scope="module")
def two_benchmarks(tmp_path_factory):
    return write(tmp_path_factory.mktemp("results"), SCORES)


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
    assert r"vcl & $55.0 \pm 7.1$ & -- \\" in text


def test_letters_are_escaped_one_by_one():
    assert escaped("50 % of λ_1") == r"50 \% of $\lambda$\_1"


@pytest.mark.parametrize("metrics", [METRICS, "average_accuracy"])
def test_a_label_and_a_caption_of_ones_own(two_benchmarks, metrics):
    plain = latex_table(two_benchmarks, metrics=metrics)
    assert r"\label" not in plain
    text = latex_table(two_benchmarks, metrics=metrics, label="tab:a_1", caption="50 % of {a}")
    assert "\\caption{50 \\% of \\{a\\}}\n\\label{tab:a_1}\n\\begin{tabular}" in text
    (numbers,) = re.findall(r"\\caption\{(.*)\}\n", plain)
    assert f"\n% {numbers}\n" in text, "what the numbers are is not lost"
    check_latex(text.replace(r"\label{tab:a_1}", "").replace(f"% {numbers}\n", ""))
    assert table(two_benchmarks, "--metrics", metrics, "--label", "tab:a_1", "--caption", "50 % of {a}") == 0


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
        (["{}", "--bold", "all"], 2, "invalid choice"),
        (["{}", "--label", "a%b"], 1, "a label of LaTeX has letters, digits and :.-_/+ here, got 'a%b'"),
        (["{}", "--label", "a", "--format", "markdown"], 1, "a label is for LaTeX"),
        (["{}", "--caption", "a", "--format", "csv"], 1, "a CSV file has no caption and no label"),
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
