"""The templates of pages and tables: HTML files of this folder, every text escaped."""

from functools import cache
from typing import TYPE_CHECKING

from ridgewalk.reports.tables import DASH

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ridgewalk.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["dash"] = DASH
    return environment


def render(template: str, **values: object) -> str:
    """
    Renders a template as HTML.

    Args:
        template: file name in this folder.
        **values: what its placeholders stand for.
    """
    return _environment().get_template(template).render(**values)
