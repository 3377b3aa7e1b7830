"""SVHN's and the Toronto Face Database's files, written small as they are published, and files that are neither."""

import contextlib
import io
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from ridgewalk.data import file_rows, load, mat_process, matlab, part
from ridgewalk.data.matlab import read_arrays, read_mat, read_svhn


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads whole files by the same program without a process of its own, whose imports take longer than all of these tests."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        out = io.TextIOWrapper(io.BytesIO())
        with warnings.catch_warnings(), contextlib.redirect_stdout(out):
            mat_process.main(command[3], command[4:])
        return subprocess.CompletedProcess(command, 0, out.buffer.getvalue(), b"")  # type: ignore[attr-defined]

    monkeypatch.setattr(matlab.subprocess, "run", run)


def svhn(file: Path, n: int, seed: int = 0, labels: list[int] | None = None) -> np.ndarray:
    """A file of n images; their pixels, (n, 3, 32, 32), with the row's number in the first."""
    x = np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
    x[:, 0, 0, 0] = np.arange(n)
    y = np.array([[i % 10 + 1] for i in range(n)] if labels is None else [[v] for v in labels], dtype=np.uint8)
    savemat(file, {"X": x.transpose(2, 3, 1, 0), "y": y})
    return x


def faces(file: Path, folds: list[int], **more: object) -> np.ndarray:
    """A file whose face i is filled with i, of fold ``folds[i]`` in the first fold and a training face in the others."""
    x = np.arange(len(folds), dtype=np.uint8)[:, None, None] + np.zeros((1, 6, 5), dtype=np.uint8)
    table = np.ones((len(folds), 5), dtype=np.uint8)
    table[:, 0] = folds
    table[:4, 2] = [0, 2, 3, 1]
    savemat(file, {"images": x, "folds": table, **more})
    return x


@pytest.mark.usefixtures("in_this_process")
def test_svhns_axes_and_its_label_of_ten(tmp_path: Path) -> None:
    train, test = svhn(tmp_path / "train_32x32.mat", 24), svhn(tmp_path / "test_32x32.mat", 11, seed=1)
    data = load(str(tmp_path))
    assert data.shape == (3, 32, 32)
    assert data.class_names == tuple("0123456789")
    assert np.array_equal(data.train.pixels.numpy(), train[file_rows(24)])
    assert np.array_equal(data.test.pixels.numpy(), test[file_rows(11)])
    assert data.train.labels.tolist() == [(i + 1) % 10 for i in file_rows(24).tolist()]
    assert part(data, "model").pixels.shape == (16, 3, 32, 32)
    assert load(str(tmp_path), size=8, channels=1).shape == (1, 8, 8)


@pytest.mark.usefixtures("in_this_process")
def test_extra_images_are_shared_among_the_roles(tmp_path: Path) -> None:
    svhn(tmp_path / "train_32x32.mat", 12)
    svhn(tmp_path / "test_32x32.mat", 10)
    svhn(tmp_path / "extra_32x32.mat", 60, labels=[10] * 60)
    train, _ = read_svhn(tmp_path)
    assert train.pixels[:, 0, 0, 0].tolist() == [*range(12), *range(60)]
    data = load(str(tmp_path))
    assert len(data.train) == 72
    for role in ("model", "judge_a", "judge_b"):
        share = (part(data, role).labels == 0).float().mean()
        assert 0.5 < float(share) < 1  # 61 of the 72


@pytest.mark.usefixtures("in_this_process")
def test_one_of_svhns_files_is_a_source(tmp_path: Path) -> None:
    svhn(tmp_path / "train_32x32.mat", 14)
    data = load(str(tmp_path / "train_32x32.mat"))
    assert (len(data.train), len(data.test)) == (12, 2)
    with pytest.raises(ValueError, match="holds house numbers, which have no folds"):
        load(str(tmp_path / "train_32x32.mat") + ":3")
    svhn(tmp_path / "one.mat", 1)  # MATLAB drops the last axis of one image
    assert len(read_mat(tmp_path / "one.mat")[1][0]) == 1


def test_what_is_not_svhns_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "train_32x32.mat"
    svhn(file, 5)
    with pytest.raises(ValueError, match=r"lacks test_32x32.mat, one of SVHN's two files"):
        load(str(tmp_path))
    svhn(tmp_path / "test_32x32.mat", 5)
    good = np.zeros((32, 32, 3, 5), dtype=np.uint8)
    y = np.ones((5, 1), dtype=np.uint8)
    for held, message in (
        ({"X": good}, "holds no array y; SVHN's cropped digits hold X"),
        ({"a": good}, "holds no array X and none y"),
        ({"X": good.astype(np.float64), "y": y}, "is not SVHN's: X is float64"),
        ({"X": good[:28, :28], "y": y}, r"X is uint8 \(28, 28, 3, 5\)"),
        ({"X": good, "y": y[:4]}, "5 images and 4 labels"),
        ({"X": good, "y": y * 11}, "image 0 has the label 11"),
        ({"X": good, "y": y - 1}, "image 0 has the label 0"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(matlab, "read_arrays", lambda *_, held=held: held)
            with pytest.raises(ValueError, match=message):
                read_svhn(tmp_path)
    savemat(file, {"X": good, "y": "words"})
    with pytest.raises(ValueError, match="holds no array y; SVHN's cropped digits hold X"):
        load(str(tmp_path))
    whole = (tmp_path / "test_32x32.mat").read_bytes()
    for damaged in (b"", b"no MATLAB file at all, but longer than its head " * 9, whole[: len(whole) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"cannot be read as a MATLAB file .*; SVHN's cropped digits"):
            load(str(tmp_path))
    file.write_bytes(whole[:-5000])
    with pytest.raises(ValueError, match=r"cannot be read as a MATLAB file .*; download it again"):
        load(str(tmp_path))
    file.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" + bytes(512))
    with pytest.raises(ValueError, match=r"it is in format 7\.3, which is not read here: save it with -v7"):
        load(str(tmp_path))


FOLDS = [0] * 30 + [1] * 6 + [2] * 4 + [3] * 5


@pytest.mark.usefixtures("in_this_process")
def test_the_parts_of_a_fold_of_faces(tmp_path: Path) -> None:
    faces(tmp_path / "TFD_48x48.mat", FOLDS, labs_ex=np.ones((45, 1)))
    data = load(str(tmp_path / "TFD_48x48.mat"))
    assert (data.name, data.shape, data.class_names) == ("TFD_48x48-1", (1, 6, 5), ("face",))
    assert sorted(data.test.pixels[:, 0, 0, 0].tolist()) == list(range(40, 45))
    train = data.train.pixels[:, 0, 0, 0].tolist()
    assert sorted(train) == list(range(40))
    assert train != sorted(train)  # shuffled
    third = load(str(tmp_path / "TFD_48x48.mat") + ":3")
    assert third.test.pixels[:, 0, 0, 0].tolist() == [2]
    assert not set(third.test.digests().tolist()) & set(third.train.digests().tolist())


@pytest.mark.usefixtures("in_this_process")
def test_what_is_no_face_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "TFD_48x48.mat"
    with pytest.raises(ValueError, match=r"no such file or folder: .*TFD_48x48.mat'; SOURCE is"):
        load(str(file))
    faces(file, FOLDS)
    for fold in (0, 6):
        with pytest.raises(ValueError, match=f"has folds 1 to 5; got {fold}"):
            load(f"{file}:{fold}")
    with pytest.raises(ValueError, match=r"fold 2 of .* has no validation faces"):
        read_mat(file, 2)
    savemat(file, {"images": np.zeros((9, 6, 5), dtype=np.uint8), "folds": np.full((9, 5), 4)})
    with pytest.raises(ValueError, match="is no Toronto Face Database: images are uint8"):
        load(str(file))
    savemat(file, {"pictures": np.zeros(3)})
    with pytest.raises(ValueError, match="holds no array images and none folds"):
        load(str(file))


def test_files_are_not_changed_by_being_read(tmp_path: Path) -> None:
    svhn(tmp_path / "train_32x32.mat", 4)
    before = (tmp_path / "train_32x32.mat").read_bytes()
    images, _ = read_mat(tmp_path / "train_32x32.mat")[1]
    images.pixels.zero_()
    assert (tmp_path / "train_32x32.mat").read_bytes() == before
    assert torch.equal(read_mat(tmp_path / "train_32x32.mat")[1][0].labels, images.labels)


@pytest.mark.parametrize("compressed", [False, True])
def test_every_numeric_kind_is_read_as_it_was_written(tmp_path: Path, compressed: bool) -> None:
    g = np.random.default_rng(0)
    kinds = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
    held = {f"of_{k}": g.integers(0, 100, (3, 4, 2)).astype(k) for k in kinds}
    held |= {"a_name_longer_than_four": np.zeros((0, 3)), "s": np.array([[7.5]])}
    other = {"text": "abc", "cell": np.array([[1, "a"]], dtype=object)}
    savemat(tmp_path / "all.mat", held | other | {"z": np.array([[1j]])}, do_compression=compressed)
    found = read_arrays(tmp_path / "all.mat", [*held, *other, "absent"], "arrays")
    assert set(found) == set(held)
    for name, array in held.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    with pytest.raises(ValueError, match=r"ComplexWarning: .*; download it again; arrays"):
        read_arrays(tmp_path / "all.mat", ["z"], "arrays")


@pytest.mark.parametrize("compressed", [False, True])
def test_damage_is_refused_in_a_sentence_or_harmless(tmp_path: Path, compressed: bool) -> None:
    file, g = tmp_path / "x.mat", np.random.default_rng(0)
    savemat(file, {"X": np.arange(60.0).reshape(3, 20), "y": np.arange(5)}, do_compression=compressed)
    whole, refusals = file.read_bytes(), []
    for i in range(6):
        raw = bytearray(whole)
        if i % 2:
            raw = raw[: g.integers(len(raw))]
        else:
            for at in g.integers(124, len(raw), 3):
                raw[at] = g.integers(256)
        file.write_bytes(bytes(raw))
        try:
            read_arrays(file, ("X", "y"), "two arrays")
        except ValueError as error:
            refusals.append(str(error))
    assert len(refusals) > 1
    assert all(r.startswith(f"'{file}' cannot be read as a MATLAB file (") and "\n" not in r for r in refusals)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import os; os.abort()", r"\(it crashes SciPy's reader\); download it again; SVHN's cropped digits"),
        ("import time; time.sleep(60)", r"\(reading it took more than 3 seconds\); download it again"),
    ],
)
def test_a_reader_that_crashes_or_hangs_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    """A damaged file may do either to SciPy, and must not do it to the caller."""
    (tmp_path / "reader.py").write_text(program)
    for name in ("train", "test"):
        svhn(tmp_path / f"{name}_32x32.mat", 3)
    monkeypatch.setattr(mat_process, "__file__", str(tmp_path / "reader.py"))
    monkeypatch.setattr(matlab, "_SECONDS", 3.0)
    with pytest.raises(ValueError, match=message):
        load(str(tmp_path))
