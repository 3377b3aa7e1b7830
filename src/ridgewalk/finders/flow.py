"""
Paths through noise: both ends are carried along the probability-flow ODE to t = 1, joined there, and the points between carried back.

At t = 1 the law is close to a Gaussian, whose great circles stay where its mass is; the flow maps them to where the data is. What lies on
such a path is what the model takes for data; nothing makes it short.

Source: Song et al. (2021), section 4.3 and appendix D.3, "interpolation".
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from ridgewalk.context import CodeDiffusion, Context
from ridgewalk.diffusion.deterministic import Flow
from ridgewalk.diffusion.guidance import guided
from ridgewalk.diffusion.scaling import Standardiser
from ridgewalk.finders.endpoints import check as check_ends
from ridgewalk.geometry import lerp, slerp
from ridgewalk.path import Path, chunked
from ridgewalk.protocols import VectorField

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class FlowPath:
    """
    A path finder through noise.

    An end arrives where the way there and back returns to it within ``tolerance`` of the pair's distance; the path then begins and ends in the given
    points themselves. Where it does not, the last node is where the flow came back to.

    Args:
        score: grad log p_t, in standardised data.
        flow: the ODE and its solver.
        standardiser: from points to standardised data.
        nodes: number of nodes of the path.
        t_min: the data's time; the SDE's own where None.
        circle: great circles at t = 1, or straight lines.
        tolerance: see above.
    """

    score: VectorField
    flow: Flow
    standardiser: Standardiser
    nodes: int = 17
    t_min: float | None = None
    circle: bool = True
    tolerance: float = 0.05

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); ``stats["scores"]`` counts the rows on which the score was evaluated."""
        check_ends(z_a, z_b, self.nodes)
        z_a, z_b = z_a.detach(), z_b.detach()
        began = perf_counter()
        asked = 0

        def carried(way: Callable[..., tuple[Tensor, int]]) -> Callable[[Tensor], Tensor]:
            def through(x: Tensor) -> Tensor:
                nonlocal asked
                out, made = way(self.score, x, self.t_min)
                asked += made * len(x)
                return out

            return through

        b = len(z_a)
        ends = self.standardiser.to_model(torch.cat([z_a, z_b]))
        noise = chunked(carried(self.flow.encode), ends, chunk=_CHUNK)
        t = torch.linspace(0, 1, self.nodes, device=z_a.device, dtype=z_a.dtype)
        between = (slerp if self.circle else lerp)(noise[:b], noise[b:], t)
        x = chunked(carried(self.flow.decode), between.flatten(0, 1), chunk=_CHUNK)
        nodes = self.standardiser.to_data(x).unflatten(0, (b, self.nodes)).clone()
        apart = (z_b - z_a).flatten(1).norm(dim=1)
        misses = torch.stack([(nodes[:, 0] - z_a).flatten(1).norm(dim=1), (nodes[:, -1] - z_b).flatten(1).norm(dim=1)])
        arrived = (misses <= self.tolerance * apart).all(0) | (apart == 0)
        nodes[:, 0] = z_a
        nodes[arrived, -1] = z_b[arrived]
        stats = {
            "nfe": 0.0,
            "scores": float(asked),
            "round_trip": float((misses.amax(0) / apart.clamp_min(1e-12)).median()),
            "seconds": perf_counter() - began,
        }
        return Path(nodes, arrived, stats=stats)


def flow_path(model: CodeDiffusion, nodes: int, flow: Flow | None = None, score: VectorField | None = None) -> FlowPath:
    """
    The path finder through the noise of a trained diffusion.

    Args:
        model: the diffusion.
        nodes: number of nodes of a path.
        flow: the ODE and its solver; an adaptive solver with tolerances of 1e-4 by default.
        score: score of standardised data, such as a guided one; the diffusion's own by default.
    """
    own = flow or Flow(model.denoiser.sde, rtol=1e-4, atol=1e-4)
    return FlowPath(score or model.denoiser.score, own, model.standardiser, nodes)


def build_flow(context: Context) -> FlowPath:
    """The method "flow"."""
    return flow_path(context.diffusion, context.walks.frames)


def build_guided_flow(context: Context) -> FlowPath:
    """
    The method "flow-guided".

    Raises:
        ValueError: where there is no diffusion, no guide, or a guide of single classes.
    """
    model = context.diffusion
    if context.guide is None:
        raise ValueError("this run's diffusion has no guide: train one with `ridgewalk guide RUN`")
    guide = context.guide()
    if guide.labelled:
        raise ValueError(
            "this run's guide was trained class by class, and a path between classes has none: train one with guidance.labels = false"
        )
    return flow_path(model, context.walks.frames, score=guided(model.denoiser.score, guide.guidance()))
