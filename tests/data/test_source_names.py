"""Words that name no source: what looks like a path or lies near one is never sent to a hub."""

import gzip
import os
from pathlib import Path

import pyarrow.parquet
import pytest

from ridgewalk.data import load, sources


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that the hub was asked for, in a working folder with a few entries."""
    names: list[str] = []

    def read_hub(name: str, *_: object) -> None:
        names.append(name)
        raise ValueError("the hub was asked")

    monkeypatch.setattr(sources, "read_hub", read_hub)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "flowers").mkdir(parents=True)
    (tmp_path / "my-pictures").mkdir()
    return names


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("data/flwers", r"no such file or folder: 'data/flwers'; did you mean 'data/flowers'\?; SOURCE is"),
        ("data/birds", "no such file or folder: 'data/birds'; SOURCE is"),
        ("my-picture", r"no such file or folder: 'my-picture'; did you mean 'my-pictures'\?"),
        ("dat/flower", r"no such file or folder: 'dat/flower'; did you mean 'data/flowers'\?"),
        ("./birds", "no such file or folder: './birds'; SOURCE is"),
        ("birds/x.zip", "no such file or folder: 'birds/x.zip'; its folder does not exist either: 'birds'; SOURCE is"),
        ("mnist.tar.gz", "no such file or folder"),
        ("birds.png", "no such file or folder"),
        ("owner/birds.parquet", "no such file or folder"),
        ("my pictures", "no such file or folder"),
        ("C:/birds", "no such file or folder"),
        ("owner/name/more", "no such file or folder"),
        ("../owner", "no such file or folder"),
        ("owner/", "no such file or folder"),
        ("fashion-mnst", "unknown source 'fashion-mnst'; did you mean 'fashion-mnist'"),
    ],
)
def test_paths_are_never_sent_to_the_hub(asked: list[str], source: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        load(source)
    assert not asked


@pytest.mark.parametrize("source", ["owner/name", "uoft-cs/cifar10", "faces", "owner/data-1.0", "fashion_mnist"])
def test_names_of_the_hub_are_asked_for(asked: list[str], source: str) -> None:
    with pytest.raises(ValueError, match="the hub was asked"):
        load(source)
    assert asked == [source]


def test_files_that_are_no_source_say_what_to_give(tmp_path: Path) -> None:
    for name, sentence in (("a.png", f"it is one image: give its folder, '{tmp_path}'"), ("a.zip", "unpack it")):
        (tmp_path / name).write_text("")
        with pytest.raises(ValueError, match=f"is a file, but no Parquet file.*{sentence}"):
            load(str(tmp_path / name))


def test_sources_without_permission_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "mnist").mkdir()
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / "mnist" / f"{part}-{kind}-ubyte.gz").write_bytes(b"")
    monkeypatch.setattr(pyarrow.parquet, "ParquetFile", refuse)
    monkeypatch.setattr(gzip, "open", refuse)
    for name, place in (("a.parquet", "a.parquet"), ("mnist", "mnist/train-images-idx3-ubyte.gz")):
        with pytest.raises(ValueError, match=f"'{tmp_path}/{place}' cannot be read: permission denied; change its per"):
            load(str(tmp_path / name))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match=f"'{tmp_path}/mnist' cannot be read: permission denied"):
        load(str(tmp_path / "mnist"))
