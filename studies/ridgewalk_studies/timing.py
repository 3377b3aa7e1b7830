"""Timing of several functions in alternation, so that a noisy machine slows all of them equally; and of work that is done in parts."""

import json
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from types import TracebackType

from ridgewalk.files import write_bytes


def medians(ways: Mapping[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Returns the seconds of each function by name, medians of ``repeats`` rounds after one warm-up round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            began = perf_counter()
            way()
            times[name].append(perf_counter() - began)
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}


class Clock:
    """
    The seconds of work that may be stopped and resumed, over all of its parts, as a context.

    Args:
        file: file that holds them as a JSON number. It is written every ``every`` seconds, so that a process that is killed loses no more than these.
        every: seconds between two writings.
    """

    def __init__(self, file: Path, every: float = 10.0) -> None:
        self.file, self._every, self._ended = file, every, Event()
        try:
            self._before = max(0.0, float(json.loads(file.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            self._before = 0.0
        self._began = perf_counter()
        self._writer = Thread(target=self._keep_writing, daemon=True)

    @property
    def seconds(self) -> float:
        """The seconds until now."""
        return self._before + perf_counter() - self._began

    def __enter__(self) -> "Clock":
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._writer.join()
        if not isinstance(error, ValueError):  # a refusal costs no time, and leaves no file
            self._write()

    def _keep_writing(self) -> None:
        while not self._ended.wait(self._every):
            self._write()

    def _write(self) -> None:
        write_bytes(self.file, json.dumps(self.seconds).encode())
