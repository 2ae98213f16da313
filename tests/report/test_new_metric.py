"""A metric that registers once is in every table, file and page, and in the docs."""

import re
import runpy
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cl_bench.analysis import METRICS
from cl_bench.analysis.losses import metrics_of
from cl_bench.analysis.registry import COMPARISON, PLACES, RECORDS, metric, registered, unregister
from cl_bench.report.build import report
from cl_bench.report.paper_table import paper_table
from cl_bench.report.table_formats import as_latex, as_markdown
from docs.hooks.parts import expand

write_run = runpy.run_path(str(Path(__file__).parents[1] / "analysis" / "synthetic.py"))["write_run"]
ROOT = Path(__file__).parents[2]
MATRIX = np.array([[0.1, 0.1], [0.8, 0.2], [0.6, 0.9]])


@pytest.fixture
def peak():
    """A metric of which more is worse, so that its direction cannot be a default."""

    @metric("highest peak", better="lower", meaning="largest R[t, j]", short="TOP", places=PLACES)
    def peak(accuracy):
        return float(np.max(accuracy))

    yield peak
    unregister("peak")


@pytest.fixture
def reported(peak, tmp_path):
    """A folder with the report of two methods on three benchmarks."""
    for benchmark in ("a", "b", "c"):
        for seed in range(2):
            write_run(tmp_path, benchmark=benchmark, strategy="ewc", seed=seed, accuracy=MATRIX + 0.01 * seed)
            write_run(tmp_path, benchmark=benchmark, strategy="si", seed=seed, accuracy=MATRIX - 0.1)
    return tmp_path, report(tmp_path, figures=False)


def columns_of(folder):
    """The titles of the columns of the page's tables, and what it says of metrics."""
    page = (folder / "report.html").read_text()
    texts = [
        re.sub(r"<button[^>]*>\?</button>|<[^>]*>", " ", each)
        for each in re.findall(r"<th.*?</th>", page, re.S)
    ]
    return [" ".join(unescape(text).split()) for text in texts], [
        unescape(each) for each in re.findall(r"<dd>(.*?)</dd>", page, re.S)
    ]


def test_it_is_in_the_summary(reported):
    rows = pd.read_csv(reported[0] / "summary.csv").set_index(["benchmark", "method"])
    assert rows.loc[("a", "ewc"), "peak_mean"] == pytest.approx(0.905)
    assert rows.loc[("a", "si"), "peak_mean"] == pytest.approx(0.8)
    half = rows.loc[("a", "ewc"), "peak_high"] - rows.loc[("a", "ewc"), "peak_mean"]
    assert half == pytest.approx(12.706 * 0.005, rel=1e-3)  # Student's, of two seeds


def test_it_is_in_the_table_of_the_terminal_with_its_direction(reported):
    text = reported[1].text
    header = next(line for line in text.splitlines() if line.strip().startswith("method"))
    assert "highest peak" in header
    assert "Forgetting and highest peak (TOP): lower is better." in " ".join(text.split())
    (row,) = [line for line in text.split("a (domain", 1)[1].splitlines() if line.startswith("  si")][:1]
    assert "80.0 ± 0.0" in row


def test_it_is_on_the_page_with_what_it_means(reported):
    columns, meanings = columns_of(reported[0])
    assert "highest peak (%) ↓" in columns
    assert "largest R[t, j]" in meanings


def test_methods_are_compared_in_it(reported):
    compared = pd.read_csv(reported[0] / "comparison.csv")
    (pair,) = compared[(compared["metric"] == "peak") & (compared["benchmark"] == "a")].to_dict("records")
    assert (pair["first"], pair["second"], pair["num_seeds"]) == ("ewc", "si", 2)
    assert pair["difference"] == pytest.approx(0.105)


def test_it_is_ranked_in_its_own_direction(reported):
    rows = pd.read_csv(reported[0] / "statistics.csv")
    ranks = rows[rows["metric"] == "peak"].set_index("method")["average_rank"]
    assert (ranks["si"], ranks["ewc"]) == (1, 2)


def test_it_is_in_the_table_for_latex(reported):
    table = (reported[0] / "table.tex").read_text()
    assert "& Highest peak" in table
    assert table.count(r"$80.0 \pm 0.0$") == 3


def test_shares_of_its_variance_are_said_in_its_words(peak, tmp_path):
    for place in range(6):
        settings = {"seed_for.init": place % 3, "seed_for.order": place // 3}
        accuracy = MATRIX + 0.01 * (place % 3)
        write_run(tmp_path, seed=0, run_hash=f"ab{place}", settings=settings, accuracy=accuracy)
    assert "permuted_mnist, highest peak: init 100 %" in report(tmp_path, figures=False).text


def test_it_has_a_twin_for_losses(peak):
    loss = np.array([[2.0, 2.0], [0.5, 1.0], [0.7, 0.4]])
    assert metrics_of("nll")["peak_nll"](loss) == pytest.approx(0.4)  # the best that was ever reached
    assert "peak" not in METRICS  # the suite's own


def test_the_docs_list_it(peak):
    assert "highest peak (TOP) | largest R[t, j] | % | lower | `peak`" in expand("<!-- made: metrics -->")
    assert "<!-- made: metrics -->" in (ROOT / "docs" / "concepts.md").read_text()


def test_a_column_of_the_records_registers_as_easily(tmp_path):
    @metric("first loss", of=RECORDS, unit="nats", better="lower", meaning="L[1, 1]")
    def first_loss(records):
        first = records[(records["after_task"] == 1) & (records["on_task"] == 1)]
        return dict(zip(zip(first["study"], first["run"], strict=True), first["nll"], strict=True))

    try:
        write_run(tmp_path)
        report(tmp_path, figures=False)
    finally:
        unregister("first_loss")
    assert pd.read_csv(tmp_path / "summary.csv")["first_loss_mean"].tolist() == [0.5]
    assert "first loss (nats) ↓" in columns_of(tmp_path)[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"unit": "percent"}, "cannot have the unit 'percent'"),
        ({"better": "up"}, "cannot have the direction 'up'"),
        ({"places": ("everywhere",)}, "cannot have the place 'everywhere'"),
        ({"of": RECORDS, "places": (COMPARISON,)}, "cannot be compared"),
    ],
)
def test_a_word_that_is_no_choice_is_refused(words, message):
    before = registered()
    with pytest.raises(ValueError, match=message):
        metric("odd", meaning="nothing", **words)(lambda accuracy: 0.0)
    assert registered() == before


def test_a_name_is_registered_once(peak):
    with pytest.raises(ValueError, match="cannot register a second metric peak"):
        metric("another peak", meaning="nothing")(peak)


@pytest.mark.parametrize(("unit", "shown", "half"), [("", "0.225", "0.051"), ("nats", "0.225", "0.051")])
def test_a_number_without_a_unit_keeps_enough_digits_everywhere(tmp_path, unit, shown, half):
    """A fraction has three decimals, since one would make it 0.2 ± 0.1."""

    @metric("first guess", unit=unit, better="higher", meaning="of two seeds", places=(*PLACES[:4],))
    def guess(accuracy):
        return 0.221 if accuracy[1][0] > 0.8 else 0.229

    try:
        for seed in range(2):
            write_run(tmp_path, strategy="ewc", seed=seed, accuracy=MATRIX + 0.01 * seed)
        made = report(tmp_path, figures=False)
        row = f"{shown} ± {half}"
        assert row in made.text
        assert row in (tmp_path / "report.html").read_text()
        assert rf"${shown} \pm {half}$" in (tmp_path / "table.tex").read_text()
        table = paper_table(tmp_path, metrics="guess")
        assert rf"${shown} \pm {half}$" in as_latex(table)
        assert f"| {row} |" in as_markdown(table)
    finally:
        unregister("guess")
