"""
Paths between coloured shapes, measured in factors: no judge is trained, a formula reads every frame.

``measures.shapes.measure`` gives each frame's shape, hue, size, x and y, and its residual |frame - rendering| / |frame|, how far it is from any
picture of one shape. The figures of a path of k frames whose ends have the factors f_a and f_b are, by pair,

    residual      mean and worst over the interior frames, at most 1, which is the distance from the empty picture
    real, whole   share of interior frames whose residual is below a limit, and whether all of them are
    deviation     mean |f_i - (f_a + t_i (f_b - f_a))|, t_i = i / (k - 1), of x, y, size and hue, the hue's difference taken the shorter way
    monotonicity  share of the factors' motion that goes from a towards b: 1 - backwards / all, summed over factors in units of their ranges
    foreign       share of interior frames whose hue lies off the shorter arc between the ends' by more than ``HUE_MARGIN``
    switches      how often the shape changes from frame to frame: at least 1 where the ends differ

The limit is the residual below which the decoder's own reconstructions of held-out images lie (``limit``): a decoder blurs, and a blurred shape is
no failure of the path.
"""

import torch
from torch import Tensor

from ridgewalk.data.shapes import POSITIONS, SIZES, Factors
from ridgewalk_studies.measures.shapes import measure

QUANTILE = 0.95
"""Quantile of the reconstructions' residuals that is the limit: one reconstruction in twenty exceeds it."""

HUE_MARGIN = 0.02
"""Margin of hues in turns (7 degrees): twenty times the error of ``shapes.measure`` in images of 8 bits."""

LINEAR = ("x", "y", "size")

RANGES = {
    "x": POSITIONS[1] - POSITIONS[0],
    "y": POSITIONS[1] - POSITIONS[0],
    "size": SIZES[1] - SIZES[0],
    "hue": 0.5,
}
"""Largest distance of two images' factors."""


def residuals(images: Tensor) -> Tensor:
    """Returns |image - rendering| / |image| of the best shape or of none, at most 1 (1 for black): (n, 3, s, s) -> (n,)."""
    return _cap(measure(images).residual)


def limit(reconstructions: Tensor) -> float:
    """Returns the residual below which 95 % of the reconstructions (n, 3, s, s) of held-out images lie."""
    return float(residuals(reconstructions).quantile(QUANTILE))


def columns(frames: Tensor, a: Factors, b: Factors, below: float) -> dict[str, Tensor]:
    """
    Returns the figures of b paths by pair: (b,) each, float64.

    Args:
        frames: Frames of the paths, (b, k, 3, s, s) in [0, 1], k >= 3.
        a: Factors of the first ends, (b,), with their hues.
        b: Factors of the last ends, (b,), with their hues.
        below: The residual below which a frame is real; see ``limit``.

    A frame without a hue (grey or black) is foreign and is left out of the other figures of hue; a black one is left out of those of place and size. If no
    interior frame has the factor, its deviation is NaN.

    Raises:
        ValueError: if the paths have no interior frames, or other ends than there are paths.
    """
    if frames.dim() != 5 or frames.shape[1] < 3 or not len(frames) == len(a) == len(b):
        raise ValueError(
            f"paths must be (b, k, 3, s, s) with k >= 3, and have b ends; got {tuple(frames.shape)}, {len(a)} and {len(b)} ends"
        )
    n, k = frames.shape[:2]
    read = measure(frames.flatten(0, 1))
    residual = _cap(read.residual).view(n, k)[:, 1:-1]
    seen = {name: getattr(read.factors, name).view(n, k) for name in (*LINEAR, "hue")}
    shape = read.factors.shape.view(n, k)
    t = torch.linspace(0, 1, k, dtype=torch.float64)[1:-1]
    real = residual < below
    found = {
        "residual": residual.mean(dim=1),
        "worst": residual.amax(dim=1),
        "real": real.double().mean(dim=1),
        "whole": real.all(dim=1).double(),
        "switches": (shape.diff(dim=1) != 0).sum(dim=1).double(),
    }
    forward, backward = torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    for name, values in seen.items():
        way = _signed_difference(name, getattr(a, name), getattr(b, name))
        line = getattr(a, name).double()[:, None] + t * way[:, None]
        found[f"deviation_{name}"] = _signed_difference(name, line, values[:, 1:-1]).abs().nanmean(dim=1)
        # the signed motion of each step, ends included; a step to or from a frame without the factor does not count
        step = (
            _signed_difference(name, values[:, :-1], values[:, 1:]).nan_to_num(nan=0.0)
            * way.nan_to_num(0.0).sign()[:, None]
        )
        forward += step.clamp_min(0).sum(dim=1) / RANGES[name]
        backward += (-step).clamp_min(0).sum(dim=1) / RANGES[name]
    motion = forward + backward
    found["monotonicity"] = torch.where(motion > 0, forward / motion.clamp_min(1e-300), torch.ones_like(motion))
    found["foreign"] = _is_foreign(a.hue.double(), b.hue.double(), seen["hue"][:, 1:-1]).double().mean(dim=1)
    return found


def _cap(residual: Tensor) -> Tensor:
    return residual.nan_to_num(nan=1.0).clamp_max(1.0)


def _signed_difference(name: str, start: Tensor, end: Tensor) -> Tensor:
    """The signed difference end - start; of hues the shorter way, in [-1/2, 1/2)."""
    difference = end.double() - start.double()
    return (difference + 0.5) % 1 - 0.5 if name == "hue" else difference


def _is_foreign(a: Tensor, b: Tensor, hue: Tensor) -> Tensor:
    """Whether hues (b, m) lie off the shorter arc from a to b, (b,) each, by more than the margin; bool (b, m)."""
    way = _signed_difference("hue", a, b)[:, None]
    along = _signed_difference("hue", (a[:, None] + way / 2) % 1, hue).abs()  # from the middle of the arc
    return ~(along <= way.abs() / 2 + HUE_MARGIN)  # NaN is foreign
