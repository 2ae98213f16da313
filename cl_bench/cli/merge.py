"""`cl-bench merge A B -o C`: results of several machines in one folder; nothing is lost or chosen silently.

A run is known by its study and its folder's name, which ends in the hash of its settings. Finished beats
unfinished, and of unfinished ones the longest counts. The same run twice must agree (`agreement`) in what
both have; where it does not, what is in C stays, nothing is added, and both are named. Folders appear in C
whole.

What is in C and broken, or has something that is no run's, is never replaced. Another run is laid beside
it; so is the same run on another kind of device.

A compact study is merged as the run folders that it was made of. With `--compact` C has compact studies in
the end (see cli/compact_study.py).
"""

import errno
import os
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cl_bench.cli.compact_study import copy_run, pack
from cl_bench.cli.looked_at import NEVER_PACKED, looked_at, not_of_a_run
from cl_bench.cli.options import with_options
from cl_bench.cli.study_files import CARRIED, carry
from cl_bench.records.agreement import compare, contradictions
from cl_bench.records.errors import AnalysisError
from cl_bench.records.lock import RunInUseError, alone_in
from cl_bench.records.rows import FILES
from cl_bench.records.run_files import is_packed
from cl_bench.records.runs import Run, find_folders, read_run
from cl_bench.records.saved import told_hashes
from cl_bench.records.text import one_line
from cl_bench.records.whole_copies import CopyError, recover

ABOUT = """Copy the runs below the folders into one results folder. A finished run beats an unfinished one. A
run that is finished in two places must have the same records and final weights, or is named and left out.
What is finished there already is never replaced, nor what is broken: another is laid beside it. The exit
status is 0 where all was merged."""

OUTCOMES = (
    *("copied", "there already", "unfinished, copied as far as they are"),
    *("laid beside one that stays", "not merged"),
)
COPIED, THERE, PARTLY, BESIDE, NOT = OUTCOMES
OF_ONE_RUN = {  # what is so of one run, not of others; the last three of what is no file of a lock
    *(errno.ENAMETOOLONG, errno.EACCES, errno.EPERM),
    *(errno.EINVAL, errno.ELOOP, errno.EISDIR),
}
BESIDE_FOLDER = "beside"  # in a study: of runs that could not take the place of what is there


class Merged(NamedTuple):
    """What a merge did."""

    outcomes: dict[str, int]  # in words -> number of runs
    problems: list[tuple[str, str]]  # run or file, what is the matter; empty: all is merged
    notes: tuple[str, ...] = ()  # what was packed

    def text(self) -> str:
        counted = {what: number for what, number in self.outcomes.items() if number}
        lines = [f"{number} run{'s' * (number > 1)} {what}" for what, number in counted.items()]
        width = max((len(one_line(where)) for where, _ in self.problems), default=0)
        lines += [f"  {one_line(where):<{width}}  {one_line(why)}" for where, why in self.problems]
        lines += map(one_line, self.notes)
        return "\n".join(lines)


class Done(NamedTuple):
    """What was done with one run, and what is the matter, if anything."""

    outcome: str
    why: str = ""


def merge(
    *sources: str | os.PathLike[str],
    into: str | os.PathLike[str],
    compact: bool = False,
    leave_out: Sequence[str] = (),
) -> Merged:
    """Bring all runs in or below the sources into the results folder `into`, as <study>/<run>.

    Args:
        sources: results folders, studies or runs.
        into: a results folder, new or not.
        compact: whether the finished runs of these studies are then packed, see `compact_study.pack`.
        leave_out: what the packed studies do not keep, see there.

    Raises:
        AnalysisError: where a source is no folder with runs, and where `into` is a study of them.
        OSError: where a file cannot be written; what was merged before stays whole.
    """
    target = Path(into)
    places: dict[Path, list[Path]] = defaultdict(list)  # <study>/<run> -> where it was found
    for folder in find_folders(*sources):
        if _study_of(folder).resolve() == target.resolve():
            raise AnalysisError(
                f"runs are merged into a results folder, which holds studies, got the study {target} itself: "
                f"give -o {target.parent}"
            )
        places[_place(folder)].append(folder)
    outcomes = dict.fromkeys(OUTCOMES, 0)
    problems = []
    for common, found in sorted(places.items()):
        for place, folders in _places_by_device(target, common, found):
            done = _merge_alone(target / place, folders)
            outcomes[done.outcome] += 1
            problems += [(str(place), done.why)] if done.why else []
    studies: dict[Path, dict[Path, None]] = defaultdict(dict)
    for place, folders in places.items():
        studies[place.parent].update(dict.fromkeys(_study_of(folder) for folder in folders))
    for study, beside in studies.items():
        others = [folder for folder in beside if not _is_same(folder, target / study)]
        for name in CARRIED:
            problems += [(str(study / name), why) for why in _carried(target / study, others, name)]
    notes = []
    for study in sorted(studies) if compact else ():
        if (target / study).is_dir():
            try:
                packed = pack(target / study, leave_out=leave_out)
            except (OSError, ValueError) as error:
                problems.append((str(study), f"its runs stay folders: {error}"))
                continue
            notes.append(f"{study}: {packed.text()}")
            problems += [(str(study / name), why) for name, why in packed.problems]
    return Merged(outcomes, problems, tuple(notes))


def _carried(target: Path, others: Sequence[Path], name: str) -> list[str]:
    try:
        return carry(target, others, name)
    except OSError as error:
        return [str(error)]


def _place(folder: Path) -> Path:
    """Name a run as <study>/<run>. A slash in a study is believed where the folders say the same."""
    study, parent = Path(read_run(folder).study), _study_of(folder)
    parts = study.parts
    if parts and ".." not in parts and not study.is_absolute() and parent.parts[-len(parts) :] == parts:
        return study / folder.name
    return Path(parent.name, folder.name)


def _places_by_device(
    target: Path, place: Path, folders: Sequence[Path]
) -> Iterator[tuple[Path, list[Path]]]:
    """The run's place with what goes there, and a place beside it for runs on another kind of device."""
    device = {folder: read_run(folder).device for folder in folders}
    there = (target / place).is_dir() or is_packed(target / place)
    here = read_run(target / place).device if there else ""
    first = here or next(filter(None, device.values()), "")
    others = [folder for folder in folders if device[folder] not in ("", first)]
    rest = [folder for folder in folders if folder not in others]
    if rest:
        yield place, rest
    if others:
        yield place.parent / BESIDE_FOLDER / place.name, others


def _study_of(folder: Path) -> Path:
    return folder.parent.parent if folder.parent.name == BESIDE_FOLDER else folder.parent


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # of a run in a compact study there is no folder
        return is_packed(one) and one.resolve() == other.resolve()


def _merge_alone(target: Path, folders: Sequence[Path]) -> Done:
    """Merge a run that no other process writes meanwhile."""
    try:
        with alone_in(target):
            recover(target)
            return _merge_run(target, [each for each in folders if not _is_same(each, target)])
    except RunInUseError as error:
        return Done(NOT, str(error))
    except OSError as error:
        if error.errno not in OF_ONE_RUN:
            raise
        return Done(NOT, f"{error.strerror}: {error.filename}")


def _merge_run(target: Path, folders: Sequence[Path]) -> Done:
    here = _there(target)
    if here is not None and here.status == "broken":
        return _lay_beside(target, folders, f"it is broken ({here.error})")
    others = sorted(map(looked_at, folders), key=lambda run: len(told_hashes(run.about)), reverse=True)
    found = [*([] if here is None else [here]), *others]
    usable = sorted((run for run in found if run.status != "broken"), key=_worth, reverse=True)
    notes = [f"{run.path} is broken: {run.error}" for run in found if run.status == "broken"]
    if not usable:
        return Done(NOT, "; ".join(notes))
    for other in usable[1:]:
        why = _disagreement(usable[0], other)
        if why:
            return Done(NOT, why)
    for run in usable:
        if run is here:
            return Done(THERE, "; ".join([*notes, *_saved_elsewhere(run, usable)]))
        kept = "" if here is None else not_of_a_run(target)
        if kept:
            return _lay_beside(target, folders, kept)
        try:
            copy_run(run.path, target)
        except CopyError as error:
            notes.append(f"{run.path} is not copied: {error}")
            continue
        return Done(COPIED if run.status == "finished" else PARTLY, "; ".join(notes))
    return Done(NOT, "; ".join(notes))


def _worth(run: Run) -> tuple[bool, int]:
    """A key to sort by: the run that is worth more counts, and of equal ones the first."""
    return run.status == "finished", len(run.records)


def _saved_elsewhere(here: Run, others: Sequence[Run]) -> Iterator[str]:
    """Say which runs have saved what the same run here has not: nothing here is replaced."""
    for other in others:
        more = [name for name in told_hashes(other.about) if name not in told_hashes(here.about)]
        if more:
            yield f"{other.path} has {', '.join(more[:3])} too, which stay there: copy the folder by hand"


def _there(target: Path) -> Run | None:
    """The run in the target's place; None where there is nothing that could be lost."""
    if is_packed(target):
        return looked_at(target)
    if not os.path.lexists(target) or (target.is_dir() and not target.is_symlink() and _is_empty(target)):
        return None
    if target.is_dir():
        return looked_at(target)
    return Run(target, "", error="it is no folder")


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return False


def _disagreement(best: Run, other: Run) -> str:
    """Say in what two runs differ; empty where they agree, or one is a part of the other."""
    both = best.status == other.status == "finished"
    try:
        found = (compare if both else contradictions)(best.path, other.path)
    except (OSError, ValueError) as error:
        return f"{best.path} and {other.path} cannot be compared: {error}"
    said = "; ".join(f"{each.what}: {each.detail}" for each in found if not each.agrees)
    return f"{best.path} and {other.path} differ in {said}" if said else ""


def _lay_beside(target: Path, folders: Sequence[Path], why: str) -> Done:
    """Leave what is there, and put another run of that name into a folder of its own."""
    said = f"what is in {target} stays, since {why}"
    if target.parent.name == BESIDE_FOLDER:
        return Done(NOT, said)
    place = target.parent / BESIDE_FOLDER / target.name
    others = [folder for folder in folders if not _is_same(folder, place)]
    if not others:
        return Done(NOT, f"{said}; another is in {place}" if place.is_dir() else said)
    useful = [folder for folder in others if looked_at(folder).records]
    if not useful:
        return Done(NOT, f"{said}; the other has no tests")
    done = _merge_run(place, useful)
    if done.outcome == NOT:
        return Done(NOT, f"{said}; {done.why}")
    more = f"; {done.why}" if done.why else ""
    return Done(BESIDE, f"{said}; the other is in {place}: choose one and remove the other{more}")


def main(arguments: Sequence[str]) -> int:
    """Merge, and say what was not; the exit status is 0 where all was merged."""
    parser = ArgumentParser(prog="cl-bench merge", description=ABOUT)
    parser.add_argument("sources", metavar="DIR", nargs="+", help="a results folder, a study or a run")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="a results folder, new or not")
    parser.add_argument(
        "--compact",
        action="store_true",
        help="pack the finished runs of each study into runs.json, records.csv, states.csv, ...: what every "
        "report says stays the same, logs go",
    )
    parser.add_argument(
        "--leave-out",
        metavar="FILE",
        action="append",
        default=[],
        choices=(*FILES.values(), *NEVER_PACKED),
        help="with --compact: a file of rows that is not kept, such as calibration.csv; or saved, or "
        "metrics.csv: what training.save and `cl-bench metric` have left, without which a run is not packed",
    )
    return with_options(parser, arguments, _merge)


def _merge(options: Namespace) -> int:
    if options.leave_out and not options.compact:
        raise ValueError("cannot leave files out of run folders: give --compact, or no --leave-out")
    merged = merge(
        *options.sources, into=options.output, compact=options.compact, leave_out=options.leave_out
    )
    print(merged.text())
    return 1 if merged.problems else 0
