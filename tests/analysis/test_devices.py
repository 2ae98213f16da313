"""Runs of one configuration on a CPU and on a GPU have the same name, and are told apart."""

import pandas as pd
import pytest

from cl_bench.analysis import load, runs
from cl_bench.report.build import report

CPU = {"device": "cpu", "processor": "x"}
CUDA = {"device": "cuda:0", "processor": "x", "gpu": "NVIDIA H200", "driver": "550.1", "cuda": "12.4"}


@pytest.fixture
def both(write_run, tmp_path):
    """One study in two places, of which the second was run on a GPU; `vcl` on a CPU alone."""
    for place, hardware in (("here", CPU), ("there", CUDA)):
        for seed in (0, 1):
            write_run(tmp_path / place, seed=seed, hardware=hardware, versions={"torch": "2.6"})
    write_run(tmp_path / "here", strategy="vcl", hardware=CPU)
    return tmp_path


def test_they_are_two_methods_and_no_copies_of_each_other(both):
    frame = load(both)
    assert set(frame["method"]) == {"ewc (cpu)", "ewc (cuda)", "vcl"}
    rows = frame[frame["strategy"] == "ewc"].groupby("method").size()
    assert rows["ewc (cpu)"] == rows["ewc (cuda)"] == 2 * 12
    names = frame.groupby("method")["run"].unique()
    assert not set(names["ewc (cpu)"]) & set(names["ewc (cuda)"]), "a run is known by study and name"
    assert set(runs(both)["status"]) == {"finished"}


def test_a_report_has_a_line_for_each_and_says_the_card(both):
    said = report(both)
    assert "ewc (cpu)" in said.text
    assert "ewc (cuda)" in said.text
    assert not [note for note in said.notes if "broken" in note or "was run 2 times" in note]
    table = pd.read_csv(both / "runs.csv")
    cards = table.groupby("method")["device"].unique()
    assert list(cards["ewc (cuda)"]) == ["cuda: NVIDIA H200, driver 550.1, cuda 12.4, torch 2.6"]
    assert list(cards["vcl"]) == ["cpu"]
    assert table["counts"].all()


def test_seeds_that_were_shared_out_over_devices_are_told_apart_too(write_run, tmp_path):
    write_run(tmp_path, seed=0, hardware=CPU)
    write_run(tmp_path, seed=1, hardware=CUDA)
    frame = load(tmp_path)
    assert set(frame["method"]) == {"ewc (cpu)", "ewc (cuda)"}
    assert set(frame["run"]) == {"permuted_mnist-ewc-s0-ab12cd", "permuted_mnist-ewc-s1-ab12cd"}


def test_a_copy_on_the_same_device_is_still_a_copy(write_run, tmp_path):
    for place in ("here", "there"):
        write_run(tmp_path / place, hardware=CUDA)
    table = runs(tmp_path)
    assert sorted(table["status"]) == ["broken", "finished"]
    assert set(load(tmp_path)["method"]) == {"ewc"}, "one device has no label"


@pytest.mark.parametrize("hardware", [None, 3, {"device": 4}, {}])
def test_a_run_that_does_not_tell_its_device_has_no_label(write_run, tmp_path, hardware):
    write_run(tmp_path, seed=0, hardware=hardware)
    write_run(tmp_path, seed=1, hardware=CPU)
    assert set(load(tmp_path)["method"]) == {"ewc"}


@pytest.mark.parametrize("hardware", [(None, CPU), (CPU, None), (None, None)])
def test_a_copy_that_does_not_tell_its_device_is_a_copy(write_run, tmp_path, hardware):
    for place, about in zip(("here", "there"), hardware, strict=True):
        write_run(tmp_path / place, hardware=about)
    assert sorted(runs(tmp_path)["status"]) == ["broken", "finished"]
    assert set(load(tmp_path)["run"]) == {"permuted_mnist-ewc-s0-ab12cd"}, "no device, no brackets"
