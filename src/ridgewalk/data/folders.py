"""Folders of images, in which a subfolder is a class; subfolders ``train/`` and ``test/`` at the top, if any, are the splits."""

import os
import warnings
from pathlib import Path

from ridgewalk.data.decode import USUAL_EXTENSIONS
from ridgewalk.data.items import ImageFormat, Item, Parts, gather
from ridgewalk.data.layouts import TEST_NAMES, TRAIN_NAMES, advise
from ridgewalk.data.listing import Folder, Passed, list_folder, natural_order, summarise, warn_of_passed


def read_folder(folder: Path, form: ImageFormat) -> Parts:
    """
    Reads the images of a folder, classes and files in natural order, and warns of all files that are passed over (``listing``).

    Without subfolders there is one class, "all". If there is a subfolder ``train``, the subfolders are splits, and ``test``, ``val`` and ``validation``
    together are the test split. Where the only subfolder holds no images but class folders or splits, it is read in place of the folder, with a warning.

    Raises ValueError for an empty folder or subfolder, for images beside subfolders, for classes in one split alone, for a folder that cannot be read
    (unless ``form.skip_bad``), and as ``gather`` does.
    """
    listed, passed = list_folder(folder, form.skip_bad)
    top = _descend(listed)
    if not _has_splits(top):
        parts = _read([(top, False)], form, passed)
    else:
        strange = [s.path.name for s in top.subfolders if s.path.name.lower() not in TRAIN_NAMES + TEST_NAMES]
        if strange:
            raise ValueError(
                f"'{top.path}' is divided into splits by its subfolder train, but '{strange[0]}' is no split; expected "
                f"{', '.join(TRAIN_NAMES + TEST_NAMES)}; move it elsewhere"
            )
        held_out = [(_descend(s), s.path.name.lower() in TEST_NAMES) for s in top.subfolders]
        parts = _read(sorted(held_out, key=lambda pair: pair[1]), form, passed)
    warn_of_passed(folder, passed)
    return parts


def _has_splits(folder: Folder) -> bool:
    return any(s.path.name.lower() in TRAIN_NAMES for s in folder.subfolders)


def _descend(top: Folder) -> Folder:
    """The first folder below ``top`` with several subfolders or splits, where each on the way has one subfolder and no images; or else ``top``."""
    below = top
    while not (below.images or _has_splits(below)) and len(below.subfolders) == 1:
        below = below.subfolders[0]
    if below is top or not (_has_splits(below) or (below.subfolders and not below.images)):
        return top
    names = ", ".join(s.path.name for s in below.subfolders[:5]) + ", ..." * (len(below.subfolders) > 5)
    warnings.warn(
        f"'{top.path}' holds nothing but '{below.path}', whose subfolders are read ({names})", UserWarning, stacklevel=5
    )
    return below


def _read(splits: list[tuple[Folder, bool]], form: ImageFormat, passed: Passed) -> Parts:
    found = [(_classes(split, passed), held_out) for split, held_out in splits]
    if len({bool(split.subfolders) for split, _ in splits}) > 1:
        flat, divided = (next(f for f, _ in splits if bool(f.subfolders) == kind) for kind in (False, True))
        raise ValueError(
            f"'{divided.path}' has a subfolder for each class ({divided.subfolders[0].path.name}), but '{flat.path}' has images without classes "
            f"({flat.images[0].name}); divide both into classes or neither, or move '{flat.path}' elsewhere"
        )
    names = tuple(sorted({name for classes, _ in found for name in classes}, key=natural_order))
    label = {name: i for i, name in enumerate(names)}
    items = [
        Item(str(file), file, label[name], held_out)
        for classes, held_out in found
        for name, files in classes.items()
        for file in files
    ]
    _warn_of_deeper([split for split, _ in splits])
    return gather(items, len(items), names, form)


def _classes(folder: Folder, passed: Passed) -> dict[str, list[Path]]:
    """The image files of each class of one split."""
    if folder.images and folder.subfolders:
        raise ValueError(
            f"'{folder.path}' has images ({folder.images[0].name}) beside subfolders ({folder.subfolders[0].path.name}); "
            "put every image into a subfolder that names its class, or all into one folder"
        )
    if not folder.subfolders:
        return {"all": _not_empty(folder, passed)}
    return {s.path.name: _not_empty(s, passed) for s in folder.subfolders}


def _not_empty(folder: Folder, passed: Passed) -> list[Path]:
    files = folder.every_image()
    if not files:
        held = [(path, reason) for path, reason in passed if path.is_relative_to(folder.path)]
        raise ValueError(
            f"folder '{folder.path}' holds no images; expected files that end in {', '.join(USUAL_EXTENSIONS)} or as another "
            f"format of Pillow; it holds {summarise(held) or 'no files'}{advise(path for path, _ in held)}"
        )
    return files


def _warn_of_deeper(splits: list[Folder]) -> None:
    """Warns of folders inside the class folders, whose images belong to the class."""
    deeper = [inner for split in splits for s in split.subfolders for inner in s.subfolders if inner.every_image()]
    if deeper:
        top, name = splits[0].path, deeper[0].path.name
        hint = f"; to divide the data into splits, put {name} above the classes" * (
            name.lower() in TRAIN_NAMES + TEST_NAMES
        )
        warnings.warn(
            f"the subfolders of '{top}' are the classes, and the images of {len(deeper)} folder{'s' * (len(deeper) > 1)} inside them count to these "
            f"classes; the first: {os.path.relpath(deeper[0].path, top)}{hint}",
            UserWarning,
            stacklevel=5,
        )
