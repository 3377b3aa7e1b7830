"""Factors along paths of shapes: drawn factors are read back, and frames without a single shape are detected."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ridgewalk.data.shapes import Factors, draw, render
from ridgewalk_studies.measures import factors
from ridgewalk_studies.measures.shapes import measure

K = 9


def ends(n: int = 12) -> tuple[Factors, Factors]:
    """Pairs of circles whose hues are a third of a turn apart, some across red."""
    a, b = draw(n, 1), draw(n, 2)
    circles = torch.zeros(n, dtype=torch.int64)
    start = torch.linspace(0, 1, n + 1, dtype=torch.float64)[:-1]
    nothing = torch.full((n,), torch.nan, dtype=torch.float64)
    return (
        replace(a, shape=circles, hue=start, rotation=nothing),
        replace(b, shape=circles, hue=(start + 1 / 3) % 1, rotation=nothing),
    )


def straight(a: Factors, b: Factors, hue_way: float = 1 / 3) -> Tensor:
    """Rendered frames whose factors move in straight lines: (n, K, 3, 32, 32)."""
    frames = []
    for t in torch.linspace(0, 1, K, dtype=torch.float64):
        at = {name: torch.lerp(getattr(a, name), getattr(b, name), t) for name in ("x", "y", "size")}
        frames.append(render(replace(a, hue=(a.hue + t * hue_way) % 1, **at)))
    return torch.stack(frames, dim=1)


def test_a_path_drawn_along_straight_factors_deviates_by_the_readers_error() -> None:
    a, b = ends()
    found = factors.columns(straight(a, b), a, b, 0.05)
    assert float(found["worst"].max()) < 0.015
    assert torch.equal(found["real"], torch.ones(12, dtype=torch.float64))
    assert torch.equal(found["whole"], torch.ones(12, dtype=torch.float64))
    for name in ("x", "y", "size"):
        assert float(found[f"deviation_{name}"].max()) < 0.002
    assert float(found["deviation_hue"].max()) < 1e-9
    assert float(found["monotonicity"].min()) > 0.95  # a factor that hardly moves turns back within the reader's error
    assert float(found["foreign"].max()) == 0
    assert float(found["switches"].max()) == 0


def test_the_longer_way_round_the_hues_is_foreign_and_backwards() -> None:
    a, b = ends()
    found = factors.columns(straight(a, b, -2 / 3), a, b, 0.05)
    assert float(found["foreign"].min()) == 1
    # |1/3 t + 2/3 t| = t, at most half a turn: mean of 1/8 .. 4/8 .. 1/8
    torch.testing.assert_close(found["deviation_hue"], torch.full((12,), 16 / 8 / 7, dtype=torch.float64))
    assert float(found["monotonicity"].max()) < 0.8


def test_frames_cross_faded_are_no_shape_and_switch_between_the_ends() -> None:
    a, b = ends(8)
    b = replace(
        b, shape=torch.full((8,), 1), rotation=torch.full((8,), 0.4, dtype=torch.float64), x=1 - a.x, y=a.y * 0 + 0.65
    )
    t = torch.linspace(0, 1, K, dtype=torch.float64).view(1, -1, 1, 1, 1)
    found = factors.columns((1 - t) * render(a)[:, None] + t * render(b)[:, None], a, b, 0.05)
    drawn = factors.columns(straight(a, b), a, b, 0.05)
    assert float(found["residual"].min()) > 10 * float(drawn["residual"].max())
    assert float(found["whole"].max()) == 0
    assert float(found["switches"].min()) >= 1


def test_going_there_and_back_is_half_the_motion() -> None:
    a, b = ends(6)
    b = replace(b, hue=a.hue, y=a.y, size=a.size)
    there = straight(a, b, 0.0)
    back_and_forth = torch.cat([there[:, ::2], there[:, :-1:2].flip(1)], dim=1)
    found = factors.columns(back_and_forth, a, b, 0.05)
    torch.testing.assert_close(
        found["monotonicity"], torch.full((6,), 0.5, dtype=torch.float64), rtol=0, atol=0.05
    )  # y and size do not change, and are read with errors of their own


def test_black_and_grey_frames_are_counted_and_not_averaged() -> None:
    a, b = ends(4)
    frames = straight(a, b)
    frames[:, 3] = 0
    frames[:, 4] = frames[:, 4].amax(dim=1, keepdim=True)
    found = factors.columns(frames, a, b, 0.05)
    assert torch.equal(found["worst"] >= 0.5, torch.ones(4, dtype=torch.bool))
    torch.testing.assert_close(found["foreign"], torch.full((4,), 2 / 7, dtype=torch.float64))
    assert float(found["deviation_x"].max()) < 0.002
    blank = factors.columns(torch.zeros(2, 5, 3, 16, 16), a.take(slice(0, 2)), b.take(slice(0, 2)), 0.05)
    assert torch.equal(blank["residual"], torch.ones(2, dtype=torch.float64))
    assert bool(blank["deviation_hue"].isnan().all())
    assert torch.equal(blank["monotonicity"], torch.ones(2, dtype=torch.float64))


def test_the_limit_is_the_residual_of_nineteen_in_twenty() -> None:
    images = render(draw(100, 3))
    images[:4] = 0.3 + 0.7 * images[:4]  # haze: no picture of a shape
    below = factors.limit(images)
    assert float((factors.residuals(images) < below).double().mean()) == pytest.approx(0.95, abs=0.011)
    assert below < 0.015
    assert int((measure(images).residual > 0.2).sum()) == 4


def test_paths_without_an_inside_or_with_other_ends_are_refused() -> None:
    a, b = ends(4)
    with pytest.raises(ValueError, match="k >= 3"):
        factors.columns(torch.zeros(4, 2, 3, 16, 16), a, b, 0.05)
    with pytest.raises(ValueError, match="have b ends"):
        factors.columns(torch.zeros(3, 5, 3, 16, 16), a, b, 0.05)
