"""Find data sets on disk: which folders are looked in, in which order, and what happens when none has one."""

import http.client
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cl_bench.data.image_data import UNREADABLE, DataError, ImageData, one_line, reading

log = logging.getLogger(__name__)


class Source(NamedTuple):
    """A data set that was found on disk, not yet read."""

    name: str  # of the data set
    files: tuple[str, ...]  # absolute paths of all that is read; strings, since a tree has 60,000 of them
    reader: str  # the reader, its version and its settings: what else the result depends on
    read: Callable[[], ImageData]


# Looks at one place: yields the sources there, best first, or a DataError for each that is there in part.
Look = Callable[[Path], Iterator[Source | DataError]]


def cache_folder() -> Path:
    """Return $CL_BENCH_CACHE, else $XDG_CACHE_HOME/cl_bench, else ~/.cache/cl_bench; it need not exist."""
    if ours := os.environ.get("CL_BENCH_CACHE"):
        return absolute(ours)
    if users := os.environ.get("XDG_CACHE_HOME"):
        return absolute(users) / "cl_bench"
    return absolute("~/.cache/cl_bench")


def places(root: str | None, *, here: bool = False) -> tuple[Path, ...]:
    """List the folders to look in, first to last: `root`, $CL_BENCH_DATA, the cache folder.

    `here`: the current folder is the last of them, for files that have a path of their own.
    """
    given = [absolute(text) for text in (root, os.environ.get("CL_BENCH_DATA")) if text]
    return tuple(dict.fromkeys([*given, cache_folder(), *([Path.cwd()] if here else [])]))


def find(
    *,
    name: str,
    root: str | None,
    look: Look,
    wanted: str,
    fetch: str | None,
    settings: Mapping[str, Any] | None = None,
    here: bool = False,
) -> Source:
    """Return the first whole source in the folders that `places` lists.

    `wanted` says what to put there, for the error. `fetch` is the torchvision data set to download into the
    cache folder when the data set is nowhere; None forbids that. Raises DataError: about the first folder
    that holds a part of the data set or a damaged one, or else with the list of folders.
    """
    in_part: DataError | None = None
    folders = places(root, here=here)
    looked = ", ".join(map(str, folders))
    for place in folders:
        try:
            with reading(place):
                for source in look(place):
                    if isinstance(source, Source):
                        return source
                    in_part = in_part or source
        except DataError as error:
            in_part = in_part or error
    if fetch is not None:
        if in_part is not None:
            log.warning("%s; it is downloaded instead", in_part)
        return _download(
            name=name, fetch=fetch, settings=settings or {}, look=look, wanted=f"{wanted}: {looked}"
        )
    if in_part is not None:
        raise in_part
    raise DataError(f"cannot find {name}: nothing of it is in {looked}; {wanted}")


def absolute(text: str) -> Path:
    """Return the absolute path of a folder as people write it, with or without a leading `~`."""
    return expanded(text).absolute()


def expanded(text: str) -> Path:
    """Replace a leading `~` in `text` by the home folder. DataError where there is no home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise DataError(f"cannot expand {text}: the system tells no home folder; give a full path") from error


def is_file(path: Path) -> bool:
    """Whether there is a file that this user may see; False, and no error, where looking is forbidden."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder that this user may see; False, and no error, where looking is forbidden."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _download(*, name: str, fetch: str, settings: Mapping[str, Any], look: Look, wanted: str) -> Source:
    """Let torchvision download into a temporary folder and move in only the whole files that we read."""
    cache = cache_folder()
    log.info("downloading %s into %s", name, cache)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as temporary:
            import torchvision.datasets

            getattr(torchvision.datasets, fetch)(root=temporary, download=True, **settings)
            for path in map(Path, _first(look, Path(temporary), name).files):
                target = cache / path.relative_to(temporary)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
    except (*UNREADABLE, RuntimeError, ImportError, http.client.HTTPException) as error:
        raise DataError(
            f"cannot download {name}, which is not on disk either: {one_line(error)}; "
            f"check the network, or {wanted}"
        ) from error
    return _first(look, cache, name)


def _first(look: Look, place: Path, name: str) -> Source:
    for source in look(place):
        if isinstance(source, Source):
            return source
    raise DataError(f"cannot use the download of {name}: {place} has only a part of it; try again")
