"""A sweep whose jobs fail in every way does the others, says what happened, and the same command goes on."""

import json
import os
from pathlib import Path

import pytest
import torch
from dying_jobs import one, task
from joblib import Parallel, delayed

from cl_bench.cli.main import main
from cl_bench.config.compose import run_folder
from cl_bench.records.lock import alone_in, is_held
from cl_bench.runner.device_memory import DeviceMemoryError
from cl_bench.runner.run import execute
from cl_bench.runner.workers import JobFailedError, JobKilledError, Noted, launch


@pytest.fixture
def ill(monkeypatch):
    """ill("kill"): the setting of a plugin that makes a run die so."""
    here = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    return lambda how, **more: str([{"_target_": "ill.Ill", "how": how, **more}]).replace("'", "")


@pytest.mark.slow
def test_a_killed_worker_costs_its_own_run_alone_and_the_same_command_goes_on(small, ill, tmp_path, capsys):
    kinds = ["none", "kill", "memory", "raise"]
    plugins = "plugins=" + ",".join(
        [ill(kind) for kind in kinds] + [ill("kill", once=str(tmp_path / "killed"))]
    )
    command = ["run", "-m", *small("hydra/launcher=local", "hydra.launcher.n_jobs=2"), plugins]
    assert main(command) == 1
    out, _ = capsys.readouterr()
    found = {}
    for path in tmp_path.glob("default/*/run.json"):
        about = json.loads(path.read_text())
        ((_, kind),) = [(k, v) for k, v in about["settings"].items() if k == "plugins"]
        found["once" if "once" in kind else next(each for each in kinds if each in kind)] = about, path.parent
    status = {kind: about["status"] for kind, (about, _) in found.items()}
    assert status == {
        **{"none": "finished", "once": "finished"},
        **{"kill": "running", "memory": "failed", "raise": "failed"},
    }
    assert "finished: 2 of 5 runs" in out
    for kind, why in (
        ("kill", "killed"),
        ("memory", "lower training.test_batch_size"),
        ("raise", "LookupError: no such thing"),
    ):
        folder = found[kind][1]
        (place,) = [at for at, line in enumerate(out.splitlines()) if f"  {folder.name}  " in line]
        assert why in out.splitlines()[place]
        assert str(folder / "run.log") in out.splitlines()[place + 1]
    for kind in ("none", "once"):
        os.utime(found[kind][1] / "records.csv", (1, 1))
    assert main([*command[:-1], "plugins=" + ",".join([ill("none"), ill("raise")])]) == 1
    assert (found["none"][1] / "records.csv").stat().st_mtime == 1, "it was finished"


class Launcher:
    """As Hydra's: jobs in joblib's processes."""

    task_function = staticmethod(task)

    def start(self, overrides, first):
        jobs = enumerate(overrides, start=first)
        return Parallel(n_jobs=2, backend="loky")(
            delayed(one)(self.task_function, number, int(words[0])) for number, words in jobs
        )


def test_every_job_is_done_or_has_an_error_whichever_are_killed():
    launcher = Launcher()
    found = launch(launcher, launcher.start, [[str(number)] for number in range(8)], 10)
    assert len(found) == 8
    for number, each in enumerate(found):
        if number in (2, 5):
            with pytest.raises(JobKilledError, match=rf"SIGKILL.*alone: {number};"):
                _ = each.return_value
        elif number == 3:
            with pytest.raises((LookupError, JobFailedError), match="three"):
                _ = each.return_value
        else:
            assert each.return_value == number
    assert not isinstance(launcher.task_function, Noted)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 80000000000 bytes"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=["cuda", "python", "cpu", "context", "cublas"],
)
def test_out_of_memory_names_the_settings_to_change(configured, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr("cl_bench.config.build.build_data", full)
    config = configured()
    with pytest.raises(DeviceMemoryError, match=r"training\.batch_size") as caught:
        execute(config)
    for setting in ("training.test_batch_size", "training.stacked=false", "training.precision"):
        assert setting in str(caught.value)
    assert "out of memory" in json.loads((run_folder(config) / "run.json").read_text())["error"]


def test_a_folder_is_held_while_its_run_is_running(tmp_path):
    folder = Path(tmp_path, "run")
    assert not is_held(folder)
    with alone_in(folder):
        assert is_held(folder)
    assert not is_held(folder)
