"""
Progress bars that the library offers and only the command line shows.

A long loop is written ``for item in track(items, "string method")``. Nothing is drawn until a caller opens
``showing(console)``; inside that block every tracked loop has its own bar, nested loops included.
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
    """Yields ``items``, and draws a bar called ``description`` while a display is open."""
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
    """Draws the bars of every tracked loop on ``console`` until the block ends; an inner block shares the bars of the outer one."""
    from rich import progress

    if _display.get() is not None:
        yield
        return
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, transient=True) as display:
        token = _display.set(display)
        try:
            yield
        finally:
            _display.reset(token)
