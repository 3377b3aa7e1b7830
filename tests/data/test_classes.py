"""One rule for every source: the classes are the labels that occur, and a blank image among others is refused or left out."""

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from ridgewalk.data import Images, arrange, file_rows, load, load_points
from ridgewalk.data.hugging_face import number_classes
from ridgewalk.data.labels import labelled_rows

N = 21


def pixels(blank: int | None, *shape: int) -> np.ndarray:
    """``N`` random images, of which number ``blank`` has equal pixels."""
    drawn = np.random.default_rng(0).integers(0, 256, (N, *shape), dtype=np.uint8)
    if blank is not None:
        drawn[blank] = 7
    return drawn


def as_parquet(folder: Path, labels: list[int], blank: int | None = None, names: list[str] | None = None) -> Path:
    cells = []
    for image in pixels(blank, 4, 4):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": None})
    table = pa.table({"image": cells, "label": labels})
    if names:
        features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, folder / "a.parquet")
    return folder / "a.parquet"


def as_idx(folder: Path, labels: list[int], blank: int | None = None) -> Path:
    for part in ("train", "t10k"):
        for kind, array in (("images-idx3", pixels(blank, 4, 4)), ("labels-idx1", np.array(labels, np.uint8))):
            raw = struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape) + array.tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(raw)
    return folder


def as_house_numbers(folder: Path, labels: list[int], blank: int | None = None) -> Path:
    x = pixels(blank, 32, 32, 3).transpose(1, 2, 3, 0)
    savemat(folder / "train_32x32.mat", {"X": x, "y": np.array(labels)[:, None]})
    return folder / "train_32x32.mat"


SOURCES = [as_parquet, as_idx, as_house_numbers]
Build = Callable[..., Path]


@pytest.mark.filterwarnings("ignore:8 of 10 classes")
@pytest.mark.parametrize("build", SOURCES)
def test_labels_with_gaps_are_classes_by_their_values(tmp_path: Path, build: Build) -> None:
    data = load(str(build(tmp_path, [3, 9, 3] * 7)))
    assert data.class_names == ("3", "9")
    assert set(data.train.labels.tolist()) | set(data.test.labels.tolist()) == {0, 1}
    labelled_rows(data.train.labels, data.class_names, 2, 0)  # no class without images


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_labels_of_tables_with_gaps_are_classes_by_their_values(tmp_path: Path, suffix: str) -> None:
    file, values, labels = tmp_path / f"a{suffix}", np.random.default_rng(0).random((N, 2)), [3, 1000000001, 12] * 7
    if suffix == ".npz":
        np.savez(file, X=values, y=labels)
    else:
        rows = (f"{a},{b},{label}\n" for (a, b), label in zip(values, labels))
        file.write_text("a,b,label\n" + "".join(rows))
    assert load_points(str(file)).class_names == ("3", "12", "1000000001")


def test_labels_that_are_ids_make_as_many_classes_as_occur(tmp_path: Path) -> None:
    data = load(str(as_parquet(tmp_path, [1000000001, 5, 1000000001] * 7)))
    assert data.class_names == ("5", "1000000001")
    with pytest.raises(ValueError, match=r"the largest of 2 labels is 1000000001; number them by numpy\.unique"):
        Images.from_array(pixels(None, 4, 4)[:2], [0, 1000000001])


def test_stated_classes_without_images_are_left_out_with_a_note(tmp_path: Path) -> None:
    source = as_parquet(tmp_path, [0, 2, 2] * 7, names=["cat", "dog", "eel", "fox"])
    with pytest.warns(UserWarning, match="2 of 4 classes of 'a' have no images and are left out: dog, fox"):
        data = load(str(source))
    assert data.class_names == ("cat", "eel")
    assert int(data.train.labels.sum() + data.test.labels.sum()) == 14
    with pytest.raises(ValueError, match="labels below 2, the number of its class names; row 1 holds 2"):
        load(str(as_parquet(tmp_path, [0, 2, 2] * 7, names=["cat", "dog"])))


def test_labels_without_gaps_are_unchanged() -> None:
    assert number_classes([2, 0, 1, 1], None, "y") == ([2, 0, 1, 1], ("0", "1", "2"))
    assert number_classes([False, True], None, "y") == ([0, 1], ("0", "1"))
    images = Images.from_array(pixels(None, 4, 4), [0, 1, 2] * 7)
    data = arrange("a", images, images)
    assert torch.equal(data.train.labels, images.labels[file_rows(21)])


@pytest.mark.filterwarnings("ignore:8 of 10 classes")
@pytest.mark.parametrize("build", SOURCES)
def test_a_blank_image_is_refused_or_left_out_in_every_source(tmp_path: Path, build: Build) -> None:
    source = build(tmp_path, [1, 2, 1] * 7, blank=5)
    with pytest.raises(ValueError, match=r"(row|image) 5 is constant: .*; repair or remove it, or pass --skip-bad"):
        load(str(source))
    with pytest.warns(UserWarning, match="1 of 21 images were left out; the first: .* 5 is constant"):
        data = load(str(source), skip_bad=True)
    assert (len(data.train) + len(data.test)) % (N - 1) == 0
