"""
Geodesics of decoded images, and paths that trade shortness for realism.

For nodes z_1 ... z_k with images x_i = G(z_i) the curve energy is

    C(z) = (k - 1) sum_i w_i |x_{i+1} - x_i|^2,   w_i = (w(z_i) + w(z_{i+1})) / 2

With w = 1 this is the energy under the metric J(z)^T J(z) pulled back by G, computed from decoded nodes without a Jacobian (Shao, Kumar and Fletcher
2018). A conformal factor w makes some regions longer than others: w = p^(-2 a) of a density p (Sajama and Orlitsky 2005), or of a density ratio. A
geodesic minimises C. A ridge path, a method of this package, minimises

    J(z) = C(z) / C(LERP) + r (1 / L) int u(z) ds

where the integral runs over the arc length s of the decoded curve, L in all, by the trapezoidal rule between the nodes. C is least for nodes at equal steps of
s, and so is the mean over s the mean over the nodes that the curve has in the end. A mean over nodes would fall where nodes crowd together at low u, without a
change of the curve. The energy u is usually ``Calibrated`` to 0 on data and 1 on straight lines, so that the weight r has the same meaning on every model.
r = 0 gives the geodesic, which is short and often unrealistic; with larger r the path is more realistic and longer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk import polyline
from ridgewalk.callables import (
    check_energy,
    check_gradient,
    check_measurable,
    check_rows,
    evaluate_copy,
    evaluation_mode,
    outside_inference_mode,
)
from ridgewalk.context import Context
from ridgewalk.finders.inputs import all_arrived, check_endpoints
from ridgewalk.finders.minimise import Minimised, minimise
from ridgewalk.finders.straight import Lerp
from ridgewalk.finders.string import find_start
from ridgewalk.path import Path, chunked
from ridgewalk.protocols import Energy, PathFinder

Decode = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class _CurveEnergy:
    """C of the curves of pairs whose ends are decoded once: images (b, d) and weights (b,) of both ends."""

    decode: Decode
    weight: Energy | None
    x_a: Tensor
    x_b: Tensor
    w_a: Tensor | None
    w_b: Tensor | None

    @staticmethod
    def between(decode: Decode, weight: Energy | None, z_a: Tensor, z_b: Tensor) -> "_CurveEnergy":
        images = (check_measurable(chunked(decode, z)).reshape(len(z), -1) for z in (z_a, z_b))
        weights = (None, None) if weight is None else tuple(_evaluate_weight(weight, z) for z in (z_a, z_b))
        return _CurveEnergy(decode, weight, *images, *weights)

    def squares(self, inner: Tensor, rows: Tensor) -> Tensor:
        """|x_{i+1} - x_i|^2 (m, n + 1) of the pairs ``rows`` (m,), from their interior nodes (m, n, *)."""
        m, n = inner.shape[:2]
        flat = inner.flatten(0, 1)
        decoded = check_rows(evaluate_copy(self.decode, flat, "the decoder"), len(flat), "the decoder")
        check_gradient(self.decode, flat, decoded, "the decoder")
        x = decoded.reshape(m, n, -1)
        x = torch.cat([self.x_a[rows, None], x, self.x_b[rows, None]], dim=1)
        return x.diff(dim=1).square().sum(dim=2)

    def __call__(self, inner: Tensor, rows: Tensor) -> Tensor:
        """C (m,) of the pairs ``rows`` (m,), from their interior nodes (m, n, *)."""
        m, n = inner.shape[:2]
        squares = self.squares(inner, rows)
        if self.weight is None or self.w_a is None or self.w_b is None:
            return (n + 1) * squares.sum(dim=1)
        w = torch.cat([self.w_a[rows, None], self.weight(inner.flatten(0, 1)).view(m, n), self.w_b[rows, None]], dim=1)
        return (n + 1) * (squares * (w[:, 1:] + w[:, :-1]) / 2).sum(dim=1)


def _evaluate_weight(weight: Energy, z: Tensor) -> Tensor:
    w = chunked(weight, z)
    if not bool((w > 0).all()):
        raise ValueError(f"a conformal factor must be positive everywhere; the lowest at the ends is {float(w.min())}")
    return w


@dataclass(frozen=True, eq=False)
class Geodesic:
    """
    Minimises the curve energy C of all pairs at once.

    Attributes:
        decode: G, (n, *) -> (n, *).
        weight: w, (n, *) -> (n,), positive; None for w = 1.
        nodes: k, the number of nodes of the search and of the path, which are at equal arc length of decoded images.
        iterations: largest number of iterations of the minimisation.
        tolerance: a pair is finished when an iteration lowers C by less than this share of it, twice in a row.
        start: finder of the initial curve.
    """

    decode: Decode
    weight: Energy | None = None
    nodes: int = 17
    iterations: int = 40
    tolerance: float = 1e-4
    start: PathFinder = field(default_factory=Lerp)

    def __post_init__(self) -> None:
        _check_search(self.iterations, self.tolerance)

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """
        (b, *), (b, *) -> nodes (b, k, *).

        Stats are ``nfe`` (rows on which w was evaluated), ``decoded`` (rows that were decoded), ``iterations``, ``energy`` (mean C), ``done`` (the
        share of finished pairs) and ``nonfinite``.
        """
        check_endpoints(z_a, z_b, self.nodes)
        a, b = z_a.detach(), z_b.detach()
        curves = _CurveEnergy.between(self.decode, self.weight, a, b)
        nodes, began = find_start(self.start, a, b, self.nodes)
        nodes, found = _lower(curves, nodes, self.iterations, self.tolerance)
        path = Path(nodes, all_arrived(a)).resample(self.nodes, self.decode)
        searched = found.evaluations * (self.nodes - 2)
        stats = {
            "nfe": began + (0 if self.weight is None else searched + 2 * len(a)),
            "decoded": searched + len(a) * (self.nodes + 2),
            "iterations": found.iterations,
            "energy": float(found.values.mean()),
            "done": float(found.done.float().mean()),
            "nonfinite": found.nonfinite,
        }
        return Path(path.nodes, path.arrived, {}, stats)


@dataclass(frozen=True, eq=False)
class RidgePath:
    """
    Minimises C / C(LERP) + r (1 / L) int u ds: the shortest path in images at a given realism.

    Attributes:
        energy: u, (n, *) -> (n,); ``Calibrated`` gives r its meaning.
        decode: G, (n, *) -> (n, *).
        realism: r, at least 0.
        nodes: number of nodes of the path, which are at equal arc length of decoded images.
        coarse: number of nodes of each search; every search begins with the curve of the one before.
        iterations: largest number of iterations of each search.
        tolerance: a pair is finished when an iteration lowers its objective by less than this share of it, twice in a row.
        start: finder of the initial curve.
    """

    energy: Energy
    decode: Decode
    realism: float = 8.0
    nodes: int = 17
    coarse: tuple[int, ...] = (9, 17)
    iterations: int = 12
    tolerance: float = 1e-3
    start: PathFinder = field(default_factory=Lerp)

    def __post_init__(self) -> None:
        _check_search(self.iterations, self.tolerance, *self.coarse)
        if not 0 <= self.realism < float("inf") or not self.coarse:
            raise ValueError(
                f"a ridge path needs realism >= 0, finite, and at least one search in coarse; got {self.realism}, {self.coarse}"
            )

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); trace ``energy``; stats ``nfe``, ``decoded``, ``iterations``, ``done`` and ``nonfinite``."""
        check_endpoints(z_a, z_b, self.nodes)
        a, b = z_a.detach(), z_b.detach()
        curves = _CurveEnergy.between(self.decode, None, a, b)
        nodes, nfe = find_start(self.start, a, b, self.coarse[0])
        ends = torch.stack([check_energy(chunked(self.energy, z), z) for z in (a, b)], dim=1)
        nfe += 2 * len(a)
        decoded, iterations, nonfinite = 2 * len(a), 0, 0
        for k in self.coarse:
            nodes = polyline.equally_spaced(nodes, k)
            line = polyline.equally_spaced(torch.stack([a, b], dim=1), k)[:, 1:-1]
            every = torch.arange(len(a), device=a.device)
            with torch.no_grad():
                base = torch.cat([curves(line[i], i) for i in every.split(256)])
            base = base.clamp_min(torch.finfo(base.dtype).tiny)
            nodes, found = _lower(self._objective(curves, base, ends), nodes, self.iterations, self.tolerance)
            nfe += found.evaluations * (k - 2)
            decoded += (found.evaluations + len(a)) * (k - 2)
            iterations, nonfinite = iterations + found.iterations, nonfinite + found.nonfinite
        path = Path(nodes, all_arrived(a)).resample(self.nodes, self.decode)
        stats = {
            "nfe": nfe + len(a) * self.nodes,
            "decoded": decoded + len(a) * self.coarse[-1],
            "iterations": iterations,
            "done": float(found.done.float().mean()),
            "nonfinite": nonfinite,
        }
        return Path(path.nodes, path.arrived, {"energy": path.map(self.energy)}, stats)

    def _objective(self, curves: _CurveEnergy, base: Tensor, ends: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """J (m,) of interior nodes (m, n, *) and pairs (m,), from C(LERP) (b,) and the energies (b, 2) of both ends."""
        broken = ~ends.isfinite()

        def objective(inner: Tensor, rows: Tensor) -> Tensor:
            flat = inner.flatten(0, 1)
            values = check_energy(evaluate_copy(self.energy, flat, "the energy"), flat)
            check_gradient(self.energy, flat, values, "the energy")
            u, squares = values.view(inner.shape[:2]), curves.squares(inner, rows)
            at_ends = ends[rows]
            if bool(
                broken.any()
            ):  # no path can change its ends: one whose energy is not finite counts as its neighbour
                at_ends = torch.where(broken[rows], u[:, [0, -1]], at_ends)
            u = torch.cat([at_ends[:, :1], u, at_ends[:, 1:]], dim=1)
            lengths = squares.clamp_min(torch.finfo(squares.dtype).tiny).sqrt()  # sqrt has no derivative at 0
            return squares.shape[1] * squares.sum(dim=1) / base[rows] + self.realism * polyline.mean_along(u, lengths)

        return objective


def _check_search(iterations: int, tolerance: float, *nodes: int) -> None:
    if iterations < 0 or not tolerance >= 0 or min(nodes, default=3) < 3:
        raise ValueError(
            "a curve is searched with iterations >= 0, tolerance >= 0 and at least 3 nodes; "
            f"got {iterations}, {tolerance}, {', '.join(map(str, nodes)) or 'the default nodes'}"
        )


def _lower(
    objective: Callable[[Tensor, Tensor], Tensor], nodes: Tensor, iterations: int, tolerance: float
) -> tuple[Tensor, Minimised]:
    """Minimises an objective of interior nodes (m, n, *) and rows (m,), from nodes (b, k, *), and returns the new nodes."""
    shape = nodes.shape[2:]
    with evaluation_mode(objective):
        found = minimise(
            lambda inner, rows: objective(inner.unflatten(2, shape), rows),
            nodes[:, 1:-1].flatten(2),
            (nodes[:, -1] - nodes[:, 0]).flatten(1).norm(dim=1),
            iterations,
            tolerance,
        )
    return torch.cat([nodes[:, :1], found.z.unflatten(2, shape), nodes[:, -1:]], dim=1), found


def build_geodesic(context: Context) -> Geodesic:
    """Builds the method "geodesic"."""
    return Geodesic(context.decode, nodes=context.walks.frames)


def build_ridge(context: Context, energy: Energy) -> RidgePath:
    """Builds the method "ridge" from a calibrated energy."""
    return RidgePath(energy, context.decode, context.walks.realism, context.walks.frames)


def build_quick_ridge(context: Context, energy: Energy) -> RidgePath:
    """Builds the method "ridge-quick" from a calibrated energy."""
    w = context.walks
    return RidgePath(energy, context.decode, w.realism, w.frames, coarse=(6, 11), iterations=8)
