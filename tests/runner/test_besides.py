"""What a run measures besides (training.also_test, training.ood): no part of its name, and done again for."""

import json

import pytest

from cl_bench import records
from cl_bench.analysis import load, read_foreign, runs
from cl_bench.analysis.results import Results
from cl_bench.cli.main import main
from cl_bench.cli.run_summary import overall
from cl_bench.config.compose import run_folder
from cl_bench.records import Foreign
from cl_bench.records.agreement import compare, contradictions
from cl_bench.records.runs import read_runs
from cl_bench.runner.run import execute
from cl_bench.runner.verify import verify

CLASS = ("benchmark.scenario=class",)
KNOWN = (*CLASS, "training.also_test=[task]")
NOISE = """# Noise
name: noise
_target_: noise_of_a_test.noise
with_test: ${reads_test:}
"""
MODULE = """
import numpy as np
from cl_bench.data import ImageData

def noise(*, with_test=True):
    images = np.random.default_rng(0).random((60, 8, 8))
    labels = np.arange(60) % 2
    parts = {"train_images": images[:20], "train_labels": labels[:20]}
    parts |= {"test_images": images[20:], "test_labels": labels[20:]}
    return ImageData(name="noise", class_names=("a", "b"), source="made up", **parts)
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)


@pytest.fixture
def noise(tmp_path, monkeypatch):
    """A data set that is a choice of a folder, as of --config-dir."""
    place = tmp_path / "mine" / "benchmark" / "dataset"
    place.mkdir(parents=True)
    (place / "noise.yaml").write_text(NOISE)
    (tmp_path / "noise_of_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = f"file://{tmp_path / 'mine'}"
    monkeypatch.setattr("cl_bench.config.foreign.loader", _with(found))
    return "training.ood=[noise]"


def _with(folder):
    from cl_bench.config import compose

    make = compose.loader
    return lambda places=(): make([*places, folder.removeprefix("file://")])


def about(folder):
    return json.loads((folder / "run.json").read_text())


def header(folder):
    return (folder / "records.csv").read_text().partition("\n")[0]


def test_a_finished_run_is_done_again_for_the_task_known_and_has_the_same_name_and_bits(configured):
    (folder,) = execute(configured(*CLASS))
    before, hashes = records.read(folder / "records.csv"), about(folder)["weights_sha256"]
    assert header(folder) == records.HEADER
    assert execute(configured(*KNOWN)) == [folder]
    after = records.read(folder / "records.csv")
    assert header(folder) == f"{records.HEADER},accuracy_task_known"
    assert [row[:10] for row in after] == [row[:10] for row in before]
    assert about(folder)["weights_sha256"] == hashes
    assert all(0 <= row.accuracy <= row.accuracy_task_known <= 1 for row in after)
    began = about(folder)["started"]
    execute(configured(*CLASS))
    execute(configured(*KNOWN))
    assert about(folder)["started"] == began, "what is there already is not measured again"
    assert verify(folder, trust=True, show_progress=False).agrees


def test_a_finished_run_is_done_again_for_statistics_of_each_task_and_keeps_the_task_known(configured):
    batch = (*KNOWN, "model.normalisation=batch")
    (folder,) = execute(configured(*batch))
    before, hashes = records.read(folder / "records.csv"), about(folder)["weights_sha256"]
    assert header(folder).endswith(",accuracy_task_known")
    both = (*batch, "training.also_test=[task,statistics]")
    assert execute(configured(*both)) == [folder]
    after = records.read(folder / "records.csv")
    assert header(folder).endswith(",accuracy_task_known,accuracy_own_statistics")
    assert [row[:11] for row in after] == [row[:11] for row in before]
    assert all(0 <= row.accuracy_own_statistics <= 1 for row in after)
    assert about(folder)["weights_sha256"] == hashes
    began = about(folder)["started"]
    for settings in (batch, both, (*batch, "training.also_test=[statistics]")):
        execute(configured(*settings))
    assert about(folder)["started"] == began, "what is there already is not measured again"
    assert verify(folder, trust=True, show_progress=False).agrees


def test_a_finished_run_is_done_again_for_the_test_of_all_tasks_at_the_end(configured):
    limited = "training.test_last=1"
    (folder,) = execute(configured(limited))
    before, hashes = records.read(folder / "records.csv"), about(folder)["weights_sha256"]
    assert [row[1:3] for row in before] == [(1, 1), (2, 2)]
    whole = (limited, "training.test_all_at_end=true")
    assert execute(configured(*whole)) == [folder]
    after = records.read(folder / "records.csv")
    assert [row[1:3] for row in after] == [(1, 1), (2, 1), (2, 2)]
    assert [repr(row) for row in after if row.on_task == row.after_task] == [repr(row) for row in before]
    assert about(folder)["weights_sha256"] == hashes
    began = about(folder)["started"]
    execute(configured(limited))
    execute(configured(*whole))
    assert about(folder)["started"] == began, "what is there already is not measured again"
    assert verify(folder, trust=True, show_progress=False).agrees


def test_tables_have_it_only_where_it_was_measured(configured, tmp_path):
    (folder,) = execute(configured(*KNOWN))
    execute(configured(*CLASS, "seed=1"))
    frame = load(tmp_path)
    assert frame.groupby("seed")["accuracy_task_known"].apply(lambda rows: rows.notna().all()).tolist() == [
        True,
        False,
    ]
    table = Results.read(folder).summary
    last = frame[(frame["seed"] == 0) & (frame["after_task"] == 2)]
    assert table["accuracy_task_known_mean"][0] == pytest.approx(last["accuracy_task_known"].mean())
    assert len(runs(tmp_path)) == 2


def test_two_runs_of_which_one_measured_more_contradict_each_other_nowhere(configured, tmp_path):
    config = configured(*CLASS)
    (folder,) = execute(config)
    kept = folder.rename(tmp_path / "before")
    execute(configured(*KNOWN))
    assert all(each.agrees for each in contradictions(kept, folder))
    found = {each.what: each for each in compare(kept, folder)}
    assert not found["records.csv"].agrees
    assert "accuracy_task_known nan and" in found["records.csv"].detail
    assert found["final weights"].agrees


def test_an_interrupted_run_begins_anew_for_what_it_has_not_measured(configured, monkeypatch):
    from cl_bench.strategies import Learner

    def die(self, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        train = Learner._after_training_exp
        patch.setattr(
            Learner,
            "_after_training_exp",
            lambda self, **k: die(self) if self.clock.train_exp_counter == 1 else train(self, **k),
        )
        with pytest.raises(KeyboardInterrupt):
            execute(configured(*CLASS))
    folder = run_folder(configured(*CLASS))
    assert about(folder)["status"] == "interrupted"
    execute(configured(*KNOWN))
    assert "resumed" not in about(folder)
    assert all(row.accuracy_task_known >= 0 for row in records.read(folder / "records.csv"))


def test_foreign_images_leave_a_file_and_change_nothing(configured, noise, tmp_path):
    (folder,) = execute(configured())
    before = records.read(folder / "records.csv"), about(folder)["weights_sha256"]
    assert not (folder / "ood.csv").exists()
    assert execute(configured(noise, "training.ood_size=30")) == [folder]
    assert (records.read(folder / "records.csv"), about(folder)["weights_sha256"]) == before
    rows = records.read(folder / "ood.csv", Foreign)
    assert [(row.after_task, row.dataset, row.num_examples) for row in rows] == [(1, 1, 30), (2, 1, 30)]
    assert about(folder)["ood"] == ["noise"]
    frame = read_foreign(read_runs(tmp_path))
    assert frame["dataset"].tolist() == ["noise", "noise"]
    table = Results.read(tmp_path).summary
    assert table["foreign_auroc_mean"][0] == rows[-1].auroc_confidence
    shown, _ = overall(folder.parent, since=0.0, before={})
    assert "foreign AUROC" in shown.partition("\n\n")[2], "the table at the end of a command"
    assert verify(folder, trust=True, show_progress=False).agrees


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        (["training.also_test=[task]"], "told the task already"),
        (["training.also_test=[statistics]"], "networks with batch norm.*model.normalisation=batch"),
        (["training.ood=[digits]"], "other data sets than that of the run"),
        (["training.ood=[image_folder]"], "needs the setting path"),
        (["training.ood=[nowhere]"], "training.ood must name data sets, .*got nowhere"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_trained(configured, settings, rule):
    with pytest.raises(ValueError, match=rule):
        execute(configured(*settings))
    assert not run_folder(configured(*settings)).exists()


@pytest.mark.parametrize("asked", ["[tasks]", "task", "[task,7]"])
def test_other_words_are_refused_and_the_right_ones_named(small, tmp_path, capsys, asked):
    assert main(["run", *small(f"training.also_test={asked}")]) == 2
    assert "training.also_test must be a list of some of task, statistics" in capsys.readouterr().err
    assert not list(tmp_path.rglob("run.json"))


def test_what_was_asked_for_before_in_the_same_list_is_kept(configured):
    batch = (*CLASS, "model.normalisation=batch")
    (folder,) = execute(configured(*batch, "training.also_test=[task]", "training.save=[weights]"))
    asked = ("training.also_test=[statistics]", "training.save=[predictions]")
    assert execute(configured(*batch, *asked)) == [folder]
    assert all(row.accuracy_task_known >= row.accuracy for row in records.read(folder / "records.csv"))
    assert {each.name.partition("_")[0] for each in folder.glob("saved/*")} == {"weights", "predictions"}


def test_a_finished_run_that_is_asked_for_more_keeps_what_it_has(configured, noise):
    (folder,) = execute(configured("training.save=[weights]"), show_progress=False)
    (weights,) = folder.glob("saved/weights_*")
    before = weights.read_bytes()
    assert execute(configured(noise), show_progress=False) == [folder]
    assert (folder / "ood.csv").exists()
    assert weights.read_bytes() == before
    rows = (folder / "ood.csv").stat().st_mtime_ns
    execute(configured("training.save=[weights]"), show_progress=False)
    assert (folder / "ood.csv").stat().st_mtime_ns == rows, "nothing is left to do"
