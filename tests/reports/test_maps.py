"""Maps show the energy where it is, hold their colours against outliers, and draw codes, score, paths and ends in place."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ridgewalk.reports import figures

X, Y = np.linspace(-2, 3, 26), np.linspace(-1, 2, 16)
BOWL = X[None] ** 2 + Y[:, None] ** 2


def decoded(figure: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figures.png(figure))).convert("RGB")).astype(int)


def pixel(figure: Any, x: float, y: float) -> np.ndarray:
    """The colour at a point of the first axes."""
    image = decoded(figure)
    u, v = figure.axes[0].transData.transform((x, y)) * 2  # files hold two pixels for one of the canvas
    return image[image.shape[0] - 1 - round(v), round(u)]


def test_low_energy_is_pale_and_high_energy_dark_at_their_places() -> None:
    figure = figures.energy_map(X, Y, {"bowl": BOWL})
    assert pixel(figure, 0.02, 0.02).sum() > pixel(figure, 1.5, 1.02).sum() > pixel(figure, 2.9, 1.9).sum()
    shades = [pixel(figure, x, 0.02).sum() for x in np.linspace(0.05, 2.9, 8)]
    assert shades == sorted(shades, reverse=True)


def test_both_axes_have_the_same_units_and_span_the_grid() -> None:
    ax = figures.energy_map(X, Y, {"bowl": BOWL}).axes[0]
    (x0, y0), (x1, y1) = ax.transData.transform([(0, 0), (1, 1)])
    assert x1 - x0 == pytest.approx(y1 - y0, rel=1e-6)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-2, 3), (-1, 2))


@pytest.mark.parametrize("wild", [1e9, -1e9, np.nan, np.inf, -np.inf])
def test_a_wild_value_does_not_change_the_colours_of_the_others(wild: float) -> None:
    odd = BOWL.copy()
    odd[0, 0] = wild
    ours, plain = (figures.energy_map(X, Y, {"bowl": e}) for e in (odd, BOWL))
    # one value in 416 moves a quantile by one rank: a contour may shift by a shade
    assert np.abs(pixel(ours, 1.5, 1.02) - pixel(plain, 1.5, 1.02)).max() < 25
    assert pixel(ours, 0.02, 0.02).sum() > pixel(ours, 2.9, 1.9).sum()


def test_a_flat_energy_and_one_without_a_finite_value_are_drawn() -> None:
    for flat in (np.zeros_like(BOWL), np.full_like(BOWL, np.nan)):
        assert decoded(figures.energy_map(X, Y, {"flat": flat})).std() > 5


def test_arrows_start_at_their_points_follow_the_score_and_are_clipped() -> None:
    places = np.stack(np.meshgrid([-1.0, 0.5, 1.0, 2.0], [-0.5, 0.5]), -1).reshape(-1, 2)
    field = np.hstack([places, -2 * places])
    field[0, 2:] *= 1e6
    ax = figures.energy_map(X, Y, {"bowl": BOWL}, {"bowl": field}).axes[0]
    quiver = next(c for c in ax.collections if type(c).__name__ == "Quiver")
    drawn = np.stack([quiver.U, quiver.V], 1)
    assert quiver.XY.tolist() == places.tolist()
    cosine = (drawn * -places).sum(1) / np.linalg.norm(drawn, axis=1) / np.linalg.norm(places, axis=1)
    assert cosine == pytest.approx(np.ones(8))
    assert np.linalg.norm(drawn, axis=1).max() < 3
    assert np.linalg.norm(drawn, axis=1)[7] > np.linalg.norm(drawn, axis=1)[5]


def test_no_arrows_where_there_is_no_force() -> None:
    field = np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    ax = figures.energy_map(X, Y, {"bowl": BOWL}, {"bowl": field}).axes[0]
    assert not [c for c in ax.collections if type(c).__name__ == "Quiver"]


def test_paths_have_their_methods_colour_and_ends_their_letters() -> None:
    line = np.linspace((0, 0), (2, 1), 5)
    overlay = figures.Overlay({"lerp": line, "string": line[::-1]}, {"A": (0, 0), "B": (2, 1)})
    figure = figures.energy_map(X, Y, {"bowl": BOWL}, overlay=overlay)
    ax = figure.axes[0]
    assert {"#E69F00", "#009E73"} <= {str(drawn.get_color()) for drawn in ax.lines}
    assert [t.get_text() for t in ax.texts] == ["A", "B"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["lerp", "string"]


def test_codes_are_letters_where_labels_are_and_named_dots_elsewhere() -> None:
    codes = np.random.default_rng(0).random((30, 2))
    short = figures.energy_map(X, Y, {"bowl": BOWL}, codes=figures.Codes(codes, [str(i % 3) for i in range(30)])).axes[
        0
    ]
    long = figures.energy_map(X, Y, {"bowl": BOWL}, codes=figures.Codes(codes, ["cat", "dog"] * 15)).axes[0]
    none = figures.energy_map(X, Y, {"bowl": BOWL}, codes=figures.Codes(codes)).axes[0]
    assert len(short.texts) == len(none.texts) == 0
    assert [t.get_text() for t in long.texts] == ["cat", "dog"]
    drawn = [np.asarray(c.get_offsets()) for c in short.collections if len(c.get_offsets()) == 10]
    assert np.sort(np.concatenate(drawn), axis=0) == pytest.approx(np.sort(codes, axis=0))


@pytest.mark.parametrize("name", ["$", "%", "_", "é", " ", "$x^$"])
def test_labels_of_any_letter_are_drawn(name: str) -> None:
    codes = np.random.default_rng(0).random((4, 2))
    assert decoded(figures.energy_map(X, Y, {"bowl": BOWL}, codes=figures.Codes(codes, [name] * 4))).std() > 5


def test_one_panel_and_one_colour_bar_an_energy() -> None:
    figure = figures.energy_map(X, Y, {"bowl": BOWL, "valley": BOWL - X[None] ** 2, "flat": 0 * BOWL})
    assert [ax.get_title(loc="left") for ax in figure.axes[::2]] == ["bowl", "valley", "flat"]
    assert len(figure.axes) == 6


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_upright_at_their_points(channels: int) -> None:
    images = np.zeros((2, 3, channels, 8, 8))
    images[1, 0] = 1  # upper left
    images[0, 2, :, :4] = 1  # lower right: its upper half
    figure = figures.decoded_map(np.array([0.0, 1, 2]), np.array([0.0, 1]), images)
    assert (pixel(figure, 0, 1) == 255).all()
    assert (pixel(figure, 0, 0) == 0).all()
    assert (pixel(figure, 2, 0.2) == 255).all()
    assert (pixel(figure, 2, -0.2) == 0).all()
    assert figure.axes[0].get_xlim() == (-0.5, 2.5)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: figures.energy_map(X, Y, {}), "at least one energy"),
        (lambda: figures.energy_map(X, Y, {"e": BOWL.T}), "16 x 26"),
        (lambda: figures.energy_map(X, Y, {"e": BOWL}, {"e": np.zeros((3, 2))}), r"\(m, 4\)"),
        (
            lambda: figures.energy_map(X, Y, {"e": BOWL}, codes=figures.Codes(np.zeros((3, 8)))),
            r"codes must be \(n, 2\)",
        ),
        (lambda: figures.energy_map(X, Y, {"e": BOWL}, codes=figures.Codes(np.zeros((3, 2)), ["a"])), "label"),
        (lambda: figures.decoded_map(X, Y, np.zeros((3, 3, 1, 8, 8))), "16 x 26"),
        (lambda: figures.decoded_map(X[:2], Y[:2], np.zeros((2, 2, 4, 8, 8))), "1 or 3"),
    ],
)
def test_wrong_arrays_are_named(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
