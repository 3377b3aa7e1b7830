"""
The power of trained judges, kept in the cache: it takes longer to measure than a judge to load.

    judges/KEY.power.json      KEY: SHA-256 of the judge's weights and threshold, of its held-out images, and of ``power.VERSION``

A file that is missing, damaged or of another form is measured again and replaced. A cache that cannot be written costs time alone.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, fields

from ridgewalk.cache import cache_folder
from ridgewalk.files import write_bytes
from ridgewalk.judging.power import Power
from ridgewalk.records import DIGEST, parse_record, seal


def keep_power(key: str, measure: Callable[[], Power]) -> Power:
    """The power that was kept under ``key``, or that of ``measure``, which is then kept."""
    folder = cache_folder()
    if folder is None:
        return measure()
    file = folder / "judges" / f"{key}.power.json"
    names = [f.name for f in fields(Power)]
    try:
        record = parse_record(file.read_bytes(), names)
        _ = record[DIGEST]  # a KeyError where there is none
        return Power.of_record({name: record[name] for name in names})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found = measure()
    with suppress(OSError):  # then the judge's own file could not be written either, of which a note was given
        write_bytes(file, json.dumps(seal(asdict(found))).encode())
    return found
