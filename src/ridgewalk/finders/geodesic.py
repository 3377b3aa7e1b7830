"""
Geodesics of what a decoder shows, and paths that trade their shortness for realism.

Nodes z_1 ... z_k with images x_i = G(z_i) have the curve energy

    C(z) = (k - 1) sum_i w_i |x_{i+1} - x_i|^2,   w_i = (w(z_i) + w(z_{i+1})) / 2

with w = 1 that of the metric pulled back by G, J(z)^T J(z), from decoded nodes alone: no Jacobian is formed (Shao, Kumar and Fletcher 2018). A conformal
factor w makes some places longer than others: w = p^(-2 a) of a density p (Sajama and Orlitsky 2005), or of a density ratio. A geodesic has the least C.

    J(z) = C(z) / C(LERP) + r mean_i u(z_i)                                                                                 (ridge path)

is ours: the images' change against the energy u of the frames, whose ``Calibrated`` form is 0 where data are and 1 where straight lines run, so that
one knob r means the same on every model. r = 0 is the geodesic, short and often unreal; as r grows frames become real and the path longer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ridgewalk import polyline
from ridgewalk.callables import check_gradient, check_rows, evaluation_mode, outside_inference_mode
from ridgewalk.context import Context
from ridgewalk.finders import endpoints
from ridgewalk.finders.minimise import Minimised, minimise
from ridgewalk.finders.straight import Lerp
from ridgewalk.path import Path, chunked
from ridgewalk.protocols import Energy, PathFinder

Decode = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class _Curves:
    """The curve energies of pairs whose ends are decoded once."""

    decode: Decode
    weight: Energy | None
    x_a: Tensor
    x_b: Tensor
    w_a: Tensor | None
    w_b: Tensor | None

    @staticmethod
    def between(decode: Decode, weight: Energy | None, z_a: Tensor, z_b: Tensor) -> "_Curves":
        images = (chunked(decode, z).flatten(1) for z in (z_a, z_b))
        weights = (None, None) if weight is None else tuple(_weights(weight, z) for z in (z_a, z_b))
        return _Curves(decode, weight, *images, *weights)

    def __call__(self, inner: Tensor, rows: Tensor) -> Tensor:
        m, n = inner.shape[:2]
        flat = inner.flatten(0, 1)
        decoded = check_rows(self.decode(flat), len(flat), "the decoder")
        check_gradient(self.decode, flat, decoded, "the decoder")
        x = decoded.flatten(1).view(m, n, -1)
        x = torch.cat([self.x_a[rows, None], x, self.x_b[rows, None]], dim=1)
        squares = x.diff(dim=1).square().sum(dim=2)
        if self.weight is None or self.w_a is None or self.w_b is None:
            return (n + 1) * squares.sum(dim=1)
        w = torch.cat([self.w_a[rows, None], self.weight(flat).view(m, n), self.w_b[rows, None]], dim=1)
        return (n + 1) * (squares * (w[:, 1:] + w[:, :-1]) / 2).sum(dim=1)


def _weights(weight: Energy, z: Tensor) -> Tensor:
    w = chunked(weight, z)
    if not bool((w > 0).all()):
        raise ValueError(f"a conformal factor must be positive everywhere; the lowest at the ends is {float(w.min())}")
    return w


@dataclass(frozen=True, eq=False)
class Geodesic:
    """
    Curves of least energy C, of all pairs at once.

    Attributes:
        decode: (n, *) -> (n, *), G.
        weight: (n, *) -> (n,) positive, w; None for 1.
        nodes: k, of the search and of the path, whose nodes lie at equal arc length of decoded images.
        iterations: at most so many iterations of the minimisation.
        tolerance: a pair is done when an iteration lowers C by less than this share, twice in a row.
        start: the finder of the curve to start from.
    """

    decode: Decode
    weight: Energy | None = None
    nodes: int = 17
    iterations: int = 40
    tolerance: float = 1e-4
    start: PathFinder = field(default_factory=Lerp)

    def __post_init__(self) -> None:
        _check(self.iterations, self.tolerance)

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """
        (b, *), (b, *) -> nodes (b, k, *).

        Stats ``nfe`` (rows on which w was evaluated), ``decoded`` (rows through the decoder), ``iterations``, ``energy`` (mean C), ``done`` (share).
        """
        endpoints.check(z_a, z_b, self.nodes)
        a, b = z_a.detach(), z_b.detach()
        curves = _Curves.between(self.decode, self.weight, a, b)
        nodes, began = _started(self.start, a, b, self.nodes)
        nodes, found = _lowered(curves, nodes, self.iterations, self.tolerance)
        path = Path(nodes, endpoints.all_arrived(a)).resample(self.nodes, self.decode)
        searched = found.evaluations * (self.nodes - 2)
        nfe = began + (0 if self.weight is None else searched + 2 * len(a))
        return Path(path.nodes, path.arrived, {}, _stats(found, nfe, searched + len(a) * (self.nodes + 2)))


@dataclass(frozen=True, eq=False)
class RidgePath:
    """
    The least of C / C(LERP) + r mean u: as short in images as can be, at the realism that is asked for.

    Attributes:
        energy: u, of points; ``Calibrated`` gives r its meaning.
        decode: (n, *) -> (n, *), G.
        realism: r >= 0, the knob.
        nodes: number of nodes of the path, at equal arc length of decoded images.
        coarse: nodes of the searches, in order: few first, whose curve the next one begins with.
        iterations: at most so many iterations of each search.
        tolerance: a pair is done when an iteration lowers its value by less than this share, twice in a row.
        start: the finder of the curve to start from.
    """

    energy: Energy
    decode: Decode
    realism: float = 4.0
    nodes: int = 17
    coarse: tuple[int, ...] = (9, 17)
    iterations: int = 12
    tolerance: float = 1e-3
    start: PathFinder = field(default_factory=Lerp)

    def __post_init__(self) -> None:
        _check(self.iterations, self.tolerance, *self.coarse)
        if not 0 <= self.realism < float("inf") or not self.coarse:
            raise ValueError(
                f"a ridge path needs realism >= 0, finite, and at least one search in coarse; got {self.realism}, {self.coarse}"
            )

    @outside_inference_mode
    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); trace ``energy``; stats ``nfe``, ``decoded``, ``iterations``, ``done`` and ``nonfinite``."""
        endpoints.check(z_a, z_b, self.nodes)
        a, b = z_a.detach(), z_b.detach()
        curves = _Curves.between(self.decode, None, a, b)
        nodes, began = _started(self.start, a, b, self.coarse[0])
        nfe, decoded, iterations, nonfinite = began, 2 * len(a), 0, 0
        for k in self.coarse:
            nodes = polyline.equally_spaced(nodes, k)
            line = polyline.equally_spaced(torch.stack([a, b], dim=1), k)[:, 1:-1]
            every = torch.arange(len(a), device=a.device)
            with torch.no_grad():
                base = torch.cat([curves(line[i], i) for i in every.split(256)])
            base = base.clamp_min(torch.finfo(base.dtype).tiny)
            nodes, found = _lowered(self._objective(curves, base), nodes, self.iterations, self.tolerance)
            nfe += found.evaluations * (k - 2)
            decoded += (found.evaluations + len(a)) * (k - 2)
            iterations, nonfinite = iterations + found.iterations, nonfinite + found.nonfinite
        path = Path(nodes, endpoints.all_arrived(a)).resample(self.nodes, self.decode)
        stats = {
            "nfe": nfe + len(a) * self.nodes,
            "decoded": decoded + len(a) * self.coarse[-1],
            "iterations": iterations,
            "done": float(found.done.float().mean()),
            "nonfinite": nonfinite,
        }
        return Path(path.nodes, path.arrived, {"energy": path.map(self.energy)}, stats)

    def _objective(self, curves: _Curves, base: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        def objective(inner: Tensor, rows: Tensor) -> Tensor:
            flat = inner.flatten(0, 1)
            values = check_rows(self.energy(flat), len(flat), "the energy")
            check_gradient(self.energy, flat, values, "the energy")
            energies = values.view(inner.shape[:2])
            return curves(inner, rows) / base[rows] + self.realism * energies.mean(dim=1)

        return objective


def _check(iterations: int, tolerance: float, *nodes: int) -> None:
    if iterations < 0 or not tolerance >= 0 or min(nodes, default=3) < 3:
        raise ValueError(
            "a curve is searched with iterations >= 0, tolerance >= 0 and at least 3 nodes; "
            f"got {iterations}, {tolerance}, {', '.join(map(str, nodes)) or 'nodes as asked for'}"
        )


def _started(start: PathFinder, z_a: Tensor, z_b: Tensor, nodes: int) -> tuple[Tensor, float]:
    """The curves to start from, and the rows on which finding them evaluated an energy."""
    began = start(z_a, z_b)
    if not bool(began.arrived.all()):
        raise ValueError(
            f"curves start from curves that reach z_b; {int((~began.arrived).sum())} of their start's did not"
        )
    return polyline.equally_spaced(began.nodes, nodes), began.stats.get("nfe", 0)


def _lowered(
    objective: Callable[[Tensor, Tensor], Tensor], nodes: Tensor, iterations: int, tolerance: float
) -> tuple[Tensor, Minimised]:
    """Nodes (b, k, *) whose interior has a lower objective of (m, n, *) and rows (m,)."""
    b, k = nodes.shape[:2]
    shape = nodes.shape[2:]
    with evaluation_mode(objective):
        found = minimise(
            lambda inner, rows: objective(inner.unflatten(2, shape), rows),
            nodes[:, 1:-1].flatten(2),
            (nodes[:, -1] - nodes[:, 0]).flatten(1).norm(dim=1),
            iterations,
            tolerance,
        )
    return torch.cat([nodes[:, :1], found.z.view(b, k - 2, *shape), nodes[:, -1:]], dim=1), found


def _stats(found: Minimised, nfe: float, decoded: int) -> dict[str, float]:
    return {
        "nfe": nfe,
        "decoded": decoded,
        "iterations": found.iterations,
        "energy": float(found.values.mean()),
        "done": float(found.done.float().mean()),
        "nonfinite": found.nonfinite,
    }


def build_geodesic(context: Context) -> Geodesic:
    """The method "geodesic"."""
    return Geodesic(context.decode, nodes=context.walks.frames)


def build_ridge(context: Context, energy: Energy) -> RidgePath:
    """The method "ridge"; the energy is calibrated."""
    return RidgePath(energy, context.decode, context.walks.realism, context.walks.frames)


def build_quick_ridge(context: Context, energy: Energy) -> RidgePath:
    """The method "ridge-quick"; the energy is calibrated."""
    w = context.walks
    return RidgePath(energy, context.decode, w.realism, w.frames, coarse=(6, 11), iterations=8)
