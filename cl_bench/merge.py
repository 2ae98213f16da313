"""`cl-bench merge A B -o C`: results of several machines in one folder; nothing is lost or chosen silently.

A run is known by its study and its folder's name, which ends in the hash of its settings. Finished beats
unfinished, and of unfinished ones the longest counts. The same run finished twice must agree (`agreement`);
where it does not, what is in C stays, nothing is added, and both are named. Folders appear in C whole.
"""

import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.agreement import compare
from cl_bench.analysis.expected import FILE as EXPECTED
from cl_bench.analysis.folders import find_folders, read_run
from cl_bench.analysis.planned import FILE as PLAN
from cl_bench.analysis.planned import LEFT_OUT, read_left_out, read_plan
from cl_bench.files import read_json, write_whole
from cl_bench.running.lock import alone_in

OUTCOMES = ("copied", "there already", "unfinished, copied as far as they are", "not merged")
COPIED, THERE, PARTLY, NOT = OUTCOMES
CARRIED = (EXPECTED, PLAN)  # of a study, beside its runs


class Merged(NamedTuple):
    """What a merge did."""

    outcomes: dict[str, int]  # in words -> number of runs
    problems: list[tuple[str, str]]  # run or file, what is the matter; empty: all is merged

    def text(self) -> str:
        counted = {what: number for what, number in self.outcomes.items() if number}
        lines = [f"{number} run{'s' * (number > 1)} {what}" for what, number in counted.items()]
        width = max((len(where) for where, _ in self.problems), default=0)
        return "\n".join([*lines, *(f"  {where:<{width}}  {why}" for where, why in self.problems)])


def merge(*sources: str | os.PathLike[str], into: str | os.PathLike[str]) -> Merged:
    """Bring all runs in or below the sources into the results folder `into`, as <study>/<run>.

    Raises:
        AnalysisError: where a source is no folder with runs.
        OSError: where a file cannot be copied; what was merged before stays whole.
    """
    target = Path(into)
    places: dict[Path, list[Path]] = defaultdict(list)  # <study>/<run> -> where it was found
    for folder in find_folders(*sources):
        places[_place(folder)].append(folder)
    outcomes = dict.fromkeys(OUTCOMES, 0)
    problems = []
    for place, folders in sorted(places.items()):
        with alone_in(target / place):
            what, why = _merge_run(target / place, folders)
        outcomes[what] += 1
        problems += [(str(place), why)] if why else []
    studies: dict[Path, dict[Path, None]] = defaultdict(dict)
    for place, folders in places.items():
        studies[place.parent].update(dict.fromkeys(folder.parent for folder in folders))
    for study, beside in studies.items():
        for name in CARRIED:
            why = _carry(target / study, beside, name)
            problems += [(str(study / name), why)] if why else []
    return Merged(outcomes, problems)


def _place(folder: Path) -> Path:
    """<study>/<run>. A study with a slash in its name is believed where the folders say the same."""
    study = Path(read_run(folder).study)
    parts = study.parts
    if (
        parts
        and ".." not in parts
        and not study.is_absolute()
        and folder.parent.parts[-len(parts) :] == parts
    ):
        return study / folder.name
    return Path(folder.parent.name, folder.name)


def _merge_run(target: Path, folders: Sequence[Path]) -> tuple[str, str]:
    """What was done, and what is the matter, if anything."""
    here = [target] if target.is_dir() else []
    found = [read_run(folder) for folder in (*here, *folders)]
    broken = [run for run in found if run.status == "broken"]
    usable = [run for run in found if run.status != "broken"]
    finished = [run for run in usable if run.status == "finished"]
    if not usable:
        return NOT, f"broken: {broken[0].error}"
    best = finished[0] if finished else max(usable, key=lambda run: len(run.records))
    for other in finished[1:]:
        try:
            differing = [each for each in compare(best.path, other.path) if not each.agrees]
        except (OSError, ValueError) as error:
            return NOT, f"{best.path} and {other.path} cannot be compared: {error}"
        if differing:
            said = "; ".join(f"{each.what}: {each.detail}" for each in differing)
            return NOT, f"{best.path} and {other.path} differ in {said}"
    if best.path != target:
        _copy(best.path, target)
    notes = "; ".join(f"{run.path} is broken: {run.error}" for run in broken)
    if best.path == target:
        return THERE, notes
    return COPIED if finished else PARTLY, notes


def _copy(source: Path, target: Path) -> None:
    """Copy a run's plain files; the folder is there whole or not at all. Replaces an unfinished run."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".merging-{target.name}-") as temporary:
        new, old = Path(temporary, "new"), Path(temporary, "old")
        for place, folders, files in os.walk(source):
            inside = new / Path(place).relative_to(source)
            inside.mkdir()
            folders[:] = [name for name in folders if not Path(place, name).is_symlink()]
            for name in files:
                file = Path(place, name)
                if file.is_file() and not file.is_symlink():
                    with file.open("rb") as reader, (inside / name).open("xb") as writer:
                        shutil.copyfileobj(reader, writer)
                        os.fsync(writer.fileno())
                    shutil.copystat(file, inside / name)
        if target.exists():
            target.rename(old)
        new.rename(target)


def _carry(target: Path, beside: Iterable[Path], name: str) -> str:
    """Take over a study's file. Where the sources differ none is: what is the matter, or nothing."""
    found = {path: content for path in (target, *beside) if (content := _json(path / name)) is not None}
    if not found:
        return ""
    values = list(found.values())
    together: Any = values[0]
    if any(value != together for value in values[1:]):
        together = _joined(list(found)) if name == PLAN else None
        if together is None:
            return f"differs between {' and '.join(map(str, found))}; " + (
                "the one there stays" if target in found else "none is taken over"
            )
    if found.get(target) != together:
        write_whole(target / name, json.dumps(together, indent=1) + "\n")
    return ""


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


def _joined(studies: Sequence[Path]) -> dict[str, Any] | None:
    """The sweep that several sweeps make together: those that differ in one setting's values alone."""
    plans = [read_plan(study) for study in studies]
    if any(set(plan) != set(plans[0]) for plan in plans):
        return None
    differing = [key for key in plans[0] if any(plan[key] != plans[0][key] for plan in plans)]
    if len(differing) != 1:
        return None
    values = dict.fromkeys(value for plan in plans for value in plan[differing[0]])
    joined: dict[str, Any] = {**plans[0], differing[0]: list(values)}
    left_out = [entry for study in studies for entry in read_left_out(study)]
    if left_out:
        joined[LEFT_OUT] = [each for index, each in enumerate(left_out) if each not in left_out[:index]]
    return joined


def main(sources: Sequence[str], *, into: str) -> int:
    """The exit status: 0; 1 where something was not merged."""
    merged = merge(*sources, into=into)
    print(merged.text())
    return 1 if merged.problems else 0
