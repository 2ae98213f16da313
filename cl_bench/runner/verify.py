"""Run a finished run again: does it come out the same?"""

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from cl_bench.config.compose import register
from cl_bench.records.agreement import Compared, compare
from cl_bench.records.atomic import read_json
from cl_bench.records.checks_made import VERIFIED
from cl_bench.records.compact_files import write_about
from cl_bench.records.lock import alone_in
from cl_bench.records.provenance import commit_of
from cl_bench.records.run_files import about_run, is_packed
from cl_bench.records.runs import find_folders
from cl_bench.records.text import one_line
from cl_bench.runner.bounded import within_memory
from cl_bench.runner.run import execute
from cl_bench.runner.run_folder import RunFolder
from cl_bench.runner.stored_config import MOST_SAID, StoredConfigError, check_settings, stored_config
from cl_bench.validation import check_seed, check_seeds

TOGETHER = "trained_at_once_with_seeds"  # in run.json
MOST_SEEDS = 1000  # that are trained at once


class Verified(NamedTuple):
    """What came of running a run again."""

    compared: list[Compared]
    changed: list[str]  # versions and hardware that are not what they were, in words
    by: dict[str, Any] = {}  # noqa: RUF012  (commit and dirty of the code that ran it again; never changed)

    @property
    def agrees(self) -> bool:
        return all(each.agrees for each in self.compared)


def verify(run: Path, *, trust: bool = False, show_progress: bool = True) -> Verified:
    """Run a finished run again, from its stored configuration, in a temporary folder, and compare.

    A seed that was trained at once with others is trained with them again. It takes as long as the run did,
    and at most the memory that is free.

    Raises:
        ValueError: for a run that is not finished, or a configuration that cannot be run; and whatever a run
            raises.
    """
    register()
    about = _finished(run)
    config = stored_config(run, trust=trust)
    with tempfile.TemporaryDirectory(prefix="cl-bench-verify-") as place:
        _again(config, about, place)
        folder = _folder(run, config, about["seed"])
        if folder.parent != Path(place, "verify"):
            raise StoredConfigError(
                f"cannot verify {run}: its names must not lead out of a folder, got {folder.name!r}"
            )
        check_settings(run, config)
        try:
            with within_memory():
                execute(config, show_progress=show_progress)
        except OmegaConfBaseException as error:
            raise StoredConfigError(
                f"cannot verify {run}: it was written by {_version(about)}, which had no setting "
                f"{error.full_key}; this version needs it: verify the run with the version that wrote it"
            ) from error
        compared = compare(run, folder)
        again = read_json(folder / "run.json")
    changed = [
        *_changes("version of", about.get("versions"), again["versions"]),
        *_changes("hardware:", about.get("hardware"), again["hardware"]),
    ]
    commit, dirty = commit_of(again)
    return Verified(compared, changed, {"commit": commit, "dirty": dirty})


def record(run: Path, found: Verified) -> None:
    """Write into run.json, or into the compact study, that a run came out again today, and by which code.

    Raises:
        ValueError: where it did not come out again.
        RunInUseError: where another process has the run.
        OSError: where it cannot be written.
    """
    if not found.agrees:
        raise ValueError(f"cannot record that {run} came out again: it did not")
    fact = {"date": datetime.now(UTC).date().isoformat(), **found.by}
    with alone_in(run.parent if is_packed(run) else run):
        write_about(run, about_run(run) | {VERIFIED: fact})


def _finished(run: Path) -> dict[str, Any]:
    try:
        about = about_run(run)
        status, seed = about["status"], about["seed"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        if not (run / "run.json").exists() and not is_packed(run):
            raise ValueError(f"cannot verify {run}: {_what_is_there(run)}") from error
        raise ValueError(
            f"cannot verify {run}: it must be the folder of a run, with a run.json, or a run of a compact "
            f"study, got {error!r}"
        ) from error
    if status != "finished" or type(seed) is not int:
        raise ValueError(f"cannot verify {run}: it must be finished, got {status=}, {seed=}"[:MOST_SAID])
    together = about.get(TOGETHER)
    try:
        check_seed("seed", seed)
        if together is not None:
            check_seeds(together)
            if len(together) > MOST_SEEDS or seed not in together:
                raise ValueError(
                    f"seed {seed} must be of at most {MOST_SEEDS} seeds that were trained at once"
                )
    except ValueError as error:
        raise ValueError(f"cannot verify {run}: {error}"[:MOST_SAID]) from error
    return about


def _what_is_there(run: Path) -> str:
    """Say of a path that is no run what it is; of one that holds runs, how one of them is named."""
    try:
        found = find_folders(run)
    except ValueError as error:
        return str(error)
    return f"it is no run but holds {len(found)}; name one, such as {found[0]}"


def _version(about: Mapping[str, Any]) -> str:
    versions = about.get("versions")
    known = one_line(versions.get("cl-bench", "")) if isinstance(versions, Mapping) else ""
    return f"cl_bench {known[:40]}" if known[:1].isdigit() else "another version of cl_bench"


def _again(config: DictConfig, about: Mapping[str, Any], place: str) -> None:
    """Set where and how the run is done again; not what it computes."""
    together = about.get(TOGETHER)
    with open_dict(config):
        config.results_dir, config.study, config.resume = place, "verify", False
        config.seed, config.seeds = about["seed"], together
        config.training.stacked = bool(together)


def _folder(run: Path, config: DictConfig, seed: int) -> Path:
    """Return the folder of the seed's run. Raises StoredConfigError where the settings give it no name."""
    alone = config.copy()
    alone.seed, alone.seeds = seed, None
    try:
        return RunFolder(alone).path
    except (TypeError, ValueError, OmegaConfBaseException) as error:
        said = one_line(str(error).partition("\n")[0])[:MOST_SAID]
        raise StoredConfigError(f"cannot verify {run}: its settings are not a run's: {said}") from error


def _changes(title: str, before: Any, now: Mapping[str, Any]) -> list[str]:
    before = before if isinstance(before, dict) else {}
    return [
        one_line(f"{title} {name}: {before.get(name, 'not recorded')} then, {now.get(name, 'none')} now")[
            :MOST_SAID
        ]
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
