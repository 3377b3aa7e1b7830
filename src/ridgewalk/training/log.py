"""The log of a training, ``log.jsonl``: a line for each step with its terms, and lines of events (``event``) and of readings (``reading``)."""

import json
from pathlib import Path
from typing import Any


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
    """Reads all valid lines, in the order of the file."""
    found = []
    for text in file.read_text().splitlines() if file.is_file() else []:
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found
