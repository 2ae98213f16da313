"""No number of docs/speed.md is typed by hand."""

from pathlib import Path

import pytest

from speed.document import tables, write_tables
from speed.rows import Row, read_csv

ROOT = Path(__file__).parents[2]
ROWS = [
    Row("a", "work", "reference", "cpu", "<= 1.5", 1.6, 1.55, 1.7, 3.0, 2.0, 2.25, "no"),
    Row("a", "work", "reference", "cuda", "<= 1.5", 0.5, 0.5, 0.5),
    Row("b", "other", "reference", "cpu", ">= 8", 9, 8.5, 120, reached="yes"),
    Row("c", "never done", "reference", "cpu", ""),
    Row("strategy_ewc", "strategy=ewc", "fine-tuning", "cpu", "", 2, 1.9, 2.1),
    Row("gradients_ewc", "strategy=ewc", "fine-tuning", "cpu", "", 2.5, 2.5, 2.5),
]


def test_the_tables_have_what_was_measured_on_a_cpu_and_nothing_else():
    found = tables(ROWS)
    assert found["ratios"].splitlines()[2:] == [
        "| work | reference | 1.60 (1.55 to 1.70) (missed) | at most 1.5 | 2.25 |",
        "| other | reference | 9.00 (8.50 to 120) | at least 8 times faster |  |",
    ]
    assert found["strategies"].splitlines()[2:] == ["| `ewc` | 2.00 (1.90 to 2.10) | 2.50 |"]


def test_only_the_tables_of_a_document_change(tmp_path):
    places = [f"<!-- {name} -->\nold\n<!-- end of {name} -->\n" for name in ("ratios", "strategies")]
    document = tmp_path / "speed.md"
    document.write_text(f"before\n{places[0]}between\n{places[1]}after\n")
    for _ in range(2):
        write_tables(ROWS, document)
        text = document.read_text()
        assert "old" not in text
        assert [line for line in text.splitlines() if line[0] not in "|<"] == ["before", "between", "after"]
        assert text.count("| work |") == 2


def test_a_document_without_a_place_is_an_error(tmp_path):
    (tmp_path / "speed.md").write_text("nothing")
    with pytest.raises(ValueError, match="must have one place for the table 'ratios'"):
        write_tables(ROWS, tmp_path / "speed.md")


def test_the_documents_tables_are_those_of_the_file():
    text = (ROOT / "docs" / "speed.md").read_text()
    for table in tables(read_csv(ROOT / "results" / "reference" / "speed.csv")).values():
        assert table in text, "python -m speed --document docs/speed.md writes them"
