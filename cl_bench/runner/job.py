"""One job of `cl-bench run`, as Hydra and its launchers call it."""

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from cl_bench.config.choices import folders_told, look_in
from cl_bench.config.compose import register
from cl_bench.config.tuned import with_tuning
from cl_bench.runner.run import execute
from cl_bench.runner.sweep_progress import SweepProgress


def job(config: DictConfig, *, since: float | None = None) -> str:
    """Run one job of `cl-bench run`, alone or in a sweep; return the folders of its runs.

    Args:
        since: when the command began, see `execute`.
    """
    register()  # a sweep's worker is a new process
    hydra = HydraConfig.get()
    look_in(folders_told(hydra))
    config = with_tuning(config, hydra)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    here = SweepProgress.at_work  # of a sweep whose jobs this process runs itself
    return " ".join(
        map(str, execute(config, show_progress=not in_sweep, since=since, said=here.said if here else None))
    )
