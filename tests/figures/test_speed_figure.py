"""The figure of speed shows each ratio over its target, and which are reached, without colour."""

import pandas as pd
import pytest

from cl_bench import figures
from speed.figure import drawable, read_rows, speed_figure

HEADER = "name,work,against,device,target,ratio,low,high,seconds,reference_seconds,times_limit,reached,note"


@pytest.fixture
def rows(tmp_path):
    lines = [
        "a,fast,slow,cpu,>= 8,16,10,20,1,16,,yes,",
        "b,work,bare,cuda,<= 1.5,3,2.9,3.1,3,1,2,no,",
        "c,threads,one,cpu,,0.5,0.4,0.6,1,2,,,",
        "d,work,bare,cuda,<= 2,,,,,,,,no CUDA device on this machine",
    ]
    (tmp_path / "speed.csv").write_text("\n".join([HEADER, *lines, ""]))
    return read_rows(tmp_path / "speed.csv")


def test_only_rows_with_a_target_and_a_ratio_are_drawn(rows):
    assert list(drawable(rows)["name"]) == ["a", "b"]
    assert rows["note"].iloc[3] == "no CUDA device on this machine"


def test_left_is_better_whichever_way_the_target_goes(rows):
    axes = speed_figure(rows, title="T").axes[0]
    points = {line.get_marker(): line for line in axes.lines if line.get_marker() in ("o", "s")}
    assert points["o"].get_xdata() == pytest.approx([0.5]), "16 times where 8 was asked for"
    assert points["s"].get_xdata() == pytest.approx([2.0])
    assert points["o"].get_markerfacecolor() != "white"
    assert points["s"].get_markerfacecolor() == "white", "missed is hollow and square"
    whiskers = [sorted(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 1.2]
    assert whiskers[0] == pytest.approx([0.4, 0.8])
    assert [text.get_text() for text in axes.texts] == ["16  (≥ 8)", "3  (≤ 1.5)"]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["fast\nagainst slow", "work (cuda)\nagainst bare"]
    assert axes.get_title() == "T"


def test_the_figure_can_be_saved(rows, tmp_path):
    written = figures.save(speed_figure(rows), tmp_path / "speed")
    assert [path.name for path in written] == ["speed.png", "speed.svg"]


def test_nothing_to_draw_is_an_error(rows):
    with pytest.raises(ValueError, match="no row has a ratio and a target"):
        speed_figure(pd.DataFrame(rows.iloc[2:]))
