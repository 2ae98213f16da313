"""Run every trial on every tuning stream, with Hydra's own launchers, and score it by validation images."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hydra import initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, RunMode

from cl_bench.config.compose import CONFIG_NAME, VERSION_BASE, hydra_apart, one_seed_each, run_folder
from cl_bench.config.places import conf_folder
from cl_bench.records.errors import NonFiniteLossError
from cl_bench.records.runs import read_run
from cl_bench.runner.job import job
from cl_bench.runner.sweep_progress import SweepProgress
from cl_bench.tuning.samplers import Next
from cl_bench.tuning.space import Trial

LOST = NonFiniteLossError.__name__  # the one error that says something about the settings


class Score(NamedTuple):
    """What one trial scored."""

    by_seed: dict[int, float | None]  # average accuracy on validation images after the last task, a fraction
    error: str = ""  # of the first seed that failed
    final: bool = True  # False where only some of the seeds were tried, or short runs alone
    short: dict[int, float | None] | None = None  # the same in short runs, where these were tried first

    @property
    def accuracy(self) -> float | None:
        """The mean over the seeds; None where one of them failed."""
        values = [value for value in self.by_seed.values() if value is not None]
        return math.fsum(values) / len(values) if len(values) == len(self.by_seed) else None


def best(scores: Sequence[Score]) -> int | None:
    """Return the index of the highest accuracy, of equal ones the first; None where every trial failed.

    A trial that was not tried on every seed cannot be the best.
    """
    accuracies = [score.accuracy if score.final else None for score in scores]
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    return accuracies.index(max(known)) if known else None


def play_off(
    searching: Callable[..., tuple[list[Trial], list[Score]]],
    trials: Sequence[Trial],
    scores: Sequence[Score],
    *,
    number: int,
    seeds: Sequence[int],
    anew: bool = False,
) -> list[Score]:
    """Try the best trials on more seeds; return the scores of all trials, those of the others not final.

    Args:
        searching: `search`, but for what to try and the seeds.
        scores: of the trials, on the seeds so far.
        number: how many trials are tried further.
        seeds: those to come.
        anew: whether the scores so far are of short runs, which only say who is tried further.
    """
    known = [(-score.accuracy, index) for index, score in enumerate(scores) if score.accuracy is not None]
    finalists = [index for _, index in sorted(known)[:number]]
    tried = [trials[index] for index in finalists]
    _, more = searching(lambda done, _: [] if done else tried, num_trials=len(tried), seeds=seeds)
    joined = [score._replace(final=False) for score in scores]
    for index, score in zip(finalists, more, strict=True):
        before = scores[index].by_seed
        joined[index] = score._replace(short=before) if anew else Score(before | score.by_seed, score.error)
    return joined


def search(
    following: Next, *, num_trials: int, unseeded: Sequence[str], seeds: Sequence[int], label: str
) -> tuple[list[Trial], list[Score]]:
    """Return all trials with their scores; runs that are finished already are read, not repeated.

    Args:
        following: what gives the next trials, see `samplers.sampler_of`.
        num_trials: how many it gives at most.
        unseeded: overrides of the runs, all but the trial's settings and the seeds.
        seeds: of the tuning streams.

    Raises:
        RuntimeError: where a run failed for another reason than its settings; the same command continues.
    """
    trials: list[Trial] = []
    scores: list[Score] = []
    overrides = [*unseeded, f"seeds=[{','.join(map(str, seeds))}]"]
    progress = SweepProgress()
    with (
        hydra_apart(),
        initialize_config_dir(str(conf_folder()), job_name="cl_bench", version_base=VERSION_BASE),
    ):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        config = hydra.compose_config(
            config_name=CONFIG_NAME, overrides=[*overrides, "hydra.mode=MULTIRUN"], run_mode=RunMode.MULTIRUN
        )
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks()),
            task_function=job,
            config=config,
        )
        folder = run_folder(config).parent
        progress.start(folder=folder, num_runs=num_trials * len(seeds), label=label)
        try:
            while asked := following(trials, [score.accuracy for score in scores]):
                jobs = [[*overrides, *(setting.override for setting in trial)] for trial in asked]
                scores += map(_score, launcher.launch(jobs, initial_job_idx=len(trials)))
                trials += asked
        finally:
            progress.finish()
    return trials, scores


def _score(done: JobReturn) -> Score:
    assert done.cfg is not None
    by_seed: dict[int, float | None] = {}
    error = ""
    for config in one_seed_each(done.cfg):
        folder = run_folder(config)
        run = read_run(folder)
        if run.status == "finished":
            ends = {each.on_task: each.accuracy for each in run.records if each.after_task == run.num_tasks}
            by_seed[config.seed] = math.fsum(ends.values()) / len(ends)
        elif run.status == "failed" and run.error.startswith(LOST):
            by_seed[config.seed] = None
            error = error or run.error
        else:
            _ = done.return_value  # raises what the run raised
            raise RuntimeError(
                f"cannot score {folder}: the run is {run.status}: {run.error}; the same command tries again"
            )
    return Score(by_seed, error)
