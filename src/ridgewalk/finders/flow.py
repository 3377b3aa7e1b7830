"""
Paths through noise: both ends are transported along the probability-flow ODE to t = 1 and joined there, and the points between are transported back.

At t = 1 the density is close to a Gaussian, whose great circles stay where its mass is; the flow maps them to where the data are. The points of such a
path are plausible under the model, but the path need not be short.

Source: Song et al. (2021), section 4.3 and appendix D.3, "interpolation".
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from ridgewalk.context import CodeDiffusion, Context
from ridgewalk.diffusion.deterministic import Flow
from ridgewalk.diffusion.scaling import Standardiser
from ridgewalk.fields import add
from ridgewalk.finders.inputs import check_endpoints
from ridgewalk.geometry import slerp
from ridgewalk.path import Path, chunked
from ridgewalk.protocols import VectorField

TOLERANCE = 0.05
"""Largest distance between an end and the point where the flow returns it, relative to |z_b - z_a|, at which a path has arrived."""

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class FlowPath:
    """
    Great circles in the noise of a diffusion, transported to the data.

    A path begins at z_a. If the flow returns both ends to within ``TOLERANCE``, it ends at z_b; otherwise its last node is the point that the flow returns.

    Args:
        score: grad log p_t of standardised data.
        flow: the ODE and its solver.
        standardiser: the map between points and standardised data.
        nodes: number of nodes of the path.
    """

    score: VectorField
    flow: Flow
    standardiser: Standardiser
    nodes: int = 17

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); stat ``scores`` counts the rows on which the score was evaluated."""
        check_endpoints(z_a, z_b, self.nodes)
        z_a, z_b = z_a.detach(), z_b.detach()
        began = perf_counter()
        scored = 0

        def transport(x: Tensor, solve: Callable[..., tuple[Tensor, int]]) -> Tensor:
            def counted(rows: Tensor) -> Tensor:
                nonlocal scored
                out, nfe = solve(self.score, rows)
                scored += nfe * len(rows)
                return out

            return chunked(counted, x, chunk=_CHUNK)

        b = len(z_a)
        noise = transport(self.standardiser.to_model(torch.cat([z_a, z_b])), self.flow.encode)
        t = torch.linspace(0, 1, self.nodes, device=z_a.device, dtype=z_a.dtype)
        x = transport(slerp(noise[:b], noise[b:], t).flatten(0, 1), self.flow.decode)
        nodes = self.standardiser.to_data(x).unflatten(0, (b, self.nodes)).clone()
        apart = (z_b - z_a).flatten(1).norm(dim=1)
        misses = torch.stack([(nodes[:, 0] - z_a).flatten(1).norm(dim=1), (nodes[:, -1] - z_b).flatten(1).norm(dim=1)])
        arrived = (misses <= TOLERANCE * apart).all(0) | (apart == 0)
        nodes[:, 0] = z_a
        nodes[arrived, -1] = z_b[arrived]
        stats = {
            "nfe": 0.0,
            "scores": float(scored),
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
    """Builds the method "flow"."""
    return flow_path(context.diffusion, context.walks.frames)


def build_guided_flow(context: Context) -> FlowPath:
    """Builds the method "flow-guided"; refuses a context without a diffusion or a guide, and a guide of single classes."""
    model = context.diffusion
    if context.guide is None:
        raise ValueError("this run's diffusion has no guide: train one with `ridgewalk guide RUN`")
    guide = context.guide()
    if guide.labelled:
        raise ValueError(
            "this run's guide was trained class by class and cannot guide a path between classes: train one with guidance.labels = false"
        )
    return flow_path(model, context.walks.frames, score=add(model.denoiser.score, guide.guidance()))
