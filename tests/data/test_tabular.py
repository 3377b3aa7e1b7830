"""Tables: labels by column or array, scikit-learn's by name, and rows as images of one row."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer

from ridgewalk.data import Images, as_images, digests_of, load, load_points, part
from ridgewalk.data.tables import TABLES, read_table


def test_scikit_learns_tables_are_whole() -> None:
    data = load_points("breast-cancer")
    raw = load_breast_cancer()
    assert (len(data.train), len(data.test), data.shape) == (487, 82, (30,))
    assert data.class_names == ("malignant", "benign")
    label = {tuple(row): int(c) for row, c in zip(raw.data.astype(np.float32).tolist(), raw.target)}
    for points in (data.train, data.test):
        assert [label[tuple(row)] for row in points.values.tolist()] == points.labels.tolist()
    assert {name: load_points(name).shape[0] for name in TABLES} == {
        "breast-cancer": 30,
        "wine": 13,
        "iris": 4,
        "digits-table": 64,
    }


def test_labels_of_an_archive_may_be_numbers_or_words(tmp_path: Path) -> None:
    x = np.arange(12.0).reshape(6, 2)
    for key, labels, names in (
        ("y", np.array([0, 1, 2, 0, 1, 2]), ("0", "1", "2")),
        ("label", np.array(["b", "a", "b", "a", "b", "a"]), ("a", "b")),
    ):
        np.savez(tmp_path / "mine.npz", X=x, **{key: labels})
        table = read_table(tmp_path / "mine.npz")
        assert table.names == names
        assert [table.names[i] for i in table.labels] == [str(v) for v in labels]
        assert np.array_equal(table.values, x)
    np.savez(tmp_path / "mine.npz", data=x)
    assert read_table(tmp_path / "mine.npz").names == ("all",)


def test_a_column_of_labels_is_found_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("width,Class,height\n1,red,2\n3,blue,4\n5,red,6\n")
    table = read_table(file)
    assert table.values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert [table.names[i] for i in table.labels] == ["red", "blue", "red"]
    file.write_text("x,y,target\n1,2,1\n3,4,0\n")
    assert read_table(file).labels.tolist() == [1, 0]
    file.write_text("x,y\n1,2\n3,4\n")  # coordinates: y is no label
    assert read_table(file).names == ("all",)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((3, 2))}, r"must hold its rows under X \(or x, data, values\); it holds a"),
        ({"X": np.zeros(3)}, "at least 2 rows of at least 2 columns"),
        ({"X": np.array([[1, np.nan], [0, 0]])}, "row 0 does not"),
        ({"X": np.array([["a", "b"], ["c", "d"]])}, "array of numbers; it holds <U1"),
        (
            {"X": np.zeros((3, 2)), "y": np.zeros(2, dtype=int)},
            r"one whole number or one word as the label of each row, \(3,\)",
        ),
        ({"X": np.zeros((3, 2)), "y": np.zeros(3)}, "y is float64"),
        ({"X": np.zeros((3, 2)), "y": np.array([0, -1, 2])}, "labels from 0; row 1 holds -1"),
    ],
)
def test_archives_that_are_no_table_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load_points(str(tmp_path / "mine.npz"))


def test_files_under_another_ending_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "array.npz").open("wb") as file:
        np.save(file, np.zeros((3, 2)))
    (tmp_path / "text.npz").write_text("X")
    np.savez(tmp_path / "objects.npz", X=np.array([[1, None], [2, 3]], dtype=object))
    for name, message in (("array", "no NumPy archive"), ("text", "no NumPy file"), ("objects", "no NumPy archive of")):
        with pytest.raises(ValueError, match=message):
            read_table(tmp_path / f"{name}.npz")
    (tmp_path / "short.csv").write_text("a,b,label\n1,2,x\n3,4\n")
    with pytest.raises(ValueError, match="a label in each row; line 3 has none"):
        read_table(tmp_path / "short.csv")
    (tmp_path / "words.csv").write_text("a,b,colour\n1,2,red\n3,4,blue\n")
    with pytest.raises(ValueError, match="line 2 holds 'red'; correct it, or name a column of labels 'label'"):
        read_table(tmp_path / "words.csv")


def test_rows_become_images_by_the_range_of_the_train_part() -> None:
    points = load_points("wine")
    data = load("wine")
    low, high = points.train.values.amin(0), points.train.values.amax(0)
    assert data.shape == (1, 1, 13)
    x = part(data, "model").floats()
    assert x.dtype == torch.float32
    assert torch.allclose(low + (high - low) * x[:, 0, 0], points.train.values[: len(x)], rtol=1e-5)
    assert float(data.train.pixels.min()) == 0
    assert float(data.train.pixels.max()) == 1
    outside = ((points.test.values < low) | (points.test.values > high)).any(1)
    assert outside.any()  # and held at the ends
    assert 0 <= float(data.test.pixels.min()) <= float(data.test.pixels.max()) <= 1
    assert torch.equal(data.test.labels, points.test.labels)
    with pytest.raises(ValueError, match="--size and --channels are for images; 'wine' is rows of numbers"):
        load("wine", size=8)


def test_a_column_that_does_not_vary_is_0(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.stack([np.arange(20.0), np.full(20, 7.0)], axis=1))
    assert as_images(load_points(str(tmp_path / "flat.npy"))).train.pixels[..., 1].unique().tolist() == [0]


def test_floats_of_images_have_the_digests_of_their_bytes() -> None:
    images, rows = load("digits").test, load("digits-table").test
    assert torch.equal(digests_of(images.floats()), images.digests())
    assert torch.equal(digests_of(rows.floats()), rows.digests())
    binary = Images(torch.tensor([0.0, 1.0, 1.0, 0.0]).view(2, 1, 1, 2), torch.tensor([0, 0]), ("all",))
    assert torch.equal(digests_of(binary.floats()), binary.digests())
    assert len(set(rows.digests().tolist())) == len(rows.pixels.flatten(1).unique(dim=0))


def test_floats_of_a_table_are_a_copy() -> None:
    rows = load("iris").test
    rows.floats().zero_()
    assert float(rows.pixels.max()) > 0
