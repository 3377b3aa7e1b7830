"""Sources: each kind is read as it was written, and each damage is refused by name."""

import gzip
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
from sklearn.datasets import load_digits

from commands import refused
from ridgewalk.data import Images, fashion_mnist, file_rows, load, part, shapes
from ridgewalk.store.origin import place_of


def pixels_of(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def same_images(one: Images, pixels: np.ndarray) -> bool:
    """Whether the images are those of ``pixels`` (n, c, h, w), in any order."""
    return sorted(one.digests().tolist()) == sorted(Images.from_array(pixels).digests().tolist())


# digits


def test_digits_are_scikit_learns() -> None:
    data = load("digits")
    assert (len(data.train), len(data.test), data.shape) == (1540, 257, (1, 8, 8))
    assert data.class_names == tuple("0123456789")
    raw = load_digits()
    expected = Images.from_array(raw.images / 16)
    label = dict(zip(expected.digests().tolist(), raw.target.tolist()))
    for images in (data.train, data.test):
        assert [label[digest] for digest in images.digests().tolist()] == images.labels.tolist()
    every = torch.cat([data.train.pixels, data.test.pixels])
    assert same_images(Images.from_array(every), expected.pixels.numpy())
    assert load("digits").test.fingerprint() == data.test.fingerprint()


def test_size_and_channels_hold_for_every_kind_of_source() -> None:
    assert load("digits", size=16, channels=3).shape == (3, 16, 16)
    with pytest.raises(ValueError, match="size must be at least 2"):
        load("digits", size=1)
    with pytest.raises(ValueError, match="channels must be 1"):
        load("digits", channels=4)


def test_shapes_are_drawn_at_the_given_size() -> None:
    data = load("shapes", size=8)
    assert (data.name, len(data.train), len(data.test), data.shape) == ("shapes", 30_000, 6_000, (3, 8, 8))
    assert data.class_names == ("circle", "square", "triangle")
    drawn = shapes.dataset(size=8)
    assert torch.equal(data.train.pixels, drawn.train.pixels[file_rows(30_000)])
    assert torch.equal(data.test.pixels, drawn.test.pixels[file_rows(6_000)])


# IDX


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape) + array.tobytes()


def idx_folder(folder: Path, zipped: bool = True, dot: str = "-") -> tuple[np.ndarray, np.ndarray]:
    folder.mkdir(exist_ok=True)
    train, test = pixels_of(12, 4, 5), pixels_of(10, 4, 5, seed=1)
    for stem, array in {
        f"train-images{dot}idx3": train,
        f"train-labels{dot}idx1": np.arange(12, dtype=np.uint8) % 3,
        f"t10k-images{dot}idx3": test,
        f"t10k-labels{dot}idx1": np.arange(10, dtype=np.uint8) % 4,
    }.items():
        raw = idx(array)
        (folder / f"{stem}-ubyte{'.gz' if zipped else ''}").write_bytes(gzip.compress(raw) if zipped else raw)
    return train, test


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dot", ["-", "."])
def test_idx_files_are_read_and_both_parts_shuffled(tmp_path: Path, zipped: bool, dot: str) -> None:
    train, test = idx_folder(tmp_path / "mine", zipped, dot)
    data = load(str(tmp_path / "mine"))
    assert data.name == "mine"
    assert np.array_equal(data.train.pixels[:, 0].numpy(), train[file_rows(12)])
    assert np.array_equal(data.test.pixels[:, 0].numpy(), test[file_rows(10)])
    assert data.test.labels.tolist() == [i % 4 for i in file_rows(10).tolist()]
    assert data.class_names == ("0", "1", "2", "3")


@pytest.fixture
def clothes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that stands for that of Debian's package, in a working folder with a folder of the same name."""
    monkeypatch.setattr(fashion_mnist, "PLACE", tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    idx_folder(tmp_path / "fashion-mnist")
    return tmp_path / "package"


def test_fashion_mnist_is_read_from_debians_package_with_its_class_names(clothes: Path) -> None:
    clothes.mkdir()
    pixels = pixels_of(40, 4, 5)
    for name, rows in (("train", slice(0, 30)), ("t10k", slice(30, 40))):
        (clothes / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels[rows])))
        (clothes / f"{name}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(idx(np.arange(40, dtype=np.uint8)[rows] % 10))
        )
    data = load("fashion-mnist")
    assert (data.name, data.shape, len(data.train), len(data.test)) == ("fashion-mnist", (1, 4, 5), 30, 10)
    assert data.class_names[:2] == ("T-shirt/top", "Trouser")
    assert data.class_names[-1] == "Ankle boot"
    assert data.test.labels.tolist() == file_rows(10).tolist()
    assert np.array_equal(data.test.pixels[:, 0].numpy(), pixels[30:][file_rows(10)])
    assert load("fashion-mnist", size=8, channels=3).shape == (3, 8, 8)
    assert load("./fashion-mnist").class_names == ("0", "1", "2", "3")  # a folder
    assert place_of("fashion-mnist") is None
    assert place_of("./fashion-mnist") is not None


def test_fashion_mnist_that_is_absent_or_another_says_how_to_get_it(clothes: Path) -> None:
    told = refused("train", "ae", "--data", "fashion-mnist", within=clothes.parent)
    assert f"{clothes}, where there are no IDX files: install them by `apt install dataset-fashion-mnist`" in told
    idx_folder(clothes)
    with pytest.raises(ValueError, match="must hold the labels 0 to 9 of Fashion-MNIST; it holds 0, 1, 2, 3; install"):
        load("fashion-mnist")


def put(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return damage


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: (f / "t10k-labels-idx1-ubyte").unlink(), "lacks t10k-labels-idx1-ubyte"),
        (lambda f: (f / "train-images-idx3-ubyte").unlink(), "lacks train-images-idx3-ubyte"),
        (put("train-images-idx3-ubyte", lambda raw: raw[:-1]), r"train-images.*\(12, 4, 5\).* 256 bytes; it has 255"),
        (put("t10k-images-idx3-ubyte", lambda raw: raw + b"x"), "t10k-images.* it has 217"),
        (put("t10k-images-idx3-ubyte", lambda raw: b""), "t10k-images.*magic number 2051.* begins with 0"),
        (put("train-labels-idx1-ubyte", lambda raw: idx(np.zeros((2, 2, 2), np.uint8))), "train-labels.*number 2049"),
        (put("train-labels-idx1-ubyte", lambda raw: idx(np.zeros(11, np.uint8))), "12 images and .* 11 labels"),
        (put("t10k-labels-idx1-ubyte", lambda raw: idx(np.zeros(0, np.uint8))), r"t10k-labels.*\(0,\)"),
        (put("t10k-images-idx3-ubyte", lambda raw: idx(pixels_of(10, 4, 4))), r"share \(c, h, w\)"),
    ],
)
def test_damaged_idx_folders_are_refused_by_name(
    tmp_path: Path, damage: Callable[[Path], object], sentence: str
) -> None:
    idx_folder(tmp_path, zipped=False)
    damage(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        load(str(tmp_path))


@pytest.mark.parametrize("change", [lambda raw: raw[:-20], lambda raw: b"<html>not found</html>"])
def test_damaged_gzip_is_refused_by_name(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    idx_folder(tmp_path)
    put("train-images-idx3-ubyte.gz", change)(tmp_path)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz cannot be read .*; download it again"):
        load(str(tmp_path))


@pytest.fixture(scope="module")
def mnist_like(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    """scikit-learn's digits at 28 x 28 as MNIST's four gzipped files, 600 to train and 100 to test: folder, images, labels."""
    folder, raw = tmp_path_factory.mktemp("mnist"), load_digits()
    small = [Image.fromarray((x * 15.9375).astype(np.uint8)) for x in raw.images[:700]]
    images = np.stack([np.asarray(x.resize((28, 28), Image.Resampling.BILINEAR)) for x in small])
    labels = raw.target[:700].astype(np.uint8)
    for name, rows in (("train", slice(0, 600)), ("t10k", slice(600, 700))):
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images[rows])))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels[rows])))
    return folder, images, labels


def test_data_in_mnists_files_has_the_roles_of_the_table(mnist_like: tuple[Path, np.ndarray, np.ndarray]) -> None:
    folder, images, labels = mnist_like
    data = load(str(folder))
    assert (len(data.train), len(data.test), data.shape) == (600, 100, (1, 28, 28))
    assert data.class_names == tuple("0123456789")
    places = torch.cat([file_rows(600), 600 + file_rows(100)]).numpy()
    for role, start, stop in (
        ("model", 0, 400),
        ("judge_a", 400, 500),
        ("judge_b", 500, 600),
        ("validation", 600, 610),
        ("test", 610, 650),
        ("reference", 650, 700),
    ):
        found, rows = part(data, role), places[start:stop]
        assert np.array_equal(found.pixels[:, 0].numpy(), images[rows])
        assert np.array_equal(found.labels.numpy(), labels[rows])


# folders of images


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def class_folder(folder: Path, names: tuple[str, ...] = ("class 10", "class 9"), each: int = 7) -> np.ndarray:
    """``each`` images of 6 x 6 for each class; the first pixel states the class."""
    pixels = pixels_of(len(names) * each, 6, 6)
    for i, image in enumerate(pixels):
        image[0, 0] = i // each
        save(folder / names[i // each] / f"{i}.png", image)
    return pixels[:, None]


def test_subfolders_are_classes_in_natural_order(tmp_path: Path) -> None:
    pixels = class_folder(tmp_path / "a")
    (tmp_path / "a" / ".hidden").mkdir()
    (tmp_path / "a" / "class 9" / "notes.txt").write_text("no image, and no image's extension")
    data = load(str(tmp_path / "a"))
    assert data.class_names == ("class 9", "class 10")
    assert (len(data.train), len(data.test)) == (12, 2)
    every = torch.cat([data.train.pixels, data.test.pixels])
    assert same_images(Images.from_array(every), pixels)
    assert torch.equal(every[:, 0, 0, 0], 1 - torch.cat([data.train.labels, data.test.labels]))


def test_no_subfolders_are_one_class(tmp_path: Path) -> None:
    for i, image in enumerate(pixels_of(7, 5, 4, 3)):
        save(tmp_path / f"{i}.{'PNG' if i % 2 else 'png'}", image)
    data = load(str(tmp_path))
    assert data.class_names == ("all",)
    assert data.shape == (3, 5, 4)
    assert (len(data.train), len(data.test)) == (6, 1)


@pytest.mark.parametrize("extension", ["png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff"])
def test_every_extension_is_read(tmp_path: Path, extension: str) -> None:
    for i, image in enumerate(pixels_of(2, 8, 8, 3)):
        save(tmp_path / f"{i}.{extension}", image)
    assert load(str(tmp_path)).shape == (3, 8, 8)


@pytest.mark.parametrize("held_out", ["test", "val", "validation"])
def test_train_and_test_subfolders_are_the_splits(tmp_path: Path, held_out: str) -> None:
    train = class_folder(tmp_path / "train", ("a", "b"))
    test = class_folder(tmp_path / held_out, ("b", "c"), each=2)
    data = load(str(tmp_path))
    assert data.class_names == ("a", "b", "c")
    assert same_images(data.train, train)
    assert same_images(data.test, test)
    assert torch.equal(data.test.pixels[:, 0, 0, 0], data.test.labels - 1)


def test_size_crops_the_centre_and_channels_converts(tmp_path: Path) -> None:
    wide = np.zeros((8, 16), np.uint8)
    wide[:, 4:12] = np.arange(50, 58)  # the centre square
    save(tmp_path / "wide.png", wide)
    save(tmp_path / "square.png", pixels_of(1, 8, 8, 3)[0])
    data = load(str(tmp_path), size=8, channels=1)
    every = torch.cat([data.train.pixels, data.test.pixels])
    assert (every == torch.from_numpy(wide[:, 4:12])).flatten(1).all(dim=1).any()
    assert load(str(tmp_path), size=4, channels=3).shape == (3, 4, 4)


def mixed(second: np.ndarray) -> Callable[[Path], object]:
    def build(folder: Path) -> None:
        save(folder / "a.png", pixels_of(1, 6, 6)[0])
        save(folder / "b.png", second)

    return build


def unusable(raw: bytes | None) -> Callable[[Path], object]:
    def build(folder: Path) -> None:
        class_folder(folder)
        if raw is None:
            save(folder / "class 9" / "bad.png", np.full((6, 6), 3, np.uint8))
        else:
            (folder / "class 9" / "bad.png").write_bytes(raw)

    return build


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


UNUSABLE = [
    (unusable(png(pixels_of(1, 32, 32)[0])[:200]), "bad.png is truncated"),
    (unusable(b"text"), "bad.png is not an image in a known format; repair or remove it, or pass --skip-bad"),
    (unusable(b""), "bad.png is not an image"),
    (unusable(None), "bad.png is constant"),
]


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        *UNUSABLE,
        (lambda f: None, "holds no images; expected files that end in png"),
        (lambda f: (f / "x.txt").write_text(""), "holds no images"),
        (lambda f: (class_folder(f), (f / "empty").mkdir()), "empty' holds no images"),
        (lambda f: (class_folder(f), save(f / "loose.png", pixels_of(1, 6, 6)[0])), "loose.png.* beside subfolders"),
        (lambda f: class_folder(f, ("train/a", "test/a", "extra/a")), "'extra' is no split"),
        (mixed(pixels_of(1, 6, 8)[0]), r"a.png is 6 x 6 with 1, .*b.png is 6 x 8 with 1 .*; pass --size to"),
        (mixed(pixels_of(1, 6, 6, 3)[0]), r"a.png is 6 x 6 with 1, .*b.png is 6 x 6 with 3 .*; pass --channels to"),
        (mixed(pixels_of(1, 8, 6, 3)[0]), "pass --size and --channels"),
        (lambda f: save(f / "only.png", pixels_of(1, 6, 6)[0]), "at least 2 images"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(
    tmp_path: Path, build: Callable[[Path], object], sentence: str
) -> None:
    build(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        load(str(tmp_path))


@pytest.mark.parametrize(("build", "sentence"), UNUSABLE)
def test_skip_bad_uses_the_rest_and_warns(tmp_path: Path, build: Callable[[Path], object], sentence: str) -> None:
    build(tmp_path)
    with pytest.warns(UserWarning, match=f"1 of 15 images were left out; the first: .*{sentence.split(';')[0]}"):
        data = load(str(tmp_path), skip_bad=True)
    assert len(data.train) + len(data.test) == 14
    assert torch.equal(data.train.pixels[:, 0, 0, 0], 1 - data.train.labels)


def test_nothing_but_bad_images_is_refused_even_with_skip_bad(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"none of the 1 images could be read; the first: .*a.png"):
        load(str(tmp_path), skip_bad=True)


# Parquet


def table(
    pixels: np.ndarray, labels: list | None, image: str = "img", label: str = "label", struct: bool = True
) -> pa.Table:
    blobs: list = [png(p) for p in pixels]
    if struct:
        blobs = [{"bytes": blob, "path": f"{i}.png"} for i, blob in enumerate(blobs)]
    columns = {image: blobs} | ({} if labels is None else {label: labels})
    return pa.table(columns)


@pytest.mark.parametrize("struct", [True, False])
@pytest.mark.parametrize("label", ["label", "labels", "fine_label"])
def test_a_parquet_file_is_read(tmp_path: Path, struct: bool, label: str) -> None:
    pixels = pixels_of(14, 4, 4, 3)
    pixels[:, 0, 0, 0] = np.arange(14) % 2
    pq.write_table(table(pixels, [i % 2 for i in range(14)], label=label, struct=struct), tmp_path / "few.parquet")
    data = load(str(tmp_path / "few.parquet"))
    assert (data.name, len(data.train), len(data.test), data.shape) == ("few", 12, 2, (3, 4, 4))
    assert torch.equal(data.train.pixels[:, 0, 0, 0], data.train.labels)
    assert same_images(data.test, data.test.pixels.numpy())
    assert load(str(tmp_path / "few.parquet"), size=2, channels=1).shape == (1, 2, 2)


@pytest.mark.parametrize("name", ["test-00000-of-00001", "cifar10_test", "validation-0"])
def test_a_folder_of_parquet_files_has_its_splits_by_name(tmp_path: Path, name: str) -> None:
    train, test = pixels_of(700, 4, 4), pixels_of(10, 4, 4, seed=1)
    pq.write_table(
        table(train[:300], None, image="image"), tmp_path / "train-00000-of-00002.parquet", row_group_size=99
    )
    pq.write_table(table(train[300:], None, image="image"), tmp_path / "train-latest.parquet")  # "latest" is not "test"
    pq.write_table(table(test, None, image="image"), tmp_path / f"{name}.parquet")
    data = load(str(tmp_path))
    assert data.class_names == ("all",)
    assert same_images(data.train, train[:, None])
    assert same_images(data.test, test[:, None])


def test_class_names_come_from_the_metadata_or_from_strings(tmp_path: Path) -> None:
    pixels = pixels_of(8, 4, 4)
    features = {"info": {"features": {"label": {"names": ["cat", "dog", "eel"], "_type": "ClassLabel"}}}}
    stated = table(pixels, [0, 1] * 4).replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(stated, tmp_path / "stated.parquet")
    with pytest.warns(UserWarning, match="1 of 3 classes of 'stated' has no images and is left out: eel"):
        assert load(str(tmp_path / "stated.parquet")).class_names == ("cat", "dog")
    pq.write_table(table(pixels, ["b10", "b9"] * 4), tmp_path / "strings.parquet")
    assert load(str(tmp_path / "strings.parquet")).class_names == ("b9", "b10")
    pq.write_table(
        table(pixels, [0, 2] * 4).replace_schema_metadata({"huggingface": "no json"}), tmp_path / "n.parquet"
    )
    assert load(str(tmp_path / "n.parquet")).class_names == ("0", "2")


def spoiled(row: int, cell: object) -> pa.Table:
    whole = table(pixels_of(8, 4, 4), [0, 1] * 4)
    cells = whole.column("img").to_pylist()
    cells[row] = cell
    return whole.set_column(0, "img", pa.array(cells))


@pytest.mark.parametrize("cell", [{"bytes": b"text", "path": "x"}, {"bytes": None, "path": "x.png"}, None])
def test_a_row_that_cannot_be_decoded_is_named(tmp_path: Path, cell: object) -> None:
    pq.write_table(spoiled(5, cell), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a.parquet row 5 (is not an image|holds no image bytes).*--skip-bad"):
        load(str(tmp_path / "a.parquet"))
    with pytest.warns(UserWarning, match="1 of 8 images were left out; the first: .* row 5"):
        assert len(load(str(tmp_path / "a.parquet"), skip_bad=True).train) == 6


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (table(pixels_of(8, 4, 4), None, image="picture"), "no image column: .* image or img; it has picture"),
        (table(pixels_of(3, 4, 4), [0, None, 1]), "'label'.* row 1 holds None"),
        (table(pixels_of(3, 4, 4), [0, -1, 1]), "labels from 0; row 1 holds -1"),
        (table(pixels_of(3, 4, 4), [[0], [1], [1]]), "one whole number or one string for each row"),
        (table(pixels_of(3, 4, 4), [0, 1, 1]).slice(0, 0), "have no rows"),
    ],
)
def test_tables_of_another_layout_are_refused(tmp_path: Path, content: pa.Table, sentence: str) -> None:
    pq.write_table(content, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=sentence):
        load(str(tmp_path / "a.parquet"))


def test_damaged_parquet_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(pixels_of(40, 16, 16), [0] * 40), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"a.parquet is damaged or no Parquet file"):
        load(str(path))
    path.write_bytes(whole[:4] + b"\xff" * 400 + whole[404:])  # damaged inside, with its footer whole
    with pytest.raises(ValueError, match=r"a.parquet (is damaged|row 0)"):
        load(str(path))


def test_files_that_disagree_on_labels_are_refused(tmp_path: Path) -> None:
    pq.write_table(table(pixels_of(3, 4, 4), [0, 1, 0]), tmp_path / "a.parquet")
    pq.write_table(table(pixels_of(3, 4, 4), None), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=r"a.parquet has the label column label and .*b.parquet has not"):
        load(str(tmp_path))


# the hub, replaced at its one function


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Makes ``datasets.load_dataset`` return a value, or raise it."""
    datasets = pytest.importorskip("datasets")

    def answer(value: object) -> None:
        def load_dataset(name: str) -> object:
            if isinstance(value, Exception):
                raise value
            return value

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)

    return answer


def dataset(pixels: np.ndarray, labels: list[int], **renamed: str) -> object:
    import datasets

    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    columns = {"img": [Image.fromarray(p) for p in pixels], "label": labels}
    made = datasets.Dataset.from_dict(columns, features=features)
    return made.rename_columns(renamed) if renamed else made


def test_a_data_set_of_the_hub_is_read(hub: Callable[[object], None]) -> None:
    import datasets

    train, test = pixels_of(12, 4, 4), pixels_of(10, 4, 4, seed=1)
    train[:, 0, 0] = np.arange(12) % 2
    labels = [i % 2 for i in range(12)]
    extra = dataset(test, labels[:10])
    hub(datasets.DatasetDict({"test": dataset(test, labels[:10]), "train": dataset(train, labels), "extra": extra}))
    with pytest.warns(UserWarning, match="splits of 'owner/name' that are not used: extra"):
        data = load("owner/name")
    assert data.name == "owner/name"
    assert data.class_names == ("cat", "dog")
    assert same_images(data.train, train[:, None])
    assert same_images(data.test, test[:, None])
    assert torch.equal(data.train.pixels[:, 0, 0, 0], data.train.labels)


def test_a_data_set_without_splits_or_labels_is_read(hub: Callable[[object], None]) -> None:
    hub(dataset(pixels_of(7, 4, 4), [0] * 7).remove_columns("label"))  # type: ignore[attr-defined]
    data = load("faces")
    assert (len(data.train), len(data.test), data.class_names) == (6, 1, ("all",))


def test_a_data_set_without_images_is_refused(hub: Callable[[object], None]) -> None:
    hub(dataset(pixels_of(7, 4, 4), [0] * 7, img="picture"))
    with pytest.raises(ValueError, match="'owner/name' has no image column"):
        load("owner/name")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConnectionError("no route\nmore"), r"hub could not be reached for the data set 'owner/name' \(no route\)"),
        (TimeoutError(), r"could not be reached .*\(TimeoutError\); check the network"),
        (
            FileNotFoundError("it does not exist"),
            r"no data set of this name .*\(it does not exist\); SOURCE is 'digits'",
        ),
        (RuntimeError("a script"), "no data set of this name"),
    ],
)
def test_what_the_hub_cannot_give_is_one_sentence(
    hub: Callable[[object], None], error: Exception, sentence: str
) -> None:
    hub(error)
    with pytest.raises(ValueError, match=sentence) as caught:
        load("owner/name")
    assert "\n" not in str(caught.value)


def test_missing_libraries_are_named_with_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(table(pixels_of(3, 4, 4), [0, 1, 0]), tmp_path / "a.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(ValueError, match=r"pip install ridgewalk\[parquet\]"):
        load(str(tmp_path / "a.parquet"))
    with pytest.raises(ValueError, match=r"pip install ridgewalk\[datasets\]; SOURCE is"):
        load("owner/name")


# words that are no source


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "the source is empty; SOURCE is 'digits'"),
        (" ", "the source is empty"),
        ("digit", "unknown source 'digit'; did you mean 'digits'.*SOURCE is"),
        ("Digits", "did you mean 'digits'"),
        ("dgits", "did you mean 'digits'"),
        (
            "shape",
            "unknown source 'shape'; did you mean 'shapes'.*SOURCE is 'digits', 'shapes', 'fashion-mnist', a folder",
        ),
        ("./nowhere", "no such file or folder: './nowhere'; SOURCE is"),
        ("/nowhere/at/all", "no such file or folder"),
        ("~/nowhere-at-all", "no such file or folder"),
        ("a/b/c", "no such file or folder"),
        ("nowhere/", "no such file or folder"),
        ("nowhere.parquet", "no such file or folder"),
        ("..\\nowhere", "no such file or folder"),
    ],
)
def test_words_that_are_no_source_never_reach_the_hub(
    hub: Callable[[object], None], source: str, sentence: str
) -> None:
    hub(AssertionError("the hub was asked"))
    with pytest.raises(ValueError, match=sentence):
        load(source)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "one.png", pixels_of(1, 4, 4)[0])
    with pytest.raises(ValueError, match=r"is a file, but no Parquet file, .mat file or table; SOURCE is"):
        load(str(path))
