"""``Path``, the curves that every finder returns and every metric reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk import polyline
from ridgewalk.callables import check_measurable, check_rows, evaluation_mode

CHUNK_BYTES = 2**29
"""Memory in bytes that one chunk of ``map`` may take by default, if there are 64 activations for each output value."""


def chunked(f: Callable[..., Tensor], *rows: Tensor, chunk: int | None = None) -> Tensor:
    """
    Applies f to rows (n, *) in chunks, without gradients, and returns its values (n, *). An f that works in place changes copies of the rows.

    Args:
        f: takes tensors with n rows and returns a tensor with n rows; row i of the result depends on row i alone.
        rows: the arguments of f, tensors that share their first dimension n.
        chunk: number of rows per call. By default the first 16 rows are evaluated, and the size of their values determines
            a number of rows that keeps a large decoder within ``CHUNK_BYTES``.
    """
    n = rows[0].shape[0]
    size = chunk or min(n, 16)
    with torch.no_grad(), evaluation_mode(f):
        given = [r[:size].clone() for r in rows]
        first = check_rows(f(*given), min(size, n))
        in_place = not all(torch.equal(g, r[:size]) for g, r in zip(given, rows))
        if size >= n:
            return first
        if chunk is None:
            values = max(first[0].numel(), rows[0][0].numel())
            size = max(1, CHUNK_BYTES // (values * first.element_size() * 64))
        out = first.new_empty((n, *first.shape[1:]))
        done = first.shape[0]
        out[:done] = first
        while done < n:
            end = min(n, done + size)
            block = [r[done:end].clone() if in_place else r[done:end] for r in rows]
            out[done:end] = check_rows(f(*block), end - done)
            done = end
    return out


@dataclass(frozen=True, eq=False)
class Path:
    """
    Curves between b pairs of points, each given by k nodes.

    Attributes:
        nodes: (b, k, *); ``nodes[:, 0]`` is z_a exactly, and ``nodes[:, -1]`` is z_b exactly where ``arrived`` is True.
        arrived: (b,) bool; False where the finder stopped before z_b, and the last node is the point where it stopped.
        traces: values of each node by name, (b, k) each, such as energies and norms of forces.
        stats: totals of the search by name, such as ``nfe`` (rows on which an energy was evaluated), ``iterations`` and ``seconds``.
    """

    nodes: Tensor
    arrived: Tensor
    traces: Mapping[str, Tensor] = field(default_factory=dict)
    stats: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.nodes.dim() < 3 or self.nodes.shape[1] < 2:
            raise ValueError(f"a path needs nodes (b, k, *) with k >= 2; got {tuple(self.nodes.shape)}")
        if self.arrived.shape != self.nodes.shape[:1] or self.arrived.dtype != torch.bool:
            raise ValueError(
                f"arrived must be bool of shape ({self.nodes.shape[0]},); got {self.arrived.dtype} {tuple(self.arrived.shape)}"
            )
        reached = self.nodes[self.arrived].flatten(1).isfinite().all(dim=1)
        if not bool(reached.all()):
            raise FloatingPointError(
                f"{int((~reached).sum())} of {len(reached)} paths that arrived have nodes that are not finite; look at the energy and the decoder"
            )
        for name, trace in self.traces.items():
            if trace.shape != self.nodes.shape[:2]:
                raise ValueError(
                    f"trace '{name}' must have shape {tuple(self.nodes.shape[:2])}; got {tuple(trace.shape)}"
                )

    def map(self, f: Callable[..., Tensor], *per_pair: Tensor, chunk: int | None = None) -> Tensor:
        """
        The values of f at every node: (b, k, *).

        Args:
            f: (n, *) -> (n, *), such as a decoder or an energy; with conditions, f(z, c, ...).
            per_pair: conditions (b, *), one for each pair, which are repeated for the pair's nodes.
            chunk: number of rows per call; see ``chunked``.
        """
        b, k = self.nodes.shape[:2]
        conditions = (c.repeat_interleave(k, dim=0) for c in per_pair)
        values = chunked(f, self.nodes.flatten(0, 1), *conditions, chunk=chunk)
        return values.unflatten(0, (b, k))

    def resample(
        self, k: int, distance: Callable[[Tensor], Tensor] | None = None, density: Tensor | None = None
    ) -> "Path":
        """
        The same polylines with ``k`` nodes at equal arc length; traces are interpolated linearly, and the ends stay the same bit for bit.

        Args:
            k: number of nodes, at least 2.
            distance: (n, *) -> (n, *), such as a decoder; arc length is measured between its values at the nodes instead of the nodes themselves.
            density: (b, present k), positive; the relative number of nodes per unit of length near each present node.
        """
        if k < 2:
            raise ValueError(f"resampling needs at least 2 nodes; got {k}")
        measured = self.nodes if distance is None else check_measurable(self.map(distance))
        measured = measured[..., None] if measured.dim() == 2 else measured
        lengths = polyline.segments(measured)
        if distance is not None and not bool(lengths.isfinite().all()):
            pair = int((~lengths.isfinite()).any(dim=1).nonzero()[0])
            raise FloatingPointError(
                f"the path of pair {pair} has no finite length between the decoder's values; look at the decoder and at its input"
            )
        if density is not None:
            lengths = lengths * (density[:, 1:] + density[:, :-1]) / 2
        arc = polyline.cumulative(lengths)
        nodes = polyline.equally_spaced(self.nodes, k, arc)
        traces = {name: polyline.equally_spaced(t[..., None], k, arc)[..., 0] for name, t in self.traces.items()}
        return Path(nodes, self.arrived, traces, self.stats)
