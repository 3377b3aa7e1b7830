"""The factors of coloured shapes are read back from what was drawn with them."""

import math

import pytest
import torch
from torch import Tensor

from ridgewalk.data.shapes import Factors, draw, render, rgb
from ridgewalk_studies.measures.shapes import gaps, hue_of, measure

CIRCLE, SQUARE, TRIANGLE = range(3)


def one(
    shape: int, hue: float = 0.1, size: float = 0.3, x: float = 0.5, y: float = 0.5, rotation: float = 0.0
) -> Factors:
    """The factors of one image, in float64."""
    return Factors(torch.tensor([shape]), *torch.tensor([hue, size, x, y, rotation], dtype=torch.float64).view(5, 1))


def changed(factors: Factors, **values: Tensor) -> Factors:
    return Factors(**{**vars(factors), **values})


def test_hue_is_the_inverse_of_a_pure_colour_whatever_the_brightness_and_the_grey() -> None:
    hue = torch.linspace(0, 1, 601, dtype=torch.float64)[:-1]
    for given in (rgb(hue), 0.01 * rgb(hue), 0.3 * rgb(hue) + 0.2):
        assert ((hue_of(given) - hue + 0.5) % 1 - 0.5).abs().max() < 1e-12
    assert hue_of(torch.ones(1, 3)).isnan().all()


@pytest.mark.parametrize("bits", [False, True])
def test_the_reader_finds_what_was_drawn(bits: bool) -> None:
    factors = draw(1500, seed=3)
    images = render(factors)
    found = measure((images * 255).round() / 255 if bits else images)
    assert torch.equal(found.factors.shape, factors.shape)
    off = {name: float(v[~v.isnan()].max()) for name, v in gaps(found.factors, factors).items()}
    assert off["hue"] < (1e-3 if bits else 1e-12)
    assert max(off["x"], off["y"]) < 0.03 / 32  # of sampling a shape at the centres of 32 x 32 pixels, as the rest
    assert float((found.factors.size / factors.size - 1).abs().max()) < 4e-3
    assert off["rotation"] < math.radians(0.4)
    assert torch.equal(found.factors.rotation.isnan(), factors.shape == CIRCLE)
    assert found.residual.max() < 0.015
    other = found.residuals.masked_fill(torch.nn.functional.one_hot(factors.shape, 3).bool(), math.inf)
    assert other.min() > 0.2


def test_sizes_are_measured_better_on_finer_pixels() -> None:
    factors = draw(60, seed=4)
    coarse, fine = ((measure(render(factors, s)).factors.size / factors.size - 1).abs().max() for s in (32, 96))
    assert fine < coarse / 4
    assert fine < 2e-4  # without the term for the hat's area it would be 5e-4


def test_the_blend_of_two_shapes_is_far_from_every_shape() -> None:
    circle, triangle = one(CIRCLE, hue=0.0, x=0.38), one(TRIANGLE, hue=1 / 3, x=0.62)
    apart = measure((render(circle) + render(triangle)) / 2)
    assert float(apart.residual) > 0.5
    dim = measure(render(circle) / 2)
    assert float(dim.residual) > 0.4
    assert float(dim.factors.hue) == pytest.approx(0, abs=1e-12)
    two_colours = measure((render(circle) + render(changed(circle, hue=circle.hue + 0.5))) / 2)  # grey
    assert two_colours.factors.hue.isnan().all()
    assert float(two_colours.residual) > 0.5
    corners = [one(SQUARE, size=0.1, x=0.1, y=0.1), one(SQUARE, size=0.1, x=0.9, y=0.9)]  # nothing at the centroid
    assert float(measure(render(corners[0]) + render(corners[1])).residual) > 0.9
    factors = draw(400, seed=8)
    images = render(factors)
    differ = factors.shape[::2] != factors.shape[1::2]
    blends = measure((images[::2] + images[1::2])[differ] / 2)
    assert blends.residual.median() > 40 * measure(images).residual.max()


def test_the_haze_of_a_decoder_does_not_hide_the_shape() -> None:
    factors = draw(300, seed=6)
    found = measure((render(factors) + 0.01).clamp(0, 1))
    off = {name: float(v[~v.isnan()].max()) for name, v in gaps(found.factors, factors).items()}
    assert torch.equal(found.factors.shape, factors.shape)
    assert off["rotation"] < math.radians(3)  # without the disc the haze outweighs a square's corners: 45 degrees
    assert off["size"] < 0.007
    assert max(off["x"], off["y"]) < 0.04 / 32


def test_gaps_go_the_short_way_round() -> None:
    a, b = one(SQUARE, hue=0.98, rotation=0.01), one(SQUARE, hue=0.03, rotation=math.pi / 2 - 0.02)
    found = gaps(a, b)
    assert float(found["hue"]) == pytest.approx(0.05)
    assert float(found["rotation"]) == pytest.approx(0.03)
    assert gaps(one(CIRCLE), one(CIRCLE))["rotation"].isnan().all()
    assert gaps(one(SQUARE), one(TRIANGLE))["rotation"].isnan().all()


def test_black_and_grey_images_have_no_factors_that_they_do_not_show() -> None:
    image = render(one(SQUARE))
    found = measure(torch.cat([torch.zeros_like(image), image.amax(dim=1, keepdim=True).expand(-1, 3, -1, -1)]))
    assert found.factors.shape.tolist() == [-1, SQUARE]
    assert found.factors.hue.isnan().all()
    assert found.residual.isnan().tolist() == [True, False]
    assert found.factors.x.isnan().tolist() == [True, False]


def test_each_image_is_measured_alone() -> None:
    images = render(draw(20, seed=2), size=16)
    found = measure(images)
    for i in (0, 7, 19):
        assert torch.allclose(measure(images[i : i + 1]).residuals, found.residuals[i : i + 1], atol=1e-9)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(n, 3, size, size\); got \(2, 1, 8, 8\)"):
        measure(torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match=r"floats in \[0, 1\]; got torch.uint8"):
        measure(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
