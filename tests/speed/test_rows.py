"""The table says what was measured, and nothing of what was not."""

import csv

import pytest

from speed.bench import Measurement
from speed.figure import NUMBERS
from speed.rows import NO_CUDA, Line, Results, Row, Target, measured, text_table, write_csv
from speed.table import GROUPS, LINES

AT_MOST = Line("a", "group", "work", "reference", Target("<=", 1.5), "known before")
AT_LEAST = Line("b", "group", "work", "reference", Target(">=", 8))


def test_at_most_is_the_works_seconds_over_the_references():
    measurement = Measurement([2, 3, 4], [2, 2, 2], limit=[1, 1, 1], note="found out")
    assert measured(AT_MOST, "cpu", measurement) == Row(
        "a", "work", "reference", "cpu", "<= 1.5", 1.5, 1.25, 1.75, 3, 2, 3, "yes", "known before; found out"
    )


def test_at_least_is_how_many_times_faster_the_work_is():
    row = measured(AT_LEAST, "cpu", Measurement([1, 1, 1], [7, 7.9, 9]))
    assert (row.ratio, row.seconds, row.reference_seconds) == (7.9, 1, 7.9)
    assert row.low < row.ratio < row.high
    assert (row.target, row.reached) == (">= 8", "no")


def test_a_target_is_reached_on_the_spot():
    assert Target("<=", 2).is_reached(2)
    assert Target(">=", 2).is_reached(2)
    assert not Target("<=", 2).is_reached(2.01)
    assert not Target(">=", 2).is_reached(1.99)


def test_what_is_not_seconds_is_not_given_as_seconds():
    row = measured(AT_MOST, "cpu", Measurement([3], [2], in_seconds=False))
    assert (row.ratio, row.seconds, row.reference_seconds) == (1.5, None, None)


def test_a_line_without_a_target_is_neither_reached_nor_missed():
    row = measured(AT_MOST._replace(target=None), "cpu", Measurement([3], [2]))
    assert (row.target, row.reached, row.ratio) == ("", "", 1.5)


def test_the_file_has_every_line_on_every_device_and_invents_nothing(tmp_path):
    results = Results(LINES, ["cpu"])
    results.add("cpu", {"finetune": Measurement([1.0, 1.1, 1.2], [1.0, 1.0, 1.0])})
    results.fail("cnn", "cpu", ValueError("/home/somebody/data is missing"))
    write_csv(results.rows(), tmp_path / "speed.csv")
    with (tmp_path / "speed.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["name"], row["device"]) for row in rows] == [
        (line.name, device) for line in LINES for device in line.devices
    ]
    for row in rows:
        if (row["name"], row["device"]) == ("finetune", "cpu"):
            assert (row["ratio"], row["low"], row["high"], row["reached"]) == ("1.1", "1.05", "1.15", "yes")
            continue
        assert not any(row[name] for name in NUMBERS)
        assert row["reached"] == ""
        expected = {"cuda": NO_CUDA, "cpu": "failed: ValueError" if row["name"] == "cnn" else "not measured"}
        assert row["note"] == expected[row["device"]]


def test_the_table_names_each_line_once_and_every_line_has_a_group():
    names = [line.name for line in LINES]
    assert len(set(names)) == len(names)
    assert {line.group for line in LINES} == set(GROUPS)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("finetune", "<= 1.15"),
        ("finetune_limit", "<= 1.7"),
        ("small_finetune", "<= 1.1"),
        ("small_bayesbinn", "<= 1.5"),
        ("small_vcl", "<= 2"),
        ("finetune_avalanche", ">= 8"),
        ("test_avalanche", ">= 20"),
        ("ewc_run", ">= 14"),
        ("bayesbinn", "<= 1.35"),
        ("vcl", "<= 2"),
        ("monte_carlo_bayesbinn", "<= 1.05"),
        ("monte_carlo_vcl", "<= 1.05"),
        ("fisher", "<= 2"),
        ("cnn", "<= 1.2"),
        ("stream_tests", "<= 1.1"),
        ("start", "<= 4"),
        ("start_memory", "<= 650"),
        ("start_again", "<= 0.7"),
        ("help", "<= 0.5"),
        ("report", "<= 5"),
        ("long_stream_time", "<= 1.1"),
        ("long_stream_memory", "<= 1.1"),
        ("headline", "<= 120"),
    ],
)
def test_the_targets_are_the_agreed_ones(name, target):
    assert [str(line.target) for line in LINES if line.name == name] == [target]


def test_the_terminal_shows_the_measured_rows():
    results = Results((AT_MOST, AT_LEAST), ["cpu"])
    results.add("cpu", {"a": Measurement([1], [2])})
    header, line = text_table(results.rows()).splitlines()
    assert header.split()[:4] == ["work", "against", "device", "target"]
    assert line.split()[3:6] == ["<=", "1.5", "0.5"]
