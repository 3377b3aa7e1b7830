"""Symmetry and borders of images, by closed forms."""

import math

import pytest
import torch

from ridgewalk.metrics.layout import asymmetry, borders


def noise(n: int = 400, *shape: int) -> torch.Tensor:
    return torch.randn(n, *(shape or (3, 16, 16)), generator=torch.Generator().manual_seed(0))


def test_mirror_images_unrelated_halves_and_opposite_ones() -> None:
    x = noise()
    half = x[..., :8]
    whole = torch.cat([half, half.flip(-1)], -1)
    opposite = torch.cat([half, -half.flip(-1)], -1)
    assert float(asymmetry(whole).max()) == 0
    assert float(asymmetry(x).mean()) == pytest.approx(1, abs=0.01)
    assert torch.allclose(asymmetry(opposite), torch.full((400,), math.sqrt(2)).double())
    assert torch.allclose(asymmetry(3 * x + 5), asymmetry(x), atol=1e-5)  # neither brightness nor contrast counts
    assert asymmetry(torch.ones(2, 1, 4, 4)).tolist() == [0, 0]


def test_borders_agree_where_backgrounds_go_on() -> None:
    background = noise(400, 3, 1, 1).expand(400, 3, 16, 16).clone()
    assert borders(background) == pytest.approx(1)
    split = background.clone()
    split[..., 8:] *= -1
    assert borders(split) == pytest.approx(-1)
    split[..., 8:] = background.roll(1, 0)[..., 8:]
    assert abs(borders(split)) < 0.1
    inside = background.clone()
    inside[..., 2:14] = noise(400, 3, 16, 12)
    assert borders(inside) == pytest.approx(1)  # an eighth of 16 pixels on each side is background
    assert math.isnan(borders(torch.zeros(3, 1, 4, 4)))


def test_what_are_no_images_is_refused() -> None:
    for x, words in (
        (torch.zeros(3, 4), "n, c, h, w"),
        (torch.zeros(0, 1, 2, 2), "at least one"),
        (torch.full((2, 1, 2, 2), math.nan), "finite"),
    ):
        for measure in (asymmetry, borders):
            with pytest.raises(ValueError, match=words):
                measure(x)
    with pytest.raises(ValueError, match="at least two"):
        borders(torch.zeros(1, 1, 2, 2))
