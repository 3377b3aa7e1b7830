"""How much memory is free, so that a file which needs more is refused before it is read."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_GIB = 2**30


class TooLarge(ValueError):
    """Data that the memory cannot hold."""


def available() -> int:
    """
    The bytes that this process can still allocate.

        min(free memory of the machine, limit - use of each control group above the process, limit - use of its address space)

    Memory of a control group that only caches files counts as free.
    """
    import psutil  # imported late, because few commands need it

    return max(0, min((psutil.virtual_memory().available, *_left_by_groups(), *_left_by_process())))


def refuse_beyond(size: int, what: str, remedy: str) -> None:
    """Raises TooLarge, with a message that ends with ``remedy``, if the ``size`` bytes that ``what`` needs are not available."""
    free = available()
    if size > free:
        raise TooLarge(f"{what} needs {size / _GIB:.3g} GiB of memory, and {free / _GIB:.3g} GiB are free; {remedy}")


def _left_by_process() -> Iterator[int]:
    with suppress(ImportError):  # Windows has no such limits
        import resource

        import psutil

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            yield limit - psutil.Process().memory_info().vms


def _left_by_groups() -> Iterator[int]:
    """What the limits of the process's control groups leave, in versions 1 and 2 of Linux's control groups."""
    for line in _lines(_OWN):
        _, controllers, own = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS / controllers
        limit, use = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        )
        inside = root / own.lstrip("/")
        for folder in (inside, *inside.parents):
            if folder.is_relative_to(root):
                yield from _left_by_group(folder, limit, use)


def _left_by_group(folder: Path, limit: str, use: str) -> Iterator[int]:
    bounds, used = _lines(folder / limit), _lines(folder / use)
    if bounds and used and bounds[0].isdecimal():
        caches = [int(line.split()[1]) for line in _lines(folder / "memory.stat") if line.startswith("inactive_file ")]
        yield int(bounds[0]) - int(used[0]) + sum(caches)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
