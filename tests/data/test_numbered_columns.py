"""Columns that hold numbers and are no coordinates: left out or noted, and never taken in silence."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from ridgewalk.data.tables import read_table

ROWS = np.random.default_rng(0).normal(size=(40, 2))


def written(folder: Path, first: str, column: list[object], header: str | None = "x,y") -> Path:
    lines = [] if header is None else [f"{first},{header}"]
    lines += [f"{c},{x},{y}" for c, (x, y) in zip(column, ROWS.tolist())]
    (folder / "mine.csv").write_text("\n".join(lines))
    return folder / "mine.csv"


@pytest.mark.parametrize(
    "name", ["", '""', "Unnamed: 0", "index", "__index_level_0__", "id", "ID", "row_id", "sample_id", "PassengerId"]
)
@pytest.mark.parametrize("order", ["from 0", "from 1", "shuffled", "gaps"])
def test_numbers_of_rows_are_left_out_and_named(tmp_path: Path, name: str, order: str) -> None:
    column = {
        "from 0": range(40),
        "from 1": range(1, 41),
        "shuffled": np.random.default_rng(1).permutation(40).tolist(),
        "gaps": range(1_000_000_000, 1_000_000_400, 10),
    }[order]
    with pytest.warns(UserWarning, match=r"mine.csv' has columns that number its rows, which are left out: .*; rename"):
        table = read_table(written(tmp_path, name, list(column)))
    assert np.array_equal(table.values, ROWS.astype(np.float32))


def test_the_names_that_pandas_gives_unnamed_columns_are_no_row(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="left out: number 1"):
        table = read_table(written(tmp_path, "", list(range(40)), "0,1"))
    assert np.array_equal(table.values, ROWS.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "column", "sentence"),
    [
        ("t", list(range(40)), "columns that count its rows, which are used as coordinates: 't'"),
        (None, list(range(40)), "columns that count its rows, .*: number 1; remove them if they are an index"),
        ("", [i / 2 for i in range(40)], "columns without a name, which are used as coordinates: number 1"),
        ("flat", [3] * 40, "columns with one value in all rows: 'flat'"),
        ("when", [20240101 + i * i for i in range(40)], "whole numbers above 16777216, which are rounded .*: 'when'"),
        ("species", [i % 3 for i in range(40)], "called as classes are, .*: 'species'; call one 'label'"),
        ("class_id", [i % 3 for i in range(40)], "called as (classes|identifiers) are"),
        ("year", [1990 + i % 7 for i in range(40)], "called as dates or codes are"),
        ("ward_id", [i % 7 for i in range(40)], "called as identifiers are, which are used as coordinates: 'ward_id'"),
    ],
)
def test_suspicious_columns_are_kept_and_noted(
    tmp_path: Path, name: str | None, column: list[object], sentence: str
) -> None:
    with pytest.warns(UserWarning, match=sentence):
        table = read_table(written(tmp_path, name or "", column, None if name is None else "x,y"))
    assert table.values.shape == (40, 3)


def test_coordinates_are_not_noted(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, column in (("z", ROWS[:, 0]), ("age", [i % 9 for i in range(40)]), ("id", ROWS[:, 1])):
            assert read_table(written(tmp_path, name, list(column))).values.shape == (40, 3)
        np.save(tmp_path / "mine.npy", ROWS)
        assert read_table(tmp_path / "mine.npy").values.shape == (40, 2)


def test_many_columns_are_one_note(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.hstack([ROWS, np.zeros((40, 10_000))]))
    with pytest.warns(UserWarning, match="number 3, number 4, number 5, number 6, number 7 and 9995 more;") as said:
        assert read_table(tmp_path / "mine.npy").values.shape == (40, 10_002)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("label,x,y,class\na,1,2,0\nb,3,4,1\n", "one column of labels; it has 'label' and 'class'"),
        ("x,y\n1,0.1,0.2\n2,0.3,0.5\n", "line 1 has 2 and line 2 has 3"),
        ("x,y,label\n1,2,a\n3,4,\n", "must have a label in each row; line 3 has none"),
        (f"x,y\n1,2\n3,{'7x' * 500}\n", r"line 3 holds '7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x7x\.\.\.'"),
        ("x,y\n1,2\n3,4\0\n", r"line 3 holds '4\\x00\.\.\.'"),
        ("id,x\n1,2\n2,4\n", r"at least 2 columns, one row for each point; it holds \(2, 1\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*number its rows")
def test_columns_that_cannot_be_told_apart_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_table(tmp_path / "mine.csv")


@pytest.mark.parametrize("label", ["9" * 30, "9" * 5000])
def test_labels_beyond_whole_numbers_of_the_machine_are_words(tmp_path: Path, label: str) -> None:
    (tmp_path / "mine.csv").write_text(f"x,y,label\n1,2,{label}\n3,4,1\n5,6,1\n")
    assert set(read_table(tmp_path / "mine.csv").names) == {"1", label}


def test_labels_of_nearly_every_row_are_noted(tmp_path: Path) -> None:
    for labels in (ROWS[:, 0] + 1, range(1_000_000_001, 1_000_000_041)):
        text = "\n".join(f"{x},{y},{label}" for (x, y), label in zip(ROWS.tolist(), labels))
        (tmp_path / "mine.csv").write_text(f"x,y,target\n{text}")
        with pytest.warns(UserWarning, match="holds 40 classes in 40 rows; rename the column if it holds identifiers"):
            assert len(read_table(tmp_path / "mine.csv").names) == 40
