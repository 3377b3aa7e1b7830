"""Damaged data files: each is refused in a sentence, or read; a file whose format has check sums is never read as something else."""

import gzip
import hashlib
import shutil
import struct
from pathlib import Path

import numpy as np

from fuzz.calls import Call, Ending
from fuzz.mutations import Random, mutate

CHECKED = {"png", "idx.gz", "npz"}
"""Seeds whose format has a check sum of the content."""


def prepare(work: Path) -> dict[str, tuple[Path, Path]]:
    """Writes a small file or folder of every kind; returns, by name, the source and the file in it that is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image
    from scipy.io import savemat

    draw = np.random.default_rng(0)
    root = work / "data"
    root.mkdir(parents=True)
    pictures = draw.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
    found: dict[str, tuple[Path, Path]] = {}
    for kind in ("png", "jpg", "gif", "bmp", "tiff", "webp", "ppm"):
        for i, picture in enumerate(pictures):
            file = root / kind / "ab"[i % 2] / f"{i}.{kind}"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(file)
        found[kind] = root / kind, root / kind / "a" / f"10.{kind}"
    for end in ("", ".gz"):
        folder = root / f"idx{end}"
        folder.mkdir()
        for part, n in (("train", 60), ("t10k", 30)):
            _write_idx(folder / f"{part}-images-idx3-ubyte{end}", draw.integers(0, 256, (n, 8, 8), dtype=np.uint8))
            _write_idx(folder / f"{part}-labels-idx1-ubyte{end}", (np.arange(n) % 10).astype(np.uint8))
        found[f"idx{end}"] = folder, folder / f"train-images-idx3-ubyte{end}"
        found[f"idx{end} labels"] = folder, folder / f"t10k-labels-idx1-ubyte{end}"
    points = draw.normal(size=(60, 3))
    np.save(root / "points.npy", points)
    np.savez(root / "points.npz", x=points, y=np.arange(60) % 3)
    np.savez_compressed(root / "small.npz", x=points)
    np.savetxt(root / "points.csv", points, delimiter=",", header="a,b,c", comments="")
    labels = np.array(["cat", "dog", "bird"])[np.arange(60) % 3]
    lines = [f"{a:.4f},{b:.4f},{label}" for (a, b, _), label in zip(points, labels)]
    (root / "labelled.csv").write_text("\n".join(["a,b,label", *lines]))
    for name in ("points.npy", "points.npz", "small.npz", "points.csv", "labelled.csv"):
        found[name] = root / name, root / name
    cells = [{"bytes": (root / "png" / "ab"[i % 2] / f"{i}.png").read_bytes(), "path": None} for i in range(24)]
    for name, column in (("numbers", [i % 3 for i in range(24)]), ("words", ["abc"[i % 3] for i in range(24)])):
        file = root / f"{name}.parquet"
        pq.write_table(pa.table({"image": cells, "label": column}), file)
        found[f"parquet {name}"] = file, file
    folder = root / "svhn"
    folder.mkdir()
    for part, n in (("train", 24), ("test", 20)):
        x = draw.integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
        savemat(folder / f"{part}_32x32.mat", {"X": x, "y": np.arange(1, n + 1)[:, None] % 10 + 1})
    found["mat"] = folder, folder / "train_32x32.mat"
    for name in CHECKED & set(found):
        ending = read(found[name][0], work)
        if ending.code:
            raise RuntimeError(f"the intact seed {name} is not read: {ending.error}")
    return found


def read(source: Path, folder: Path) -> Ending:
    """Reads a source as the command line does, and prints the SHA-256 of what was read."""

    def load() -> None:
        from ridgewalk.cli.common import guarded
        from ridgewalk.data import load

        def show() -> None:
            data = load(str(source))
            arrays = (data.train.pixels, data.train.labels, data.test.pixels, data.test.labels)
            content = b"".join(a.numpy().tobytes() for a in arrays) + repr(data.class_names).encode()
            print(hashlib.sha256(content).hexdigest())

        guarded(show)()

    return Call(load, folder).wait(60.0)


def trial(found: dict[str, tuple[Path, Path]], number: int, folder: Path, draw: Random) -> tuple[str, str]:
    """Damages one file; returns what was done, and the fault or ""."""
    names = sorted(found)
    name = names[number % len(names)]
    source, file = found[name]
    copy = folder / source.name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    target = copy / file.relative_to(source) if source.is_dir() else copy
    mutation, content = mutate(file.read_bytes(), draw)
    target.write_bytes(content)
    ending = read(copy, folder)
    fault = ending.fault
    if not fault and "memory does not suffice" in ending.error:
        fault = "the memory was needed to find it out"
    if not fault and name in CHECKED and ending.code == 0 and ending.out != read(source, folder).out:
        fault = "read as other data, without a word"
    return f"{name}: {mutation}", f"{fault}: {ending.error.strip()[-400:]}" if fault else ""


def _write_idx(file: Path, array: np.ndarray) -> None:
    content = struct.pack(">I" + "I" * array.ndim, 0x800 + array.ndim, *array.shape) + array.tobytes()
    file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)
