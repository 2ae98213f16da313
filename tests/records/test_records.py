"""The border: whole lines, exact floats, and nothing lost when a run is killed or the disk is full."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cl_bench import records
from cl_bench.records.row_files import RecordsError, append
from cl_bench.records.rows import FILES, HEADER, CalibrationBin, Record, State, read

FIRST = Record(
    seed=0,
    after_task=0,
    on_task=1,
    accuracy=0.1,
    nll=2.302585092994046,
    num_examples=10_000,
    ece=1 / 7,
    brier=0.9,
    entropy=2.25,
    mutual_information=1e-9,
)
SECOND = Record(seed=0, after_task=1, on_task=1, accuracy=1 / 3, nll=1e-300, num_examples=3)
STATE = State(0, 1, 12.5, 0.25, 2**40, 100, 0.125, 36, 0.875)
BIN = CalibrationBin(0, 1, 2, 15, 10, 0.99, 1.0)
OLD_HEADER = "seed,after_task,on_task,accuracy,nll,num_examples"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.csv"


def write(path: Path, *lines: str) -> None:
    path.write_text("".join(line + "\n" for line in (OLD_HEADER, *lines)))


def test_what_is_appended_is_read_bit_for_bit(path):
    for record in (FIRST, SECOND):
        append(path, record)
    assert read(path) == [FIRST, SECOND]
    assert path.read_text().splitlines()[0] == f"{OLD_HEADER},ece,brier,entropy,mutual_information"


def test_random_floats_come_back_exactly(path):
    generator = np.random.default_rng(0)
    for value in generator.random(50):
        append(path, FIRST._replace(accuracy=float(value), nll=float(-np.log(value))))
    generator = np.random.default_rng(0)
    assert [record.accuracy for record in read(path)] == list(generator.random(50))


def test_numpy_numbers_are_written_as_numbers(path):
    append(
        path, Record(np.int64(0), np.int64(1), np.int64(2), np.float32(0.25), np.float64(0.5), np.int32(7))
    )
    assert path.read_text().splitlines()[1] == "0,1,2,0.25,0.5,7,nan,nan,nan,nan"


def test_a_diverged_run_may_record_nan_and_inf_as_nll(path):
    append(path, FIRST._replace(nll=math.nan))
    append(path, FIRST._replace(nll=math.inf))
    first, second = read(path)
    assert math.isnan(first.nll)
    assert second.nll == math.inf


@pytest.mark.parametrize("content", ["", HEADER, HEADER[:9], f"{HEADER}\n"])
def test_a_file_without_a_whole_record_is_empty(path, content):
    path.write_text(content)
    assert read(path) == []


@pytest.mark.parametrize("content", ["", HEADER[:9], HEADER])
def test_append_starts_a_new_empty_or_torn_file_with_the_header(path, content):
    path.write_text(content)
    append(path, FIRST)
    assert read(path) == [FIRST]


def test_a_torn_last_line_is_dropped_at_every_cut(path):
    append(path, FIRST)
    whole = path.stat().st_size
    append(path, SECOND)
    content = path.read_bytes()
    for cut in range(whole, len(content)):
        path.write_bytes(content[:cut])
        assert read(path) == [FIRST]


def test_append_cuts_off_a_torn_line_and_never_merges(path):
    append(path, FIRST)
    with path.open("a") as file:
        file.write("0,1,1,0.3")
    append(path, SECOND)
    assert read(path) == [FIRST, SECOND]


def test_append_finds_the_last_newline_behind_a_long_torn_tail(path):
    append(path, FIRST)
    with path.open("ab") as file:
        file.write(b"\0" * 10_000)
    append(path, SECOND)
    assert read(path) == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("0,1,1,0.5,0.1", "must have 6 fields"),
        ("0,1,1,0.5,0.1,10,7", "must have 6 fields"),
        ("", "must have 6 fields"),
        ("0,1,1,0.5,much,10", "must be numbers"),
        ("0,1.5,1,0.5,0.1,10", "must be numbers"),
        ("0,1, 1,0.5,0.1,10", "numbers and commas only"),
        ("0,1,1_0,0.5,0.1,10", "numbers and commas only"),
        ("0,-1,1,0.5,0.1,10", "after_task must not be negative"),
        ("0,1,0,0.5,0.1,10", "on_task must be 1 or more"),
        ("0,1,1,86.9,0.1,10", r"accuracy must be a fraction in \[0, 1\], got accuracy=86.9"),
        ("0,1,1,nan,0.1,10", "accuracy must be a fraction"),
        ("0,1,1,0.5,0.1,0", "num_examples must be 1 or more"),
    ],
)
def test_a_malformed_line_is_an_error_with_file_line_and_rule(path, line, rule):
    write(path, "0,0,1,0.1,2.3,10", line, "0,1,2,0.1,2.3,10")
    with pytest.raises(RecordsError, match=rule) as caught:
        read(path)
    assert f"{path}, line 3: " in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"ece": 1.5}, r"ece must be a fraction in \[0, 1\], got ece=1.5"),
        ({"brier": -0.1}, "brier must not be negative, got brier=-0.1"),
        ({"entropy": -1.0}, "entropy must not be negative"),
        ({"mutual_information": -1e-9}, "mutual_information must not be negative"),
    ],
)
def test_a_measure_out_of_range_is_refused_in_writing_and_in_reading(path, changed, rule):
    broken = FIRST._replace(**changed)
    with pytest.raises(RecordsError, match=rule):
        append(path, broken)
    append(path, FIRST)
    with path.open("a") as file:
        file.write(",".join(map(repr, broken[:10])) + "\n")
    with pytest.raises(RecordsError, match=rf"line 3: {rule}"):
        read(path)


def test_records_from_before_the_new_columns_are_read_with_nan(path):
    write(path, "0,0,1,0.1,2.5,10", "0,1,1,0.5,0.5,10")
    old = read(path)
    assert old == [Record(0, 0, 1, 0.1, 2.5, 10), Record(0, 1, 1, 0.5, 0.5, 10)]
    assert all(math.isnan(value) for value in old[0][6:])


def test_a_file_with_some_of_the_new_columns_is_read_and_never_appended_to(path):
    path.write_text(f"{OLD_HEADER},ece\n0,0,1,0.1,2.5,10,0.25\n")
    assert read(path) == [Record(0, 0, 1, 0.1, 2.5, 10, ece=0.25)]
    with pytest.raises(RecordsError, match="line 1: the header must be"):
        append(path, FIRST)
    path.write_text("seed,after_task\n0,0\n")
    with pytest.raises(RecordsError, match="line 1: the header must be"):
        read(path)


def test_a_file_of_states_from_before_a_column_was_counted_goes_on_without_it(path):
    counted = STATE._replace(gradient_evaluations=5.0, predicting_bits=8.0)
    append(path, counted)
    append(path, counted._replace(after_task=2, flipped=0.5))
    assert read(path, State) == [counted, counted._replace(after_task=2)]
    new = path.with_name("new.csv")
    append(new, counted._replace(flipped=0.0))
    append(new, counted._replace(after_task=2, flipped=0.5))
    assert [row.flipped for row in read(new, State)] == [0.0, 0.5]


def test_rows_with_nan_that_have_equal_lines_are_equal(path):
    append(path, SECOND, SECOND)
    first, second = read(path)
    assert first == second == SECOND


@pytest.mark.parametrize("row", [FIRST, STATE, STATE._replace(drift=math.nan, ood_auroc=math.nan), BIN])
def test_every_kind_of_row_has_its_file_and_comes_back(tmp_path, row):
    path = tmp_path / FILES[type(row)]
    append(path, row, row)
    assert read(path, type(row)) == [row, row]
    assert path.read_text().count("\n") == 3


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (STATE._replace(frozen=2.0), "frozen must be a fraction"),
        (STATE._replace(drift=-1.0), "drift must not be negative"),
        (STATE._replace(training_seconds=math.nan), "training_seconds must not be negative"),
        (BIN._replace(bin=0), "bin must be 1 or more"),
        (BIN._replace(num_examples=0), "num_examples must be 1 or more"),
        (BIN._replace(confidence=1.1), "confidence must be a fraction"),
    ],
)
def test_states_and_bins_have_rules_too(path, row, rule):
    with pytest.raises(RecordsError, match=rule):
        append(path, row)


def test_a_kind_of_row_is_not_read_as_another(path):
    append(path, STATE)
    with pytest.raises(RecordsError, match="line 1: the header must be"):
        read(path)
    with pytest.raises(RecordsError, match="line 1: the header must be"):
        append(path, FIRST)


def test_several_rows_are_one_write_and_a_cut_leaves_whole_ones(path):
    append(path, BIN, BIN._replace(bin=3), BIN._replace(bin=4))
    content = path.read_bytes()
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        num_whole = max(0, content[:cut].count(b"\n") - 1)
        assert [row.bin for row in read(path, CalibrationBin)] == [15, 3, 4][:num_whole]


def test_a_line_that_is_no_text_is_an_error(path):
    path.write_bytes(f"{HEADER}\n".encode() + b"0,1,1,\xff\xfe,0.1,10\n")
    with pytest.raises(RecordsError, match="line 2"):
        read(path)


def test_another_header_is_an_error_for_read_and_append(path):
    path.write_text("step,loss\n1,2\n")
    with pytest.raises(RecordsError, match="line 1: the header must be"):
        read(path)
    with pytest.raises(RecordsError, match="line 1: the header must be"):
        append(path, FIRST)
    assert path.read_text() == "step,loss\n1,2\n"


def test_append_refuses_what_read_would_refuse(path):
    with pytest.raises(RecordsError, match="accuracy"):
        append(path, FIRST._replace(accuracy=50.0))
    assert not path.exists()


def test_a_full_disk_leaves_earlier_lines_intact_and_names_the_file(path):
    """A limit on the size of a file stands for the disk: it lets nothing through, or a part of the line."""
    pytest.importorskip("resource")
    append(path, FIRST)
    before = path.read_bytes()
    code = (
        "import resource, sys; from math import nan; from cl_bench.records import Record, append\n"
        "size = int(sys.argv[2]); resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
        f"append(sys.argv[1], {SECOND!r})"
    )
    for room in (0, 5):
        command = [sys.executable, "-c", code, str(path), str(len(before) + room)]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=Path(records.__file__).parents[2])
        assert ran.returncode == 1
        assert "OSError" in ran.stderr
        assert "cannot append a record" in ran.stderr
        assert str(path) in ran.stderr
        assert path.read_bytes() == before
    append(path, SECOND)
    assert read(path) == [FIRST, SECOND]


def test_each_line_is_one_write_and_is_synced(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(path.read_bytes()))
    append(path, FIRST)
    append(path, SECOND)
    assert [content.count(b"\n") for content in synced] == [2, 3]


def test_a_missing_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        append(tmp_path / "nowhere" / "records.csv", FIRST)
