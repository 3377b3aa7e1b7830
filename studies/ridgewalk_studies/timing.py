"""Two ways or more of doing a thing, timed in turns, so that a noisy machine slows all of them alike."""

import statistics
from collections.abc import Callable, Mapping
from time import perf_counter


def medians(ways: Mapping[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Seconds of each way by name, medians of ``repeats`` rounds after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            began = perf_counter()
            way()
            times[name].append(perf_counter() - began)
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}
