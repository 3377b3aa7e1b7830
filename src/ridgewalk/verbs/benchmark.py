"""The verb `benchmark`: the methods compared over several runs of one recipe with different seeds, pooled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ridgewalk import processes
from ridgewalk.evaluation.ends import count_pairs
from ridgewalk.evaluation.methods import Pooled, figures_of, pool_runs, refuse_mixed, refuse_role
from ridgewalk.files import new_file, write_bytes
from ridgewalk.records import json_bytes
from ridgewalk.store.run import Run

PAIRS = 200
"""Default number of pairs."""


@dataclass(frozen=True)
class Request:
    """
    What to compare.

    Attributes:
        pairs: number of pairs of test images, the same for all runs; by default ``PAIRS``, or as many as there are.
        role: role of the images.
        methods: names of methods, alone or with an energy as ``string:dual``; by default all that a run has what they need for.
        out: file of the figures as JSON; by default none is written.
        seed: seed of the pairs, of the draws of the prior and of the bootstrap.
    """

    pairs: int | None = None
    role: str = "test"
    methods: Sequence[str] | None = None
    out: Path | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Result:
    """
    The pooled comparison.

    Attributes:
        pooled: intervals over all runs, and the entries of each method.
        figures: everything measured, for JSON.
    """

    pooled: Pooled
    figures: Mapping[str, Any]


def benchmark(runs: Sequence[Run], request: Request) -> Result | None:
    """
    Compares the methods over the same pairs of all runs, and writes the figures where a file was named.

    Returns:
        The result; None on all processes of a torchrun but the first.

    Raises:
        ValueError: if the runs cannot be pooled, or the file exists.
    """
    refuse_mixed(runs)
    if (out := request.out) is not None:
        processes.first(lambda: new_file(out))
    role, seed = request.role, request.seed
    refuse_role(role)
    pairs = count_pairs(runs[0], role, request.pairs, PAIRS)
    pooled = pool_runs(runs, pairs, role, request.methods, seed)
    if pooled is None:
        return None
    figures = figures_of(runs, pooled.summary, pooled.entries, pooled.measured[0].judges, pairs, role, seed)
    if request.out is not None:
        write_bytes(request.out, json_bytes(figures))
    return Result(pooled, figures)
