"""`cl-bench run`: Hydra's command line with its errors in one line."""

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from cl_bench.places import conf_folder
from cl_bench.running.compose import CONFIG_NAME, VERSION_BASE, explain, register
from cl_bench.running.folder import LOG
from cl_bench.running.job import execute
from cl_bench.running.progress import PLAN, SweepProgress
from cl_bench.running.stops import Stopped
from cl_bench.running.tuned import with_tuning


def job(config: DictConfig) -> str:
    """One job of `cl-bench run`, alone or in a sweep; returns the folders of its runs."""
    register()  # a sweep's worker is a new process
    config = with_tuning(config, HydraConfig.get())
    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    given = [each for each in HydraConfig.get().overrides.task if each.startswith("seed=")]
    if config.seeds is not None and given:
        raise ValueError(
            f"seeds takes the place of seed, got both: seeds={config.seeds}, {given[0]} (a study that sweeps "
            "seed is given other ones by seed=...)"
        )
    return " ".join(map(str, execute(config, show_progress=not in_sweep)))


def main(arguments: Sequence[str]) -> tuple[int, Path | None]:
    """Run or sweep.

    Returns:
        The exit status: 0, 1 where a run failed, 2 for a wrong command line; and the folder of the run, or of
        all runs of a sweep, where something ran.
    """
    register()
    flags = [argument for argument in arguments if argument in ("-m", "--multirun")]
    rest = [argument for argument in arguments if argument not in flags]
    sys.argv = ["cl-bench", *flags[:1], *rest]  # Hydra reads it, and wants -m before the settings
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise, instead of printing and leaving
    # our hydra/launcher=ray has the name of Ray's own
    warnings.filterwarnings("ignore", message="(?s).*validated against ConfigStore schema")
    application = hydra.main(
        version_base=VERSION_BASE, config_path=str(conf_folder()), config_name=CONFIG_NAME
    )(job)
    SweepProgress.folder, SweepProgress.missing = None, ()

    def work() -> None:
        try:
            application()
        finally:
            if SweepProgress.at_work is not None:
                SweepProgress.at_work.finish()

    status = status_of(work)
    folder = SweepProgress.folder
    if status and folder is not None and not any(folder.rglob("run.json")):
        _leave_nothing(folder, made=SweepProgress.missing)
    return status, folder if status != 2 else None


def _leave_nothing(folder: Path, *, made: Sequence[Path]) -> None:
    """Remove what Hydra and a sweep's plan have left of a command of which nothing has begun."""
    for name in (LOG, PLAN):
        (folder / name).unlink(missing_ok=True)
    for place in made:
        with suppress(OSError):
            place.rmdir()  # only where it is empty


def status_of(work: Callable[[], object]) -> int:
    """Do it; what goes wrong is a line on standard error and the exit status."""
    status = 0
    try:
        work()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"cl-bench: {explain(error)}", file=sys.stderr)
        status = 2
    except (ValueError, ArithmeticError, OSError) as error:
        print(f"cl-bench: {error}", file=sys.stderr)
        status = 1
    except Exception as error:  # not foreseen: the type says more than the message alone
        traceback.print_exception(error)
        print(f"cl-bench: {type(error).__name__}: {error}", file=sys.stderr)
        status = 1
    except Stopped as error:
        print(f"cl-bench: {error}; it is saved, the same command goes on from there", file=sys.stderr)
        status = int(error.code or 1)
    except KeyboardInterrupt:
        print("cl-bench: interrupted; what was recorded is kept, the same command goes on", file=sys.stderr)
        status = 130
    finally:
        logging.shutdown()
    return status
