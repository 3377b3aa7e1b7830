"""
Data sets of images and of points.

Images are loaded by ``sources``, divided into roles by ``splits``, and paired by ``pairs``. Points are drawn from densities with an exact score
(``mixtures``, by name in ``toy``) or read from files (``points``, ``tables``).
"""

from ridgewalk.data.images import ImageData, Images, digests_of, read_image
from ridgewalk.data.mixtures import GaussianMixture, exact_score
from ridgewalk.data.pairs import Pairs, available, draw
from ridgewalk.data.points import (
    POINT_ROLES,
    POINT_SOURCES,
    PointData,
    Points,
    as_images,
    is_points,
    load_points,
    points_part,
)
from ridgewalk.data.sources import SOURCES, load
from ridgewalk.data.splits import (
    ROLES,
    TEST_ROLES,
    arrange,
    describe_copies,
    describe_roles,
    file_rows,
    needed_images,
    part,
    role_of_test_index,
    role_slice,
)
from ridgewalk.data.toy import DENSITIES, density

__all__ = [
    "DENSITIES",
    "POINT_ROLES",
    "POINT_SOURCES",
    "ROLES",
    "SOURCES",
    "TEST_ROLES",
    "GaussianMixture",
    "ImageData",
    "Images",
    "Pairs",
    "PointData",
    "Points",
    "arrange",
    "as_images",
    "available",
    "density",
    "describe_copies",
    "describe_roles",
    "digests_of",
    "draw",
    "exact_score",
    "file_rows",
    "is_points",
    "load",
    "load_points",
    "needed_images",
    "part",
    "points_part",
    "read_image",
    "role_of_test_index",
    "role_slice",
]
