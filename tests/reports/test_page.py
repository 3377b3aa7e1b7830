"""A page holds all that it shows, escapes all that it is given, and is written whole or not at all."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ridgewalk.reports import (
    Cell,
    Column,
    Figure,
    KeyValues,
    Page,
    Section,
    Table,
    TableBlock,
    Text,
    figures,
    render,
    write,
)

IMAGE = figures.png(figures.traces({"lerp": np.arange(5.0)}, "energy"))
EVIL = "<script>alert('x')</script> & \"quotes\""


class Tags(HTMLParser):
    """Tags in order with their attributes; void elements aside, every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(budget: str = "smoke; seed 0", text: str = "plain") -> Page:
    table = Table(
        {"real": Column("real", ".2f", "higher", text)}, {"lerp": {"real": Cell(0.7, 0.6, 0.8)}}, caption=text
    )
    blocks = [
        Figure(IMAGE, text, text, text, figures.READING["traces"]),
        TableBlock(table, text, text),
        Text(f"{text}\n\nsecond paragraph", aside=True),
        KeyValues(text, {text: text}),
    ]
    sections = [Section("Paths side by side", text, blocks), Section("Sensors", blocks=blocks[:1]), Section(text)]
    return Page(
        text,
        budget,
        [text, "second"],
        sections,
        {text: 1, "model": {"latent": 8, "deep": {"er": text}}},
        text,
        {text: text},
    )


def test_page_shows_everything_it_was_given() -> None:
    html = render(page())
    for wanted in (
        "Paths side by side",
        "Sensors",
        "plain",
        "second",
        "second paragraph",
        "0.70",
        "[0.60, 0.80]",
        "deep.er",
        "latent",
    ):
        assert wanted in html
    assert [n for n in re.findall(r"Figure (\d)</span>", html)] == ["1", "2"]
    assert html.count("<section") == 4  # three, and the settings
    tags = Tags(html)
    assert tags.open == []
    assert [t["id"] for n, t in tags.seen if n == "section"] == ["section-1", "section-2", "section-3", "settings"]


def test_page_needs_no_internet_access() -> None:
    html = render(page())
    for name, attributes in Tags(html).seen:
        assert name not in ("script", "link", "iframe", "object")
        for key in ("src", "href"):
            address = attributes.get(key)
            assert address is None or address.startswith(("data:image/", "#"))
    assert not re.search(r"https?://|@import|url\(", html)


def test_every_text_is_escaped() -> None:
    html = render(page(text=EVIL, budget=EVIL))
    assert "<script" not in html
    assert not [n for n, _ in Tags(html).seen if n == "script"]
    assert "&lt;script&gt;" in html
    assert [t["alt"] for n, t in Tags(html).seen if n == "img"] == [EVIL, EVIL]


@pytest.mark.parametrize("budget", ["smoke; seed 0", "Budget: smoke; seed 0"])
def test_the_first_line_after_the_title_is_the_budget(budget: str) -> None:
    after = render(page(budget)).split("</h1>")[1]
    first = re.sub(r"<.*?>", "", after.split("</p>")[0]).strip()
    assert first.startswith("Budget: smoke; seed 0")
    assert "no benchmark" in first


def test_a_full_run_carries_no_smoke_warning() -> None:
    assert "no benchmark" not in render(page("cpu; seed 0"))


def test_a_figure_is_shown_at_its_printed_size() -> None:
    figure = Figure(IMAGE, "a", "b", "c")
    assert figure.size == (690, 320)  # at two file pixels each
    assert f'width="{figure.size[0]}"' in render(Page("t", "cpu", [], [Section("s", blocks=[figure])]))


def test_the_page_holds_the_pictures_own_bytes() -> None:
    addresses = [t["src"] or "" for n, t in Tags(render(page())).seen if n == "img"]
    assert [base64.b64decode(a.partition(",")[2]) for a in addresses] == [IMAGE, IMAGE]


@pytest.mark.parametrize("missing", ["alt", "caption", "title"])
def test_a_figure_without_a_description_is_refused(missing: str) -> None:
    words = {"alt": "a", "caption": "b", "title": "c"} | {missing: " "}
    with pytest.raises(ValueError, match=missing):
        Figure(IMAGE, **words)


def test_write_is_atomic(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "report.html"
    write(page(), file)
    old = file.read_text()
    assert old == render(page())
    broken = Page("new", "cpu", [], [Section("s", blocks=[Figure(b"no image", "a", "b", "c")])])
    with pytest.raises(OSError, match="identify"):
        write(broken, file)
    assert file.read_text() == old
    assert [f.name for f in file.parent.iterdir() if f.is_file()] == ["report.html"]


def test_an_empty_page_renders() -> None:
    html = render(Page("t", "cpu", [], []))
    assert "Verdict" not in html
    assert "<nav" not in html
    assert "Settings" not in html
