"""Images: where they come from (``sources``), who may see which (``splits``), what is joined (``pairs``)."""

from ridgewalk.data.images import ImageData, Images, read_image
from ridgewalk.data.pairs import Pairs, draw
from ridgewalk.data.sources import SOURCES, load
from ridgewalk.data.splits import ROLES, TEST_ROLES, arrange, part, role_of_test_index, role_slice

__all__ = [
    "ROLES",
    "SOURCES",
    "TEST_ROLES",
    "ImageData",
    "Images",
    "Pairs",
    "arrange",
    "draw",
    "load",
    "part",
    "read_image",
    "role_of_test_index",
    "role_slice",
]
