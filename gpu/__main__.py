"""`python -m gpu`, the command; see its --help."""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from cl_bench.config.environment import num_cores
from gpu import __doc__ as about
from gpu.budget import Budget
from gpu.page import PAGE
from gpu.process import GRACE, ItemError, TimeIsOverError, Worker, WorkerDiedError
from gpu.programme import RESULTS, Programme, Setting

LOG = "log.txt"
PATIENCE = 120.0  # seconds, for the first process to start
MOST_WORKERS = 8  # each holds a context of the card and a gigabyte of memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the programme; return the exit status.

    It is 0; 1 where something failed, or there is no such device; 2 where the folder has results of another
    one; 130 after Ctrl-C.
    """
    given = parser().parse_args(arguments)
    environment = {"OMP_NUM_THREADS": "1"}
    if given.data is not None:
        environment["CL_BENCH_DATA"] = str(given.data.absolute())
    given.output.mkdir(parents=True, exist_ok=True)
    output = given.output.absolute()
    budget = Budget.of(max(0.0, 60 * given.minutes - GRACE))  # the last run may write a checkpoint
    first = Worker(given.device, output / LOG, environment)
    new_worker = chain([first], iter(lambda: Worker(given.device, output / LOG, environment), None)).__next__
    try:
        (card,) = first.ask("gpu.worker:card", given.device, Budget.of(PATIENCE))
        parts = tuple(first.ask("gpu.table:parts", given.workers, Budget.of(PATIENCE)))
        print(f"{given.device}: {card}", flush=True)
        setting = Setting(output, given.device, given.tiny, card, new_worker, partial(print, flush=True))
        good = Programme(parts, setting).run(budget)
    except (ItemError, TimeIsOverError, WorkerDiedError, OSError) as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("gpu: interrupted; the same command goes on", file=sys.stderr)
        return 130
    finally:
        first.close()
    print(f"{given.output / PAGE}\n{given.output / RESULTS}")
    return 0 if good else 1


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m gpu", description=about)
    made.add_argument("--output", type=Path, required=True, metavar="DIR", help="where everything goes")
    made.add_argument("--minutes", type=minutes, default=8.0, help="at most (8)")
    made.add_argument("--device", default="cuda", help="training.device of every run (cuda)")
    made.add_argument(
        "--data", type=Path, metavar="DIR", help="where MNIST and CIFAR lie; unless given $CL_BENCH_DATA"
    )
    made.add_argument(
        "--workers", type=workers, default=max(1, min(MOST_WORKERS, num_cores() // 2)), metavar="N",
        help="processes that ask questions at once; seconds are measured by one alone",
    )  # fmt: skip
    made.add_argument("--tiny", action="store_true", help="a part of it on few images, to see that it runs")
    return made


def workers(text: str) -> int:
    """Parse a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return number


def minutes(text: str) -> float:
    """Parse a number from 0."""
    number = float(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {text}")
    return number


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    sys.exit(main())
