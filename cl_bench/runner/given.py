"""Runs of a strategy and a stream that were built in Python, and are not configured alone."""

from collections.abc import Sequence
from contextlib import ExitStack

from cl_bench.runner.assembly import Parts
from cl_bench.runner.attempt import train_and_test
from cl_bench.runner.run_folder import RunFolder, opened
from cl_bench.runner.tracking import tracked


def run_given(folders: Sequence[RunFolder], parts: Parts, *, show_progress: bool) -> None:
    """Train and test into the folders, one a seed.

    Raises:
        ValueError: for a run that is there already, and that this one could not go on with.
        RunInUseError: for one that another process is running.
    """
    share = 1 / len(folders)
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(folder.held())
            _check_free(folder)
        for folder in folders:
            stack.enter_context(opened(folder, share=share))
            folder.tell(**parts.facts)
            stack.enter_context(tracked(folder))
        hashes = train_and_test(folders, parts, show_progress=show_progress)
        for folder, sha256 in zip(folders, hashes, strict=True):
            folder.finish(share=share, weights_sha256=sha256)
        for folder in folders:
            folder.drop_checkpoints()


def _check_free(folder: RunFolder) -> None:
    """Check that a run's folder has no finished run, and, unless this one resumes, none at all."""
    how = ""
    if folder.finished() is not None:
        how = "is finished already"
    elif not folder.config.resume and (folder.path / "run.json").exists():
        how = "was begun before, by a strategy or a stream of which nobody knows whether it was this one"
    if how:
        raise ValueError(
            f"{folder.path} {how}: read it with cl_bench.analysis.load, remove it, or give another folder "
            "or name"
        )
