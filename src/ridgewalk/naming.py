"""Sentences about names: the nearest known name to one that a user typed, and lists of choices."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """
    The sentence for a name that is not known, with the nearest known name and all known names.

    >>> unknown("method", "strng", ["lerp", "string"])
    "unknown method 'strng'; did you mean 'string'? known: lerp, string"
    """
    names = sorted(known)
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
