"""What the page says, and that every number of it leads back to rows of records.csv."""

import csv
import json
import math
import re
import shutil
import statistics
from contextlib import nullcontext
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import t as student

from cl_bench.cli.main import main
from cl_bench.figures.parallel import Drawn
from cl_bench.report import embedded_figures as drawn
from cl_bench.report import run_rows
from cl_bench.report.build import report
from cl_bench.report.interactive_curves import MEAN_SEED, MEAN_TASK
from cl_bench.report.latex import latex_tables
from cl_bench.report.packed import unpacked
from cl_bench.report.page_tables import Cell
from cl_bench.report.plotly_script import security_policy

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


def rows_of(page, caption):
    """The texts of a table's cells, without its heading."""
    (table,) = re.findall(rf'aria-label="{re.escape(caption)}.*?</table>', page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[unescape(re.sub("<.*?>", "", cell)).lstrip() for cell in row] for row in cells]


def curves_of(page):
    """What the page's first interactive figure draws from."""
    return json.loads(unpacked(re.search(r'class="packed">(.*?)</script>', page)[1]))


def matrix(path):
    """(after_task, on_task) -> accuracy, from the file alone."""
    with (path / "records.csv").open() as file:
        return {
            (int(row["after_task"]), int(row["on_task"])): float(row["accuracy"])
            for row in csv.DictReader(file)
        }


def interval(values):
    """The text of a mean in percent with half its interval."""
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{100 * statistics.mean(values):.1f} ± {100 * half:.1f}"


@pytest.fixture
def page_of(tmp_path):
    def made():
        found = report(tmp_path)
        assert found.paths[-1] == tmp_path / "report.html"
        return found.paths[-1].read_text()

    return made


def test_every_number_of_a_method_follows_from_the_records_of_the_runs_that_count(
    tmp_path, write_run, page_of
):
    for seed in range(3):
        write_run(tmp_path, strategy="ewc", seed=seed, decay=0.1)
        write_run(tmp_path, strategy="vcl", seed=seed, decay=0.3)
    write_run(tmp_path, strategy="vcl", seed=3, status="running", last_task=2)
    page = page_of()
    with (tmp_path / "runs.csv").open() as file:
        runs = list(csv.DictReader(file))
    assert len(runs) == 7
    shown = {row[0]: row for row in rows_of(page, "permuted_mnist: mean ±")}
    curves = curves_of(page)
    for method in ("ewc", "vcl"):
        found = [
            matrix(tmp_path / run["path"])
            for run in runs
            if (run["method"], run["counts"]) == (method, "True")
        ]
        assert len(found) == 3
        final = [statistics.mean(R[3, j] for j in (1, 2, 3)) for R in found]
        lost = [statistics.mean(max(R[t, j] for t in (1, 2)) - R[3, j] for j in (1, 2)) for R in found]
        assert shown[method][1:4] == ["3" if method == "ewc" else "3 of 4", interval(final), interval(lost)]
        for task in (1, 2, 3):
            meta = {"method": method, "task": f"task {task}", "seed": MEAN_SEED}
            (line,) = [each for each in curves["traces"] if each["meta"] == meta and "fill" not in each]
            assert line["x"] == [0, 1, 2, 3]
            means = [100 * statistics.mean(R[t, task] for R in found) for t in line["x"]]
            assert line["y"] == pytest.approx(means, abs=1e-4)
        for seed, R in enumerate(found):  # noqa: N806
            meta = {"method": method, "task": "task 2", "seed": f"seed {seed}"}
            (line,) = [each for each in curves["traces"] if each["meta"] == meta]
            assert line["y"] == pytest.approx([100 * R[t, 2] for t in line["x"]], abs=1e-4)


def test_the_lines_are_valid_for_plotly(tmp_path, write_run, page_of):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    for seed in range(2):
        write_run(tmp_path, seed=seed)
    write_run(tmp_path, strategy="long", num_tasks=300)
    curves = curves_of(page_of())
    drawing = graph_objects.Figure(curves["traces"], curves["layout"])  # refuses a property it does not know
    assert {MEAN_TASK, "task 1", "task 300"} < {line.meta["task"] for line in drawing.data}
    assert max(len(line.y) for line in drawing.data) <= 2 * 200


def test_a_run_that_is_not_complete_has_a_line_as_far_as_it_came(tmp_path, write_run, page_of):
    write_run(tmp_path, status="running", last_task=2)
    page = page_of()
    curves = curves_of(page)
    lines = {line["meta"]["task"]: line for line in curves["traces"]}
    assert lines["task 1"]["x"] == [0, 1, 2]
    assert lines[MEAN_TASK]["x"] == [1, 2]
    assert "not complete" in lines["task 1"]["hovertemplate"]
    (said,) = curves["layout"]["template"]["data"]["scatter"]
    assert "fullData.meta.seed" in said["hovertemplate"], "what lines of whole runs say"
    assert "has not finished: still running, or killed; tested up to task 2 of 3." in unescape(page)


def test_a_torn_last_line_mixed_studies_one_seed_and_a_failure_are_all_in_one_page(
    tmp_path, write_run, page_of
):
    torn = write_run(tmp_path, study="one", status="running", last_task=2)
    with (torn / "records.csv").open("a") as file:
        file.write("0,3,1,0.")
    write_run(tmp_path, study="two", benchmark="split_mnist", num_tasks=5)
    write_run(
        tmp_path, study="two", strategy="vcl", status="failed", last_task=0, error="ValueError: 3 < 4 & so on"
    )
    page = page_of()
    assert "3 runs: 1 finished, 1 running, 1 failed." in page
    notes = [
        unescape(note)
        for note in re.findall(r"<li>(.*?)</li>", page.split('id="notes"')[1].split("</section>")[0])
    ]
    assert "two: vcl on permuted_mnist, seed 0 failed: ValueError: 3 < 4 & so on" in notes
    assert "two: split_mnist: one seed only, so no interval: ewc." in notes
    for title in ("one: permuted_mnist", "two: split_mnist", "two: permuted_mnist"):
        assert f"<h2>{title}</h2>" in page


def test_broken_runs_alone_are_a_page_that_says_so(tmp_path, write_run, page_of):
    (write_run(tmp_path) / "run.json").write_text("")
    page = page_of()
    assert "1 run: 1 broken." in page
    assert "run.json is unreadable" in page
    assert 'id="plotly"' not in page, "2 MB that nothing would use"


def test_an_empty_folder_is_a_sentence(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert "run an experiment first" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_published_stands_beside_what_was_measured(tmp_path, write_run, page_of):
    for seed in range(3):
        write_run(tmp_path, seed=seed)
    source = {"source": "<i>A & B</i>, table 1", "evidence": "read", "margin": 3.0}
    rows = [{"strategy": "ewc", "accuracy": 80.0, "spread": 0.5}, {"strategy": "si", "accuracy": 70}]
    (tmp_path / "study" / "expected.json").write_text(json.dumps([source | {"rows": rows}]))
    page = page_of()
    shown = rows_of(page, "study: published, and here")
    assert [row[:2] for row in shown] == [["ewc", "80 ± 0.5 "], ["si", "70"]]
    assert shown[1][6] == "not run"
    assert "&lt;i&gt;A &amp; B&lt;/i&gt;, table 1" in page


def test_many_runs_are_not_all_in_the_page_but_in_runs_csv(tmp_path, write_run, page_of, monkeypatch):
    monkeypatch.setattr(run_rows, "MOST_RUNS", 5)
    for seed in range(12):
        write_run(tmp_path, seed=seed)
    write_run(tmp_path, seed=12, status="failed", last_task=1)
    page = page_of()
    shown = rows_of(page, "permuted_mnist: runs")
    assert len(shown) == 5
    assert shown[0][2:4] == ["12", "failed"], "what went wrong comes first"
    assert "5 of 13 runs are listed here; runs.csv lists all." in page
    assert "10 of 13 seeds can be chosen" in page
    assert len(pd.read_csv(tmp_path / "runs.csv")) == 13


def test_figures_beyond_the_room_are_named(tmp_path, write_run, page_of, monkeypatch):
    write_run(tmp_path)
    monkeypatch.setattr(drawn, "MOST_BYTES", 1)
    page = page_of()
    assert page.count("left out of this page for its size") == 3
    assert '<a href="figures/heatmap-permuted_mnist.svg">' in page


def test_the_report_of_the_reference_is_below_5_mb(tmp_path, monkeypatch):
    """Not drawn here: figures have `embedded_figures.MOST_BYTES` at most."""
    folder = shutil.copytree(REFERENCE, tmp_path / "reference")
    monkeypatch.setattr(
        "cl_bench.figures.parallel.started", lambda drawings, strict: nullcontext(lambda: Drawn([], []))
    )
    report(folder)
    assert (folder / "report.html").stat().st_size + drawn.MOST_BYTES < 5_000_000


def test_the_policy_names_scripts_by_their_hash_and_allows_no_address():
    policy = security_policy()
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "http" not in policy
    assert "unsafe-eval" not in policy


def test_the_latex_table_has_booktabs_rules_and_escapes_names(tmp_path, write_run):
    for seed in range(2):
        write_run(tmp_path, strategy="my_method", seed=seed)
    write_run(tmp_path, strategy="50%_{x}")
    report(tmp_path)
    text = (tmp_path / "table.tex").read_text()
    for word in ("\\toprule", "\\midrule", "\\bottomrule", "my\\_method & 2 & $", "50\\%\\_\\{x\\} & 1 & $"):
        assert word in text
    assert text.count("{") == text.count("}")
    assert latex_tables(pd.read_csv(tmp_path / "summary.csv")) == text


def test_the_parquet_file_has_the_numbers_of_the_csv_file(tmp_path, write_run):
    pytest.importorskip("pyarrow")
    write_run(tmp_path)
    report(tmp_path)
    table = pd.read_parquet(tmp_path / "summary.parquet")
    again = pd.read_csv(tmp_path / "summary.csv")
    assert list(table.columns) == list(again.columns)
    numbers = [name for name in table.columns if name.endswith("_mean")]
    pd.testing.assert_frame_equal(table[numbers], again[numbers], check_dtype=False)


def test_sentences_on_a_benchmark_stand_under_its_table_and_those_on_all_at_the_end(
    tmp_path, write_run, page_of
):
    for study in ("one", "two"):
        for seed in range(3):
            write_run(tmp_path, study=study, strategy="ewc", seed=seed, decay=0.1)
            write_run(tmp_path, study=study, strategy="vcl", seed=seed, decay=0.3)
    page = page_of()
    first, second = (section(page, f"group-{number}") for number in (1, 2))
    assert first.count("accuracy after the last task") == second.count("accuracy after the last task") == 1
    assert "more accurate than vcl" in first
    assert 'id="together"' not in page


def test_a_figure_stands_once_under_its_benchmark_with_what_is_to_be_seen(tmp_path, write_run, page_of):
    for study, best in (("a", "ewc"), ("b", "vcl")):
        for strategy in ("ewc", "vcl"):
            for benchmark in ("permuted_mnist", "split_mnist"):
                decay = 0.05 if strategy == best else 0.4
                write_run(tmp_path, study=study, benchmark=benchmark, strategy=strategy, decay=decay)
    page = page_of()
    sources = re.findall(r'<img src="(data:.*?)"', page)
    assert len(sources) == len(set(sources)) == 20, "three kinds of four benchmarks, and four of two studies"
    for number, best in ((1, "ewc"), (2, "ewc"), (3, "vcl"), (4, "vcl")):
        here = section(page, f"group-{number}")
        assert re.findall(r"<summary>(forgetting|comparison|heatmap)</summary>", here) == [
            *("forgetting", "comparison", "heatmap")
        ]
        assert here.count("<img ") == here.count('loading="lazy"') == 3
        assert re.search(rf"Forgetting is lowest for {best} \([\d.]+ %\)", here)
        study, benchmark = here.split("<h2>")[1].split("</h2>")[0].split(": ")
        assert f"figures/forgetting-{study}-{benchmark}.svg" in here


def test_every_measured_column_can_be_chosen_and_few_are_at_first(tmp_path, write_run, page_of):
    write_run(tmp_path)
    page = page_of()
    table = section(page, "group-1").split("<thead>")[1].split("</thead>")[0]
    keys = re.findall(r"<th scope=\"col\" class=\"(?:number )?c-(\w+)\"", table)
    boxes = re.findall(r'id="show-(\w+)"( checked)?', page)
    assert {"average_accuracy", "forgetting", "backward_transfer", "forward_transfer"} < set(keys)
    assert keys == ["method", *(key for key, _ in boxes)]
    chosen = [key for key, checked in boxes if checked]
    assert chosen == ["seeds", "average_accuracy", "forgetting", "learning_accuracy"]
    for key, _ in boxes:
        assert f"body:has(#show-{key}:not(:checked)) .c-{key}" in page


def test_a_definition_is_written_once_and_pointed_at_by_every_column(tmp_path, write_run, page_of):
    for study in ("one", "two"):
        write_run(tmp_path, study=study)
    page = page_of()
    targets = set(re.findall(r'popovertarget="(what-\w+)"', page))
    assert "what-forgetting" in targets
    for target in targets:
        assert page.count(f'id="{target}"') == 1
        assert page.count(f'popovertarget="{target}"') == 2, "a column of each of two tables"


def test_the_navigation_leads_to_every_section(tmp_path, write_run, page_of):
    for study in ("one", "two"):
        write_run(tmp_path, study=study)
    write_run(tmp_path, study="two", benchmark="split_mnist", status="failed", last_task=1)
    page = page_of()
    links = re.findall(r'<a (?:class="top" )?href="#(.*?)"', page.split("</nav>")[0])
    assert links == ["top", "notes", "group-1", "group-2", "group-3", "runs", "meaning"]
    assert set(links) <= set(re.findall(r'id="(.*?)"', page))
    assert set(re.findall(r'<section .*?id="(.*?)"', page)) <= set(links)


def section(page, anchor):
    """The text of a section."""
    return page.split(f'id="{anchor}">')[1].split("</section>")[0]


def test_a_long_name_breaks_after_underscores(write_run, tmp_path):
    write_run(tmp_path, strategy="bayesbinn_<b>_prior", last_task=2)
    report(tmp_path, figures=False)
    text = (tmp_path / "report.html").read_text()
    assert "bayesbinn_<wbr>&lt;b&gt;_<wbr>prior</th>" in text


@pytest.mark.parametrize(
    ("cell", "sorted_by"),
    [
        (Cell("0", 0), ""),
        (Cell("93.5 ± 0.2", 93.45533333333333), "93.45533333"),
        (Cell("–", math.nan), "nan"),
        (Cell("1.2 M", 1234567), "1234567"),
        (Cell("ewc", "ewc"), ""),
    ],
)
def test_a_cell_says_what_it_is_sorted_by_where_its_text_does_not(cell, sorted_by):
    assert cell.sorted_by == sorted_by
