"""Sentences about names: the nearest known name to one that a user typed, and lists of choices."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from unicodedata import category


def printable(text: str) -> str:
    r"""
    The text with control characters escaped, except line ends and tabs: those of a terminal, and those that change the direction of writing.

    Whatever a file holds may reach a terminal, in which such characters would clear lines or change what is shown.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(c if c in "\n\t" or not _controls(c) else c.encode("unicode_escape").decode() for c in text)


def _controls(c: str) -> bool:
    return (
        category(c) in ("Cc", "Zl", "Zp")
        or "\u202a" <= c <= "\u202e"
        or "\u2066" <= c <= "\u2069"
        or c in "\u200e\u200f\u061c"
    )


def shorten(text: str, most: int = 200) -> str:
    """The text, cut in the middle where it is longer than ``most``."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 4 :]} ({len(text)} characters)"


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def refuse_unsafe(kind: str, name: str) -> None:
    """Raises a ValueError for a name that becomes part of a file's name and has other characters than letters, digits, dot, dash and underscore."""
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise ValueError(
            f"a {kind} becomes the name of a folder, of letters, digits, '.', '-' and '_', at most 100, without a dot at either end; got {shorten(name)!r}"
        )


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """
    The sentence for a name that is not known, with the nearest known name and all known names.

    >>> unknown("method", "strng", ["lerp", "string"])
    "unknown method 'strng'; did you mean 'string'? known: lerp, string"
    """
    names, name = sorted(known), shorten(name)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"unknown {kind} '{name}'; {hint}known: {', '.join(names)}"


def either(names: Iterable[str]) -> str:
    """
    The names as a choice of one.

    >>> either(["lerp", "slerp", "string"])
    'lerp, slerp or string'
    """
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
