"""Run folders -> a compact study (see records/compact.py), and back."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from cl_bench.cli.looked_at import NEVER_PACKED, TRACKED, looked_at, not_of_a_run
from cl_bench.records import compact
from cl_bench.records.atomic import write_whole
from cl_bench.records.compact_files import Packed, add_runs, check_kept, packed_run
from cl_bench.records.lock import RunInUseError, alone_in
from cl_bench.records.row_files import RecordsError, whole_file
from cl_bench.records.rows import FILES
from cl_bench.records.run_files import about_run, is_packed, rows_of_run
from cl_bench.records.text import counted
from cl_bench.records.whole_copies import copy_whole
from cl_bench.runner.run_folder import CHECKPOINTS, CONFIG, SUMMARY
from cl_bench.runner.stored_config import read_yaml


class Outcome(NamedTuple):
    """What came of packing a study."""

    packed: int  # runs
    folders: list[str]  # runs that stay folders: they are not finished
    problems: list[tuple[str, str]]  # run, why it is not packed

    def text(self) -> str:
        said = f"{counted(self.packed, 'run')} packed"
        return f"{said}, {len(self.folders)} not finished and left as folders" if self.folders else said


def pack(study: Path, *, leave_out: Sequence[str] = ()) -> Outcome:
    """Put the finished runs of a study into its runs.json and files of rows, and remove their folders.

    A folder goes when what was packed has been read again and is the same: run.json, config.yaml, every row.
    Its run.log goes with it. A run that is broken, in use, or has files of something else stays a folder.

    Args:
        study: its folder.
        leave_out: files of rows that are kept of no run; and what is never packed (`NEVER_PACKED`), without
            which a run stays a folder: it would be lost.

    Raises:
        OSError: where a file cannot be written.
        ValueError: where the study's runs.json cannot be read, or would be larger than what is read.
    """
    outcome = Outcome(0, [], [])
    needed = [name for name in NEVER_PACKED if name not in leave_out]
    leave_out = [name for name in leave_out if name not in NEVER_PACKED]
    try:
        with alone_in(study):
            packed = dict(_packable(study, outcome, needed))
            if packed or (leave_out and compact.is_compact(study)):
                add_runs(study, packed, left_out=leave_out)
            gone = [name for name, run in packed.items() if _let_go(study / name, run, leave_out, outcome)]
    except RunInUseError as error:
        return Outcome(0, [], [("", str(error))])
    return outcome._replace(packed=len(gone))


def _packable(study: Path, outcome: Outcome, needed: Sequence[str]) -> Iterator[tuple[str, Packed]]:
    """The runs that can be packed; what is to be said of the others goes into the outcome."""
    known = compact.study_at(study).runs if compact.is_compact(study) else {}
    for folder in sorted(path for path in study.iterdir() if (path / SUMMARY).is_file()):
        run = looked_at(folder)
        if run.status not in ("finished", "broken"):
            outcome.folders.append(folder.name)
            continue
        try:
            why = run.error or _more_than_a_run(folder, needed)
            if folder.name in known and not why:
                why = _packed_before(folder)
                if not why:
                    continue
            if not why:
                yield folder.name, _read(folder)
        except (OSError, ValueError) as error:
            why = str(error)
        if why:
            outcome.problems.append((folder.name, f"it stays a folder: {why}"))


def _packed_before(folder: Path) -> str:
    """Remove the folder of a run that is packed already; say why not, where the two differ."""
    try:
        with alone_in(folder):
            check_kept(folder, _read(folder), compact.study_at(folder.parent).left_out)
            shutil.rmtree(folder)
    except RecordsError:
        return f"{compact.FILE} has a run of this name, too; remove one of the two, which differ"
    except RunInUseError as error:
        return str(error)
    return ""


def _more_than_a_run(folder: Path, needed: Sequence[str]) -> str:
    others = [name for name in (*TRACKED, CHECKPOINTS) if (folder / name).exists()]
    why = not_of_a_run(folder) or (f"it has {', '.join(others)}" if others else "")
    would_go = [name for name in needed if (folder / name).exists()]
    if would_go and not why:
        options = " ".join(f"--leave-out {name}" for name in would_go)
        why = f"it has {', '.join(would_go)}, which no compact study holds; to lose that, give {options}"
    return why


def _read(folder: Path) -> Packed:
    about: dict[str, Any] = about_run(folder)
    config = read_yaml(folder / CONFIG) if (folder / CONFIG).exists() else None
    there = [kind for kind, name in FILES.items() if (folder / name).exists()]
    rows: dict[type, list[Any]] = {kind: rows_of_run(folder, kind) for kind in there}
    for kind, found in rows.items():
        if any(row.seed != about["seed"] for row in found):
            raise ValueError(f"{FILES[kind]} has rows of another seed than {about['seed']}")
    return Packed(about, config, rows)


def _let_go(folder: Path, run: Packed, leave_out: Sequence[str], outcome: Outcome) -> bool:
    """Remove the folder of a run that was packed; not where the two differ, or a process has it."""
    try:
        with alone_in(folder):
            if _read(folder).about != run.about:
                raise ValueError("it was changed meanwhile")
            check_kept(folder, run, leave_out)
            shutil.rmtree(folder)
    except (RunInUseError, OSError, ValueError) as error:
        outcome.problems.append((folder.name, f"it is packed, and its folder stays: {error}"))
        return False
    return True


def copy_run(run: Path, target: Path) -> None:
    """Make `target` a folder of the run, as `copy_whole`; one of a compact study is unpacked.

    Raises:
        CopyError: where the run cannot be copied.
        OSError: where the target cannot be written.
    """
    if not is_packed(run):
        copy_whole(run, target)
        return
    with tempfile.TemporaryDirectory(prefix="cl-bench-unpacked-") as place:
        copy_whole(_unpacked(packed_run(run), Path(place)), target)


def _unpacked(run: Packed, folder: Path) -> Path:
    for kind, rows in run.rows.items():
        write_whole(folder / FILES[kind], whole_file(kind, rows))
    if run.config is not None:
        write_whole(folder / CONFIG, OmegaConf.to_yaml(OmegaConf.create(run.config)))
    write_whole(folder / SUMMARY, json.dumps(run.about, indent=1) + "\n")
    return folder
