"""Run folders and compact studies on disk -> `Run`s in memory.

What is wrong with one becomes a status, never a traceback.
"""

import math
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.records import compact
from cl_bench.records.errors import AnalysisError
from cl_bench.records.metric_rows import MetricRow, read_metrics
from cl_bench.records.protocol import TEST_ALL_AT_END, TEST_LAST, check_test_last, tasks_tested
from cl_bench.records.provenance import STALE, commit_of
from cl_bench.records.row_files import MOST, AnyRow
from cl_bench.records.rows import Record, State
from cl_bench.records.run_files import about_run, is_packed, rows_of_run
from cl_bench.records.text import cut, lines_of, one_line, printable, shortened

Scalar = str | int | float | bool | None

NOT_BEGUN = "run.json is missing, since the run has not begun; the same command starts it"
STATUSES = ("finished", "running", "interrupted", "failed", "broken")
MOST_TASKS = 5_000  # of a stream: its matrix has their square
LONGEST_ERROR = 20_000  # letters; a traceback has a few thousand
COPY_OF = "the same run as "  # begins the error of a run that was found before
_RUN_NAME = re.compile(r".+-s\d+-[0-9a-f]{4,}$")  # <benchmark>-<strategy>-s<seed>-<hash>


class Run(NamedTuple):
    """One run, in a folder or in a compact study. What a broken one does not tell is empty, None or nan."""

    path: Path
    study: str
    benchmark: str = ""
    strategy: str = ""
    seed: int | None = None
    scenario: str = ""
    num_tasks: int = 0
    status: str = "broken"
    error: str = ""  # why it failed or is broken
    wall_seconds: float = math.nan
    cpu_seconds: float = math.nan
    settings: dict[str, Scalar] = {}  # noqa: RUF012  (dotted key -> value; never changed)
    records: tuple[Record, ...] = ()  # one a tested pair (after_task, on_task)
    states: tuple[State, ...] = ()  # one a task, and one before the first; an old run has none
    metrics: tuple[MetricRow, ...] = ()  # that `cl-bench metric` has computed afterwards
    method: str = ""  # the label in tables and figures
    other: str = ""  # in which code or data it differs from the newest runs of its method, or from those now
    about: dict[str, Any] = {}  # noqa: RUF012  (all of run.json; never changed)
    twin: bool = False  # whether another run has its study and folder's name, on another kind of device

    @property
    def name(self) -> str:
        """The folder's, with the kind of device where that alone sets it apart."""
        name = one_line(self.path.name)
        return f"{name} ({self.device})" if self.twin else name

    @property
    def device(self) -> str:
        """The kind that it ran on, as cpu or cuda; empty where it does not tell."""
        told = self.about.get("hardware")
        device = told.get("device") if isinstance(told, dict) else None
        return shortened(device.partition(":")[0]) if isinstance(device, str) else ""

    @property
    def commit(self) -> str:
        """The commit of cl_bench that it ran with; empty where it does not tell."""
        return shortened(commit_of(self.about)[0] or "")

    @property
    def dirty(self) -> bool | None:
        """Whether files differed from that commit; None where it does not tell."""
        return commit_of(self.about)[1]

    @property
    def test_last(self) -> int | None:
        """How many of the last tasks were tested after each task; None: all tasks, each time."""
        return self.settings.get(TEST_LAST)  # type: ignore[return-value]  # checked when it was read

    @property
    def test_all_at_end(self) -> bool:
        """Whether all tasks were tested after the last one."""
        return self.settings.get(TEST_ALL_AT_END) is True


def read_runs(*paths: str | os.PathLike[str]) -> list[Run]:
    """Every run in or below the given folders, by path; a folder reached twice is read once.

    The same run in two places (a copied study) counts once: the later copies are listed as broken. Runs on a
    CPU and on a GPU are two, each `twin` of the other: no name tells of the device. A run that does not tell
    its device either is no twin.
    """
    runs: list[Run] = []
    found: dict[tuple[str, str], dict[str, Run]] = defaultdict(dict)  # by device
    for run in map(read_run, find_folders(*paths)):
        if run.status != "broken":
            alike = found[run.study, run.name]
            same = alike if not run.device else [each for each in (run.device, "") if each in alike]
            original = next((alike[device] for device in same), None)
            if original is not None:
                run = run._replace(status="broken", error=f"{COPY_OF}{original.path}", records=())
            else:
                alike[run.device] = run
        runs.append(run)
    return [run._replace(twin=run.status != "broken" and len(found[run.study, run.name]) > 1) for run in runs]


def find_folders(*paths: str | os.PathLike[str]) -> list[Path]:
    """The path of every run in or below the given folders; one that is reached twice is named once.

    A run of a compact study has the path of the folder that it would have. A compact study that cannot be
    read is named itself: `read_run` says that it is broken.

    Raises:
        AnalysisError: where one of them is neither a folder nor a run, or holds no run.
    """
    if not paths:
        raise AnalysisError("no results folder was given; name the folder that holds the runs")
    for each in paths:
        if isinstance(each, list | tuple):
            raise AnalysisError(f"give folders one after another, as in load('a', 'b'), got {each!r:.100}")
    folders: dict[Path, None] = {}
    for path in map(Path, paths):
        if is_packed(path):
            folders[path.resolve()] = None
            continue
        if not path.is_dir():
            raise AnalysisError(f"there is no folder {path}; give a results folder, a study or a run")
        found = sorted(_run_folders(path))
        if not found:
            raise AnalysisError(
                f"no runs in {path}: no folder in or below it holds a run.json, {compact.FILE} or "
                "records.csv; run an experiment first, or give the folder that the runs were written to"
            )
        folders.update(dict.fromkeys(found))
    return list(folders)


def read_run(path: Path) -> Run:
    """Read one run. It is broken when one of its files cannot be read, or they contradict each other."""
    run = Run(path=path, study=shortened(path.parent.name))
    if _is_study(path):
        return _broken(
            run._replace(study=shortened(path.name)), f"{compact.FILE} is unreadable: {_why(path)}"
        )
    try:
        about = about_run(path)
    except FileNotFoundError:
        return _broken(run, NOT_BEGUN if _has_not_begun(path) else "run.json is missing")
    except (OSError, ValueError) as error:
        return _broken(run, f"run.json is unreadable: {error}")
    if not isinstance(about, dict):
        return _broken(run, "run.json must hold an object")
    try:
        run = described(path, _safe(about))
    except ValueError as error:
        return _broken(run, f"run.json: {error}")
    try:
        return _with_rows(run)
    except (OSError, ValueError) as error:
        return _broken(run, str(error))


def _has_not_begun(path: Path) -> bool:
    """Whether a run's folder is as it is made, of a process that was ended in its first second."""
    try:
        return {each.name for each in path.iterdir()} <= {"run.log"}
    except OSError:
        return False


def _is_study(path: Path) -> bool:
    return compact.is_compact(path) and not os.path.lexists(path / "run.json")


def _why(study: Path) -> str:
    """What is wrong with the runs.json of a compact study; empty where it can be read."""
    try:
        compact.study_at(study)
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _broken(run: Run, why: str) -> Run:
    return run._replace(status="broken", error=cut(lines_of(why), LONGEST_ERROR))


def _with_rows(run: Run) -> Run:
    """The run with its records and states. OSError or ValueError where it is broken: it says why."""
    tests = _rows(run, Record)
    if run.status == "finished" and not tests:
        raise ValueError("finished without a record in records.csv")
    # A resumed run tests again what it had tested: the last counts.
    tests = list({(test.after_task, test.on_task): test for test in tests}.values())
    num_tasks = run.num_tasks or max((test.on_task for test in tests), default=0)
    if num_tasks > MOST_TASKS:
        raise ValueError(f"records.csv has task {num_tasks}, of {MOST_TASKS:,} at most")
    asked: dict[int, range] = {}  # after each task
    for seed, after_task, on_task, *_ in tests:
        if seed != run.seed:
            raise ValueError(f"records.csv has seed {seed}, run.json has seed {run.seed}")
        if after_task > num_tasks or on_task > num_tasks:
            raise ValueError(f"records.csv has task {max(after_task, on_task)} of {num_tasks}")
        if after_task not in asked:
            asked[after_task] = tasks_tested(
                after_task, num_tasks=num_tasks, test_last=run.test_last, all_at_end=run.test_all_at_end
            )
        if on_task not in asked[after_task]:
            raise ValueError(
                f"records.csv has task {on_task} tested after task {after_task}, "
                f"run.json has {TEST_LAST} {run.test_last}"
            )
    states = list({state.after_task: state for state in _rows(run, State)}.values())
    if any(state.seed != run.seed or state.after_task > num_tasks for state in states):
        raise ValueError(f"states.csv is not of seed {run.seed} and {num_tasks} tasks")
    metrics = () if is_packed(run.path) else read_metrics(run.path)
    if any(row.seed != run.seed or max(row[1:3]) > num_tasks or row.on_task < 1 for row in metrics):
        raise ValueError(f"metrics.csv is not of seed {run.seed} and {num_tasks} tasks")
    return run._replace(num_tasks=num_tasks, records=tuple(tests), states=tuple(states), metrics=metrics)


def _rows(run: Run, kind: type[AnyRow]) -> list[AnyRow]:
    try:
        return rows_of_run(run.path, kind)
    except FileNotFoundError:
        return []  # it has not tested yet, or is of before there was such a file


def _run_folders(path: Path) -> Iterator[Path]:
    """Yield run folders at any depth; links are not followed, since they may lead in circles."""
    left = [path.resolve()]
    while left:
        folder = left.pop()
        try:
            with os.scandir(folder) as entries:
                inside = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
        except OSError:  # a folder that nobody may list is no run, unless it is called like one
            inside = {}
        packed = compact.FILE in inside and "run.json" not in inside
        if packed:
            yield from _packed_runs(folder, inside)
        if not packed and ("run.json" in inside or "records.csv" in inside or _RUN_NAME.match(folder.name)):
            yield folder  # checkpoints and the like are not runs
        else:
            left += [folder / name for name, holds in inside.items() if holds and not name.startswith(".")]


def _packed_runs(folder: Path, inside: Collection[str]) -> Iterator[Path]:
    """The runs of a compact study that have no folder beside it; the study itself where it cannot be read."""
    if _why(folder):
        yield folder
    else:
        yield from (folder / name for name in compact.study_at(folder).runs if name not in inside)


def _safe(about: dict[str, Any]) -> dict[str, Any]:
    """Every text in run.json in signs that are shown and not obeyed; an error keeps its lines. The arguments
    of a command stay as they are: report/rerun_command.py writes them.
    """
    kept = {key: about[key] for key in ("arguments", "error") if key in about}
    return printable({key: value for key, value in about.items() if key not in kept}) | kept


def described(path: Path, about: dict[str, Any]) -> Run:
    """The run that a run.json tells of, without its rows. Raises ValueError where it breaks a rule."""
    missing = [key for key in ("benchmark", "strategy", "seed", "status") if about.get(key) is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} is missing")
    status = str(about["status"])
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, got status={cut(repr(status), 100)}")
    stale = about.get(STALE) or []
    if not isinstance(stale, list) or not all(isinstance(each, str) for each in stale):
        raise ValueError(f"{STALE} must be a list of texts, got {cut(repr(stale), 100)}")
    settings = about.get("settings") or {}
    if not isinstance(settings, dict):
        raise ValueError("settings must be an object of dotted keys")
    # A run from before there was this setting tested all tasks; it must not pass for one that did not.
    settings = {**settings, TEST_LAST: settings.get(TEST_LAST)}
    check_test_last(settings[TEST_LAST])
    return Run(
        path=path,
        study=shortened(about.get("study") or path.parent.name),
        benchmark=shortened(about["benchmark"]),
        strategy=shortened(about["strategy"]),
        seed=_whole(about, "seed", most=MOST),
        scenario=shortened(about.get("scenario") or ""),
        num_tasks=_whole(about, "num_tasks", most=MOST_TASKS),
        status=status,
        error=cut(lines_of(about.get("error") or ""), LONGEST_ERROR),
        wall_seconds=seconds_of(about, "wall_seconds"),
        cpu_seconds=seconds_of(about, "cpu_seconds"),
        settings=settings,
        about=about,
    )


def _whole(about: dict[str, Any], key: str, *, most: int) -> int:
    value = about.get(key, 0)
    value = 0 if value is None else value
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{key} must be a whole number, got {cut(repr(value), 100)}")
    if not 0 <= value <= most:
        raise ValueError(f"{key} must be from 0 to {most:,}, got {cut(str(value), 100)}")
    return value


def seconds_of(about: dict[str, Any], key: str) -> float:
    """What run.json says of them; nan where it does not, or says no number."""
    value = about.get(key)
    try:
        return float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:  # a whole number beyond what a float holds
        return math.inf
