"""Timing of several functions in alternation, so that a noisy machine slows all of them equally."""

import statistics
from collections.abc import Callable, Mapping
from time import perf_counter


def medians(ways: Mapping[str, Callable[[], object]], repeats: int = 5) -> dict[str, float]:
    """Returns the seconds of each function by name, medians of ``repeats`` rounds after one warm-up round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, way in ways.items():
            began = perf_counter()
            way()
            times[name].append(perf_counter() - began)
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}
