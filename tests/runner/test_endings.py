"""However code of a run ends it, it ends that run alone: it is named, and the others are run."""

import json
import os
import re
import subprocess
import sys

import pytest
from dying_jobs import end, one
from endings import ENDINGS
from joblib import Parallel, delayed

from cl_bench.cli.main import main
from cl_bench.runner.endings import RunEndedError, ends_alone
from cl_bench.runner.run import execute
from cl_bench.runner.stopped import Stopped
from cl_bench.runner.workers import launch


def ill(how, **more):
    """The setting of a plugin that ends its run so."""
    return str([{"_target_": "ill.Ill", "how": how, **more}]).replace("'", "")


def found(folder):
    """How each run ended -> status and error."""
    summaries = [json.loads(path.read_text()) for path in folder.glob("default/*/run.json")]
    hows = [re.search(r"how\W+(\w+)", str(each["settings"]["plugins"])) for each in summaries]
    return {how[1]: (each["status"], each["error"]) for how, each in zip(hows, summaries, strict=True) if how}


def test_a_sweep_in_one_process_runs_the_rest_and_names_all(small, tmp_path, capsys):
    plugins = "plugins=" + ",".join(ill(how) for how in (*ENDINGS, "none"))
    assert main(["run", "-m", *small("hydra/launcher=basic"), plugins]) == 1
    out = capsys.readouterr().out
    ends = found(tmp_path)
    assert ends.pop("none") == ("finished", None)
    assert {how: status for how, (status, _) in ends.items()} == dict.fromkeys(ENDINGS, "failed")
    assert f"finished: 1 of {len(ENDINGS) + 1} runs" in out
    for how, (_, said) in ENDINGS.items():
        assert said in (ends[how][1] or ""), how
        assert said in out, how
    assert not list(tmp_path.glob("default/*/checkpoint")), "from there it would only fail again"


@pytest.mark.parametrize("how", ["exit0", "generator", "leave0"])
def test_a_single_run_says_what_ended_it(small, capsys, how):
    assert main(["run", *small(f"plugins={ill(how)}")]) == 1
    assert ENDINGS[how][1] in capsys.readouterr().err


def statuses(folder):
    return [json.loads(path.read_text())["status"] for path in sorted(folder.glob("default/*/run.json"))]


def test_a_seed_that_leaves_does_not_stop_the_others(configured, tmp_path):
    config = configured("seeds=[0,1]", f"plugins={ill('exit0', once=str(tmp_path / 'left'))}")
    with pytest.raises(RunEndedError, match="SystemExit: 0"):
        execute(config)
    assert statuses(tmp_path) == ["failed", "finished"]
    assert len(execute(config)) == 2


def test_of_seeds_at_once_all_have_failed(configured, tmp_path, monkeypatch):
    monkeypatch.setattr("cl_bench.runner.run.train_and_test", lambda *_, **__: sys.exit(0))
    with pytest.raises(RunEndedError, match="SystemExit: 0"):
        execute(configured("seeds=[0,1]", "training.stacked=true"))
    assert statuses(tmp_path) == ["failed", "failed"]


@pytest.mark.parametrize("place", ["build_strategy", "build_data"])
def test_so_does_code_that_a_run_is_built_with(configured, tmp_path, monkeypatch, place):
    monkeypatch.setattr(f"cl_bench.config.build.{place}", lambda *_, **__: sys.exit(0))
    with pytest.raises(RunEndedError, match="SystemExit: 0"):
        execute(configured())
    (path,) = tmp_path.glob("default/*/run.json")
    assert json.loads(path.read_text())["status"] == "failed"


class Launcher:
    """As Hydra's: jobs in joblib's processes."""

    task_function = staticmethod(end)

    def start(self, overrides, first):
        jobs = enumerate(overrides, start=first)
        return Parallel(n_jobs=2, backend="loky")(
            delayed(one)(self.task_function, number, int(words[0])) for number, words in jobs
        )


def test_in_parallel_processes_each_ending_is_its_jobs_own(monkeypatch):
    launcher = Launcher()
    ends = launch(launcher, launcher.start, [[str(number)] for number in range(len(ENDINGS))], 0)
    for each, (_, said) in zip(ends, ENDINGS.values(), strict=True):
        with pytest.raises((RuntimeError, LookupError, StopIteration)) as error:
            _ = each.return_value
        assert said in f"{type(error.value).__name__}: {error.value}"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stopped(15)])
def test_ctrl_c_and_signals_pass(error):
    with pytest.raises(type(error)), ends_alone():
        raise error


def test_the_processes_of_a_run_may_end_as_ever():
    with ends_alone():
        child = os.fork()
        if not child:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    code = "import os\nfrom cl_bench.runner.endings import ends_alone\nwith ends_alone(): pass\nos._exit(5)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 5
