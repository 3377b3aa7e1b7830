"""
Progress that the library offers and only the command line shows.

A long loop is written ``for item in track(items, "string method")``. Nothing is shown until a caller opens
``showing(console)``; inside that block every tracked loop has its own bar, nested loops included. Where the console is no
terminal that can draw bars (a file, a pipe, TERM=dumb), one line at intervals tells how far all loops are.
"""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from ridgewalk.naming import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

Item = TypeVar("Item")

_display: "ContextVar[Progress | None]" = ContextVar("ridgewalk_progress", default=None)


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yields ``items``, and shows progress called ``description`` while a display is open."""
    display = _display.get()
    if display is None:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    task = display.add_task(printable(description), total=total)
    try:
        for item in items:
            yield item
            display.advance(task)
    finally:
        display.remove_task(task)


@contextmanager
def showing(console: "Console", interval: float = 30.0) -> Iterator[None]:
    """
    Shows the progress of every tracked loop on ``console`` until the block ends; an inner block shares the outer one's display.

    Args:
        console: where bars are drawn, or lines are printed where it is no terminal.
        interval: the time in s between two lines.
    """
    from rich import progress

    if _display.get() is not None:
        yield
        return
    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    )
    draws = console.is_terminal and not console.is_dumb_terminal
    ended = Event()
    with progress.Progress(*columns, console=console, transient=True, disable=not draws) as display:
        token = _display.set(display)
        if not draws and not console.quiet:
            Thread(target=_print_lines, args=(display, interval, ended), daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            _display.reset(token)


def _print_lines(display: "Progress", interval: float, ended: Event) -> None:
    """Prints how far all loops are, every ``interval`` seconds until ``ended`` is set; a line that cannot be written is left out."""
    start = monotonic()
    while not ended.wait(interval):
        loops = "; ".join(map(_describe, display.tasks)) or "at work"
        with suppress(OSError, ValueError):  # a full disk or a closed file must not end the work
            print(
                f"progress: {loops} ({_clock(monotonic() - start)} since the start)",
                file=display.console.file,
                flush=True,
            )


def _describe(task: "Task") -> str:
    """What a loop is, how far it is, and the time that it needs if it goes on as it did."""
    if task.total is None:
        return f"{task.description} {task.completed:.0f}"
    left = (task.elapsed or 0.0) * (task.total - task.completed) / task.completed if task.completed else None
    return f"{task.description} {task.completed:.0f} of {task.total:.0f}" + (
        f", {_clock(left)} left" if left is not None else ""
    )


def _clock(seconds: float) -> str:
    """A duration as hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))
