"""Folders of images, in which a subfolder is a class; subfolders ``train/`` and ``test/`` at the top, if any, are the splits."""

import re
from collections.abc import Iterable
from pathlib import Path

from ridgewalk.data.decode import EXTENSIONS
from ridgewalk.data.items import ImageFormat, Item, Parts, gather

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")


def natural_order(name: str) -> tuple[list[str | int], str]:
    """Sort key that compares digits as numbers, so that "class 9" precedes "class 10", and ignores case."""
    return [int(part) if i % 2 else part.casefold() for i, part in enumerate(re.split(r"(\d+)", name))], name


def read_folder(folder: Path, form: ImageFormat) -> Parts:
    """
    Reads the images of a folder, classes and files in natural order; hidden files and files with other extensions are ignored.

    Without subfolders there is one class, "all". If there is a subfolder ``train``, the subfolders are splits, and ``test``, ``val`` and ``validation``
    together are the test split. Raises ValueError for an empty folder or subfolder, for images beside subfolders, and as ``gather`` does.
    """
    subfolders = _subfolders(folder)
    if not any(s.name.lower() in TRAIN_NAMES for s in subfolders):
        return _read([(folder, False)], form)
    strange = [s.name for s in subfolders if s.name.lower() not in TRAIN_NAMES + TEST_NAMES]
    if strange:
        raise ValueError(
            f"'{folder}' is divided into splits by its subfolder train, but '{strange[0]}' is no split; expected "
            f"{', '.join(TRAIN_NAMES + TEST_NAMES)}; move it elsewhere"
        )
    held_out = [(s, s.name.lower() in TEST_NAMES) for s in subfolders]
    return _read(sorted(held_out, key=lambda pair: pair[1]), form)


def _read(splits: list[tuple[Path, bool]], form: ImageFormat) -> Parts:
    found = [(_classes(split), held_out) for split, held_out in splits]
    names = tuple(sorted({name for classes, _ in found for name in classes}, key=natural_order))
    label = {name: i for i, name in enumerate(names)}
    items = [
        Item(str(file), file, label[name], held_out)
        for classes, held_out in found
        for name, files in classes.items()
        for file in files
    ]
    return gather(items, len(items), names, form, constant_is_bad=True)


def _classes(folder: Path) -> dict[str, list[Path]]:
    """The image files of each class of one split."""
    loose, subfolders = _image_files(folder.iterdir()), _subfolders(folder)
    if loose and subfolders:
        raise ValueError(
            f"'{folder}' has images ({loose[0].name}) beside subfolders ({subfolders[0].name}); "
            "put every image into a subfolder that names its class, or all into one folder"
        )
    if not subfolders:
        return {"all": _not_empty(loose, folder)}
    return {s.name: _not_empty(_image_files(s.rglob("*")), s) for s in subfolders}


def _subfolders(folder: Path) -> list[Path]:
    return sorted((s for s in folder.iterdir() if s.is_dir() and s.name[0] != "."), key=lambda s: natural_order(s.name))


def _image_files(files: Iterable[Path]) -> list[Path]:
    chosen = (f for f in files if f.suffix[1:].lower() in EXTENSIONS and f.name[0] != "." and f.is_file())
    return sorted(chosen, key=lambda f: natural_order(f.as_posix()))


def _not_empty(files: list[Path], folder: Path) -> list[Path]:
    if not files:
        raise ValueError(f"folder '{folder}' holds no images; expected files that end in {', '.join(EXTENSIONS)}")
    return files
