"""What goes wrong in a verb, as a line on standard error and an exit status."""

import logging
import sys
import traceback
from collections.abc import Callable

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from cl_bench.config.checked import SettingError
from cl_bench.config.compose import explain
from cl_bench.config.words import WordError
from cl_bench.records.lock import RunInUseError
from cl_bench.records.text import reason
from cl_bench.runner.stopped import Stopped

log = logging.getLogger(__name__)


def _keep_traceback(error: Exception) -> str:
    """Write the traceback into the log, and say where; show it where there is no log."""
    logs = [each for each in logging.getLogger().handlers if isinstance(each, logging.FileHandler)]
    if not logs:
        traceback.print_exception(error)
        return ""
    log.info("the command ended with an unexpected error", exc_info=error)
    return f" (the traceback is in {logs[0].baseFilename})"


def status_of(work: Callable[[], object]) -> int:
    """Do the work; return the exit status, and say on standard error what went wrong."""
    status = 0
    try:
        work()
    except (SettingError, WordError) as error:
        print(f"cl-bench: {error}", file=sys.stderr)
        status = 2
    except (HydraException, OmegaConfBaseException) as error:
        print(f"cl-bench: {explain(error)}", file=sys.stderr)
        status = 2
    except (ValueError, ArithmeticError, OSError, RunInUseError) as error:
        of_log = error.__cause__ if str(error).startswith("Unable to configure handler") else None
        print(f"cl-bench: {reason(of_log or error)}", file=sys.stderr)
        status = 1
    except Exception as error:  # not foreseen: the type says more than the message alone
        where = _keep_traceback(error)
        print(f"cl-bench: {type(error).__name__}: {error}{where}", file=sys.stderr)
        status = 1
    except Stopped as error:
        print(f"cl-bench: {error}; the run is saved: the same command continues it", file=sys.stderr)
        status = int(error.code or 1)
    except KeyboardInterrupt:
        print("cl-bench: interrupted; what was recorded is kept: the same command continues", file=sys.stderr)
        status = 130
    finally:
        logging.shutdown()
    return status
