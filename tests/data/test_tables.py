"""Tables: rows of numbers and a column that is the class."""

import numpy as np
import pandas as pd
import pytest
import torch

from cl_bench.data import DataError, table
from cl_bench.data.fingerprint import digest

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(20, 70, 30),
        "width": RNG.normal(size=30).round(3),
        "kind": np.array(["oak", "ash", "elm"])[np.arange(30) % 3],
        "is_old": np.arange(30) % 2 == 0,
        "id": np.arange(30),
    }
)
TRAIN, TEST = FRAME[:21], FRAME[21:]


@pytest.fixture(params=[".csv", ".tsv", ".parquet"])
def write(request, tmp_path):
    def write(frame, name="trees"):
        path = tmp_path / f"{name}{request.param}"
        if request.param == ".parquet":
            pytest.importorskip("pyarrow")
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False, sep="\t" if request.param == ".tsv" else ",")
        return str(path)

    return write


def read(path, label="kind", **settings):
    return table(path=path, label=label, root=None, **settings)


def test_columns_are_features_and_one_is_the_class(write):
    data = read(write(TRAIN), test_path=write(TEST, "more"), leave_out=["id"])
    columns = ["age", "width", "is_old"]
    expected = torch.from_numpy(TRAIN[columns].to_numpy(dtype=np.float32))
    assert data.train_images.shape == (21, 3, 1, 1)
    assert torch.equal(data.train_images.flatten(1), expected)
    assert data.class_names == ("ash", "elm", "oak")
    assert [data.class_names[each] for each in data.test_labels] == TEST["kind"].tolist()
    assert data.features is True
    assert len(data.files) == 2


def test_columns_of_the_test_are_found_by_name(write):
    straight = read(write(TRAIN), test_path=write(TEST, "more"))
    turned = read(write(TRAIN), test_path=write(TEST[[*reversed(TEST.columns)]], "turned"))
    assert digest(turned) == digest(straight)
    with pytest.raises(DataError, match=r"must have the columns of trees.*, got no width; add them"):
        read(write(TRAIN), test_path=write(TEST.drop(columns="width"), "less"))


def test_a_share_is_kept_for_the_test(write):
    path = write(FRAME)
    with pytest.raises(DataError, match="must have a test part"):
        read(path)
    data = read(path, test_share=0.2)
    assert data.test_labels.bincount().tolist() == [2, 2, 2]
    assert digest(read(path, test_share=0.2, with_test=False)) == digest(data) | {"test": None}


def test_without_the_test_its_table_is_not_read(write, tmp_path):
    broken = tmp_path / "broken.csv"
    broken.write_bytes(b"\x00\xff")
    path = write(TRAIN)
    data = read(path, test_path=str(broken), with_test=False)
    assert len(data.test_labels) == 0
    with pytest.raises(DataError):
        read(path, test_path=str(broken))


def test_a_class_may_be_a_number(write):
    data = read(write(FRAME.drop(columns="kind").assign(y=np.arange(30) % 2 + 1)), label="y", test_share=0.5)
    assert data.class_names == ("1", "2")


def test_another_separator_is_told(tmp_path):
    path = tmp_path / "semicolons.csv"
    FRAME.to_csv(path, sep=";", index=False)
    with pytest.raises(DataError, match=r"has no column kind; .*; save it with a comma between columns"):
        read(path, test_share=0.3)


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda f: f, {"label": "sort"}, "has no column sort; its columns are age, width, kind"),
        (lambda f: f, {"label": "kindd"}, "has no column kindd; .*; did you mean kind"),
        (
            lambda f: f.assign(**{"Unnamed: 0": np.arange(len(f))}),
            {},
            "got Unnamed: 0 in .*, which has no name and numbers the rows; .*index=False",
        ),
        (lambda f: f, {"leave_out": ["di"]}, "has no column di; its columns are"),
        (lambda f: f.assign(town="x"), {}, r"columns must be numbers, got town in .*leave them out"),
        (lambda f: f[["kind"]], {}, "must have a column of numbers beside kind, got none"),
        (
            lambda f: f.assign(width=f["width"].where(f.index != 4)),
            {},
            "no missing values, got 1, the first in column width, row 5 after the names",
        ),
        (lambda f: f.assign(kind=f["kind"].where(f.index > 1)), {}, "got 2, the first in column kind, row 1"),
        (
            lambda f: f.assign(width=f["width"].where(f.index != 4, np.inf)),
            {},
            r"finite, got 1 value .*\[4, 1\]",
        ),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(write, change, settings, message):
    with pytest.raises(DataError, match=message) as caught:
        read(write(change(FRAME)), **{"test_share": 0.3} | settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b'a,b\n1,2\n"x'),
        ("a.csv", b"a,b\n1,2,3\n1\n4,5,6,7\n"),
        ("a.csv", bytes(range(256))),
        ("a.parquet", b"PAR1 nothing PAR1"),
        ("a.parquet", b""),
        ("a.xlsx", b"PK"),
    ],
)
def test_a_file_that_is_no_table_is_one_sentence(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(str(path), label="b", test_share=0.5)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
