"""
Progress bars that the library offers and only the command line shows.

A long loop is written ``for item in track(items, "string method")``. Nothing is drawn until a caller opens
``showing(console)``; inside it every tracked loop has its bar, nested loops included.
"""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Item = TypeVar("Item")

_display: "ContextVar[Progress | None]" = ContextVar("ridgewalk_progress", default=None)


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yields ``items``, with a bar named ``description`` while a display is open."""
    display = _display.get()
    if display is None:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    task = display.add_task(description, total=total)
    try:
        for item in items:
            yield item
            display.advance(task)
    finally:
        display.remove_task(task)


@contextmanager
def showing(console: "Console") -> Iterator[None]:
    """Draws the bars of every tracked loop on ``console`` until the block ends; a block inside another shares its bars."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    if _display.get() is not None:
        yield
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as display:
        token = _display.set(display)
        try:
            yield
        finally:
            _display.reset(token)
