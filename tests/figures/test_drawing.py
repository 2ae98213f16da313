"""Figures drawn in several processes are those of one."""

import sys

import pytest
from matplotlib.figure import Figure

from cl_bench.figures.parallel import Drawing, draw


def line(*, height):
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0, height])
    return figure


def broken():
    raise ValueError("nothing to draw")


def drawings(folder):
    return [Drawing(folder / f"line-{number}", line, {"height": number}) for number in range(6)]


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_several_processes_draw_what_one_draws_in_the_same_order(tmp_path):
    found = []
    for processes in (1, 3):
        done = draw(drawings(tmp_path / str(processes)), processes=processes)
        found.append([(path.name, path.read_bytes()) for path in done.paths])
    assert found[0] == found[1]
    assert [name for name, _ in found[0]][:3] == ["line-0.png", "line-0.svg", "line-1.png"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_report_goes_on_without_the_figure(tmp_path, processes):
    wrong = [*drawings(tmp_path)[:1], Drawing(tmp_path / "none", broken, {})]
    done = draw(wrong, processes=processes, strict=False)
    assert [path.name for path in done.paths] == ["line-0.png", "line-0.svg"]
    ((drawing, error),) = done.refused
    assert drawing.path.name == "none"
    assert str(error) == "it cannot be drawn (ValueError: nothing to draw)"


@pytest.mark.parametrize("processes", [1, 2])
def test_what_goes_wrong_in_a_figure_is_raised(tmp_path, processes):
    wrong = [*drawings(tmp_path)[:1], Drawing(tmp_path / "none", broken, {})]
    with pytest.raises(ValueError, match="nothing to draw"):
        draw(wrong, processes=processes)
