"""How the files of a compact study are written. Killed at any moment, it holds what it held, or more.

New rows are written before runs.json names their run, and runs.json lets go of a run before its rows go.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.records import compact
from cl_bench.records.atomic import write_whole
from cl_bench.records.checks_made import checks_made
from cl_bench.records.compact import CONFIG, FILE, FORMAT, NUM_ROWS, NUMBER, SETTINGS, SUMMARY
from cl_bench.records.identity import flatten
from cl_bench.records.row_files import RecordsError, whole_file
from cl_bench.records.rows import FILES
from cl_bench.records.run_files import is_packed
from cl_bench.records.shared_values import is_same, rest, shared


class Packed(NamedTuple):
    """All that is kept of a run."""

    about: dict[str, Any]  # run.json
    config: dict[str, Any] | None  # config.yaml
    rows: dict[type, list[Any]]  # by kind; a kind that the run has no file of is not there


def packed_run(path: Path) -> Packed:
    """A run of a compact study as it was packed. Raises OSError or ValueError."""
    run = compact.run_at(path)
    kinds = [kind for kind, name in FILES.items() if name in run.num_rows]
    return Packed(run.about, run.config, {kind: compact.rows_at(path, kind) for kind in kinds})


def add_runs(study: Path, new: Mapping[str, Packed], *, left_out: Iterable[str] = ()) -> None:
    """Put runs into a compact study, made where there is none, in place of those that have their names.

    Args:
        left_out: files of rows that are kept of no run.

    Raises:
        OSError: where a file cannot be written.
        ValueError: where the study cannot be read, or would have more than is read.
    """
    before = compact.study_at(study) if compact.is_compact(study) else compact.CompactStudy({}, {}, [])
    without = sorted({*before.left_out, *left_out})
    packed = {name: packed_run(study / name) for name in before.runs if name not in new} | dict(new)
    numbers = {name: run.number for name, run in before.runs.items()}
    for name in packed:
        numbers.setdefault(name, max(numbers.values(), default=0) + 1)
    if not before.runs:  # killed after this, it is a study with folders beside it, and no broken run
        write_whole(study / FILE, _text({}, {}, without))
    _write_rows(study, packed, numbers, without)
    write_whole(study / FILE, _text(packed, numbers, without))
    compact.study_at(study)  # what is written can be read


def write_about(path: Path, about: dict[str, Any]) -> None:
    """Replace what run.json says, in a folder or in a compact study. Raises OSError or ValueError."""
    if not is_packed(path):
        write_whole(path / SUMMARY, json.dumps(about, indent=1) + "\n")
        return
    study = path.parent
    before = compact.study_at(study)
    packed = {name: packed_run(study / name) for name in before.runs}
    packed[path.name] = packed[path.name]._replace(about=about)
    numbers = {name: run.number for name, run in before.runs.items()}
    write_whole(study / FILE, _text(packed, numbers, before.left_out))


def remove_run(path: Path) -> None:
    """Take a run out of its compact study. Raises OSError or ValueError."""
    study = path.parent
    before = compact.study_at(study)
    packed = {name: packed_run(study / name) for name in before.runs if name != path.name}
    numbers = {name: before.runs[name].number for name in packed}
    write_whole(study / FILE, _text(packed, numbers, before.left_out))
    _write_rows(study, packed, numbers, before.left_out)
    if not packed:
        (study / FILE).unlink()


def _write_rows(
    study: Path, packed: Mapping[str, Packed], numbers: Mapping[str, int], left_out: Sequence[str]
) -> None:
    for kind, file in FILES.items():
        row = compact.numbered(kind)
        lines = [
            row(numbers[name], *line[1:])
            for name in sorted(packed, key=numbers.__getitem__)
            for line in packed[name].rows.get(kind, ())
        ]
        if file not in left_out and any(kind in run.rows for run in packed.values()):
            write_whole(study / file, whole_file(row, lines))
        else:
            (study / file).unlink(missing_ok=True)


def _text(packed: Mapping[str, Packed], numbers: Mapping[str, int], left_out: Sequence[str]) -> str:
    """The text of runs.json: one line per run, below what it shares with its method and with the study."""
    said = {name: _said(packed[name], numbers[name], left_out) for name in sorted(packed)}
    of_all = shared(list(said.values())) if said else {}
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for name in said:
        about = packed[name].about
        groups[str(about.get("benchmark")), str(about.get("strategy"))][name] = rest(said[name], of_all)
    written = [_group(runs) for _, runs in sorted(groups.items())]
    head = {
        "format": FORMAT,
        "checks_made": checks_made([run.about for run in packed.values()]),
        **({"left_out": list(left_out)} if left_out else {}),
        "all": of_all,
    }
    first = json.dumps(head, indent=1).removesuffix("\n}")
    return f'{first},\n "groups": [\n' + ",\n".join(written) + "\n ]\n}\n"


def _group(runs: Mapping[str, dict[str, Any]]) -> str:
    common = shared(list(runs.values()))
    lines = [f"    {json.dumps(name)}: {json.dumps(rest(each, common))}" for name, each in runs.items()]
    all_of_group = json.dumps(common, indent=1).replace("\n", "\n   ")
    return f'  {{\n   "all": {all_of_group},\n   "runs": {{\n' + ",\n".join(lines) + "\n   }\n  }"


def _said(run: Packed, number: int, left_out: Sequence[str]) -> dict[str, Any]:
    about, config = dict(run.about), run.config
    said: dict[str, Any] = {
        NUMBER: number,
        NUM_ROWS: {FILES[kind]: len(rows) for kind, rows in run.rows.items() if FILES[kind] not in left_out},
        SUMMARY: about,
        CONFIG: config,
    }
    settings, flat = about.get(SETTINGS), flatten(config or {})
    if isinstance(settings, dict) and list(settings) == list(flat):  # they follow from the configuration
        del about[SETTINGS]
        said[SETTINGS] = {key: value for key, value in settings.items() if not is_same(value, flat[key])}
    return said


def check_kept(path: Path, run: Packed, left_out: Iterable[str] = ()) -> None:
    """Raises RecordsError where a run of a compact study is not what was to be packed, number by number."""
    kept = packed_run(path)
    kinds = {kind: rows for kind, rows in run.rows.items() if FILES[kind] not in left_out}
    texts = [
        {FILES[kind]: [list(map(repr, row)) for row in rows] for kind, rows in each.items()}
        for each in (kinds, kept.rows)
    ]
    if not (is_same(kept.about, run.about) and is_same(kept.config, run.config) and texts[0] == texts[1]):
        raise RecordsError(f"{path.parent / FILE} does not give back {path.name} as it was")
