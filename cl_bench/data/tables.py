"""Tables as data sets: rows of numbers, one column of which is the class."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cl_bench.data.image_data import DataError, ImageData, one_line, reading
from cl_bench.data.own_arrays import made
from cl_bench.data.own_files import find_own
from cl_bench.data.peculiar import listed
from cl_bench.data.test_part import check_test_share

if TYPE_CHECKING:
    import pandas as pd

KINDS = (".csv", ".tsv", ".parquet")


def table(
    *,
    path: str,
    label: str,
    root: str | None,
    test_path: str | None = None,
    test_share: float | None = None,
    leave_out: Sequence[str] = (),
    class_names: Sequence[str] | None = None,
    with_test: bool = True,
) -> ImageData:
    """Read a table, .csv, .tsv or .parquet, whose column `label` is the class and whose others are features.

    Paths are absolute, or relative to `root`, $CL_BENCH_DATA, the cache folder or the current folder. The
    test part is a table with the same columns, or `test_share` of each class, the same examples in every run.
    Columns in `leave_out` are not read. The others must be numbers without gaps. Raises DataError.
    """
    found = [find_own(each, root=root) for each in (path, test_path) if each is not None]
    check_test_share(test_share, has_test=test_path is not None, name=str(found[0]))
    train, *others = (_frame(each, leave_out=leave_out) for each in found[: 2 if with_test else 1])
    columns = _features_of(train, label=label, leave_out=leave_out, path=found[0])
    parts = [_rows(train, label=label, columns=columns, path=found[0])]
    for test in others:
        if missing := [each for each in (label, *columns) if each not in test]:
            raise DataError(
                f"{found[1]} must have the columns of {found[0].name}, got no {listed(missing)}; add them"
            )
        parts.append(_rows(test, label=label, columns=columns, path=found[1]))
    (x, y), (x_test, y_test) = (*parts, (None, None))[:2]
    data = made(
        x,
        y,
        x_test,
        y_test,
        name=found[0].stem,
        class_names=class_names,
        features=True,
        channels_last=None,
        test_share=test_share,
        with_test=with_test,
    )
    source = f"table {' and '.join(each.name for each in found)}, class {label}, {len(columns)} features"
    return data._replace(source=source, files=tuple(map(str, found)))


def _frame(path: Path, *, leave_out: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd  # with which a run on images has nothing to do

    kind = path.suffix.lower()
    if kind not in KINDS:
        raise DataError(f"path must be a table ({', '.join(KINDS)}), got {path}; save it as one")
    with reading(path):
        try:
            if kind == ".parquet":
                return pd.read_parquet(path)
            return pd.read_csv(path, sep="\t" if kind == ".tsv" else ",", skipinitialspace=True)
        except ImportError as error:
            raise DataError(
                f"{path} needs pyarrow to be read; install it with `pip install pyarrow`"
            ) from error
        except ValueError as error:  # pandas' and pyarrow's own are kinds of it
            raise DataError(
                f"{path} must be a table that can be read, got {one_line(error)}; save it anew"
            ) from error


def _features_of(frame: "pd.DataFrame", *, label: str, leave_out: Sequence[str], path: Path) -> list[Any]:
    """Return the columns that are features, all of them numbers."""
    import pandas as pd

    columns = list(frame.columns)
    if unknown := [each for each in (label, *leave_out) if each not in columns]:
        near = get_close_matches(str(unknown[0]), [*map(str, columns)], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        if len(columns) == 1 and path.suffix.lower() in (".csv", ".tsv"):
            hint = "; save it with a comma between columns, or as .tsv with a tab"
        raise DataError(f"{path} has no column {listed(unknown)}; its columns are {listed(columns)}{hint}")
    left = [each for each in columns if each != label and each not in leave_out]
    if texts := [each for each in left if not pd.api.types.is_numeric_dtype(frame[each])]:
        raise DataError(
            f"columns must be numbers, got {listed(texts)} in {path}; encode them as numbers, or leave them "
            "out (benchmark.dataset.leave_out)"
        )
    if numbers := [each for each in left if _counts_rows(frame[each])]:
        raise DataError(
            f"columns must be features, got {listed(numbers)} in {path}, which has no name and numbers the "
            "rows; write the table with index=False, or leave it out (benchmark.dataset.leave_out)"
        )
    if not left:
        raise DataError(f"{path} must have a column of numbers beside {label}, got none; add features")
    return left


def _counts_rows(column: "pd.Series") -> bool:
    """Whether a column is the index that pandas writes without a name."""
    values = column.to_numpy()
    return str(column.name).startswith("Unnamed: ") and any(
        (values == np.arange(first, first + len(values))).all() for first in (0, 1)
    )


def _rows(frame: "pd.DataFrame", *, label: str, columns: list[Any], path: Path) -> tuple[Any, Any]:
    """Return the rows [N, D] and the labels [N] of a table without gaps."""
    gaps = frame[[label, *columns]].isna()
    if count := int(gaps.to_numpy().sum()):
        column = next(each for each in gaps if gaps[each].any())
        row = int(gaps[column].to_numpy().argmax())
        raise DataError(
            f"{path} must have no missing values, got {count:,}, the first in column {column}, row {row + 1} "
            "after the names; fill them or remove the rows"
        )
    try:
        rows = frame[columns].to_numpy(dtype="float64")
    except (ValueError, TypeError) as error:
        raise DataError(f"columns of {path} must be numbers ({one_line(error)}); encode them") from error
    import pandas as pd

    labels = frame[label]
    numeric = pd.api.types.is_numeric_dtype(labels)
    return rows, labels.to_numpy() if numeric else labels.astype(str).tolist()
