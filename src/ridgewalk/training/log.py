"""
The log of a training, ``log.jsonl``: a line for each step with its terms, and lines of events (``event``) and of readings (``reading``).

A damaged line is left out by all readers. What was lost is said by ``describe_damage``: the digest of a finished log is in the run's manifest, and that of
the part that was written before a checkpoint is in the checkpoint.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ridgewalk.records import parse_json

_GREATEST = float.fromhex("0x1.fffffep127")  # the greatest number of float32, in which terms are computed


@dataclass(frozen=True)
class Written:
    """
    The beginning of a log as it was written.

    Attributes:
        bytes: its length.
        sha256: its digest.
    """

    bytes: int
    sha256: str


def log_digest(file: Path) -> str | None:
    """The SHA-256 of a log; None where there is none."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def read_log(file: Path) -> tuple[list[dict[str, float]], list[dict[str, Any]]]:
    """
    Reads the lines of terms, one for each step, and the events of a ``log.jsonl``; both are empty where the file does not exist.

    A last line that was being written when the run was killed is left out.
    """
    found = read_lines(file)
    terms = [line for line in found if "event" not in line and "reading" not in line]
    return terms, [line for line in found if "event" in line]


def read_readings(file: Path) -> list[dict[str, Any]]:
    """The lines of a ``log.jsonl`` that ``fit``'s ``inspect`` returned, each with ``reading``, ``name``, ``step`` and ``sentence``."""
    return [line for line in read_lines(file) if "reading" in line]


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Reads all valid lines, in the order of the file; lines of terms are valid if they have the terms that most of them have."""
    return _read(file)[0]


def describe_damage(file: Path, written: Written | str | None = None) -> str:
    """
    One sentence about what is wrong with a log; empty where it is whole.

    Args:
        file: the log.
        written: its beginning as it was written, or the digest of the whole log; None where that is not known, as in runs of version 0.1.0.
    """
    content = file.read_bytes() if file.is_file() else b""
    if isinstance(written, Written):
        content, digest = content[: written.bytes], written.sha256
    else:
        digest = written or ""
    lines, bad = _read(file)
    steps = [line["step"] for line in lines if "event" not in line and "reading" not in line]
    missing = (steps[-1] if steps else 0) - len(set(steps))
    if digest:
        damaged = hashlib.sha256(content).hexdigest() != digest
    else:
        damaged = missing > 0 or any(number < len(lines) + len(bad) for number in bad)
    if not damaged and missing <= 0:
        return ""
    lost = [f"{len(bad)} of its lines cannot be read"] * bool(bad) + [f"{missing} steps are missing"] * (missing > 0)
    return f"{file} was altered or cut short since it was written ({' and '.join(lost) or 'its digest differs'}); what can be read of it is used"


def _read(file: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """The valid lines of a log, and the numbers of the others."""
    texts = file.read_bytes().decode(errors="replace").splitlines() if file.is_file() else []
    found = {number: line for number, text in enumerate(texts, 1) if (line := _parse(text)) is not None}
    terms = Counter(tuple(line) for line in found.values() if _is_terms(line))
    usual = terms.most_common(1)[0][0] if terms else ()
    valid = {n: line for n, line in found.items() if not _is_terms(line) or tuple(line) == usual}
    return list(valid.values()), [number for number in range(1, len(texts) + 1) if number not in valid]


def _parse(text: str) -> dict[str, Any] | None:
    """A line; None for one that is not valid."""
    try:
        line = parse_json(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or type(line.get("step")) is not int or line["step"] < 1:
        return None
    if _is_terms(line):
        return line if all(type(v) in (int, float) and abs(v) <= _GREATEST for v in line.values()) else None
    kind = "event" if "event" in line else "reading"
    return line if all(isinstance(line.get(k), str) for k in (kind, "name", "sentence")) else None


def _is_terms(line: Mapping[str, Any]) -> bool:
    return "event" not in line and "reading" not in line
