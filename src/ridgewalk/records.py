"""
Records: JSON objects on disk, read strictly, with a digest of their own content.

    digest = SHA-256 of the JSON text, with sorted keys, of all entries except "digest" and "sha256"; floats as strings of their digits, because
             two texts of 17 digits may be one number

The entry "sha256" holds the checksums of other files; where it is damaged, those files are refused. A record of version 0.1.0 has no digest.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ridgewalk import naming

DIGEST = "digest"


def json_bytes(value: Any) -> bytes:
    """The JSON text of figures, with null for each number that is NaN: where a judge cannot tell, a figure was not measured."""
    return json.dumps(without_nan(value), indent=1).encode()


def without_nan(value: Any) -> Any:
    """The value with None in place of each float that is NaN, in mappings, lists and tuples."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {k: without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return value


def digest_of(value: Any) -> str:
    """SHA-256, in hexadecimal, of the JSON text of a value with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its digest."""
    return {**record, DIGEST: _digest(json.dumps(record))}


def parse_json(text: str | bytes) -> Any:
    """
    The value of a JSON text.

    Raises:
        ValueError: for a text that is not JSON in UTF-8, or is nested too deeply to be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def parse_record(text: str | bytes, known: Iterable[str]) -> dict[str, Any]:
    """
    The record in a JSON text.

    Args:
        text: what the file holds.
        known: names of the entries that it may have; "sha256" and "digest" are always allowed.

    Raises:
        ValueError: for a text that is not a JSON object, an unknown entry, and an entry that was changed since the record was sealed.
    """
    record = parse_json(text)
    if not isinstance(record, dict):
        raise ValueError(f"it holds a {type(record).__name__} in place of an object")
    refuse_unknown("entry", record, (*known, "sha256", DIGEST))
    if DIGEST in record and record[DIGEST] != _digest(text):
        raise ValueError("its digest does not fit its entries")
    return record


def refuse_unknown(kind: str, found: Iterable[str], known: Iterable[str]) -> None:
    """Raises a ValueError for the first of the names ``found`` that is not among ``known``; ``kind`` is what they name."""
    names = list(known)
    for name in found:
        if name not in names:
            raise ValueError(naming.unknown(kind, name, names))


def _digest(text: str | bytes) -> str:
    """The digest of the record in a JSON text."""
    record = json.loads(text, parse_float=str)
    return digest_of({k: v for k, v in record.items() if k not in (DIGEST, "sha256")})
