"""Files beside the runs of a study that are merged with them: published numbers, the plan of a sweep."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cl_bench.analysis.expected_numbers import FILE as EXPECTED
from cl_bench.analysis.missing_runs import FILE as PLAN
from cl_bench.analysis.missing_runs import LEFT_OUT, read_left_out, read_plan
from cl_bench.records.atomic import make_folder, read_json, write_whole

CARRIED = (EXPECTED, PLAN)


def carry(target: Path, sources: Iterable[Path], name: str) -> list[str]:
    """Take over a study's file from other folders of the study; say what is the matter with it, if anything.

    A file that cannot be read, or says something else, stays as it is.
    """
    found: dict[Path, Any] = {}
    problems = []
    for folder in (target, *sources):
        try:
            content = _content(folder / name)
        except (OSError, ValueError, RecursionError) as error:
            problems.append(f"{folder / name} cannot be read: {error or type(error).__name__}")
            if folder == target:
                return [f"{problems[0]}; it stays as it is, and none is taken over"]
        else:
            found |= {} if content is None else {folder: content}
    texts = {folder: json.dumps(content, sort_keys=True) for folder, content in found.items()}
    if len(set(texts.values())) > 1:
        together = _joined(list(found)) if name == PLAN else None
        if together is None:
            stays = "the one there stays" if target in found else "none is taken over"
            return [*problems, f"differs between {' and '.join(map(str, found))}; {stays}"]
    else:
        together = next(iter(found.values()), None)
    if together is not None and texts.get(target) != json.dumps(together, sort_keys=True):
        make_folder(target)
        write_whole(target / name, json.dumps(together, indent=1) + "\n")
    return problems


def _content(path: Path) -> Any:
    """Read what a file holds; None where there is none. A link to nothing is a file that is elsewhere."""
    if not os.path.lexists(path):
        return None
    content = read_json(path)
    json.dumps(content)  # what is nested too deeply to be written is too deep to be compared
    return content


def _joined(studies: Sequence[Path]) -> dict[str, Any] | None:
    """Join several sweeps that differ in one setting's values alone."""
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
