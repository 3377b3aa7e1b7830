"""Reports: pictures that decode, pages that need nothing from outside and escape what came from there, tables that say what is best."""

import copy
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ridgewalk.reports import Cell, Column, Page, Picture, Section, Table, figures, render, write, write_gif

EVIL = '<script>alert("1 & 2")</script>'


def uniform(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


# ------------------------------------------------------------------------------------------------------ figures

FIGURES: dict[str, Callable[[], Figure]] = {
    "strips": lambda: figures.strips(
        {"lerp": uniform(5, 1, 8, 8), "a new method": uniform(4, 3, 8, 8)}, {"lerp": np.array([0, 1, 0, 1, 0], bool)}
    ),
    "traces": lambda: figures.traces(
        {"energy": {"lerp": uniform(9), "string": uniform(6, 9)}, "force": {"sgw": uniform(9)}}
    ),
    "histograms": lambda: figures.histograms({"detector": {"encoded": uniform(50), "prior": uniform(50)}}),
    "reliability": lambda: figures.reliability(
        {"s": (uniform(4), np.array([0.5, np.nan, 1, 0]), np.array([3, 0, 1, 9]))}
    ),
    "intervals": lambda: figures.intervals(
        {"lerp": (0.5, 0.4, 0.6), "sgw": (0.7, 0.6, 0.8)}, "share", {"ceiling": 0.9}
    ),
    "tradeoff": lambda: figures.tradeoff({"lerp": (0.1, 0.9), "string": (0.2, 1.4)}, "smoothness", "realism"),
    "losses": lambda: figures.losses({f"loss_{i}": (np.arange(730), uniform(730)) for i in range(5)}),
    "losses of one step": lambda: figures.losses({"loss": (np.arange(1), uniform(1))}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_a_png_that_shows_something_and_leaves_matplotlib_alone(name: str) -> None:
    before = copy.deepcopy(dict(matplotlib.rcParams))
    picture = Image.open(io.BytesIO(figures.png(FIGURES[name]())))
    picture.load()
    assert picture.format == "PNG"
    assert min(picture.size) > 50
    pixels = np.asarray(picture.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
    assert dict(matplotlib.rcParams) == before


def test_a_strip_shows_its_frames_in_their_order_and_marks_the_unreal() -> None:
    frames = np.stack([np.full((3, 4, 4), 0.0), np.full((3, 4, 4), 1.0)])
    frames[1, 1:] = 0  # red
    frame = figures.strips({"lerp": frames})
    black, red = (ax.images[0].get_array() for ax in frame.axes)
    assert black.shape == (4, 4, 3)
    assert black.max() == 0
    assert red[0, 0].tolist() == [1, 0, 0]
    marked = figures.strips({"lerp": frames}, {"lerp": np.array([False, True])})
    assert [len(ax.lines) for ax in marked.axes] == [0, 1]


def test_traces_of_many_pairs_are_medians_with_quartiles() -> None:
    values = np.arange(5.0)[:, None] * np.ones(3)
    ax = figures.traces({"energy": {"lerp": values}}).axes[0]
    assert ax.lines[0].get_ydata().tolist() == [2, 2, 2]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (1, 3)


def test_a_method_keeps_its_colour_whatever_its_place() -> None:
    assert figures.colour("lerp", 0) == figures.colour("lerp", 5) == "#E69F00"
    assert figures.colour("new", 0) != figures.colour("new", 1)


# ------------------------------------------------------------------------------------------------------- tables


def table(
    values: dict[str, float | None], form: str = ".2f", better: str | None = "higher", unranked: tuple[str, ...] = ()
) -> Table:
    return Table({"m": Column("M", form, better)}, {n: {"m": Cell(v)} for n, v in values.items()}, unranked)


def test_the_best_of_a_column_by_its_direction() -> None:
    values: dict[str, float | None] = {"a": 0.1, "b": 0.3, "c": 0.2}
    assert table(values).best("m") == {"b"}
    assert table(values, better="lower").best("m") == {"a"}
    assert table(values, better=None).best("m") == set()


def test_values_written_alike_tie() -> None:
    assert table({"a": 0.301, "b": 0.299, "c": 0.29}).best("m") == {"a", "b"}
    assert table({"a": 0.301, "b": 0.299}, form=".3f").best("m") == {"a"}
    assert table({"a": 0.1234, "b": 0.1232, "c": 0.1}, form=".1%").best("m") == {"a", "b"}


def test_rows_that_do_not_compete_and_cells_that_were_not_measured_are_never_best() -> None:
    assert table({"ceiling": 0.9, "a": 0.5, "b": None, "c": float("nan")}, unranked=("ceiling",)).best("m") == {"a"}
    assert table({"a": None}).best("m") == set()
    assert table({"ceiling": 0.9}, unranked=("ceiling",)).best("m") == set()


TABLE = Table(
    {"p": Column("Precision", ".2f", "higher", 'share "inside"'), "l": Column("Length", ".1f", "lower")},
    {
        "lerp": {"p": Cell(0.5, 0.4, 0.6), "l": Cell(2.0)},
        "string <b>": {"p": Cell(0.7)},
        "ceiling": {"p": Cell(0.9), "l": Cell(1.0)},
    },
    unranked=("ceiling",),
)


def test_markdown() -> None:
    assert TABLE.to_markdown().splitlines() == [
        "| | Precision ↑ | Length ↓ |",
        "|---|---|---|",
        "| lerp | 0.50 [0.40, 0.60] | **2.0** |",
        "| string <b> | **0.70** | – |",
        "| ceiling | 0.90 | 1.0 |",
    ]


def test_html() -> None:
    html = TABLE.to_html()
    assert '<th title="share &quot;inside&quot;">Precision ↑</th>' in html
    assert "<tr><th>lerp</th><td>0.50<small>[0.40, 0.60]</small></td><td><strong>2.0</strong></td></tr>" in html
    assert "<tr><th>string &lt;b&gt;</th><td><strong>0.70</strong></td><td>–</td></tr>" in html
    assert '<tr class="line"><th>ceiling</th><td>0.90</td><td>1.0</td></tr>' in html


# --------------------------------------------------------------------------------------------------------- page


class Reader(HTMLParser):
    """The tags, addresses and text of a page; complains of tags that are closed in another order."""

    VOID = ("meta", "img", "br", "link", "hr")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "action", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(**changes: object) -> Page:
    picture = Picture(figures.png(figures.tradeoff({"lerp": (0.1, 0.9)}, "x", "y")), 'a "plot"', "how to read it")
    parts = {
        "title": "A run",
        "budget": "cpu budget: 3 minutes",
        "verdict": ["LERP leaves the data.", "The string does not."],
        "sections": [Section("Judged", "A sentence.", [TABLE], [picture], ["A note."])],
        "settings": {"walk": {"alpha": 0.1}},
    }
    return Page(**(parts | changes))  # type: ignore[arg-type]


def test_the_page_shows_everything() -> None:
    read = Reader(render(page()))
    for words in (
        "A run",
        "LERP leaves the data.",
        "The string does not.",
        "Judged",
        "A sentence.",
        "A note.",
        "how to read it",
        "alpha",
        "0.1",
        "0.70",
    ):
        assert words in read.text
    assert read.text.index("A run") < read.text.index("cpu budget: 3 minutes") < read.text.index("LERP leaves")


def test_the_page_is_self_contained() -> None:
    html = render(page())
    read = Reader(html)
    assert len(read.addresses) == 1
    assert all(address.startswith("data:image/png;base64,") for address in read.addresses)
    assert not {"script", "link", "iframe", "object"} & set(read.tags)
    assert "http://" not in html
    assert "https://" not in html
    assert not re.search(r"@import|url\(", html)


def test_the_page_holds_the_pictures_own_bytes() -> None:
    import base64

    made = page()
    picture = made.sections[0].pictures[0].image
    address = Reader(render(made)).addresses[0]
    assert base64.b64decode(address.partition(",")[2]) == picture


@pytest.mark.parametrize(
    "changes",
    [
        {"title": EVIL},
        {"budget": EVIL},
        {"verdict": [EVIL]},
        {"sections": [Section(EVIL)]},
        {"sections": [Section("s", lead=EVIL)]},
        {"sections": [Section("s", notes=[EVIL])]},
        {"sections": [Section("s", pictures=[Picture(b"", EVIL + '" onerror="x', EVIL)])]},
        {"sections": [Section("s", tables=[Table({"m": Column(EVIL, about=EVIL)}, {EVIL: {"m": Cell(1.0)}})])]},
        {"settings": {EVIL: {EVIL: EVIL}}},
    ],
    ids=["title", "budget", "verdict", "heading", "lead", "note", "picture", "table", "settings"],
)
def test_text_from_outside_is_escaped(changes: dict[str, object]) -> None:
    html = render(page(**changes))
    read = Reader(html)
    assert "<script" not in html
    assert "script" not in read.tags
    assert EVIL in read.text
    assert 'onerror="x' not in html


def test_writing_a_page(tmp_path: Path) -> None:
    file = tmp_path / "new" / "report.html"
    write(page(), file)
    assert file.read_text(encoding="utf-8") == render(page())
    assert [f.name for f in file.parent.iterdir()] == ["report.html"]


def test_a_page_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("before")
    broken = Table({"m": Column("M", "not a format")}, {"a": {"m": Cell(1.0)}})
    with pytest.raises(ValueError, match=r"[Ff]ormat"):
        write(page(sections=[Section("s", tables=[broken])]), file)
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


# --------------------------------------------------------------------------------------------------- animations


@pytest.mark.parametrize(("b", "k", "c"), [(1, 5, 1), (3, 4, 3), (2, 2, 1)])
def test_a_gif_goes_forth_and_back(tmp_path: Path, b: int, k: int, c: int) -> None:
    frames = np.linspace(0.1, 0.9, k)[None, :, None, None, None] * np.ones((b, k, c, 8, 10))
    write_gif(frames, tmp_path / "path.gif", seconds=1.0)
    animation = Image.open(tmp_path / "path.gif")
    assert animation.n_frames == 2 * k - 2
    assert animation.size == (b * 10 * 14, 8 * 14)  # enlarged by 14, to at least 112 pixels
    assert animation.info["loop"] == 0
    greys = []
    for i in range(animation.n_frames):
        animation.seek(i)
        greys.append(np.asarray(animation.convert("RGB")).mean() / 255)
    there = np.linspace(0.1, 0.9, k)
    assert greys == pytest.approx([*there, *there[-2:0:-1]], abs=0.01)  # 8 bits and a palette


def test_gif_frames_stand_side_by_side(tmp_path: Path) -> None:
    frames = np.zeros((2, 2, 1, 112, 112))
    frames[1] = 1.0
    frames[0, 1] = 0.5
    write_gif(frames, tmp_path / "path.gif")
    first = np.asarray(Image.open(tmp_path / "path.gif").convert("L"))
    assert first[:, :112].max() == 0
    assert first[:, 112:].min() == 255
