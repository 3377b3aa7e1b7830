"""Coloured shapes: what is drawn has the factors that it was drawn with."""

import math

import pytest
import torch
from torch import Tensor

from ridgewalk.data import shapes
from ridgewalk.data.shapes import FOLDS, SHAPES, Factors, coverage, dataset, draw, render, rgb

CIRCLE, SQUARE, TRIANGLE = range(3)


def one(
    shape: int, hue: float = 0.1, size: float = 0.3, x: float = 0.5, y: float = 0.5, rotation: float = 0.0
) -> Factors:
    """The factors of one image, in float64."""
    return Factors(torch.tensor([shape]), *torch.tensor([hue, size, x, y, rotation], dtype=torch.float64).view(5, 1))


def changed(factors: Factors, **values: Tensor) -> Factors:
    return Factors(**{**vars(factors), **values})


# Is it true? Distances and renderings


@pytest.mark.parametrize("fold", [3, 4])
def test_the_distance_to_a_polygon_is_the_least_distance_to_its_edges(fold: int) -> None:
    size, rotation, pi = 0.3, 0.4, math.pi
    radius = size / math.sqrt(fold * math.tan(pi / fold)) / math.cos(pi / fold)
    angles = rotation + pi / fold + torch.arange(fold, dtype=torch.float64) * 2 * pi / fold
    corners = radius * torch.stack([angles.cos(), angles.sin()], dim=1)
    p = torch.rand(1, 40, 40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    start, along = corners, corners.roll(-1, 0) - corners
    offset = p.unsqueeze(-2) - start
    t = ((offset * along).sum(-1) / (along**2).sum(-1)).clamp(0, 1)
    least = (offset - t.unsqueeze(-1) * along).norm(dim=-1).amin(dim=-1)
    inside = (along[:, 0] * offset[..., 1] - along[:, 1] * offset[..., 0] >= 0).all(dim=-1)
    sizes, rotations = torch.tensor([[size], [rotation]], dtype=torch.float64)
    given = shapes.polygon_distance(p, sizes, rotations, fold)
    assert torch.allclose(given, torch.where(inside, -least, least), atol=1e-12)


@pytest.mark.parametrize("shape", range(3))
def test_the_sum_of_a_shapes_pixels_is_its_area(shape: int) -> None:
    fine = render(one(shape, size=0.3, x=0.51, y=0.47, rotation=0.2), size=512).amax(dim=1)
    assert float(fine.mean()) == pytest.approx(0.3**2, rel=2e-4)  # the hat adds 6 (pi + k) / 72 of 512^-2: 2e-5


def test_coverage_falls_from_inside_to_outside_with_a_continuous_derivative() -> None:
    d = torch.linspace(-1.5, 1.5, 3001, dtype=torch.float64, requires_grad=True)
    c = coverage(d)
    (slope,) = torch.autograd.grad(c.sum(), d)
    assert (c[1:] <= c[:-1]).all()
    assert (c[0], c[1500], c[-1]) == (1, 0.5, 0)
    assert torch.allclose(slope, -(1 - d.detach().abs()).clamp_min(0), atol=1e-12)
    assert torch.allclose(c + c.flip(0), torch.ones_like(c), atol=1e-12)


def test_anti_aliasing_is_monotone_in_the_size() -> None:
    small = draw(64, seed=1)
    assert (render(changed(small, size=small.size * 1.05)) >= render(small)).all()


@pytest.mark.parametrize("shape", [SQUARE, TRIANGLE])
def test_a_turn_by_the_shapes_own_symmetry_changes_nothing(shape: int) -> None:
    own = 2 * math.pi / FOLDS[shape]
    upright = render(one(shape, rotation=0.3))
    assert torch.allclose(render(one(shape, rotation=0.3 + own)), upright, atol=1e-12)
    assert (render(one(shape, rotation=0.3 + own / 2)) - upright).abs().max() > 0.5


def test_the_factors_move_what_they_name() -> None:
    image = render(one(SQUARE, hue=1 / 3, size=0.25))  # 8 pixels, 12 .. 19, upright
    assert torch.equal(image[0, [0, 2]], torch.zeros(2, 32, 32, dtype=torch.float64))
    assert (image[0, 1, 12:20, 12:20] >= 0.7).all()
    assert image[0, 1].count_nonzero() == image[0, 1, 11:21, 11:21].count_nonzero() == 100
    right, down = render(one(SQUARE, 1 / 3, 0.25, x=0.5 + 1 / 32)), render(one(SQUARE, 1 / 3, 0.25, y=0.5 + 1 / 32))
    assert torch.allclose(right, image.roll(1, 3), atol=1e-12)
    assert torch.allclose(down, image.roll(1, 2), atol=1e-12)
    columns = render(one(TRIANGLE))[0].amax(dim=(0, 1)).nonzero().flatten()
    assert (columns[0], columns[-1]) == (7, 20)  # a corner 8.4 pixels left of the centre, an edge 4.2 right


def test_every_factor_but_the_shape_has_a_finite_gradient_that_is_true() -> None:
    for shape in range(3):
        at = [
            v.clone().requires_grad_()
            for v in list(vars(one(shape, 0.13, 0.3, 0.5 + 1 / 64, 0.5 + 1 / 64, 0.2)).values())[1:]
        ]

        def mean_square(*values: Tensor, shape: int = shape) -> Tensor:
            return (render(Factors(torch.tensor([shape]), *values), size=16) ** 2).mean()

        assert torch.autograd.gradcheck(mean_square, at, eps=1e-7, atol=1e-5)  # the centre is a pixel's centre


def test_colours_are_pure() -> None:
    hue = torch.linspace(0, 1, 601, dtype=torch.float64)[:-1]
    colour = rgb(hue)
    assert torch.equal(colour.amax(dim=1), torch.ones(600, dtype=torch.float64))
    assert torch.equal(colour.amin(dim=1), torch.zeros(600, dtype=torch.float64))
    assert rgb(torch.tensor([0, 1 / 3, 2 / 3])).round(decimals=5).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


# Does it keep the contract?


def test_fewer_images_are_the_first_of_more() -> None:
    many, few = draw(1030, seed=7), draw(5, seed=7)
    for name, value in vars(few).items():
        assert torch.equal(getattr(many, name)[:5].nan_to_num(-1), value.nan_to_num(-1))
    large, small = dataset(1030, 4, seed=7, size=8), dataset(1025, 2, seed=7, size=8)
    assert torch.equal(large.train.pixels[:1025], small.train.pixels)
    assert torch.equal(large.test.pixels[:2], small.test.pixels)
    assert large.train.fingerprint() == dataset(1030, 4, seed=7, size=8).train.fingerprint()
    assert not torch.equal(large.train.pixels[:4], large.test.pixels)
    assert not torch.equal(small.train.pixels, dataset(1025, 2, seed=8, size=8).train.pixels)


def test_the_classes_are_the_shapes_and_come_equally_often() -> None:
    data = dataset(3000, 10, seed=1, size=4)
    assert data.class_names == SHAPES
    train, test = shapes.part_factors(1, 3000, 10)
    assert torch.equal(data.train.labels, train.shape)
    assert torch.equal(data.test.labels, test.shape)
    assert (data.train.labels.bincount() - 1000).abs().max() < 5 * math.sqrt(3000 * 2 / 9)
    for name in ("hue", "size", "x", "y"):
        assert abs(float(torch.corrcoef(torch.stack([getattr(train, name), train.shape.double()]))[0, 1])) < 0.1


def test_no_shape_is_cut_off_wherever_it_lies() -> None:
    ends = torch.tensor(shapes.POSITIONS, dtype=torch.float64)
    turns = torch.linspace(0, 2, 41, dtype=torch.float64)
    for shape in range(3):
        x, y, rotation = torch.cartesian_prod(ends, ends, turns).unbind(dim=1)
        largest = Factors(torch.full((len(x),), shape), 0 * x, 0 * x + shapes.SIZES[1], x, y, rotation)
        wider = render(changed(largest, size=largest.size * 32 / 34, x=(x * 32 + 1) / 34, y=(y * 32 + 1) / 34), size=34)
        assert torch.allclose(wider[:, :, 1:-1, 1:-1], render(largest), atol=1e-12)
        wider[:, :, 1:-1, 1:-1] = 0
        assert wider.max() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_image_is_its_own_and_inputs_stay_as_they_are(dtype: torch.dtype) -> None:
    factors = Factors(*(v.to(dtype) if v.is_floating_point() else v for v in vars(draw(20, seed=2)).values()))
    before = [v.clone() for v in vars(factors).values()]
    images = render(factors, size=16)
    assert (images.dtype, images.shape) == (dtype, (20, 3, 16, 16))
    assert 0 <= images.min() <= images.max() <= 1
    for i in (0, 7, 19):
        assert torch.allclose(render(factors.take(slice(i, i + 1)), size=16)[0], images[i], atol=1e-6)
    assert all(torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)) for a, b in zip(before, vars(factors).values()))
    assert len(factors.take(factors.shape == CIRCLE)) == int((factors.shape == CIRCLE).sum())


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="number of images must be at least 1; got 0"):
        draw(0, seed=1)
    with pytest.raises(ValueError, match="at least 2 pixels a side; got 1"):
        render(one(CIRCLE), size=1)
    with pytest.raises(ValueError, match=r"0 .. 2 \(circle, square, triangle\); got \[3\]"):
        render(one(3))
    with pytest.raises(ValueError, match="share one shape"):
        changed(one(CIRCLE), hue=torch.zeros(2))
    with pytest.raises(ValueError, match=r"shape must be int64 .*; got torch.float32"):
        changed(one(CIRCLE), shape=torch.zeros(1))
