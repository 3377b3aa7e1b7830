"""Neighbourhoods, classes, styles and reconstructions, by hand."""

import pytest
import torch
from torch import Tensor

from problems import points
from ridgewalk.data import load, part
from ridgewalk.judging.judges import judge
from ridgewalk.settings.autoencoder import Judges
from ridgewalk_studies.measures import attributes


def test_neighbours_are_the_nearest_others() -> None:
    z = torch.tensor([[0.0], [1.0], [3.0], [3.5]])
    assert attributes.neighbours_of(z, 2).tolist() == [[1, 2], [0, 2], [3, 1], [2, 1]]
    many = points(700, 3)
    index = attributes.neighbours_of(many, 5)
    assert (index != torch.arange(700)[:, None]).all()
    assert torch.equal(index, torch.cdist(many, many).topk(6, largest=False).indices[:, 1:])
    with pytest.raises(ValueError, match="from 1 to 3 neighbours"):
        attributes.neighbours_of(z, 4)


def test_strangers_are_others() -> None:
    index = attributes.strangers_of(50, 400, seed=0)
    assert (index != torch.arange(50)[:, None]).all()
    assert set(index[7].tolist()) == set(range(50)) - {7}


def test_distances_to_others_by_hand() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    assert attributes.distances_to(x, torch.tensor([[1, 2], [0, 2]])).tolist() == [
        [5, 1],
        pytest.approx([5, 18**0.5]),
    ]


def test_local_order_is_spearmans_row_by_row() -> None:
    from scipy.stats import spearmanr

    a, b = points(6, 9, seed=1), points(6, 9, seed=2)
    found = attributes.local_order(a, b)
    assert found.tolist() == pytest.approx([spearmanr(x, y).statistic for x, y in zip(a.numpy(), b.numpy())])
    assert attributes.local_order(a, 5 * a + 1).tolist() == pytest.approx([1] * 6)
    assert attributes.local_order(a, -a).tolist() == pytest.approx([-1] * 6)
    assert attributes.local_order(a, torch.ones(6, 9)).tolist() == [0] * 6
    with pytest.raises(ValueError, match="m >= 3"):
        attributes.local_order(a[:, :2], b[:, :2])


def test_a_line_fits_itself_and_noise_of_equal_variance_halves_it() -> None:
    a, noise = points(400, 20, seed=3), points(400, 20, seed=4)
    assert attributes.linear_fit(a, 3 - 2 * a, seed=0).low == pytest.approx(1)
    found = attributes.linear_fit(a, a + noise, seed=0)
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.05
    assert attributes.linear_fit(a, noise, seed=0).high < 0.005


def test_class_kept_counts_interior_frames() -> None:
    frames = torch.eye(3)[torch.tensor([[1, 0, 0, 2, 1], [2, 2, 2, 2, 0]])]
    assert attributes.class_kept(frames, torch.tensor([0, 2])).tolist() == pytest.approx([2 / 3, 1])
    with pytest.raises(ValueError, match="one class"):
        attributes.class_kept(frames, torch.tensor([0, 2, 1]))


def sheared(shear: float) -> Tensor:
    """A cross with a vertical bar, each row shifted by shear (y - centre) pixels with linear interpolation, which keeps its mass and centre."""
    image = torch.zeros(1, 1, 21, 41, dtype=torch.float64)
    for y in range(21):
        wide = 6 if y == 10 else 1
        for x in range(20 - wide, 21 + wide):
            place = x + shear * (y - 10)
            left = int(place // 1)
            image[0, 0, y, left] += 1 - (place - left)
            image[0, 0, y, left + 1] += place - left
    return image


@pytest.mark.parametrize("shear", [-0.8, -0.25, 0.0, 0.1, 1.0])
def test_the_slant_of_a_sheared_image_is_its_shear(shear: float) -> None:
    assert attributes.slant(sheared(shear)).item() == pytest.approx(shear, abs=1e-12)


def test_the_slant_does_not_depend_on_place_or_ink_and_changes_sign_with_a_mirror() -> None:
    x = sheared(0.3)
    assert attributes.slant(0.2 * x.roll((0, 3), (2, 3))).item() == pytest.approx(0.3, abs=1e-12)
    assert attributes.slant(x.flip(3)).item() == pytest.approx(-0.3, abs=1e-12)
    assert attributes.slant(torch.cat([x, x], 1)).item() == pytest.approx(0.3, abs=1e-12)
    assert attributes.slant(torch.zeros(1, 1, 4, 4)).isnan().all()


def test_stroke_mass_is_the_mean_pixel() -> None:
    assert attributes.stroke_mass(torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])).item() == 0.5


def test_within_monotone_and_off_line_by_hand() -> None:
    values = torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0], [4.0, 5.0, 2.0, -1.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]]).double()
    assert attributes.within(values).tolist() == pytest.approx([1, 1 / 3, 1])
    assert attributes.monotone(values).tolist() == pytest.approx([1, 4 / 8, 1])
    assert attributes.off_line(values).tolist() == pytest.approx([0, (2 + 0 + 2) / 3, 0])


def test_a_third_of_frames_that_have_nothing_to_do_with_the_ends_lies_between_them() -> None:
    assert float(attributes.within(points(20_000, 9, seed=5)).mean()) == pytest.approx(1 / 3, abs=0.01)


def test_the_sharpness_of_a_ramp_is_its_slope() -> None:
    y, x = torch.meshgrid(torch.arange(7.0), torch.arange(9.0), indexing="ij")
    ramp = (0.03 * x + 0.04 * y).expand(2, 1, 7, 9)
    assert attributes.sharpness(ramp).tolist() == pytest.approx([0.05, 0.05])
    with pytest.raises(ValueError, match="at least 2 x 2"):
        attributes.sharpness(torch.zeros(1, 1, 1, 9))


def test_what_reconstructions_lose() -> None:
    data = load("digits")
    images = part(data, "test").floats()[:40]
    one = judge(data, "A", Judges(epochs=1, batch=32, steps=4))
    whole = attributes.reconstruction_columns(images, images, [one])
    assert all(v.abs().max() == 0 for name, v in whole.items() if name != "sharpness")
    assert whole["sharpness"].tolist() == pytest.approx([1] * 40)
    half = attributes.reconstruction_columns(images, images / 2, [one])
    torch.testing.assert_close(half["squared"], images.double().flatten(1).square().mean(1) / 4)
    torch.testing.assert_close(half["absolute"], images.double().flatten(1).mean(1) / 2)
    assert half["sharpness"].tolist() == pytest.approx([0.5] * 40)
    # another image of the set is at distance 1 in the root mean square: exactly sqrt((n - 1) / n) x that over all others
    others = torch.stack(
        [
            attributes.reconstruction_columns(images, images.roll(s, 0), [one])["features_A"].square().mean()
            for s in range(1, 40)
        ]
    )
    assert float(others.mean()) == pytest.approx(1, rel=1e-5)
