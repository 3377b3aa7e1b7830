"""Files that are damaged, that state what is not true, or that unpack to more than the memory holds: one sentence each."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ridgewalk.data.arrays import Archive, open_arrays
from ridgewalk.data.tables import read_table


def header(shape: str, dtype: str = "<f8", order: str = "False") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


ARRAYS = {
    "huge": (header("(4000000000000, 2)"), "states float64 .*, and so 64000000000000 bytes, and 0 follow"),
    "no rows of much": (header("(0, 10**9)"), "no NumPy file"),
    "negative": (header("(-4, -2)") + bytes(64), r"states float64 \(-4, -2\)"),
    "not whole": (header("(4.0, 2)") + bytes(64), "no NumPy file"),
    "nested": (header("(" * 60 + ")" * 60), "no NumPy file"),
    "too long": (header("(4, 2)") + bytes(65), "64 bytes, and 65 follow"),
    "cut": (header("(4, 2)") + bytes(63), "64 bytes, and 63 follow"),
    "no type": (header("(4, 2)", "<q9") + bytes(64), "no NumPy file"),
    "version": (b"\x93NUMPY\x09\x00" + header("(4, 2)")[8:] + bytes(64), r"version 9\.0"),
    "a letter": (b"\x93", "no NumPy file"),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_that_are_not_what_they_state_are_refused(tmp_path: Path, kind: str) -> None:
    content, sentence = ARRAYS[kind]
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=sentence) as refused:
        read_table(tmp_path / "a.npy")
    assert "a.npy'" in str(refused.value)
    (tmp_path / "a.npz").write_bytes(zipped(X=content))
    with pytest.raises(ValueError, match=sentence.replace("no NumPy file", "no NumPy archive")) as refused:
        read_table(tmp_path / "a.npz")
    assert "a.npz'" in str(refused.value)


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "bomb.npz", X=np.zeros((1_000_000, 4)))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    monkeypatch.setattr("ridgewalk.memory.available", lambda: 50_000_000)
    with pytest.raises(ValueError, match=r"'X' of '.*bomb.npz' needs 0.0596 GiB of memory, and 0.0466 GiB are free"):
        read_table(tmp_path / "bomb.npz")


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(12.0).reshape(4, 3)),
        np.arange(12, dtype=">i2").reshape(4, 3),
        np.arange(12, dtype=np.float16).reshape(4, 3),
    ],
)
def test_every_order_of_whole_arrays_is_read(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", X=array)
    archive = open_arrays(tmp_path / "a.npz")
    assert isinstance(archive, Archive)
    assert np.array_equal(np.asarray(open_arrays(tmp_path / "a.npy")), array)
    assert np.array_equal(archive.read("X"), array)


def mutated(seed: bytes, g: np.random.Generator) -> bytes:
    """A damaged copy: bits flipped, bytes or digits changed, a block zeroed, cut, or bytes inserted."""
    raw, kind = bytearray(seed), g.integers(6)
    at = int(g.integers(len(raw)))
    if kind == 0:
        raw[at] ^= 1 << int(g.integers(8))
    elif kind == 1:
        raw[at] = int(g.integers(256))
    elif kind == 2:
        digits = [i for i, b in enumerate(raw) if 48 <= b <= 57] or [at]
        raw[digits[int(g.integers(len(digits)))]] = int(g.choice(list(b"0123456789-e.")))
    elif kind == 3:
        raw[at : at + 40] = bytes(len(raw[at : at + 40]))
    elif kind == 4:
        del raw[at:]
    else:
        raw[at:at] = bytes(g.integers(256, size=3).tolist())
    return bytes(raw)


def refused_or_read(file: Path, read: Callable[[Path], object], rounds: int) -> int:
    """Reads damaged copies of a file: each is read, or refused in one sentence that names it. Returns the number of refusals."""
    seed, g, said = file.read_bytes(), np.random.default_rng(0), list[str]()
    for _ in range(rounds):
        file.write_bytes(mutated(seed, g))
        try:
            read(file)
        except ValueError as error:
            said.append(str(error))
    assert [s for s in said if file.name not in s or "\n" in s] == []
    return len(said)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["a.npy", "a.npz", "packed.npz", "a.csv"])
def test_damaged_tables_are_read_or_refused(tmp_path: Path, name: str) -> None:
    values, labels = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 3
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", X=values, y=labels)
    np.savez_compressed(tmp_path / "packed.npz", X=values, y=labels)
    (tmp_path / "a.csv").write_text(
        "a,b,c,label\n" + "\n".join(f"{x},{y},{z},{label}" for (x, y, z), label in zip(values, labels))
    )
    assert refused_or_read(tmp_path / name, read_table, 400) > 50
