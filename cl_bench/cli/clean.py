"""`cl-bench clean`: remove runs that have failed, and runs of other code or data."""

import os
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence

from cl_bench.analysis.results import Results
from cl_bench.cli.options import with_options
from cl_bench.records.compact_files import remove_run
from cl_bench.records.lock import RunInUseError, alone_in
from cl_bench.records.run_files import is_packed
from cl_bench.records.runs import Run
from cl_bench.records.text import one_line, reason
from cl_bench.report.outcomes import last_line

ABOUT = """List the runs below the folder that have failed, and stale ones: of other code or data than those
now, or than the newest runs of their method. After a yes they are removed. Interrupted runs stay: the same
command continues them."""


def removable(folder: str | os.PathLike[str]) -> list[tuple[Run, str]]:
    """List the runs below a folder that nobody wants, and why: failed ones, and those of other code or data.

    Interrupted and killed runs are not among them: the same command continues them. Nor are broken folders,
    which may hold what somebody can still save.

    Raises:
        AnalysisError: where there is no run below the folder.
    """
    unwanted = []
    for run in Results.read(folder).found:
        if run.status == "failed":
            unwanted.append((run, f"failed: {last_line(run.error)}"))
        elif run.status == "finished" and run.other:
            unwanted.append((run, f"stale: {run.other}"))
    return unwanted


def remove(run: Run) -> None:
    """Remove a run that no process has: its folder, or what its compact study has of it.

    Raises:
        RunInUseError: where a process is running it.
        OSError: where it cannot be removed.
    """
    if is_packed(run.path):
        with alone_in(run.path.parent):
            remove_run(run.path)
        return
    with alone_in(run.path):
        shutil.rmtree(run.path)


def _remove(runs: Sequence[Run]) -> int:
    kept = 0
    for run in runs:
        try:
            remove(run)
        except (RunInUseError, OSError, ValueError) as error:
            print(f"cl-bench: {reason(error)}", file=sys.stderr)
            kept += 1
    print(f"{len(runs) - kept} of {len(runs)} removed")
    return 1 if kept else 0


def main(arguments: Sequence[str]) -> int:
    """List the runs, and remove them after a yes; the exit status is 1 where one could not be removed."""
    parser = ArgumentParser(prog="cl-bench clean", description=ABOUT)
    parser.add_argument("folder", metavar="DIR", help="a results folder, a study or a run")
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    return with_options(parser, arguments, lambda options: clean(options.folder, yes=options.yes))


def clean(folder: str, *, yes: bool, ask: Callable[[str], str] = input) -> int:
    """List the runs to remove, and remove them after a yes; return the exit status."""
    unwanted = removable(folder)
    if not unwanted:
        print(
            f"nothing to remove in {one_line(folder)}: no run has failed, and none is of other code or data"
        )
        return 0
    for run, why in unwanted:
        print(f"  {one_line(run.path)}  {one_line(why)}")
    number = f"{len(unwanted)} run{'s' * (len(unwanted) > 1)}"
    if not yes and not sys.stdin.isatty():
        print(f"{number} to remove; nothing is removed without --yes")
        return 0
    if not yes and ask(f"remove {number}? [y/N] ").strip().lower() not in ("y", "yes"):
        print("nothing was removed")
        return 0
    return _remove([run for run, _ in unwanted])
