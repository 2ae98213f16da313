"""The bar over a sweep counts every run and follows them by their records."""

import pickle

import cloudpickle
import pytest

from cl_bench.cli.main import main
from cl_bench.runner import sweep_progress as progress
from cl_bench.runner.sweep_progress import _share_done


@pytest.fixture
def totals(monkeypatch):
    """How many runs each bar was made for."""
    found = []
    make = progress.Bar
    monkeypatch.setattr(
        progress, "Bar", lambda **settings: found.append(settings["total"]) or make(**settings)
    )
    return found


def test_a_runs_share_is_that_of_its_records(tmp_path):
    folder = tmp_path / "a run"
    folder.mkdir()
    summary = folder / "run.json"
    assert _share_done(summary, before={}) is None
    summary.write_text('{"status": "running", "num_tasks": 2}')
    (folder / "records.csv").write_text("header\n" + "row\n" * 3)
    assert _share_done(summary, before={}) == 3 / 6
    summary.write_text('{"status": "running", "num_tasks": 9, "settings": {"training.test_last": 2}}')
    assert _share_done(summary, before={}) == 3 / (1 + 8 * 2)
    settings = '{"training.test_last": 2, "training.test_all_at_end": true}'
    summary.write_text(f'{{"status": "running", "num_tasks": 9, "settings": {settings}}}')
    assert _share_done(summary, before={}) == 3 / (1 + 7 * 2 + 9)
    summary.write_text('{"status": "failed", "num_tasks": 2}')
    assert _share_done(summary, before={}) == 1
    assert (
        _share_done(summary, before={summary.resolve(): summary.stat().st_mtime_ns}) is None
    )  # of an earlier sweep
    summary.write_text('{"status": ')
    assert _share_done(summary, before={}) == 0


@pytest.mark.parametrize(
    ("sweep", "total"),
    [
        (["seed=range(0,2)", "strategy=finetune,finetune", "training.batch_size=choice(64,64)"], 8),
        (["seeds=[0,1]"], 2),
        (["seeds=[0,1,2]", "strategy=finetune,finetune"], 6),
    ],
)
def test_every_run_of_every_job_is_counted(small, totals, monkeypatch, sweep, total):
    monkeypatch.setattr("cl_bench.runner.job.execute", lambda config, **settings: [])
    main(["run", "-m", *small(), *sweep])
    assert totals == [total]


def test_a_worker_gets_nothing_of_the_terminal(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    sweep = progress.SweepProgress()
    sweep.start(folder=tmp_path, num_runs=2, label="a sweep")
    try:
        sent = pickle.loads(cloudpickle.dumps(sweep))
    finally:
        sweep.finish()
    assert vars(sent) == {}
    sent.finish()  # and is none the worse for it


def test_when_all_seeds_of_a_sweep_are_finished_the_bar_is_full(small, tmp_path, totals):
    assert main(["run", "-m", *small("seeds=[0,1]", "strategy=finetune,ewc", "training.stacked=true")]) == 0
    found = list(tmp_path.glob("*/*/run.json"))
    assert totals == [len(found)] == [4]
    assert [_share_done(path, {}) for path in found] == [1] * 4
