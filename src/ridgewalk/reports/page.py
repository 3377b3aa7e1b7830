"""
One self-contained HTML page: pictures inside it, no address outside it, every text escaped.

A page is sections, a section is blocks: a figure, a table, a text, or values under their keys.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ridgewalk.files import write_bytes
from ridgewalk.reports import templates
from ridgewalk.reports.claims import Claims
from ridgewalk.reports.export import Exportable, file_name, write_tables
from ridgewalk.reports.style import CSS_DPI, data_uri
from ridgewalk.reports.tables import Table


@dataclass(frozen=True)
class Figure:
    """
    A picture with its title and caption.

    Attributes:
        image: a PNG, GIF or JPEG file, such as ``figures.png`` gives.
        alt: a description for readers who cannot see it.
        caption: what to see in it.
        title: the heading above it.
        reading: how to read it, in a sentence; ``figures.READING`` has one for each kind of figure.
        wide: shown at its own size and scrolled sideways, as strips are, rather than shrunk to a narrow screen.
    """

    image: bytes
    alt: str
    caption: str
    title: str
    reading: str = ""
    wide: bool = False

    kind: ClassVar[str] = "figure"

    def __post_init__(self) -> None:
        for name in ("alt", "caption", "title"):
            if not getattr(self, name).strip():
                raise ValueError(
                    f"a figure needs its {name} in words; got an empty one ({self.title or self.alt or 'no title'})"
                )

    @property
    def uri(self) -> str:
        """The picture as the address that holds it."""
        return data_uri(self.image)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in CSS pixels, by the density that the file states (one pixel each if it states none)."""
        from PIL import Image

        with Image.open(io.BytesIO(self.image)) as image:
            density = round(image.info.get("dpi", (CSS_DPI, CSS_DPI))[0]) / CSS_DPI
            return max(1, round(image.width / density)), max(1, round(image.height / density))


@dataclass(frozen=True)
class TableBlock:
    """A table under its title, and how to read it; the meaning of its columns is folded away below it."""

    table: Table
    title: str = ""
    reading: str = ""

    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Text:
    """Paragraphs, parted by empty lines; ``aside`` sets them small, as a remark."""

    text: str
    aside: bool = False

    kind: ClassVar[str] = "text"

    @property
    def paragraphs(self) -> list[str]:
        return [p for p in self.text.split("\n\n") if p.strip()]


@dataclass(frozen=True)
class KeyValues:
    """Values under their keys, folded away unless ``open``."""

    title: str
    values: Mapping[str, object]
    open: bool = False

    kind: ClassVar[str] = "values"


Block = Figure | TableBlock | Text | KeyValues | Claims


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two that lead in, and blocks."""

    title: str
    lead: str = ""
    blocks: Sequence[Block] = ()


@dataclass(frozen=True)
class Page:
    """
    The contents of a page.

    Attributes:
        title: title of the page.
        budget: first line of the page, with or without its first word: "smoke; ..." or "Budget: smoke; ...".
        verdict: sentences, the most important first.
        sections: the sections in order.
        settings: values by name, tables of them by table; folded away at the end.
        subtitle: the question that the page answers.
        provenance: version, command, seed and machine that made the page.
    """

    title: str
    budget: str
    verdict: Sequence[str]
    sections: Sequence[Section]
    settings: Mapping[str, object] = field(default_factory=dict)
    subtitle: str = ""
    provenance: Mapping[str, object] = field(default_factory=dict)

    @property
    def spent(self) -> str:
        """The budget without the word."""
        return self.budget.strip().removeprefix("Budget:").strip()

    @property
    def smoke(self) -> bool:
        """Whether it is a smoke run's page, which counts as no benchmark."""
        return self.spent.lower().startswith("smoke")

    @property
    def tables(self) -> dict[str, Exportable]:
        """The tables on the page, by the names of their files: their titles, or those of their sections."""
        found: dict[str, Exportable] = {}
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, TableBlock | Claims):
                    table = block if isinstance(block, Claims) else block.table
                    found[file_name(block.title or section.title, found)] = table
        return found

    @property
    def groups(self) -> Iterator[KeyValues]:
        """The settings, a folded block for each table and one for the values outside of tables."""
        loose = {k: v for k, v in self.settings.items() if not isinstance(v, Mapping)}
        if loose:
            yield KeyValues("general", loose)
        for name, value in self.settings.items():
            if isinstance(value, Mapping):
                yield KeyValues(name, dict(_flat(value)))


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def render(page: Page) -> str:
    """The page as HTML."""
    return templates.render("page.html", page=page)


def write(page: Page, path: Path) -> Path | None:
    """
    Renders the page and writes it atomically, and its tables beside it; where rendering fails, a file that exists is left unchanged.

    Returns:
        The folder of the tables, as ``export.write_tables`` returns it.
    """
    write_bytes(path, render(page).encode(errors="backslashreplace"))
    return write_tables(page.tables, path)
