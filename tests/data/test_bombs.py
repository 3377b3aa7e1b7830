"""Files of images that are damaged, that need more memory than is free, or that name files of the machine; and data that are never floats all at once."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from test_damage import refused_or_read

from ridgewalk.cli.refusals import describe_unexpected
from ridgewalk.data import Images, load
from ridgewalk.data.matlab import read_arrays
from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.settings.autoencoder import Detector
from ridgewalk.training.detectors import train_model_detector
from ridgewalk.training.negatives import mixture

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 6, 6), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def parquet(file: Path, cells: list | None = None, labels: list | None = None) -> Path:
    cells = [{"bytes": png(p), "path": f"{i}.png"} for i, p in enumerate(PIXELS)] if cells is None else cells
    pq.write_table(pa.table({"img": cells, "label": [0, 1] * 6 if labels is None else labels}), file)
    return file


def idx(folder: Path, shape: tuple[int, int, int] = (12, 6, 6), zipped: bool = True) -> None:
    for part in ("train", "t10k"):
        images = struct.pack(">4I", 2051, *shape) + PIXELS.tobytes()
        for kind, raw in (("images-idx3", images), ("labels-idx1", struct.pack(">2I", 2049, 12) + bytes([0, 1] * 6))):
            name = f"{part}-{kind}-ubyte" + ".gz" * zipped
            (folder / name).write_bytes(gzip.compress(raw) if zipped else raw)


@pytest.mark.parametrize("place", ["beside", "above", "elsewhere", "linked", "nowhere"])
@pytest.mark.parametrize("absolute", [True, False])
def test_paths_in_the_cells_of_a_table_are_not_followed(tmp_path: Path, place: str, absolute: bool) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (tmp_path / "private.png").write_bytes(png(PIXELS[0]))
    (own / "beside.png").write_bytes(png(PIXELS[0]))
    (own / "link.png").symlink_to(tmp_path / "private.png")
    path = {"beside": "beside.png", "above": "../private.png", "linked": "link.png", "nowhere": "a\0b"}.get(place, "")
    named = str(tmp_path / "private.png") if place == "elsewhere" else str(own / path) if absolute else path
    cells = [{"bytes": png(p), "path": None} for p in PIXELS[1:]] + [{"bytes": None, "path": named}]
    with pytest.raises(ValueError, match=r"a.parquet row 11 holds no image bytes"):
        load(str(parquet(own / "a.parquet", cells)))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["parquet", "idx", "idx.gz"])
def test_damaged_sources_of_images_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / ("a.parquet" if kind == "parquet" else f"train-labels-idx1-ubyte{kind[3:]}")
    if kind == "parquet":
        parquet(file)
    else:
        idx(tmp_path, zipped=kind == "idx.gz")
    assert refused_or_read(file, lambda f: load(str(f if kind == "parquet" else tmp_path)), 200) > 50


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    cells = [{"bytes": png(p), "path": None} for p in PIXELS]
    for names in (["img", "label", "label"], ["img", "img", "label"]):
        columns = [cells if n == "img" else [0, 1] * 6 for n in names]
        pq.write_table(pa.Table.from_arrays([pa.array(c) for c in columns], names=names), tmp_path / "a.parquet")
        with pytest.raises(ValueError, match=r"a.parquet is damaged or no Parquet file .*2 columns"):
            load(str(tmp_path / "a.parquet"))


def test_an_idx_file_unpacks_to_no_more_than_it_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    idx(tmp_path, (11, 6, 6))
    with pytest.raises(ValueError, match=r"states the shape \(11, 6, 6\).* 412 bytes; it has 413 or more"):
        load(str(tmp_path))
    idx(tmp_path, (2**31, 2**15, 2**15))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz states .*; it has 448; download it again"):
        load(str(tmp_path))
    monkeypatch.setattr("ridgewalk.memory.available", lambda: 10_000_000)
    raw = struct.pack(">4I", 2051, 10_000, 50, 50) + bytes(25_000_000)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(raw))
    with pytest.raises(
        ValueError, match=r"train-images-idx3-ubyte.gz' needs 0.0466 GiB of memory.*; take fewer images"
    ):
        load(str(tmp_path))


def test_tables_beyond_the_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = parquet(tmp_path / "bomb.parquet", [bytes(10_000_000)] * 2, [0, 1])
    few = parquet(tmp_path / "few.parquet")
    assert bomb.stat().st_size < 2_000_000
    monkeypatch.setattr("ridgewalk.memory.available", lambda: 5_000_000)
    with pytest.raises(ValueError, match=r"bomb.parquet needs .* GiB of memory"):
        load(str(bomb))
    assert len(load(str(few)).train) == 10
    with pytest.raises(
        ValueError, match=r"data set of 12 images of 1000 x 1000 pixels needs .*; pass a smaller --size"
    ):
        load(str(few), size=1000)
    with pytest.raises(ValueError, match=r"data set of 1797 images of 100000 x 100000 pixels needs .*; pass a smaller"):
        load("digits", size=100_000)


def test_a_matlab_file_beyond_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource")
    savemat(tmp_path / "bomb.mat", {"X": np.zeros(50_000_000, np.uint8)}, do_compression=True)
    assert (tmp_path / "bomb.mat").stat().st_size < 100_000
    monkeypatch.setattr("ridgewalk.data.matlab.available", lambda: 40_000_000)
    with pytest.raises(
        ValueError, match=r"bomb.mat' cannot be read as a MATLAB file \(it needs more memory than is free"
    ):
        read_arrays(tmp_path / "bomb.mat", ["X"], "X")


class Mean(Autoencoder):
    """Encodes images as the means of their halves, and records how many it is given at once."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.most = 0

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        self.most = max(self.most, len(x))
        return x.flatten(1).unflatten(1, (2, -1)).mean(2) * self.scale


def test_images_are_encoded_in_blocks_and_never_floats_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2000, 3, 64, 64), generator=g, dtype=torch.uint8)
    images = Images(pixels, torch.zeros(2000, dtype=torch.int64), ("all",))
    expected = images.map(Mean().encode)
    assert torch.equal(expected[:64], Mean().encode(images.take(torch.arange(64)).floats()))
    monkeypatch.setattr(Images, "floats", lambda *_: pytest.fail("all images became floats"))
    model = Mean()
    train_model_detector(model, images, Detector(epochs=1, members=1), mixture(), 0)
    assert 16 <= model.most < 1000


def test_a_lack_of_memory_names_ways_out() -> None:
    said = describe_unexpected(MemoryError("Unable to allocate 7.45 GiB"))
    assert said.startswith("the memory does not suffice (Unable to allocate 7.45 GiB); use fewer or smaller images")
    assert "resumed" in said
