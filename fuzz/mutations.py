"""Changes a file as disks, editors and strangers do."""

import re
from collections.abc import Callable

import numpy as np

Random = np.random.Generator
Mutation = Callable[[bytes, Random], bytes]


def flip_bit(content: bytes, draw: Random) -> bytes:
    """One bit flipped."""
    at = int(draw.integers(len(content)))
    return content[:at] + bytes([content[at] ^ (1 << int(draw.integers(8)))]) + content[at + 1 :]


def change_digit(content: bytes, draw: Random) -> bytes:
    """One decimal digit replaced by another; one bit flipped where the file has no digit."""
    places = [m.start() for m in re.finditer(rb"\d", content[:200_000])]
    if not places:
        return flip_bit(content, draw)
    at = places[int(draw.integers(len(places)))]
    digit = (content[at] - 48 + 1 + int(draw.integers(9))) % 10
    return content[:at] + bytes([48 + digit]) + content[at + 1 :]


def cut(content: bytes, draw: Random) -> bytes:
    """The end is missing."""
    return content[: int(draw.integers(len(content)))]


def zero_page(content: bytes, draw: Random) -> bytes:
    """Up to 4096 bytes are zero."""
    at = int(draw.integers(len(content)))
    size = min(int(draw.choice([1, 16, 512, 4096])), len(content) - at)
    return content[:at] + bytes(size) + content[at + size :]


def insert_junk(content: bytes, draw: Random) -> bytes:
    """Random bytes are inserted."""
    at = int(draw.integers(len(content) + 1))
    return content[:at] + draw.bytes(int(draw.choice([1, 7, 64, 1000]))) + content[at:]


def remove_block(content: bytes, draw: Random) -> bytes:
    """A block is missing in the middle."""
    at = int(draw.integers(len(content)))
    return content[:at] + content[at + int(draw.choice([1, 8, 100, 1000])) :]


def change_head(content: bytes, draw: Random) -> bytes:
    """One of the first 128 bytes, where formats have sizes and types, becomes an extreme one."""
    at = int(draw.integers(min(128, len(content))))
    return content[:at] + bytes([int(draw.choice([0, 1, 127, 128, 254, 255]))]) + content[at + 1 :]


def replace_number(content: bytes, draw: Random) -> bytes:
    """A number of a text is replaced by one that no one meant."""
    places = list(re.finditer(rb"-?\d+(\.\d+)?(e[+-]?\d+)?", content[:200_000]))
    if not places:
        return flip_bit(content, draw)
    place = places[int(draw.integers(len(places)))]
    return content[: place.start()] + str(draw.choice(NUMBERS)).encode() + content[place.end() :]


def empty(content: bytes, draw: Random) -> bytes:
    """Nothing is left, or a single byte."""
    return content[: int(draw.integers(2))]


NUMBERS = [
    "-1",
    "0",
    "1e308",
    "-1e308",
    "1e-320",
    "nan",
    "inf",
    "-inf",
    "9223372036854775808",
    "10000000000000000000000",
    "0.5",
    '""',
    "true",
    "[]",
    "1e400",
]
"""Numbers, and what is none, in place of a number of a text."""

MUTATIONS: tuple[Mutation, ...] = (
    flip_bit,
    change_digit,
    cut,
    zero_page,
    insert_junk,
    remove_block,
    change_head,
    replace_number,
    empty,
)
"""Every mutation; all but the last are drawn alike."""


def mutate(content: bytes, draw: Random) -> tuple[str, bytes]:
    """The name of a mutation that changes the content, and what it gives."""
    shares = np.array([1.0] * (len(MUTATIONS) - 1) + [0.1])
    while True:
        mutation = MUTATIONS[int(draw.choice(len(MUTATIONS), p=shares / shares.sum()))]
        changed = mutation(content, draw)
        if changed != content:
            return mutation.__name__, changed
