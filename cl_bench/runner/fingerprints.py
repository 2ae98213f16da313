"""Which code and data a configuration stands for at present; without torch, unless data must be read."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from cl_bench.config.tuned import reads_test
from cl_bench.records.atomic import MOST, abandoned, read_json, write_whole
from cl_bench.records.identity import is_incidental
from cl_bench.records.provenance import commit_of, differences
from cl_bench.records.same_files import stamp
from cl_bench.runner import code_hashes

REMEMBERED = ".data"  # beside the studies: hashes of data sets, by the contents of their files


def targets(config: DictConfig) -> list[str]:
    """The paths of all classes and functions that decide the run's numbers."""
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    plain["benchmark"] = OmegaConf.to_container(config.benchmark, resolve=True)  # what data sets are made of
    return sorted({name for key, name in _named(plain) if not is_incidental(key)})


def _named(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(dotted key, path) of whatever names code: targets anywhere, and the class of a stock strategy."""
    if isinstance(node, dict):
        for name, value in node.items():
            inner = f"{key}.{name}" if key else str(name)
            if isinstance(value, str) and (name == "_target_" or inner == "strategy.path"):
                yield inner, value
            yield from _named(value, inner)
    elif isinstance(node, list):
        for value in node:
            yield from _named(value, key)


def of_run(config: DictConfig, data: Any, *, remembered: bool = True) -> dict[str, Any]:
    """`commit`, `dirty`, `code` and `data` for run.json, of a run that is about to train on this `ImageData`.

    Outside a checkout nobody knows the commit, nor whether files differ from it: both are None.

    Args:
        remembered: whether the hashes of the data are kept in a file, for later runs.

    Raises:
        ValueError: where a module of one's own was edited after this process imported it: what runs is not
            what would be recorded.
    """
    from cl_bench.data.fingerprint import digest

    changed = code_hashes.changed_since_import(targets(config))
    if changed:
        raise ValueError(
            f"cannot run {', '.join(changed)}: it was edited after this process had imported it; "
            "restart Python, or reload it"
        )
    found = digest(data)
    if remembered:
        remember(config, data.files, found)
    code = code_hashes.code_of(targets(config))
    commit, dirty = commit_of({"code": code})
    return {"commit": commit, "dirty": dirty, "code": code, "data": found}


def changes(config: DictConfig, about: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """What differs from the code and data of a finished run, in words; and those there are now."""
    code = about.get("code")
    if not code or not about.get("data"):
        return [], {}
    seen = code.get("cl_bench", {}).get("tree") if isinstance(code, dict) else None
    now = {"code": code_hashes.code_of(targets(config), seen=seen), "data": data_now(config)}
    return differences(about, now), now


def data_now(config: DictConfig) -> dict[str, str | None]:
    """The hashes of the configuration's data as they are now: remembered for files that were not touched."""
    path = _memory_of(config)
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = read_json(path, most=MOST)
        if known["stamp"] == _stamp(known["files"]):
            return known["data"]
    from cl_bench.config.build import build_data
    from cl_bench.data.fingerprint import digest

    data = build_data(config)
    found = digest(data)
    remember(config, data.files, found)
    return found


def remember(config: DictConfig, files: tuple[str, ...] | None, data: Mapping[str, str | None]) -> None:
    """Keep the hashes of data that were read from these files; a convenience, which may fail. What somebody
    else's function reads besides, nobody knows.
    """
    node = OmegaConf.to_container(config.benchmark.dataset, resolve=True)
    if files is None or not all(name.startswith("cl_bench.data.") for _, name in _named(node)):
        return
    path = _memory_of(config)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in abandoned(path.parent):
            left.unlink(missing_ok=True)
        known = {"files": list(files), "stamp": _stamp(files), "data": dict(data)}
        write_whole(path, json.dumps(known) + "\n")


def _memory_of(config: DictConfig) -> Path:
    """The file for this data set, read from these places by this code."""
    node = OmegaConf.to_container(config.benchmark.dataset, resolve=True)
    places = [os.environ.get("CL_BENCH_DATA"), str(Path.cwd())]  # where a relative path may lead
    about = [node, reads_test(config), places, code_hashes.tree_of("data")]
    name = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return Path(config.results_dir) / REMEMBERED / f"{name}.json"


def _stamp(files: Any) -> str:
    """Contents of files, and times of the folders that they lie in, which new files change."""
    found = hashlib.sha256(stamp(files).encode())
    folders = {str(Path(file).parent) for file in files}
    for path in sorted(folders | {str(Path(folder).parent) for folder in folders}):
        changed = Path(path).stat().st_mtime_ns
        found.update(f"\0{path}\0{changed}".encode(errors="surrogateescape"))
    return found.hexdigest()
