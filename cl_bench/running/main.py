"""`cl-bench run`: Hydra's command line with its errors in one line."""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from cl_bench.places import conf_folder
from cl_bench.running.compose import CONFIG_NAME, VERSION_BASE, register
from cl_bench.running.job import execute

finished: list[str] = []  # folders of this process's runs, for the closing line


def job(config: DictConfig) -> str:
    """One run of `cl-bench run`, alone or in a sweep; returns its folder."""
    register()  # a sweep's worker is a new process
    in_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    folder = str(execute(config, show_progress=not in_sweep))
    finished.append(folder)
    return folder


def main(arguments: Sequence[str]) -> int:
    """Run or sweep; returns the exit status: 0, 1 where a run failed, 2 for a wrong command line."""
    from cl_bench.data import DataError
    from cl_bench.records import RecordsError

    register()
    flags = [argument for argument in arguments if argument in ("-m", "--multirun")]
    rest = [argument for argument in arguments if argument not in flags]
    sys.argv = ["cl-bench", *flags[:1], *rest]  # Hydra reads it, and wants -m before the settings
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise, instead of printing and leaving
    application = hydra.main(
        version_base=VERSION_BASE, config_path=str(conf_folder()), config_name=CONFIG_NAME
    )(job)
    try:
        application()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"cl-bench: {explain(error)}", file=sys.stderr)
        return 2
    except (ValueError, TypeError, ArithmeticError, OSError, DataError, RecordsError) as error:
        if _is_ours(error):
            print(f"cl-bench: {error}", file=sys.stderr)
        else:
            traceback.print_exception(error)
        return 1
    except KeyboardInterrupt:
        print("cl-bench: interrupted; what was recorded is kept, the same command goes on", file=sys.stderr)
        return 130
    finally:
        logging.shutdown()
    return 0
