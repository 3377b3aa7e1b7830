"""
Lists a folder of images, with an account of every file that is no image to read.

Symbolic links are followed. A folder is read once: a link to a folder that is read already, or that contains the listed one, is passed over.
"""

import os
import re
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ridgewalk.data.decode import extensions

Passed = list[tuple[Path, str]]
"""The files that are passed over, each with its reason."""

# folders that systems and programs put beside files, as those whose name begins with a full stop
_BY_PROGRAMS = frozenset(
    {"__macosx", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "system volume information"}
    | {"lost+found", "__pycache__", "thumbs.db", "desktop.ini"}
)


@dataclass
class Folder:
    """
    A folder with the images directly in it, and its subfolders, both in natural order.

    Attributes:
        path: the folder.
        images: files that end as images do.
        subfolders: folders that are not hidden, with or without images.
    """

    path: Path
    images: list[Path] = field(default_factory=list)
    subfolders: list["Folder"] = field(default_factory=list)

    def every_image(self) -> list[Path]:
        """The images of this folder and of all below it, in natural order of their paths."""
        found, pending = list[Path](), [self]
        while pending:
            folder = pending.pop()
            found += folder.images
            pending += folder.subfolders
        return sorted(found, key=lambda f: natural_order(f.as_posix()))


def natural_order(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Sort key that compares digits as numbers, so that "class 9" precedes "class 10", and ignores case."""
    parts = enumerate(re.split(r"0*(\d+)", name))
    return [(len(part), part) if i % 2 else part.casefold() for i, part in parts], name


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or one that systems put beside the user's files, such as ``__MACOSX``."""
    return name.startswith(".") or name.lower() in _BY_PROGRAMS


def list_folder(root: Path, skip_bad: bool) -> tuple[Folder, Passed]:
    """
    Lists ``root`` and all folders below it.

    Args:
        root: an existing folder.
        skip_bad: whether a subfolder that cannot be read is left out with a warning instead of refusing the folder.
    """
    top, passed = Folder(root), Passed()
    read, links = {parent: "that contains them" for parent in root.resolve().parents}, deque[tuple[Folder, Path]]()
    pending, every = [top], [top]
    while pending or links:
        if not pending:  # links come last, so that a folder is preferred to a link to it
            parent, path = links.popleft()
            pending.append(Folder(path))
            if path.resolve() not in read:
                parent.subfolders.append(pending[-1])
        folder = pending.pop()
        real = folder.path.resolve()
        if real in read:
            passed.append((folder.path, f"linked to a folder {read[real]}"))
            continue
        read[real] = "that is read already"
        every.append(folder)
        for entry in _entries(folder.path, root, skip_bad):
            path = Path(entry.path)
            reason = _reason(entry)
            if reason == "folder" and entry.is_symlink():
                links.append((folder, path))
            elif reason == "folder":
                folder.subfolders.append(Folder(path))
            elif reason is None:
                folder.images.append(path)
            else:
                passed += _files_below(path, reason) if entry.is_dir(follow_symlinks=False) else [(path, reason)]
        pending += folder.subfolders
    for folder in every:
        folder.images.sort(key=lambda f: natural_order(f.name))
        folder.subfolders.sort(key=lambda f: natural_order(f.path.name))
    return top, passed


def summarise(passed: Iterable[tuple[Path, str]]) -> str:
    """
    The numbers of files by reason, the largest first.

    >>> summarise([(Path("a.txt"), ".txt"), (Path("b.txt"), ".txt"), (Path(".c"), "hidden")])
    '2 .txt, 1 hidden'
    """
    counts = Counter(reason for _, reason in passed).most_common()
    few, others = counts[:8], sum(count for _, count in counts[8:])
    return ", ".join([f"{count} {reason}" for reason, count in few] + [f"{others} of other kinds"] * bool(others))


def warn_of_passed(root: Path, passed: Sequence[tuple[Path, str]]) -> None:
    """Warns once of all files that are passed over."""
    if passed:
        most = Counter(reason for _, reason in passed).most_common(1)[0][0]
        first = next(path for path, reason in passed if reason == most)
        warnings.warn(
            f"{len(passed)} file{'s were' if len(passed) > 1 else ' was'} passed over: {summarise(passed)}; "
            f"such as {os.path.relpath(first, root)} of '{root}'",
            UserWarning,
            stacklevel=4,
        )


def _entries(folder: Path, root: Path, skip_bad: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: natural_order(entry.name))
    except OSError as error:
        cause = f"folder '{folder}' cannot be read: {(error.strerror or str(error)).lower()}"
        if skip_bad and folder != root:
            warnings.warn(f"{cause}; it was left out", UserWarning, stacklevel=5)
            return []
        rest = "" if folder == root else ", or pass --skip-bad to use the rest"
        raise ValueError(f"{cause}; change its permissions, or remove it{rest}") from error


def _reason(entry: os.DirEntry[str]) -> str | None:
    """Why a file is passed over; "folder" for a folder to list, None for an image."""
    if is_hidden(entry.name):
        return "hidden"
    try:
        if entry.is_dir():
            return "folder"
        if not entry.is_file():
            is_broken = entry.is_symlink() and not os.path.exists(entry.path)
            return "linked to nothing" if is_broken else "neither a file nor a folder"
    except OSError:  # a link in a loop of links, or to where the user may not look
        return "linked to what cannot be read"
    ending = os.path.splitext(entry.name)[1].lower()
    return None if ending[1:] in extensions() else ending or "without an ending"


def _files_below(folder: Path, reason: str) -> Passed:
    """All files of a folder that is passed over."""
    return sorted((Path(here) / name, reason) for here, _, names in os.walk(folder) for name in names)
