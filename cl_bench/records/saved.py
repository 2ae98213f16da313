"""What `training.save` leaves in a run's folder, beside its rows: weights and predictions.

    saved/weights_after_5.safetensors       what the strategy knew after task 5
    saved/predictions_after_5.safetensors   what it answered in the tests after task 5

Files of this format run nobody's code: a length, a JSON text, and numbers.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.records.atomic import ForeignFileError, check_regular

FOLDER = "saved"
PREVIOUS = f"{FOLDER}.previous"  # of an earlier try, until the new one is finished
METRICS = "metrics.csv"  # beside it: what `cl-bench metric` made of the predictions
WEIGHTS, PREDICTIONS = ("weights", "predictions")
EACH = "@each"
CHOICES = ("weights", "predictions", "weights@each", "predictions@each")  # of training.save
SAVE_PREDICTIONS = "run with training.save=[predictions], or [predictions@each] for each task"
FACT = "saved"  # in run.json: file -> its bytes and SHA-256
CONTENT = "weights_sha256"  # of what a file of weights holds: other code may write other bytes
KEY = "cl_bench"  # of the text in a file that says what it is of
FORMAT = 1
MOST_HEADER = 2**24  # bytes of the JSON text


class Plan(NamedTuple):
    """What a run saves, and when.

    Attributes:
        kinds: weights, predictions -> whether after each task; otherwise after the last one only.
        num_tasks: of the stream.
        test_last: of the run; with it nothing is tested before the first task.
    """

    kinds: dict[str, bool]
    num_tasks: int
    test_last: int | None

    def is_due(self, kind: str, after_task: int) -> bool:
        """Whether a file is saved after a task: with each, predictions of the untrained network, too."""
        if kind not in self.kinds:
            return False
        untrained = kind == PREDICTIONS and self.test_last is None
        return after_task == self.num_tasks or (self.kinds[kind] and (after_task > 0 or untrained))

    def names(self, after_task: int) -> list[str]:
        """Name the files that there are after a task."""
        tasks = range(after_task + 1 if self.kinds else 0)
        return [name_of(kind, after) for after in tasks for kind in self.kinds if self.is_due(kind, after)]


def plan_of(save: Iterable[str] | None, *, num_tasks: int, test_last: int | None) -> Plan:
    """Return what a run with training.save saves; None: it is of before there was that."""
    kinds = {each.removesuffix(EACH): each.endswith(EACH) for each in save or ()}
    return Plan(kinds, num_tasks, test_last)


def name_of(kind: str, after_task: int) -> str:
    """Name the file of a kind after a task."""
    return f"{kind}_after_{after_task}.safetensors"


def facts(folder: Path) -> dict[str, Any]:
    """What run.json is to tell of the saved files of a run; nothing where there are none.

    Raises:
        OSError, ValueError: where one cannot be read.
    """
    found = {}
    for path in sorted((folder / FOLDER).glob("*.safetensors")):
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        found[path.name] = {"bytes": path.stat().st_size, "sha256": sha256}
        if path.name.startswith(WEIGHTS):
            found[path.name][CONTENT] = described(path, kind=WEIGHTS)[CONTENT]
    return {FACT: found} if found else {}


def lacking(folder: Path, names: Iterable[str], told: Any) -> list[str]:
    """Name the files that run.json does not tell of, or that are not there in the length that it tells."""
    return [name for name in names if not _is_there(folder / FOLDER / name, _told(told, name))]


def told_hashes(about: Any) -> dict[str, Any]:
    """Map each saved file that a run.json tells of to a hash of what it holds."""
    told = about.get(FACT) if isinstance(about, Mapping) else None
    names = sorted(map(str, told)) if isinstance(told, Mapping) else []
    each = {name: _told(told, name) for name in names}
    return {name: file.get(CONTENT) or file.get("sha256") for name, file in each.items()}


def _told(told: Any, name: str) -> Mapping[str, Any]:
    found = told.get(name) if isinstance(told, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _is_there(path: Path, told: Mapping[str, Any]) -> bool:
    try:
        return path.is_file() and path.stat().st_size == told.get("bytes")
    except OSError:
        return False


def described(path: Path, *, kind: str) -> dict[str, Any]:
    """Read what a saved file says that it is of, and nothing else of it.

    Raises:
        OSError: where it cannot be read.
        ValueError: where it is no such file.
    """
    check_regular(path, path.stat())
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > MOST_HEADER:
                raise ForeignFileError(f"its header must have at most {MOST_HEADER:,} bytes, got {length:,}")
            about = json.loads(json.loads(file.read(length))["__metadata__"][KEY])
        if about["format"] != FORMAT or about["kind"] != kind or type(about["after_task"]) is not int:
            raise ForeignFileError(f"it must be of format {FORMAT} and hold {kind}")
    except (struct.error, KeyError, TypeError, RecursionError, ValueError) as error:
        said = str(error) if isinstance(error, ForeignFileError) else repr(error)[:200]
        raise ForeignFileError(f"{path} is no file of {kind} that training.save has left: {said}") from error
    return about


def tasks_saved(folder: Path, kind: str) -> list[int]:
    """List the tasks after which a run has saved a kind of file, in order."""
    found = []
    for path in (folder / FOLDER).glob(f"{kind}_after_*.safetensors"):
        number = path.stem.removeprefix(f"{kind}_after_")
        if number.isascii() and number.isdecimal() and path.name == name_of(kind, int(number[:9])):
            found.append(int(number))
    return sorted(found)
