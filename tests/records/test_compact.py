"""A compact study says what its run folders said, is merged as they are, and loses nothing on the way."""

import csv
import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from cl_bench import records
from cl_bench.analysis import calibration, load, runs, states
from cl_bench.cli.clean import clean
from cl_bench.cli.main import main
from cl_bench.cli.merge import merge
from cl_bench.records import compact
from cl_bench.records.agreement import compare
from cl_bench.records.compact_files import add_runs, packed_run, remove_run
from cl_bench.records.provenance import STALE
from cl_bench.records.rows import CalibrationBin, State
from cl_bench.records.runs import read_run, read_runs
from cl_bench.report.build import report

STUDY = "study"
TABLES = ("summary.csv", "forgetting_curves.csv", "comparison.csv", "statistics.csv")


@pytest.fixture
def folders(tmp_path, write_run):
    """Two strategies with three seeds and four epochs each, and every file that a run leaves."""
    results = tmp_path / "folders"
    for strategy, decay in (("ewc", 0.1), ("finetune", 0.4)):
        for seed in range(3):
            configuration = {"seed": seed, "training": {"epochs": 5}, "model": {"hidden": [8, 8]}}
            settings = {"model.hidden": "[8, 8]"}
            known = {"settings": settings, "weights_sha256": f"{seed}" * 64}
            run = write_run(results, strategy=strategy, seed=seed, decay=decay, **known)
            (run / "config.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
            (run / "run.log").write_text("long")
            state = State(seed, 1, 0.1, float("nan"), 8, 8, float(seed), 4, 0.5)
            records.append(run / "states.csv", state)
            bins = (CalibrationBin(seed, 1, 1, bin, 3, 0.1, 0.2) for bin in (2, 7))
            records.append(run / "calibration.csv", *bins)
    (results / STUDY / "sweep.json").write_text('{"strategy": ["ewc", "finetune"], "seed": ["0", "1", "2"]}')
    return results


@pytest.fixture
def packed(folders, tmp_path):
    """The same as a compact study."""
    merged = merge(folders, into=tmp_path / "packed", compact=True)
    assert not merged.problems
    return tmp_path / "packed"


def files(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".locks" not in path.parts
    }


def names(results):
    return [run.name for run in read_runs(results)]


def test_a_compact_study_is_a_few_files_and_each_run_a_line(packed):
    study = packed / STUDY
    assert {path.name for path in files(study)} == {
        *("runs.json", "records.csv", "states.csv", "calibration.csv", "sweep.json"),
    }
    text = (study / "runs.json").read_text()
    lines = [line for line in text.splitlines() if line.lstrip().startswith('"permuted_mnist-')]
    assert len(lines) == 6
    assert text.count('"hidden"') == 1, "what all say stands there once"
    assert '"settings": {}' in text, "they follow from the configuration"


def test_every_frame_and_every_table_is_that_of_the_folders(folders, packed):
    for read in (load, states, calibration):
        pd.testing.assert_frame_equal(read(folders), read(packed), check_exact=True)
    both = [runs(results).drop(columns="path") for results in (folders, packed)]
    pd.testing.assert_frame_equal(*both)
    for results in (folders, packed):
        report(results, figures=False)
    for name in TABLES:
        assert (packed / name).read_bytes() == (folders / name).read_bytes()
    assert (packed / "runs.csv").read_bytes() == (folders / "runs.csv").read_bytes()


def test_unpacked_it_is_the_folders_again_but_for_logs(folders, packed, tmp_path):
    assert not merge(packed, into=tmp_path / "again").problems
    for path, content in files(folders).items():
        if path.name == "run.json":
            assert json.loads((tmp_path / "again" / path).read_text()) == json.loads(content)
        elif path.name == "config.yaml":
            assert yaml.safe_load((tmp_path / "again" / path).read_text()) == yaml.safe_load(content)
        elif path.name not in ("run.log", "sweep.json"):
            assert (tmp_path / "again" / path).read_bytes() == content


def test_what_is_there_already_stays_and_more_is_added(folders, packed, write_run, tmp_path):
    before = files(packed)
    assert merge(folders, into=packed, compact=True).text().startswith("6 runs there already")
    assert files(packed) == before
    write_run(tmp_path / "more", strategy="vcl", seed=0)
    assert not merge(tmp_path / "more", into=packed, compact=True).problems
    assert len(names(packed)) == 7
    rows = before[Path(STUDY, "records.csv")]
    assert (packed / STUDY / "records.csv").read_bytes().startswith(rows), "old rows stay where they were"


def test_the_same_run_with_other_numbers_is_named_and_neither_is_lost(folders, packed, write_run, tmp_path):
    write_run(tmp_path / "other", seed=1, decay=0.9)
    before = files(packed)
    merged = merge(tmp_path / "other", into=packed, compact=True)
    ((place, why),) = merged.problems
    assert place.endswith("permuted_mnist-ewc-s1-ab12cd")
    assert "records.csv" in why
    assert files(packed) == before


def test_what_is_not_finished_or_has_more_stays_a_folder(write_run, tmp_path):
    results = tmp_path / "results"
    write_run(results, seed=0)
    write_run(results, seed=1, status="interrupted", last_task=1)
    (write_run(results, seed=2) / "notes.txt").write_text("mine")
    (write_run(results, seed=3) / "tensorboard").mkdir()
    (write_run(results, seed=4) / "records.csv").write_text("what\n")
    merged = merge(results, into=results, compact=True)
    assert [path.name for path in sorted(results.glob("study/*-s*"))] == [
        f"permuted_mnist-ewc-s{seed}-ab12cd" for seed in (1, 2, 3, 4)
    ]
    assert {place[-9:-7] for place, _ in merged.problems} == {"s2", "s3", "s4"}
    found = {run.seed: run.status for run in read_runs(results)}
    assert found == {0: "finished", 1: "interrupted", 2: "finished", 3: "finished", 4: "broken"}


def test_a_folder_of_the_same_name_counts_and_is_never_packed_over_the_other(packed, write_run):
    before = files(packed)
    write_run(packed, seed=0, decay=0.9)
    (problem,) = merge(packed, into=packed, compact=True).problems
    assert "runs.json has a run of this name, too; remove one of the two" in problem[1]
    assert before.items() <= files(packed).items()
    assert len(names(packed)) == 6
    ours = load(packed).query("strategy == 'ewc' and seed == 0 and after_task == 3 and on_task == 1")
    assert float(ours["accuracy"].iloc[0]) < 0.4, "the folder's, which forgets more"


def test_files_can_be_left_out_and_that_is_said(folders, packed, capsys):
    assert main(["merge", str(packed), "-o", str(packed), "--compact", "--leave-out", "calibration.csv"]) == 0
    assert compact.study_at(packed / STUDY).left_out == ["calibration.csv"]
    assert not (packed / STUDY / "calibration.csv").exists()
    assert calibration(packed).empty
    name = names(packed)[0]
    assert all(each.agrees for each in compare(packed / STUDY / name, folders / STUDY / name))
    assert main(["merge", str(folders), "-o", str(packed), "--leave-out", "states.csv"]) == 1
    assert "give --compact" in capsys.readouterr().err


def test_a_stale_run_is_cleaned_out_of_it(folders, packed):
    stale = "permuted_mnist-ewc-s1-ab12cd"
    run = packed_run(packed / STUDY / stale)
    add_runs(packed / STUDY, {stale: run._replace(about=run.about | {STALE: ["all is new"]})})
    rows = load(packed)
    assert clean(str(packed), yes=True) == 0
    assert stale not in names(packed)
    others = rows[rows["run"] != stale].reset_index(drop=True)
    columns = ["run", "after_task", "on_task", "accuracy"]
    pd.testing.assert_frame_equal(load(packed)[columns], others[columns])


def test_a_kill_between_two_files_loses_nothing(packed, write_run, tmp_path, monkeypatch):
    import cl_bench.records.compact_files as written

    expected = load(packed)
    write_run(tmp_path / "more", strategy="vcl", seed=0)
    real = written.write_whole

    def dying_after(number):
        left = iter(range(number))

        def write(path, content):
            if next(left, None) is None:
                raise OSError(28, "no space", str(path))
            return real(path, content)

        return write

    for number in range(3):
        monkeypatch.setattr(written, "write_whole", dying_after(number))
        merged = merge(tmp_path / "more", into=packed, compact=True)
        assert any("stay folders" in why and "no space" in why for _, why in merged.problems)
        found = load(packed)
        assert not [run for run in read_runs(packed) if run.status == "broken"]
        pd.testing.assert_frame_equal(found[found["strategy"] != "vcl"].reset_index(drop=True), expected)
        assert (packed / STUDY / "permuted_mnist-vcl-s0-ab12cd" / "run.json").exists(), "its folder is there"


def test_a_kill_in_the_first_packing_loses_nothing_and_the_next_one_ends_it(write_run, tmp_path, monkeypatch):
    import cl_bench.records.compact_files as written

    for seed in range(3):
        write_run(tmp_path, seed=seed)
    expected, real = load(tmp_path), written.write_whole
    for number in range(4):
        left = iter(range(number))

        def write(path, content, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return real(path, content)

        monkeypatch.setattr(written, "write_whole", write)
        with suppress(KeyboardInterrupt):
            merge(tmp_path, into=tmp_path, compact=True)
        assert {run.status for run in read_runs(tmp_path)} == {"finished"}
        pd.testing.assert_frame_equal(load(tmp_path), expected)
    monkeypatch.setattr(written, "write_whole", real)
    assert merge(tmp_path, into=tmp_path, compact=True).problems == []
    assert not list(tmp_path.rglob("run.json"))
    pd.testing.assert_frame_equal(load(tmp_path), expected)


def test_a_folder_that_a_kill_left_beside_its_packed_run_goes_with_the_next_packing(packed, tmp_path):
    merge(packed, into=tmp_path / "unpacked")
    shutil.copytree(tmp_path / "unpacked" / STUDY, packed / STUDY, dirs_exist_ok=True)
    assert list(packed.rglob("run.json"))
    assert merge(packed, into=packed, compact=True).problems == []
    assert not list(packed.rglob("run.json"))


def test_a_study_without_runs_is_gone(packed):
    for run in read_runs(packed):
        remove_run(packed / STUDY / run.name)
    assert [path.name for path in (packed / STUDY).iterdir() if path.is_file()] == ["sweep.json"]


def test_a_run_is_named_by_its_path_alone(packed):
    path = packed / STUDY / "permuted_mnist-ewc-s2-ab12cd"
    assert not path.exists()
    assert read_run(path).seed == 2
    assert load(path)["seed"].unique().tolist() == [2]


def test_one_run_and_runs_without_a_configuration_are_packed_too(write_run, tmp_path):
    run = write_run(tmp_path / "one", accuracy=np.full((4, 3), 0.5))
    before = files(tmp_path / "one")
    assert not merge(tmp_path / "one", into=tmp_path / "one", compact=True).problems
    shutil.rmtree(tmp_path / "one" / ".locks", ignore_errors=True)
    found = compact.run_at(run)
    assert found.config is None
    assert found.about == json.loads(before[(run / "run.json").relative_to(tmp_path / "one")])


def test_checks_are_what_the_runs_can_answer_for(packed, folders, write_run, tmp_path):
    known = compact.study_at(packed / STUDY).checks_made
    assert known == {
        **{"commit": None, "dirty": None, "runs": 6},
        **{"all_finished": True, "same_seeds": True, "verified": None},
    }
    for seed, commit in ((0, "a"), (1, "a")):
        verified = {"date": f"2026-11-0{seed + 1}"}
        write_run(tmp_path / "new", seed=seed, commit=commit, dirty=False, verified=verified)
    merge(tmp_path / "new", into=tmp_path / "new", compact=True)
    found = compact.study_at(tmp_path / "new" / STUDY).checks_made
    assert (found["commit"], found["dirty"]) == ("a", False)
    assert found["verified"] == {"runs": 2, "from": "2026-11-01", "to": "2026-11-02"}
    write_run(tmp_path / "new", seed=2, commit="b", dirty=False)
    write_run(tmp_path / "new", seed=2, strategy="vcl", commit="b", dirty=False)
    merge(tmp_path / "new", into=tmp_path / "new", compact=True)
    found = compact.study_at(tmp_path / "new" / STUDY).checks_made
    assert (found["commit"], found["same_seeds"]) == (None, False)
    report(tmp_path / "new", figures=False)
    with (tmp_path / "new" / "runs.csv").open() as file:
        assert {row["commit"] for row in csv.DictReader(file)} == {"a", "b"}
