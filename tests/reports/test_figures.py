"""Every figure is a sound PNG of a sane size, shows what it was given, and leaves matplotlib as it was."""

import io
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image

from ridgewalk.reports import figures
from ridgewalk.reports.placing import label_points
from ridgewalk.reports.strips import pixels
from ridgewalk.reports.style import UNREAL

METHODS = [
    "lerp",
    "slerp",
    "sgw",
    "sgw-arriving",
    "guided",
    "graph",
    "string",
    "graph-string",
    "best-string",
    "geodesic",
    "ridge",
]
NAN = float("nan")


def drawn(k: int = 5, c: int = 1, side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).random((k, c, side, side))


def decoded(figure: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figures.png(figure))).convert("RGB"))


def scatter(logits: dict[str, np.ndarray], ideal: tuple[float, float] = (0.4, 0.6)) -> Any:
    """By two judges: a margin of minus the sensor's logit and inf at the first point, real where the logit is negative."""
    realism = {g: np.where(np.arange(len(x)) == 0, np.inf, -x) for g, x in logits.items()}
    real = {g: x < 0 for g, x in logits.items()}
    return figures.score_scatter(logits, {"A": realism, "B": realism}, {"A": real, "B": real}, "score", ideal)


def examples() -> dict[str, Any]:
    """One figure a function, with the number of its axes."""
    r = np.random.default_rng(0)
    spread = {m: (0.1 * i, 0.7 + 0.02 * i, 0.1 * i - 0.01, 0.1 * i + 0.01, 0.69, 0.9) for i, m in enumerate(METHODS)}
    curve = np.linspace(0, 1, 9)[:, None] * np.ones(2)
    return {
        "strips": (figures.strips({m: drawn() for m in METHODS}), len(METHODS)),
        "traces": (
            figures.traces({"lerp": r.random((20, 9)), "sgw": r.random(7)}, "energy", "Energy", {"data": 0.2}),
            1,
        ),
        "score_histogram": (figures.score_histogram({"encoded": r.random(50), "prior": r.random(50)}), 1),
        "score_scatter": (scatter({g: r.normal(size=50) for g in ("prior", "lerp", "encoded")}), 6),
        "reliability": (
            figures.reliability(np.array([0.1, NAN, 0.9]), np.array([0.2, NAN, 0.8]), np.array([3, 0, 9])),
            2,
        ),
        "tradeoff": (figures.tradeoff(spread | {"bare": (0.2, 0.9, NAN, NAN, NAN, NAN)}, "step", "precision"), 1),
        "intervals": (
            figures.intervals({m: (0.8, 0.7, 0.9) for m in METHODS}, "precision", {"LERP": 0.75, "real": 0.95}),
            1,
        ),
        "sweep": (
            figures.sweep(
                {q: {c: np.array([[0.1, 0.5, 0.4, 0.6], [1.0, 0.7, 0.6, 0.8]]) for c in "ab"} for q in "xyz"},
                "beta",
                {"x": {"LERP": 0.3}},
            ),
            3,
        ),
        "losses": (figures.losses({n: (np.arange(999), r.random(999)) for n in "abcd"}, log=True, lines={"a": 0.5}), 6),
        "before_after": (figures.before_after(drawn(30), drawn(30)), 1),
        "histograms": (figures.histograms({"before": r.random(50), "after": r.random(50) - 1}, "energy"), 1),
        "energy_map": (figures.energy_map(np.arange(6), np.arange(5), {"ratio": r.random((5, 6))}), 2),
        "decoded_map": (figures.decoded_map(np.arange(3), np.arange(2), r.random((2, 3, 1, 8, 8))), 2),
        "latent_plane": (figures.latent_plane(r.random((60, 2)), r.integers(0, 3, 60), {"lerp": curve}), 1),
    }


def test_every_figure_is_a_png_of_sane_size_and_no_setting_of_matplotlib_changes() -> None:
    before = dict(matplotlib.rcParams)
    for name, (figure, axes) in examples().items():
        image = decoded(figure)
        assert len(figure.axes) == axes, name
        assert 600 < image.shape[1] < 3000, name
        assert 200 < image.shape[0] < 3000, name
        assert image.std() > 5, f"{name} is blank"
    assert dict(matplotlib.rcParams) == before


def test_every_figure_has_reading_instructions() -> None:
    assert set(figures.READING) == set(examples())


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert figures.png(figures.strips({"lerp": drawn()})) == figures.png(figures.strips({"lerp": drawn()}))


def test_lerp_is_orange_and_walks_are_blue_and_finders_differ() -> None:
    assert figures.colour("lerp") == figures.colour("LERP") == "#E69F00"
    for walk in ("sgw", "sgw-arriving", "guided"):
        red, green, blue = (int(figures.colour(walk)[i : i + 2], 16) for i in (1, 3, 5))
        assert blue > green > red
    assert len({figures.colour(m) for m in METHODS}) == len(METHODS)


def test_colours_stay_apart_for_colour_blind_readers() -> None:
    # Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB; the weakest pair of the palette is 0.1 apart
    blind = {
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    }
    codes = np.array([[int(figures.colour(m)[i : i + 2], 16) / 255 for i in (1, 3, 5)] for m in METHODS])
    for kind, matrix in blind.items():
        seen = np.clip(codes**2.2 @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 9 * np.eye(len(codes))
        assert apart.min() > 0.15, (kind, METHODS[apart.min(1).argmin()], apart.min())


@pytest.mark.parametrize("channels", [1, 3])
def test_strips_show_each_pixel_as_a_whole_square(channels: int) -> None:
    frames = drawn(2, channels)
    big = pixels(frames, 96)
    assert big.shape == (2, 96, 96, 3)
    grey = np.round(frames * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    assert (big[:, 5::12, 5::12] == grey).all()
    image = decoded(figures.strips({"sgw": frames}))
    block = big[1, :12, :12][0, 0]
    assert ((image == block).all(axis=-1)).sum() >= 144


def test_large_frames_are_shrunk_with_their_proportions() -> None:
    assert pixels(np.zeros((2, 3, 100, 200)), 100).shape == (2, 50, 100, 3)


def test_a_red_bar_is_under_marked_frames_only() -> None:
    red = [int(UNREAL[i : i + 2], 16) for i in (1, 3, 5)]

    def bars(marks: list[bool]) -> int:
        image = decoded(figures.strips({"lerp": drawn()}, {"lerp": np.array(marks)}))
        row = (image == red).all(axis=-1)[:-40]  # the key at the foot is red too
        return int((np.diff(row.any(axis=0).astype(int)) == 1).sum())

    assert bars([False, True, False, True, False]) == 2
    assert bars([False] * 5) == 0


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True), (False, False)])
def test_the_images_stand_beyond_lines_beside_the_ends_of_a_strip(first: bool, second: bool) -> None:
    a, frames, b = np.full((1, 8, 8), 0.2), np.full((5, 1, 8, 8), 0.5), np.full((1, 8, 8), 0.8)
    marks = np.array([False, True, False, False, False])
    figure = figures.strips({"lerp": frames}, {"lerp": marks}, ends=(a if first else None, b if second else None))
    row = np.asarray(figure.axes[0].images[0].get_array())
    middle = row[row.shape[0] // 3, :, 0]  # through the images, right of the swatch of the method's colour
    changes = middle[np.flatnonzero(np.diff(middle)) + 1]
    shown = [int(v) for v in changes if v in (51, 128, 204)]
    assert shown == [51] * first + [128] * 5 + [204] * second
    white = np.split(middle, np.flatnonzero(np.diff(middle == 255)) + 1)
    gaps = [len(part) for part in white if part[0] == 255][1 : -1 if middle[-1] == 255 else None]
    assert gaps == [17, 17] * first + [18, 4, 4, 18] + [17, 17] * second  # a line is in the middle of the wider gaps
    red = (row == [int(UNREAL[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=-1).any(axis=0)
    (start,) = np.flatnonzero(np.diff(red.astype(int)) == 1)
    assert middle[start + 3] == 128
    assert [t.get_text() for t in figure.texts if t.get_text() in "aAbB"] == ["a", "b"] + ["A"] * first + ["B"] * second


def test_traces_show_median_and_quartiles_without_nan() -> None:
    values = np.arange(5.0)[:, None] * np.ones(4)
    values[0, 1], values[:, 2] = NAN, NAN
    ax = figures.traces({"sgw": values}, "y").axes[0]
    assert ax.lines[0].get_ydata()[[0, 1, 3]] == pytest.approx([2, 2.5, 2])
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (np.nanmin(band), np.nanmax(band)) == (1, pytest.approx(3.25))


def test_histogram_holds_shares_of_each_group() -> None:
    ax = figures.score_histogram({"encoded": np.array([0.01, 0.01, 0.99, 1.0])}, bins=10).axes[0]
    assert ax.patches[0].get_data().values == pytest.approx([0.5] + [0] * 8 + [0.5])


def test_scatter_colours_by_the_judge_marks_the_ideal_and_draws_medians() -> None:
    x = np.linspace(-3, 3, 401)
    figure = scatter({"prior": x, "lerp": np.append(x, np.full(400, -3.5))}, (0.6, 1.0))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["prior", "lerp", "", ""]
    ax = figure.axes[0]
    dots = ax.collections[0]
    red = (dots.get_facecolors()[:, :3] == np.array([int(UNREAL[i : i + 2], 16) for i in (1, 3, 5)]) / 255).all(axis=1)
    assert (red == (dots.get_offsets()[:, 0] >= 0)).all()
    median = next(line for line in ax.lines if len(line.get_xdata()) > 2)
    assert median.get_ydata() == pytest.approx(-np.asarray(median.get_xdata()), abs=1e-9)
    band = ax.patches[0].get_extents().transformed(ax.transData.inverted())
    assert band.x0 == pytest.approx(np.log(0.6 / 0.4))
    assert band.x1 == pytest.approx(ax.get_xlim()[1])
    foot = figure.axes[2]
    labels = dict(zip(foot.get_xticks(), (t.get_text() for t in foot.get_xticklabels())))
    assert labels[0] == "0.5"
    assert all(float(text) == pytest.approx(1 / (1 + np.exp(-at))) for at, text in labels.items())


@pytest.mark.parametrize("logits", [np.zeros(30), np.full(30, 900.0), np.append(np.full(29, -40.0), 40.0)])
def test_scatter_of_a_nearly_constant_sensor(logits: np.ndarray) -> None:
    assert decoded(scatter({"encoded": logits})).std() > 5


def test_forest_plot_has_its_rows_from_top_to_bottom_and_its_lines() -> None:
    figure = figures.intervals(
        {"lerp": (0.7, 0.6, 0.8), "sgw": (0.9, 0.85, 0.95)}, "precision", {"LERP": 0.7, "near": 0.705}
    )
    ax = figure.axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["lerp", "sgw"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    said = [t.get_text() for t in ax.texts]
    assert "0.90  [0.85, 0.95]" in said
    heights = {t.get_text(): t.get_position()[1] for t in ax.texts if t.get_text() in ("LERP", "near")}
    assert heights["LERP"] != heights["near"], "headings of near lines overlap"


def test_labels_of_near_points_do_not_overlap() -> None:
    figure = figures.tradeoff({}, "x", "y", better=None)
    ax = figure.axes[0]
    ax.set(xlim=(0, 1), ylim=(0, 1))
    points = [(0.5 + 0.01 * (i % 3), 0.5 + 0.012 * (i // 3), m) for i, m in enumerate(METHODS)]
    boxes = label_points(ax, points)
    assert len(ax.texts) == len(METHODS)
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert min(a[2], b[2]) - max(a[0], b[0]) <= 1 or min(a[3], b[3]) - max(a[1], b[1]) <= 1


def test_front_joins_the_methods_that_none_beats() -> None:
    spread = {"lerp": (0.1, 0.7), "sgw": (0.2, 0.9), "graph": (0.3, 0.8)}
    ax = figures.tradeoff({m: (x, y, x, x, y, y) for m, (x, y) in spread.items()}, "x", "y").axes[0]
    assert ax.lines[0].get_xydata().tolist() == [[0.1, 0.7], [0.2, 0.9]]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: figures.strips({}), "at least one"),
        (lambda: figures.strips({"lerp": np.zeros((3, 8, 8))}), r"\(k, 1, h, w\)"),
        (lambda: figures.strips({"lerp": drawn()}, {"lerp": np.zeros(4, bool)}), "one for each frame"),
        (lambda: figures.score_histogram({"encoded": np.array([-3.0, 2.0])}), r"sigmoid\(logit\)"),
        (lambda: figures.reliability(np.zeros(3), np.zeros(3), np.zeros(2)), "share shape"),
        (lambda: figures.latent_plane(np.zeros((9, 8))), "project"),
        (lambda: figures.losses({"a": (np.zeros(3), np.zeros(2))}), "share shape"),
        (lambda: figures.intervals({}, "x"), "at least one row"),
        (lambda: figures.score_scatter({}, {}, {}, "x", (0.4, 0.6)), "at least one group"),
        (lambda: scatter({"lerp": np.zeros(3)}, (0.6, 0.4)), r"in \[0, 1\]; got \(0.6, 0.4\)"),
        (
            lambda: figures.score_scatter(
                {"lerp": np.zeros(3)}, {"A": {"lerp": np.ones(2)}}, {"A": {}}, "x", (0.4, 0.6)
            ),
            "judge A must grade every point of 'lerp'",
        ),
        (lambda: figures.data_uri(b"<svg>"), "PNG, GIF or JPEG"),
    ],
)
def test_wrong_arrays_are_named(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
