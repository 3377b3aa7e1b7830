"""Reconstructions: error, deviation, confusion and detail by hand, and when they are too poor or blurred."""

import math

import pytest
import torch
from torch import Tensor

from ridgewalk.evaluation.reconstructions import describe_reconstruction, warn_of_reconstruction
from ridgewalk.metrics.reconstructions import compare_reconstructions


def images(n: int, *shape: int) -> Tensor:
    return torch.rand(n, *(shape or (2, 5, 4)), generator=torch.Generator().manual_seed(0))


def test_an_exact_decoder() -> None:
    x = images(20)
    found = compare_reconstructions(x, x.clone())
    assert (found.n, found.rmse, found.relative, found.confused) == (20, 0.0, 0.0, 0.0)
    assert found.detail == pytest.approx(1)
    assert not found.poor
    assert not found.blurred


def test_the_error_is_of_a_pixel_and_relative_to_the_deviation_about_the_mean_image() -> None:
    x = torch.tensor([0.2, 0.6]).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    found = compare_reconstructions(x, x + 0.1)
    assert found.rmse == pytest.approx(0.1)
    assert found.relative == pytest.approx(0.1 / 0.2)
    assert found.detail is None  # the images have no differences


def test_a_decoder_that_always_shows_the_mean_image_has_one_deviation_and_shows_no_image() -> None:
    x = images(30)
    found = compare_reconstructions(x, x.mean(dim=0).expand_as(x))
    assert found.relative == pytest.approx(1)
    assert found.confused == pytest.approx(29 / 30)  # all but the image that lies nearest to the mean
    assert found.poor
    assert found.blurred


@pytest.mark.parametrize(("swapped", "poor"), [(28, False), (30, True)])
def test_reconstructions_are_too_poor_where_most_pairs_have_an_end_that_shows_another_image(
    swapped: int, poor: bool
) -> None:
    """Of 100 images, 28 or 30 are reconstructed as another one: 1 - 0.72^2 = 0.48 and 1 - 0.70^2 = 0.51 of the pairs."""
    x = images(100)
    y = x.clone()
    y[:swapped] = x[:swapped].roll(1, dims=0)
    found = compare_reconstructions(x, y)
    assert found.confused == pytest.approx(swapped / 100)
    assert found.poor == poor
    warned = warn_of_reconstruction(found)
    assert len(warned) == poor
    assert not poor or "too poor for a path to matter: 30% of 100 held-out images" in warned[0]


def test_an_image_that_occurs_twice_is_not_confused_with_its_copy() -> None:
    x = images(10).repeat(2, 1, 1, 1)
    assert compare_reconstructions(x, x + 0.01).confused == 0


@pytest.mark.parametrize(("kept", "blurred"), [(0.4, True), (0.6, False)])
def test_detail_is_the_share_of_the_differences_between_neighbours(kept: float, blurred: bool) -> None:
    x = images(10)
    found = compare_reconstructions(x, kept * x + (1 - kept) * x.mean(dim=(2, 3), keepdim=True))
    assert found.detail == pytest.approx(kept)
    assert found.blurred == blurred
    assert not found.poor
    assert [w[:31] for w in warn_of_reconstruction(found)] == ["The reconstructions are blurred"] * blurred


def test_detail_has_both_directions() -> None:
    """Differences of 3 to the right and 4 down have a length of 5; only those to the right are left."""
    right, down = torch.arange(4.0) * 3, torch.arange(5.0)[:, None] * 4
    x = (right + down).expand(2, 1, 5, 4)
    assert compare_reconstructions(x, right.expand_as(x)).detail == pytest.approx(3 / 5)


def test_figures_do_not_change_with_the_scale_of_the_images() -> None:
    x, noise = images(20), 0.2 * images(20).flip(0)
    one, two = compare_reconstructions(x, x + noise), compare_reconstructions(x / 4, (x + noise) / 4)
    assert two.rmse == pytest.approx(one.rmse / 4)
    assert (two.relative, two.confused, two.detail) == pytest.approx((one.relative, one.confused, one.detail))


def test_what_is_not_defined_is_none() -> None:
    alike = images(1).expand(3, -1, -1, -1)
    assert compare_reconstructions(alike, alike + 0.1).relative is None
    rows = images(5, 1, 1, 9)
    found = compare_reconstructions(rows, rows)
    assert found.detail is None
    said = describe_reconstruction(found)
    assert said.endswith("a pixel, 0.00 of the data's standard deviation.")
    assert "detail" not in said
    assert math.isfinite(found.rmse)
    assert warn_of_reconstruction(None) == []


def test_sizes_that_do_not_fit_are_refused() -> None:
    for x, y in ((images(3), images(4)), (images(1), images(1)), (images(3).flatten(1), images(3).flatten(1))):
        with pytest.raises(ValueError, match="n >= 2, of their own shape"):
            compare_reconstructions(x, y)
