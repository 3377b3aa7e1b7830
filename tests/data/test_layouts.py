"""Known layouts: data sets are found where their packages put them, or a sentence says what is there and what to give."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ridgewalk.data import file_rows, load

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 5, 4), dtype=np.uint8)


def write_idx(file: Path, array: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    raw = struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape) + array.tobytes()
    file.write_bytes(gzip.compress(raw) if file.suffix == ".gz" else raw)


def four_files(folder: Path, name: Callable[[str, str], str], first: int = 0) -> Path:
    """The four IDX files; ``name`` takes part and kind, and labels are ``first`` + 0 .. 4."""
    for part in ("train", "t10k"):
        write_idx(folder / name(part, "images-idx3"), PIXELS)
        write_idx(folder / name(part, "labels-idx1"), (np.arange(60) % 5 + first).astype(np.uint8))
    return folder


def plain(part: str, kind: str) -> str:
    return f"{part}-{kind}-ubyte"


def emnist(name: str) -> Callable[[str, str], str]:
    return lambda part, kind: f"emnist-{name}-{part.replace('t10k', 'test')}-{kind}-ubyte.gz"


def write_parquet(file: Path, n: int = 20, **columns: list[object]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    place = file.parent / "one.tmp"
    cells = []
    for i in range(n):
        Image.fromarray(PIXELS[i]).save(place, format="PNG")
        cells.append({"bytes": place.read_bytes(), "path": None})
    place.unlink()
    pq.write_table(pa.table({"image": cells, **columns}), file)
    return file


@pytest.mark.parametrize("below", ["MNIST/raw", "raw", "a/b/c/d"])
def test_idx_files_are_found_below_a_folder_without_images(tmp_path: Path, below: str) -> None:
    root = four_files(tmp_path / "root", lambda part, kind: f"{below}/{plain(part, kind)}")
    with pytest.warns(UserWarning, match=f"root' holds no images; '.*root/{below}' is read"):
        data = load(str(root))
    assert (data.name, len(data.train), len(data.test)) == ("root", 60, 60)
    assert np.array_equal(data.train.pixels[:, 0].numpy(), PIXELS[file_rows(60)])


@pytest.mark.parametrize("inner", ["{0}-{1}-ubyte", "{0}-{1}.idx-ubyte", "{0}-images.idx3-ubyte"])
def test_a_folder_for_each_of_the_four_files_is_read(tmp_path: Path, inner: str) -> None:
    def name(part: str, kind: str) -> str:
        return f"{plain(part, kind)}/{plain(part, kind.replace('-', '.') if '.' in inner else kind)}"

    assert len(load(str(four_files(tmp_path, name))).train) == 60


def test_names_of_emnist_are_read_and_one_of_several_is_to_be_named(tmp_path: Path) -> None:
    four_files(tmp_path, emnist("letters"), first=1)
    data = load(str(tmp_path))
    assert data.class_names == tuple("12345")
    assert data.train.labels.unique().tolist() == [0, 1, 2, 3, 4]
    four_files(tmp_path, emnist("digits"))
    with pytest.raises(ValueError, match=r"2 data sets \(emnist-digits, emnist-letters\); give one file .* '.*gz'"):
        load(str(tmp_path))
    one = load(str(tmp_path / "emnist-letters-test-labels-idx1-ubyte.gz"))
    assert one.train.fingerprint() == data.train.fingerprint()
    (tmp_path / "emnist-letters-test-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(ValueError, match="lacks emnist-letters-test-labels-idx1-ubyte"):
        load(str(tmp_path / "emnist-letters-train-images-idx3-ubyte.gz"))


def test_several_data_sets_below_are_named(tmp_path: Path) -> None:
    for name in ("MNIST", "FashionMNIST"):
        four_files(tmp_path / name / "raw", plain)
    with pytest.raises(ValueError, match=r"holds 2 data sets; give one of their folders: .*Fashion.*raw, .*MNIST/raw$"):
        load(str(tmp_path))


def test_the_parquet_files_of_a_clone_are_found(tmp_path: Path) -> None:
    write_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", 10)
    (tmp_path / "README.md").write_text("")
    (tmp_path / ".git").mkdir()
    with pytest.warns(UserWarning, match="holds no images; '.*data' is read"):
        data = load(str(tmp_path))
    assert (len(data.train), len(data.test)) == (20, 10)


def test_parquet_files_in_folders_of_splits_are_read(tmp_path: Path) -> None:
    write_parquet(tmp_path / "default" / "train" / "0000.parquet", 15)
    write_parquet(tmp_path / "default" / "train" / "0001.PARQUET", 5)
    write_parquet(tmp_path / "default" / "test" / "0000.parquet", 10)
    with pytest.warns(UserWarning, match="default' is read"):
        data = load(str(tmp_path))
    assert (len(data.train), len(data.test)) == (20, 10)


def touch(*names: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("")

    return build


def pictures_beside_parquet(folder: Path) -> None:
    write_parquet(folder / "data" / "train.parquet")
    (folder / "assets").mkdir()
    Image.fromarray(PIXELS[0]).save(folder / "assets" / "a.png")


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (touch(), "it holds no files$"),
        (touch("a.txt", "b.txt", "c.csv"), r"it holds 2 .txt, 1 .csv; to read c.csv, give '.*/c.csv'$"),
        (touch("x/mnist.npz"), r"it holds 1 .npz; to read mnist.npz, give '.*/x/mnist.npz'$"),
        (touch("TFD_48x48.mat"), r"to read TFD_48x48.mat, give '.*/TFD_48x48.mat'$"),
        (touch("faces.zip"), r"it holds 1 .zip; unpack faces.zip first$"),
        (touch("data_batch_1", "batches.meta"), r"it holds 1 .meta, 1 without an ending$"),
        (touch("a.heic"), r"it holds 1 .heic$"),
        (pictures_beside_parquet, r"it holds 1 .parquet; to read train.parquet, give '.*/data'$"),
    ],
)
def test_a_folder_without_images_says_what_it_holds(
    tmp_path: Path, build: Callable[[Path], None], sentence: str
) -> None:
    build(tmp_path)
    with pytest.raises(ValueError, match=f"holds no images; expected files that end in png.*; {sentence}"):
        load(str(tmp_path))


def test_images_and_tables_beside_the_parquet_files_that_are_read_are_counted(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet")
    write_parquet(tmp_path / "more" / "b.parquet")
    Image.fromarray(PIXELS[0]).save(tmp_path / "more" / "a.png")
    (tmp_path / "README.md").write_text("")
    with pytest.warns(UserWarning, match=r"2 files were passed over: 1 \.png, 1 \.parquet; such as more/a\.png"):
        data = load(str(tmp_path))
    assert len(data.train) + len(data.test) == 20


def test_columns_that_may_be_labels_are_named(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", target=[0, 1] * 10)
    with pytest.warns(UserWarning, match="no column called label, labels or fine_label, so all .* not used: target"):
        assert load(str(tmp_path / "a.parquet")).class_names == ("all",)
