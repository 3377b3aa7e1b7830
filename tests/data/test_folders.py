"""Folders of images: every file is read or accounted for, links are followed once, and it is said what was taken as a class."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ridgewalk.data import ImageData, load, read_image
from ridgewalk.data.decode import extensions


def fill(folder: Path, n: int = 4, ending: str = "png") -> Path:
    """``n`` images of 6 x 6 in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(len(str(folder)))
    for i in range(n):
        Image.fromarray(generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(folder / f"{i}.{ending}")
    return folder


def cats_and_dogs(folder: Path) -> Path:
    for name in ("cat", "dog"):
        fill(folder / name)
    return folder


def count(data: ImageData) -> int:
    return len(data.train) + len(data.test)


@pytest.mark.parametrize("name", [".ipynb_checkpoints", ".thumbnails", "@eaDir", "__MACOSX", "cat 1/.git/objects"])
def test_hidden_folders_are_passed_over_at_every_depth(tmp_path: Path, name: str) -> None:
    cats_and_dogs(tmp_path)
    fill(tmp_path / "cat" / name, 3)
    with pytest.warns(UserWarning, match=f"3 files were passed over: 3 hidden; such as cat/{name}/0.png"):
        data = load(str(tmp_path))
    assert (count(data), data.class_names) == (8, ("cat", "dog"))


def test_hidden_folders_at_the_top_are_no_classes(tmp_path: Path) -> None:
    cats_and_dogs(tmp_path)
    fill(tmp_path / "@eaDir")
    fill(tmp_path / "__MACOSX" / "cat")
    with pytest.warns(UserWarning, match="8 files were passed over: 8 hidden"):
        assert load(str(tmp_path)).class_names == ("cat", "dog")


def test_everything_that_is_not_read_is_counted_by_reason_in_one_note(tmp_path: Path) -> None:
    cats_and_dogs(tmp_path)
    for name in ("cat/a.txt", "cat/b.TXT", "labels.csv", "dog/.DS_Store", "dog/README", "dog/drawing.eps"):
        (tmp_path / name).write_text("")
    (tmp_path / "dog" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "dog" / "pipe.png")
    with pytest.warns(UserWarning, match="passed over") as caught:
        assert count(load(str(tmp_path))) == 8
    (text,) = (str(w.message) for w in caught)
    assert text.startswith("8 files were passed over: 2 .txt, ")
    assert text.endswith(f"; such as cat/a.txt of '{tmp_path}'")
    for reason in (".csv", "hidden", "without an ending", ".eps", "linked to nothing", "neither a file nor a folder"):
        assert f"1 {reason}" in text


@pytest.mark.parametrize("ending", ["jfif", "pgm", "ppm", "avif", "jp2", "tga", "apng", "qoi"])
def test_what_pillow_reads_is_read(tmp_path: Path, ending: str) -> None:
    if ending not in extensions():
        pytest.skip("this Pillow cannot read it")
    for i in range(4):
        image = Image.fromarray(np.random.default_rng(i).integers(0, 256, (6, 6, 3), dtype=np.uint8))
        form = {"jfif": "JPEG", "apng": "PNG", "qoi": "QOI"}.get(ending)
        image.convert("L" if ending == "pgm" else "RGB").save(tmp_path / f"{i}.{ending.upper()}", format=form)
    assert count(load(str(tmp_path))) == 4


def test_drawings_films_and_numbers_are_no_images() -> None:
    assert not extensions() & {"eps", "ps", "pdf", "wmf", "emf", "mpg", "mpeg", "h5", "hdf", "grib", "bufr", "iim"}


def test_links_are_followed_once(tmp_path: Path) -> None:
    root = cats_and_dogs(tmp_path / "root")
    (root / "cat" / "extra").symlink_to(fill(tmp_path / "elsewhere", 5))
    (root / "owl").symlink_to(fill(tmp_path / "owls", 3))
    (root / "cat" / "one.png").symlink_to(fill(tmp_path / "single", 1) / "0.png")
    (root / "cat" / "up").symlink_to("..")
    (root / "cat" / "outside").symlink_to(tmp_path)
    (root / "cat" / "again").symlink_to(root / "dog")
    (root / "cat" / "round").symlink_to(root / "cat" / "round")
    with pytest.warns(UserWarning, match="passed over") as caught:
        data = load(str(root))
    assert (count(data), data.class_names) == (8 + 5 + 3 + 1, ("cat", "dog", "owl"))
    text = next(str(w.message) for w in caught if "passed over" in str(w.message))
    assert "4 files were passed over" in text
    assert "2 linked to a folder that is read already" in text
    assert "1 linked to a folder that contains them" in text
    assert "1 linked to what cannot be read" in text
    assert any(
        "images of 1 folder inside them count to these classes; the first: cat/extra" in str(w.message) for w in caught
    )


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Takes the permission to list a folder, also from root."""

    def lock(folder: Path) -> None:
        scandir = os.scandir

        def refuse(path: object = ".") -> object:
            if str(path) == str(folder):
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)  # type: ignore[call-overload]

        monkeypatch.setattr(os, "scandir", refuse)

    return lock


@pytest.mark.parametrize("place", ["cat/part 2", "cat", "."])
def test_folders_that_cannot_be_read_are_named(tmp_path: Path, locked: Callable[[Path], None], place: str) -> None:
    cats_and_dogs(tmp_path)
    fill(tmp_path / "cat" / "part 2")
    locked(tmp_path / place)
    with pytest.raises(ValueError, match=f"{(tmp_path / place).name}' cannot be read: permission denied; change its"):
        load(str(tmp_path))
    if place == "cat/part 2":
        with pytest.warns(UserWarning, match="part 2' cannot be read: permission denied; it was left out"):
            assert count(load(str(tmp_path), skip_bad=True)) == 8


@pytest.mark.parametrize(("ending", "form"), [("gif", "GIF"), ("webp", "WEBP"), ("apng", "PNG"), ("tiff", "TIFF")])
def test_the_first_frame_is_used_and_that_is_said(tmp_path: Path, ending: str, form: str) -> None:
    cats_and_dogs(tmp_path)
    frames = [Image.new("RGB", (6, 6), (9 * i, 200, 3)) for i in range(1, 4)]
    for i, frame in enumerate(frames):
        frame.putpixel((1, 1), (0, 0, 80 * i))
    file = tmp_path / "cat" / f"moving.{ending}"
    frames[0].save(
        file, format=form, save_all=True, append_images=frames[1:], **({"lossless": True} if form == "WEBP" else {})
    )
    with pytest.warns(UserWarning, match=rf"1 of 9 images have several frames .*first of them: .*moving\.{ending}"):
        assert count(load(str(tmp_path))) == 9
    with pytest.warns(UserWarning, match=rf"moving\.{ending} has several frames or pages, of which the first is used"):
        assert read_image(file)[1, 0, 0] == 200


# what is taken as a class


@pytest.mark.parametrize("above", ["animals", "a/b/c"])
def test_a_folder_that_holds_nothing_but_the_class_folders_is_descended(tmp_path: Path, above: str) -> None:
    cats_and_dogs(tmp_path / above)
    fill(tmp_path / "__MACOSX")
    with pytest.warns(UserWarning, match=rf"holds nothing but '.*{above}', whose subfolders are read \(cat, dog\)"):
        assert load(str(tmp_path)).class_names == ("cat", "dog")


def test_splits_below_one_folder_are_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        cats_and_dogs(tmp_path / "set" / split)
    with pytest.warns(UserWarning, match=r"whose subfolders are read \(test, train\)"):
        data = load(str(tmp_path))
    assert (len(data.train), len(data.test), data.class_names) == (8, 8, ("cat", "dog"))


def test_one_class_folder_stays_one_class(tmp_path: Path) -> None:
    fill(tmp_path / "cat")
    assert load(str(tmp_path)).class_names == ("cat",)


def test_images_of_deeper_folders_are_said_to_belong_to_the_class_above(tmp_path: Path) -> None:
    cats_and_dogs(tmp_path / "animals")
    fill(tmp_path / "plants" / "oak")
    with pytest.warns(UserWarning, match="images of 3 folders inside them count to these classes; the first: animals/"):
        assert load(str(tmp_path)).class_names == ("animals", "plants")


def test_splits_inside_classes_are_said_to_be_no_splits(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for split in ("train", "test"):
            fill(tmp_path / name / split)
    with pytest.warns(UserWarning, match="first: cat/test; to divide the data into splits, put test above the classes"):
        assert load(str(tmp_path)).class_names == ("cat", "dog")


def test_classes_in_one_split_alone_are_refused(tmp_path: Path) -> None:
    cats_and_dogs(tmp_path / "train")
    fill(tmp_path / "test")
    with pytest.raises(ValueError, match=r"train' has a subfolder for each class \(cat\), but '.*test' has images wit"):
        load(str(tmp_path))


def test_a_class_whose_images_are_all_left_out_is_left_out(tmp_path: Path) -> None:
    cats_and_dogs(tmp_path)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"text")
    with pytest.warns(UserWarning, match=r"1 of 3 classes of .* has no images and is left out: bad"):
        data = load(str(tmp_path), skip_bad=True)
    assert data.class_names == ("cat", "dog")
    assert set(data.train.labels.tolist()) == {0, 1}
