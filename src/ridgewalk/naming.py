"""Names that a user typed: the nearest known one, and plural-free lists for messages."""

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """
    The sentence for a name that is not known: what came, the nearest known one, and all that there are.

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
