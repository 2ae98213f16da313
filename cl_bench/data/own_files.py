"""The builders of data sets in one's own files: arrays, and features that `cl-bench features` wrote."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cl_bench.data.array_files import ArrayFile, array_file
from cl_bench.data.image_data import DataError, ImageData
from cl_bench.data.locate import Source, expanded, find, is_file, is_folder
from cl_bench.data.own_arrays import made
from cl_bench.data.peculiar import listed
from cl_bench.data.test_part import check_test_share

# what each argument of `from_arrays` may be called in a file: by us, by Keras, by MedMNIST
KEYS: Mapping[str, tuple[str, ...]] = {
    "x": ("x", "x_train", "train_images"),
    "y": ("y", "y_train", "train_labels"),
    "x_test": ("x_test", "test_images"),
    "y_test": ("y_test", "test_labels"),
}
CLASS_NAMES = "class_names"
AS_THEY_ARE = {"features": True, "channels_last": False, "test_share": None}
ABOUT = "cl_bench"  # the text of a .safetensors file of ours: an object
FEATURES_OF = "features_of"  # in a file of `cl-bench features`: what it was made of, in words


def arrays(
    *,
    path: str,
    root: str | None,
    class_names: Sequence[str] | None = None,
    features: bool | None = None,
    channels_last: bool | None = None,
    test_share: float | None = None,
    with_test: bool = True,
) -> ImageData:
    """Read arrays x, y, x_test, y_test, and class_names where there are any, see `from_arrays`.

    `path` is an .npz or .safetensors file, or a folder of .npy files; absolute, or relative to `root`,
    $CL_BENCH_DATA, the cache folder or the current folder. Training arrays may be called x_train and y_train
    too, and all of them as MedMNIST calls them. Other arrays are left out, and told. No pickle is ever
    loaded. Raises DataError.
    """
    file = array_file(find_own(path, root=root))
    settings = {"features": features, "channels_last": channels_last, "test_share": test_share}
    return _data_set(file, class_names=class_names, with_test=with_test, settings=settings)


def features(*, path: str, root: str | None, with_test: bool = True) -> ImageData:
    """Read the features of a network that `cl-bench features` wrote; `path` as in `arrays`. DataError."""
    file = array_file(find_own(path, root=root))
    about = _object(file.about.get(ABOUT, "{}"))
    if not isinstance(about.get(FEATURES_OF), str):
        raise DataError(
            f"path must be a file that cl-bench features wrote, got {file.path}; use "
            "benchmark/dataset=arrays for other arrays"
        )
    names = _names_in(about.get(CLASS_NAMES), file)
    data = _data_set(file, class_names=names, with_test=with_test, settings=AS_THEY_ARE)
    return data._replace(source=about[FEATURES_OF])


def find_own(path: str, *, root: str | None) -> Path:
    """Return the file or folder at `path`: absolute, or in the first place that has it. DataError if none."""
    wanted = expanded(path)
    if wanted.is_absolute() and not is_file(wanted) and not is_folder(wanted):
        raise DataError(f"path must be a file or folder that exists, got {path}; correct it")

    def look(place: Path) -> Iterator[Source]:
        where = place / wanted
        if is_file(where) or is_folder(where):
            yield Source(path, (str(where),), reader="", read=_not_read)

    remedy = f"put {path} into one of them, or correct path"
    (found,) = find(name=path, root=root, look=look, wanted=remedy, fetch=None, here=True).files
    return Path(found).absolute()


def _not_read() -> ImageData:
    raise NotImplementedError("it was only looked for")


def _data_set(
    file: ArrayFile, *, class_names: Sequence[str] | None, with_test: bool, settings: dict[str, Any]
) -> ImageData:
    """Read the arrays; without `with_test` those of the test part are not read."""
    names = _names(file)
    has_test = "x_test" in names or "y_test" in names
    if missing := [each for each in KEYS if each not in names and (has_test or "test" not in each)]:
        raise DataError(
            f"{file.path} must have the arrays x, y, x_test and y_test, got no {' and '.join(missing)} among "
            f"{listed(file.names) or 'none'}; rename them"
        )
    check_test_share(settings["test_share"], has_test=has_test, name=str(file.path))
    wanted = {key: name for key, name in names.items() if with_test or "test" not in key}
    data = made(
        **{key: file.read(wanted[key]) if key in wanted else None for key in KEYS},
        name=file.path.stem,
        class_names=_class_names(file) if class_names is None else class_names,
        with_test=with_test,
        **settings,
    )
    unread = sorted(set(file.names) - set(names.values()) - {CLASS_NAMES})
    notes = [f"{file.path.name}: arrays that are not read: {listed(unread)}"] if unread else []
    return data._replace(source=f"arrays of {file.path.name}", files=file.files, notes=(*data.notes, *notes))


def _names(file: ArrayFile) -> dict[str, str]:
    """Map the arguments of `from_arrays` to the names of the arrays in the file."""
    found: dict[str, str] = {}
    for key, known in KEYS.items():
        there = [name for name in known if name in file.names]
        if len(there) > 1:
            raise DataError(
                f"{file.path} must have one array of {' and '.join(there)}, got both; leave one out"
            )
        if there:
            found[key] = there[0]
    return found


def _class_names(file: ArrayFile) -> Sequence[str] | None:
    if CLASS_NAMES in file.about:
        return _names_in(_object(f'{{"found": {file.about[CLASS_NAMES]}}}').get("found"), file)
    if CLASS_NAMES in file.names:
        return file.read(CLASS_NAMES).tolist()
    return None


def _names_in(found: object, file: ArrayFile) -> list[str]:
    if not isinstance(found, list):
        raise DataError(f"class_names of {file.path} must be a list of names; correct it")
    return list(map(str, found))


def _object(text: str) -> dict[str, Any]:
    """Read a JSON object; an empty one where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
