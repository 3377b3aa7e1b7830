"""One self-contained HTML page: pictures inside it, no address outside it."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ridgewalk.reports.tables import Table


@dataclass(frozen=True)
class Picture:
    """A PNG with the text that stands for it, and the sentence that says how to read it."""

    image: bytes
    alt: str
    caption: str

    @property
    def uri(self) -> str:
        """The picture as a data address."""
        return f"data:image/png;base64,{base64.b64encode(self.image).decode()}"


@dataclass(frozen=True)
class Section:
    """A heading, a sentence or two, then tables and pictures."""

    title: str
    lead: str = ""
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """
    Everything on the page.

    Attributes:
        title: of the page.
        budget: its first line: how much was spent on what is shown.
        verdict: sentences.
        sections: in order.
        settings: tables of names and values, folded away at the end.
    """

    title: str
    budget: str
    verdict: Sequence[str]
    sections: Sequence[Section]
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def render(page: Page) -> str:
    """The page as HTML; every text from outside is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ridgewalk.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=page)


def write(page: Page, path: Path) -> None:
    """Renders first, then writes atomically: a page that fails leaves what was there."""
    from ridgewalk.models.checkpoints import write_bytes

    write_bytes(path, render(page).encode())
