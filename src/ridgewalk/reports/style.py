"""
The common style of figures: a colour and a marker for each name, the canvas, and the file that a figure becomes.

Figures are drawn on Agg canvases of their own: neither pyplot nor matplotlib's settings are touched. Sizes are in CSS
pixels, 96 to the inch; files hold two device pixels for each, so that a page is sharp on any screen.
"""

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ridgewalk.registry import METHODS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

CSS_DPI = 96
FILE_DPI = 2 * CSS_DPI
WIDE = 690
"""Width of a figure that stands alone."""

INK, SOFT, FAINT, HAIR = "#1f2328", "#59636e", "#9aa4b0", "#e6e9ee"
UNREAL = "#c1121f"

_COLOURS: Mapping[str, str] = {
    "amortised": "#4DD0C0",
    "encoded": "#0072B2",
    "negatives": "#D55E00",
    "prior": "#8A929C",
    "real": "#1F2328",
    "reconstructions": "#59636E",
}
"""Colours of groups of points and of the paths of a network; those of methods are in the registry: LERP orange, walks blue, strings green, ridge paths
violet. From Okabe and Ito (2008), Color universal design, and darker shades of it, apart in lightness too; markers and dashes say the family again."""

_OTHER = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#8A6D00", "#59636E", "#E69F00")


def colour(name: str, position: int = 0) -> str:
    """The colour of a method or a group of points; of a name that has none, the one for its position in the figure."""
    method = METHODS.get(_bare(name))
    known = method.colour if method else _COLOURS.get(_bare(name), "")
    return known or _OTHER[position % len(_OTHER)]


def marker(name: str) -> str:
    """Circles for straight lines, squares for walks, triangles for graphs and geodesics, diamonds for strings, crosses for ridge paths, hexagons for flows."""
    bare = _bare(name).partition(":")[0]
    method = METHODS.get(bare)
    return method.marker if method else "*" if bare == "amortised" else "o"


def _bare(name: str) -> str:
    """A method without its realism: ``ridge`` for ``ridge@4``."""
    return name.lower().partition("@")[0]


def dashes(name: str) -> str:
    return "--" if name.lower() in ("lerp", "slerp") else "-"


def blank(width: float, height: float, **settings: Any) -> "Figure":
    """A white figure of so many CSS pixels, on its own Agg canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / CSS_DPI, height / CSS_DPI), dpi=CSS_DPI, facecolor="white", **settings)
    FigureCanvasAgg(figure)
    return figure


def plain(ax: Any, xlabel: str, ylabel: str = "", title: str = "") -> None:
    """Axes with two spines, quiet ticks, hairline grid and a title at the left."""
    ax.set_facecolor("white")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FAINT)
    ax.tick_params(labelsize=9, colors=SOFT, labelcolor=SOFT, length=3, color=FAINT)
    ax.set_xlabel(xlabel, fontsize=9.5, color=SOFT, labelpad=6)
    ax.set_ylabel(ylabel, fontsize=9.5, color=SOFT, labelpad=6)
    ax.grid(color=HAIR, linewidth=0.8)
    ax.set_axisbelow(True)
    if title:
        ax.set_title(title, fontsize=10.5, color=INK, loc="left", fontweight="bold", pad=10)


def legend(ax: Any, **settings: Any) -> None:
    """The axes' legend to the right of them, outside."""
    given: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.02), "borderaxespad": 0}
    ax.legend(**given | settings, frameon=False, fontsize=9, labelcolor=INK, handlelength=1.8)


def png(figure: "Figure", dpi: int = FILE_DPI) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def data_uri(image: bytes) -> str:
    """A PNG, GIF or JPEG file as the address that holds it: ``data:image/png;base64,...``."""
    kinds = {b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif", b"\xff\xd8\xff": "jpeg"}
    for head, kind in kinds.items():
        if image.startswith(head):
            return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"
    raise ValueError(f"a page shows PNG, GIF or JPEG files; got {len(image)} bytes that begin with {image[:8]!r}")


def numbers(name: str, values: Any, *dims: int) -> Array:
    """``values`` as an array whose number of dimensions is one of ``dims``."""
    array = np.asarray(values)
    if array.ndim not in dims or array.size == 0:
        wanted = " or ".join(map(str, dims))
        raise ValueError(f"{name} must be a filled array of {wanted} dimensions; got shape {array.shape}")
    return array
