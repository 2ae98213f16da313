"""The rules of the settings that concern the run itself, and not its strategy, stream or model."""

import inspect
import os
from collections.abc import Sequence
from pathlib import Path

from cl_bench.records.protocol import check_test_last
from cl_bench.records.rows import ALSO_TESTED
from cl_bench.records.saved import CHOICES
from cl_bench.validation import check_choice, check_count, check_not_negative, check_threads

STACKED = ("auto", True, False)
RESUME = ("stale", "keep")  # besides true and false
TEST_ON = ("test", "validation")
MOST_BYTES = 255  # of a file's name


def check_training(
    *,
    threads: int,
    deterministic: bool,
    stacked: str | bool,
    checkpoint_minutes: float,
    test_on: str,
    test_last: int | None,
    test_all_at_end: bool,
    probe_every: int | None,
    probe_size: int,
    also_test: Sequence[str],
    ood: Sequence[str],
    ood_size: int,
    save: Sequence[str],
) -> None:
    """Check the settings in `training` that no strategy takes. Raises ValueError."""
    check_threads(threads)
    if stacked not in STACKED:
        raise ValueError(f"training.stacked must be auto, true or false, got {stacked!r}")
    check_not_negative(checkpoint_minutes=checkpoint_minutes)
    check_choice("test_on", test_on, TEST_ON)
    check_test_last(test_last)
    if probe_every is not None:
        check_count(probe_every=probe_every)
    check_count(probe_size=probe_size)
    if isinstance(also_test, str) or any(each not in ALSO_TESTED for each in also_test):
        raise ValueError(
            f"training.also_test must be a list of some of {', '.join(ALSO_TESTED)}, got {also_test}"
        )
    if ood and test_on != "test":
        raise ValueError(
            f"training.ood reads test images, and training.test_on={test_on} says that none are read: set "
            "training.ood=[]"
        )
    if len(set(ood)) < len(ood):
        raise ValueError(f"training.ood must name each data set once, got {ood}")
    check_count(ood_size=ood_size)
    if isinstance(save, str) or any(each not in CHOICES for each in save):
        raise ValueError(f"save must be a list of some of {', '.join(CHOICES)}, got {save=}")
    if len({each.partition("@")[0] for each in save}) < len(save):
        raise ValueError(f"save must name weights once and predictions once, got {save=}")


NOT_THE_STRATEGYS = tuple(inspect.signature(check_training).parameters)


def check_patience(patience: object, validation_share: object) -> None:
    """Check that there are validation images to stop early by. Raises ValueError."""
    if patience is not None and validation_share == 0:
        raise ValueError(
            "training.patience needs validation images: set benchmark.validation_share, such as 0.1, got "
            f"{patience=}, {validation_share=}"
        )


def check_test_on(test_on: object, validation_share: object) -> None:
    """Check that there are validation images where they are tested. Raises ValueError."""
    if test_on == "validation" and validation_share == 0:
        raise ValueError(
            "training.test_on=validation needs validation images: set benchmark.validation_share, such as "
            f"0.1, got {validation_share=}"
        )


def check_resume(resume: object) -> None:
    """Check the setting that says what is done about runs that exist already. Raises ValueError."""
    if not isinstance(resume, bool) and resume not in RESUME:
        raise ValueError(f"resume must be true, false, stale or keep, got {resume=}")


def check_study(study: object) -> None:
    """Check the name of a folder, or of folders within each other as in a/b. Raises ValueError."""
    if isinstance(study, bool) or not isinstance(study, str | int):
        raise ValueError(f"study must be a name, got study={study!r}; in a YAML file a number is quoted")
    for part in str(study).split("/"):
        check_folder_name("study", part, whole=str(study))


def check_name(setting: str, name: object) -> None:
    """Check a part of the name of a run's folder. Raises ValueError."""
    if name is None:
        raise ValueError(f"{setting} must be a name, got none: begin its YAML file with `name: ...`")
    if not isinstance(name, str | int | float) or "/" in str(name):
        raise ValueError(f"{setting} must be a name without /, got {setting}={name!r}")
    check_folder_name(setting, str(name))


def check_folder_name(setting: str, name: str, *, whole: str | None = None) -> None:
    """Check that a folder can have this name, and is found by it. Raises ValueError."""
    got = f"got {setting}={name if whole is None else whole!r}"[:120]
    if not name.strip():
        raise ValueError(f"{setting} must not be empty, {got}")
    if name.startswith("."):
        raise ValueError(f"{setting} must not begin with a dot: such a folder is hidden from reports, {got}")
    if not name.isprintable():
        raise ValueError(f"{setting} must have printable letters only, got {setting}={ascii(name)[:120]}")
    _check_length(setting, name)


def check_run_name(benchmark: object, strategy: object) -> None:
    """Check two names that are in the name of the run's folder. Raises ValueError."""
    rest = "--s9223372036854775807-12345678"
    longest = max(
        ("benchmark.name", benchmark), ("strategy.name", strategy), key=lambda each: len(str(each[1]))
    )
    _check_length(longest[0], f"{benchmark}{strategy}{rest}")


def _check_length(setting: str, name: str) -> None:
    num_bytes = len(name.encode(errors="replace"))
    if num_bytes > MOST_BYTES:
        raise ValueError(
            f"{setting} must be shorter: it is in the name of a folder, of at most {MOST_BYTES} bytes, got "
            f"{num_bytes}"
        )


def check_results_dir(results_dir: object) -> None:
    """Check that a folder may be written into, or can be made. Raises ValueError."""
    if not isinstance(results_dir, str) or not results_dir:
        raise ValueError(f"results_dir must be the path of a folder, got {results_dir=}")
    if results_dir.startswith("~"):
        raise ValueError(
            f"results_dir must be a path without ~, which stands for a folder on the command line only, got "
            f"{results_dir=}"
        )
    if "\0" in results_dir or any(_too_long(part) for part in Path(results_dir).parts):
        raise ValueError(f"results_dir must be a path that a file system takes, got {results_dir[:120]!r}")
    place = Path(results_dir)
    while not _exists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ValueError(f"results_dir must be a folder, got {results_dir}: {place} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ValueError(f"results_dir must be a folder that you may write to, got {results_dir}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # in a folder that may not be looked into
        return False


def _too_long(part: str) -> bool:
    return len(os.fsencode(part)) > MOST_BYTES


def check_one_way_of_seeds(seeds: Sequence[int] | None, given: Sequence[str]) -> None:
    """Check that either `seeds` or `seed=...` is given, not both. Raises ValueError."""
    if seeds is not None and given:
        raise ValueError(f"seeds takes the place of seed, got both: seeds={list(seeds)}, {given[0]}")
