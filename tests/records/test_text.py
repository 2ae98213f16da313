"""Names of any kind: shown, never obeyed, and never a traceback."""

import io
import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.textpath import TextPath

from cl_bench.figures import house_style, letters, limits
from cl_bench.records.text import counted, cut, encoded, never_fail, one_line, printable, shortened

ANY = st.text(st.characters(exclude_categories=()))  # lone surrogates, marks and unassigned ones too


@given(ANY)
def test_a_name_is_one_line_that_prints(text):
    shown = one_line(text)
    assert shown.isprintable()
    assert shown.splitlines() == ([shown] if shown else [])
    assert shown.encode().decode() == shown
    assert text.isprintable() <= (shown == text)


@given(ANY)
def test_what_is_drawn_is_in_the_letters_of_the_font(text):
    assert letters.drawable(text) == letters.drawable(letters.drawable(text))


@given(ANY, st.sampled_from(["ascii", "latin-1", "utf-8"]))
def test_printing_never_fails(text, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    never_fail(stream)
    print(text, "37.0 ± 2.1 – ≤", file=stream, flush=True)


def test_what_an_encoding_lacks_is_written_in_its_letters():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    never_fail(stream)
    stream.write("37.0 ± 2.1 – א")
    stream.flush()
    assert stream.buffer.getvalue() == rb"37.0 +- 2.1 - \u05d0"


def test_half_a_character_is_its_escape():
    assert encoded("a\ud800") == rb"a\ud800"
    assert printable({"\ud800": ["\ud800\n", 1, None]}) == {r"\ud800": [r"\ud800\n", 1, None]}


def test_a_long_text_is_cut_and_stays_another():
    texts = ["a" * 1000, "a" * 999 + "b", "a" * 200]
    short = list(map(shortened, texts))
    assert len(set(short)) == 3
    assert [len(each) for each in short] == [200, 200, 200]
    assert short[2] == texts[2], "it is not too long"
    assert cut("abcdef", 4) == "abc…"


def test_one_of_a_thing_is_no_plural():
    assert [counted(number, "seed") for number in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]


@pytest.mark.parametrize(
    "name",
    ["$x^2$", "a_b^c\\frac{1}{2}", "100% #1 & {x}", "\u202ertl אבג", "\ud800", "中文", "w" * 200, "_x", "$"],
)
def test_any_name_is_drawn_as_it_is_within_its_width(name):
    with warnings.catch_warnings(), house_style():
        warnings.simplefilter("error")
        wrapped = letters.wrapped(name, 2.0)
        assert "".join(wrapped.split()) == "".join(letters.drawable(name).split())
        for line in wrapped.split("\n"):
            assert TextPath((0, 0), line, size=9).get_extents().width <= 72 * 2.0


def test_powers_of_ten_are_no_mathematics():
    assert [limits.power_of_ten(value) for value in (1e-3, 1, 1e12, 20, 0)] == ["10⁻³", "10⁰", "10¹²", "", ""]


def test_a_table_is_printed_at_a_terminal_without_utf_8(tmp_path):
    root = Path(__file__).parents[2]
    write_run = runpy.run_path(str(root / "tests" / "analysis" / "synthetic.py"))["write_run"]
    write_run(tmp_path, benchmark="中", last_task=1, status="failed", error="\ud800: – ± \x1b[31m")
    environment = os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(root)}
    ended = subprocess.run(
        [sys.executable, "-m", "cl_bench", "report", str(tmp_path)], capture_output=True, env=environment
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert b"+-" in ended.stdout
    assert rb"\u4e2d" in ended.stdout
