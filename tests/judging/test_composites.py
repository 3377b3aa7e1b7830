"""Composites are made of real things, stay in [0, 1], and are what their names say."""

import pytest
import torch
from torch import Tensor

from ridgewalk.judging import composites
from ridgewalk.judging.composites import Kind
from ridgewalk.training.noise import Noise

IMAGES = composites.TRAINED | composites.UNSEEN  # type: ignore[operator]
ROWS = composites.TRAINED_ROWS | composites.UNSEEN_ROWS  # type: ignore[operator]


def pictures(n: int = 16, shape: tuple[int, int, int] = (3, 20, 24), seed: int = 0) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 24)])
@pytest.mark.parametrize("name", IMAGES)
def test_composites_of_images_keep_the_contract(name: str, shape: tuple[int, int, int]) -> None:
    contract(IMAGES[name], pictures(shape=shape), pictures(shape=shape, seed=1))


@pytest.mark.parametrize("name", ROWS)
def test_composites_of_rows_keep_the_contract(name: str) -> None:
    contract(ROWS[name], pictures(shape=(1, 1, 7)), pictures(shape=(1, 1, 7), seed=1))


def contract(kind: Kind, x: Tensor, y: Tensor) -> None:
    """Shape, range, the same draws for the same noise, inputs unchanged, and another thing than either source."""
    x_before, y_before = x.clone(), y.clone()
    made = kind(x, y, Noise(3, 4))
    assert made.shape == x.shape
    assert made.dtype == x.dtype
    assert made.min() >= 0
    assert made.max() <= 1
    assert torch.equal(made, kind(x, y, Noise(3, 4)))
    assert torch.equal(x, x_before)
    assert torch.equal(y, y_before)
    changed = [(made - one).flatten(1).abs().amax(dim=1) > 1e-3 for one in (x, y)]
    assert (changed[0] & changed[1]).float().mean() > 0.7  # a cut near an edge may leave an image as it is


def test_averages_unions_and_sums_are_what_their_formulas_say() -> None:
    x, y = pictures(), pictures(seed=1)
    noise = Noise(0, 0)
    w = ((composites.average(x, y, noise) - y) / (x - y)).flatten(1).median(dim=1).values
    assert w.min() >= 0.3
    assert w.max() <= 0.7
    assert torch.equal(composites.half_average(x, y, noise), (x + y) / 2)
    assert (composites.union(x, y, noise) >= x).all()
    assert (composites.intersection(x, y, noise) <= x).all()
    assert torch.allclose(composites.product(x, y, noise) ** 2, x * y, atol=1e-5)
    assert (composites.total(x, y, noise) >= x).all()


def test_a_restored_average_has_the_contrast_of_the_first() -> None:
    x, y = 0.3 + 0.4 * pictures(), 0.3 + 0.4 * pictures(seed=1)
    made = composites.restored_average(x, y, Noise(0, 0))
    assert torch.allclose(made.std((1, 2, 3)), x.std((1, 2, 3)), rtol=0.02)
    assert torch.allclose(made.mean((1, 2, 3)), x.mean((1, 2, 3)), atol=0.01)
    assert composites.average(x, y, Noise(0, 0)).std((1, 2, 3)).mean() < 0.85 * x.std((1, 2, 3)).mean()


def test_shuffled_patches_are_the_same_patches_elsewhere() -> None:
    x = pictures(4, (1, 8, 8))
    made = composites.shuffled_patches(x, x, Noise(0, 0))
    assert torch.equal(made.flatten(1).sort(dim=1).values, x.flatten(1).sort(dim=1).values)
    tiles = {tuple(t.flatten().tolist()) for t in x[0, 0].unfold(0, 2, 2).unfold(1, 2, 2).reshape(-1, 2, 2)}
    moved = {tuple(t.flatten().tolist()) for t in made[0, 0].unfold(0, 2, 2).unfold(1, 2, 2).reshape(-1, 2, 2)}
    assert tiles == moved


def test_the_kinds_of_the_test_are_none_of_the_training() -> None:
    for trained, unseen in ((composites.TRAINED, composites.UNSEEN), (composites.TRAINED_ROWS, composites.UNSEEN_ROWS)):
        assert not {*trained} & {*unseen}
        assert not {*trained.values()} & {*unseen.values()}


def test_composing_gives_one_composite_each_of_every_kind() -> None:
    x = pictures(64)
    made = composites.compose(x, Noise(0, 1))
    assert made.shape == x.shape
    assert composites.compose(x[:1], Noise(0, 1)).shape == x[:1].shape
    flat = made.flatten(2).std(dim=2).amax(dim=1)
    assert (flat < 1e-6).sum() >= 2  # the constants are among them


def test_softening_blurs_three_quarters_of_the_images_each_by_its_own_width() -> None:
    point = torch.zeros(4000, 1, 32, 32)
    point[:, 0, 16, 16] = 1
    soft = composites.soften(point, Noise(0, 0))
    torch.testing.assert_close(soft.sum((1, 2, 3)), torch.ones(4000))
    away = (torch.arange(32) - 16.0) ** 2
    spread = (away * soft.sum(dim=(1, 2))).sum(dim=1).sqrt()  # standard deviation of each blurred point
    sharp = (soft == point).all(dim=(1, 2, 3)).float().mean()
    assert sharp == pytest.approx(0.25, abs=0.08)  # the narrowest widths change no pixel
    blurred = spread[spread > 0.6]
    assert blurred.max() == pytest.approx(2, abs=0.05)  # a sixteenth of the side
    assert blurred.mean() == pytest.approx(1.3, abs=0.05)  # the middle of [0.6, 2]


def test_images_of_less_than_sixteen_pixels_are_not_softened() -> None:
    for shape in ((1, 8, 8), (3, 15, 40), (1, 1, 30)):
        x = pictures(shape=shape)
        assert torch.equal(composites.soften(x, Noise(0, 0)), x)


def test_what_is_washed_out_has_nothing_smaller_than_a_third_of_its_side() -> None:
    x = pictures(40, (3, 24, 24))
    made = composites.washed_out(x, x, Noise(0, 0))
    torch.testing.assert_close(made.mean((2, 3)), x.mean((2, 3)), atol=0.02, rtol=0)
    assert made.diff(dim=3).abs().max() < 0.1
    assert 0.001 < made.flatten(2).std(dim=2).mean() < x.flatten(2).std(dim=2).mean()


def test_noise_covers_half_of_the_images_whole_and_a_part_of_the_others() -> None:
    x = torch.full((400, 1, 24, 24), 0.5)
    touched = (composites.white_noise(x, x, Noise(0, 0)) != x).float().mean(dim=(1, 2, 3))
    part = (touched < 0.999).float().mean()
    assert 0.25 < part < 0.55  # half of the images, without those whose mask is nowhere 0


def test_half_of_the_constants_are_grey() -> None:
    colours = composites.constant(pictures(1000), pictures(1000), Noise(0, 0))[:, :, 0, 0]
    assert (colours == colours[:, :1]).all(dim=1).float().mean() == pytest.approx(0.5, abs=0.06)
    assert 0.2 < (colours == 0).float().mean() < 0.3


def test_a_blurred_point_is_gaussian() -> None:
    x = torch.zeros(1, 2, 15, 15)
    x[0, 1, 7, 7] = 1
    found = composites.blur(x, 1.2)
    assert found[0, 0].abs().max() == 0
    row = torch.exp(-(torch.arange(-3.0, 4.0) ** 2) / (2 * 1.2**2))
    torch.testing.assert_close(found[0, 1, 7, 4:11] / found[0, 1, 7, 7], row)
    torch.testing.assert_close(found[0, 1, 4:11, 7] / found[0, 1, 7, 7], row)
    torch.testing.assert_close(found.sum(), torch.tensor(1.0))


def test_each_image_is_blurred_by_its_own_width() -> None:
    x = pictures(3, (2, 12, 14))
    found = composites.blur(x, torch.tensor([0.0, 0.7, 1.5]))
    assert torch.equal(found[0], x[0])
    for i, width in ((1, 0.7), (2, 1.5)):
        torch.testing.assert_close(
            found[i, :, 4:-4, 4:-4], composites.blur(x[i : i + 1], width)[0, :, 4:-4, 4:-4], atol=5e-4, rtol=0
        )
