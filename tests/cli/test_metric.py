"""`cl-bench metric`: what it writes is in every table, and what cannot be is refused in a sentence."""

import shutil
import sys
from importlib.metadata import EntryPoint

import pandas as pd
import pytest

from cl_bench import analysis
from cl_bench.analysis import of_predictions
from cl_bench.analysis.predictions import measured
from cl_bench.analysis.registry import AFTERWARDS
from cl_bench.cli import metric
from cl_bench.cli.main import main
from cl_bench.config.compose import compose
from cl_bench.runner.run import execute

SMALL = ("benchmark=split_digits", "benchmark.num_tasks=2", "training.epochs=1", "model.hidden=[8]")
OWN = """
import numpy as np

def doubt(probabilities, labels):
    return 1 - probabilities.max(axis=1).mean()

doubt.better = "lower"
not_a_function = 3

def text(probabilities, labels):
    return "much"

def accuracy(probabilities, labels):
    return 0.5

def Capitals(probabilities, labels):
    return 0.5
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two methods with predictions, and a run without."""
    folder = tmp_path_factory.mktemp("made") / "results"
    for settings in (
        ["strategy=finetune", "training.save=[predictions@each]", "seeds=[0,1]"],
        ["strategy=ewc", "training.save=[predictions]"],
        ["strategy=l2"],
    ):
        config = compose([*SMALL, *settings, "benchmark.scenario=class", f"results_dir={folder}"])
        execute(config, show_progress=False)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "results")


def summary(folder):
    return analysis.summary(analysis.load(folder), analysis.states(folder))


def test_a_metric_is_in_the_frame_and_in_every_table_of_the_runs_that_have_it(folder, capsys):
    before = analysis.load(folder)
    assert main(["metric", "top_2", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "top 2 (%)" in said
    assert "1 run without saved predictions: run with training.save=[predictions]" in said
    frame = analysis.load(folder)
    assert list(frame.columns) == [*before.columns, "top_2"]
    expected = measured(of_predictions.built_in("top_2"), folder)
    found = frame.dropna(subset="top_2").rename(columns={"top_2": "value"})
    key = ["run", "after_task", "on_task", "value"]
    pd.testing.assert_frame_equal(
        *(table[key].sort_values(key[:3]).reset_index(drop=True) for table in (found, expected))
    )
    assert frame[frame["strategy"] == "l2"]["top_2"].isna().all()
    table = summary(folder).set_index("strategy")
    last = expected[(expected["strategy"] == "ewc") & (expected["after_task"] == 2)]
    assert table.loc["ewc", "top_2_mean"] == last["value"].mean()
    assert table["top_2_mean"].isna()["l2"]
    assert main(["report", str(folder), "--no-figures"]) == 0
    assert "top 2" in capsys.readouterr().out
    assert "top_2_mean" in pd.read_csv(folder / "summary.csv")
    page = (folder / "report.html").read_text()
    assert '<button class="sort">top 2</button>' in page
    assert 'id="show-top_2" checked' in page or 'checked id="show-top_2"' in page


def test_a_metric_is_in_papers_tables_and_in_figures_whose_names_it_has(folder, tmp_path, capsys):
    """Whichever process computed it: what a folder has is known by its metrics.csv."""
    out, drawn = str(tmp_path / "table.md"), str(tmp_path / "x.svg")
    asked = ["table", str(folder), "--metrics", "top_2,average_accuracy", "-o", out]
    AFTERWARDS.clear()
    assert main(asked) == 1
    assert "there is no metric 'top_2'" in capsys.readouterr().err
    assert main(["metric", "top_2", str(folder)]) == 0
    AFTERWARDS.clear()
    assert main(asked) == 0
    row = next(line for line in (tmp_path / "table.md").read_text().splitlines() if "ewc" in line)
    AFTERWARDS.clear()
    top_2 = summary(folder).set_index("strategy").loc["ewc", "top_2_mean"]
    assert f"{100 * top_2:.1f}" in row
    for pair in ("top_2,forgetting", "average_accuracy,top_2"):
        AFTERWARDS.clear()
        assert main(["plot", "comparison", str(folder), "--metric", pair, "-o", drawn]) == 0
    AFTERWARDS.clear()
    assert main(["table", str(folder), "--metrics", "top_3"]) == 1
    assert "did you mean top_2" in capsys.readouterr().err


def test_a_metric_that_is_nan_everywhere_is_refused(folder, tmp_path, capsys):
    (tmp_path / "none.py").write_text("def nothing(probabilities, labels):\n    return float('nan')\n")
    assert main(["metric", f"{tmp_path / 'none.py'}:nothing", str(folder)]) == 1
    assert "nothing is nan on every test of" in capsys.readouterr().err
    assert not list(folder.glob("*/*/metrics.csv"))


def test_runs_without_it_have_no_column(folder, tmp_path):
    assert main(["metric", "macro_f1", str(folder)]) == 0
    (other,) = folder.glob("default/*-l2-*")
    assert not {"macro_f1", "macro_f1_mean"} & {*analysis.load(other).columns, *summary(other).columns}


def test_each_metric_keeps_the_others_and_its_own_is_replaced(folder):
    for name in ("macro_f1", "top_2", "macro_f1"):
        assert main(["metric", name, str(folder)]) == 0
    (run,) = folder.glob("default/*-ewc-*")
    rows = pd.read_csv(run / "metrics.csv")
    assert sorted(rows["name"].value_counts().items()) == [("macro_f1", 2), ("top_2", 2)]


def test_functions_of_one_s_own_by_file_and_by_module(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "own_doubt_metric.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("own_doubt_metric.py:doubt", "own_doubt_metric:doubt"):
        assert main(["metric", name, "results"]) == 0
        assert "doubt" in capsys.readouterr().out
    assert main(["metric", "own_doubt_metric:doubt", "results", "--unit", "%", "--better", "higher"]) == 0
    (run,) = folder.glob("default/*-ewc-*")
    rows = pd.read_csv(run / "metrics.csv")
    assert set(rows["unit"]) == {"%"}
    assert set(rows["better"]) == {"higher"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_wrong.py:nothing", "own_wrong.py:nothing cannot be imported: AttributeError"),
        ("nowhere.py:doubt", "nowhere.py:doubt cannot be imported: FileNotFoundError"),
        ("nowhere_at_all:doubt", "nowhere_at_all:doubt cannot be imported: ModuleNotFoundError"),
        ("own_wrong.py:not_a_function", "must be a function of (probabilities, labels), got int"),
        ("own_wrong.py:text", "text must give a number for probabilities [N, K] and labels [N]"),
        ("own_wrong.py:accuracy", "accuracy must have another name"),
        ("own_wrong.py:Capitals", "must be at most 40 small letters, digits and _, got 'Capitals'"),
        ("macrof1", "there is no metric 'macrof1'; did you mean macro_f1?"),
        ("nonsense", "there is no metric 'nonsense'; `cl-bench metric` lists all"),
    ],
)
def test_what_cannot_be_is_one_line(folder, tmp_path, monkeypatch, capsys, name, said):
    (tmp_path / "own_wrong.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["metric", name, "results"]) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not list(folder.rglob("metrics.csv"))


def test_without_predictions_or_a_folder_it_says_what_to_do(folder, capsys):
    (run,) = folder.glob("default/*-l2-*")
    assert main(["metric", "top_2", str(run)]) == 1
    assert (
        "none of 1 run has saved predictions: run with training.save=[predictions]" in capsys.readouterr().err
    )
    assert main(["metric", "top_2"]) == 1
    assert "needs a folder with runs" in capsys.readouterr().err


def test_a_list_of_all_with_those_of_packages(monkeypatch, capsys):
    ours = EntryPoint("my_metric", "os.path:join", metric.GROUP)
    monkeypatch.setattr(metric, "plugged_in", lambda group: (ours,) if group == metric.GROUP else ())
    assert main(["metric"]) == 0
    said = capsys.readouterr().out
    for name in (*of_predictions.LISTED, *metric.TABLES, "my_metric"):
        assert f"  {name} " in said


def test_a_metric_of_a_package_is_found_by_its_name(folder, monkeypatch, capsys):
    ours = EntryPoint("certainty", "certainty_of_a_package:certainty", metric.GROUP)
    module = type(sys)("certainty_of_a_package")
    module.certainty = lambda p, labels: p.max(axis=1).mean()
    monkeypatch.setitem(sys.modules, "certainty_of_a_package", module)
    monkeypatch.setattr(metric, "plugged_in", lambda group: (ours,))
    assert main(["metric", "certainty", str(folder)]) == 0
    assert "certainty" in analysis.load(folder)


@pytest.mark.parametrize("name", metric.TABLES)
def test_tables_are_files_of_their_own(folder, tmp_path, capsys, name):
    assert main(["metric", name, str(folder)]) == 0
    assert len(pd.read_csv(folder / f"{name}.csv")) > 0
    assert main(["metric", name, str(folder), str(folder), "-o", str(tmp_path / "own.csv")]) == 0
    assert (tmp_path / "own.csv").read_bytes() == (folder / f"{name}.csv").read_bytes()
    capsys.readouterr()
    assert main(["metric", name, str(folder), str(folder)]) == 1
    assert "give -o FILE" in capsys.readouterr().err


def test_a_run_that_is_done_again_has_no_metric_of_the_old_predictions(folder):
    assert main(["metric", "top_2", str(folder)]) == 0
    (run,) = folder.glob("default/*-ewc-*")
    again = compose(
        [*SMALL, "strategy=ewc", "benchmark.scenario=class", f"results_dir={folder}", "resume=false"]
    )
    assert execute(again, show_progress=False) == [run]
    assert not (run / "metrics.csv").exists()
    assert not (run / "saved").exists()


def test_confusion_is_a_figure(folder, tmp_path):
    assert main(["plot", "confusion", str(folder), "-o", str(tmp_path / "confusion.png")]) == 0
    assert (tmp_path / "confusion.png").stat().st_size > 1000
