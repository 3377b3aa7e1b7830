"""
Points with a class each, drawn from a named density or read from a file, and data sets of a train and a test part.

Roles are those of images (``splits``), except that points have no judges, so the role model has the whole train part.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ridgewalk.data import toy
from ridgewalk.data.images import ImageData, Images, fingerprint, first_index, refuse_labels
from ridgewalk.data.mixtures import GaussianMixture
from ridgewalk.data.splits import TEST_ROLES, file_rows, role_slice
from ridgewalk.data.tables import SUFFIXES, TABLES, read_builtin, read_table
from ridgewalk.naming import unknown

SEED = 20_263
"""Seed of the points of a named density; another seed gives other points."""

POINT_SOURCES = (
    f"points come from a density ({', '.join(toy.DENSITIES)}), a table of scikit-learn ({', '.join(TABLES)}), "
    "or a .npy, .npz or .csv file of numbers"
)
"""Describes the sources of ``load_points`` for messages and help texts."""

POINT_ROLES = ("model", *TEST_ROLES)
"""The roles of points, which have no judges."""

_BLOCK = 4096  # points drawn at once; it is constant, so that fewer points are the first of more


@dataclass(frozen=True, eq=False)
class Points:
    """
    Points with a class each.

    Attributes:
        values: float32 (n, d), finite, n >= 1.
        labels: int64 (n,), each in 0 .. len(class_names) - 1.
        class_names: name of each label.
    """

    values: Tensor
    labels: Tensor
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.values.dtype != torch.float32 or self.values.dim() != 2 or 0 in self.values.shape:
            raise ValueError(
                f"values must be float32 (n, d), at least one; got {self.values.dtype} {tuple(self.values.shape)}"
            )
        broken = ~self.values.isfinite().all(dim=1)
        if broken.any():
            raise ValueError(f"values must be finite; row {first_index(broken)} has NaN or infinite values; drop it")
        refuse_labels(self.labels, len(self.values), self.class_names, "row")

    def __len__(self) -> int:
        """The number of points, n."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int]:
        """The shape (d,) of every point."""
        return (self.values.shape[1],)

    def take(self, index: Tensor | slice) -> "Points":
        """The points at ``index``: int64 (m,), bool (n,), or a slice, which gives a view."""
        return Points(self.values[index], self.labels[index], self.class_names)

    def fingerprint(self) -> str:
        """SHA-256 of shape, values and labels, in hexadecimal."""
        return fingerprint(self.values, self.labels)


@dataclass(frozen=True, eq=False)
class PointData:
    """
    Train and test points of one dimension with the same classes, in their final order.

    Attributes:
        name: name of the data set.
        train: points of the train part.
        test: points of the test part.
        density: the law of the points, where it is known.
    """

    name: str
    train: Points
    test: Points
    density: GaussianMixture | None = None

    def __post_init__(self) -> None:
        dims = [self.train.shape[0], self.test.shape[0], *([] if self.density is None else [self.density.dims])]
        if len(set(dims)) > 1:
            raise ValueError(
                f"train points, test points and density of '{self.name}' must have one dimension; got {dims}"
            )
        if self.train.class_names != self.test.class_names:
            raise ValueError(
                f"train and test points of '{self.name}' must share their class names; "
                f"got {len(self.train.class_names)} and {len(self.test.class_names)} names that differ"
            )

    @property
    def shape(self) -> tuple[int]:
        """The shape (d,) of every point."""
        return self.train.shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each label."""
        return self.train.class_names

    @property
    def mean(self) -> Tensor:
        """Mean of each dimension over the train part: float32 (d,)."""
        return self.train.values.double().mean(dim=0).float()

    @property
    def deviation(self) -> Tensor:
        """Standard deviation of each dimension over the train part, with divisor n: float32 (d,)."""
        return self.train.values.double().std(dim=0, correction=0).float()

    @property
    def low(self) -> Tensor:
        """Minimum of each dimension over the train part: float32 (d,)."""
        return self.train.values.amin(dim=0)

    @property
    def high(self) -> Tensor:
        """Maximum of each dimension over the train part: float32 (d,)."""
        return self.train.values.amax(dim=0)

    def fingerprint(self) -> str:
        """SHA-256 of the fingerprints of both parts, in hexadecimal."""
        return hashlib.sha256(f"{self.train.fingerprint()}{self.test.fingerprint()}".encode()).hexdigest()


def is_points(source: str) -> bool:
    """Whether ``load_points`` reads ``source``: the name of a density or table, or a file name that ends in .npy, .npz or .csv."""
    return source in toy.DENSITIES or source in TABLES or source.lower().endswith(SUFFIXES)


def load_points(source: str, n_train: int = 50_000, n_test: int = 20_000, seed: int = SEED) -> PointData:
    """
    Loads the points that ``source`` names, in their final order.

    Points of a density are drawn in float64 and rounded; ``toy.classes`` defines their classes. The rows of a table are shuffled with a constant seed, and a
    seventh of them becomes the test part, as in ``splits.arrange``; their values are not scaled.

    Args:
        source: the name of a density or of a table (``tables.TABLES``), or a .npy, .npz or .csv file of numbers (n, d), n and d at least 2, with or without
            labels (``tables``). ./ring.npy is a file, ring a density.
        n_train: number of train points of a density.
        n_test: number of test points of a density.
        seed: seed of the points of a density; fewer points with the same seed are the first of more.
    """
    if source in toy.DENSITIES:
        if n_train < 1 or n_test < 1:
            raise ValueError(f"each part needs at least 1 point; got n_train {n_train} and n_test {n_test}")
        train, test = (_drawn(source, n, 2 * seed + i) for i, n in enumerate((n_train, n_test)))
        return PointData(source, train, test, toy.density(source))
    if not is_points(source):
        known = (*toy.DENSITIES, *TABLES)
        raise ValueError(f"{unknown('density or table', source, known)}; or a .npy, .npz or .csv file of numbers")
    path = Path(source).expanduser()
    if source not in TABLES and not path.is_file():
        raise ValueError(f"no such file: '{source}'; {POINT_SOURCES}")
    table = read_builtin(source) if source in TABLES else read_table(path)
    order = file_rows(len(table.values))
    whole = Points(torch.from_numpy(table.values)[order], torch.from_numpy(table.labels)[order], table.names)
    n = len(whole) * 6 // 7
    return PointData(path.stem, whole.take(slice(0, n)), whole.take(slice(n, None)))


def as_images(data: PointData) -> ImageData:
    """
    Converts points to images (1, 1, d) of floats in [0, 1], on which an autoencoder of images can be trained.

        x' = (x - low) / (high - low) with ``data.low`` and ``data.high``, clamped to [0, 1] on the test part; 0 where a column is constant

    Decoded values are converted back by x = low + x' (high - low). Roles are then those of images, with judges.
    """
    span = data.high - data.low
    parts = [
        Images(
            torch.where(span > 0, (p.values - data.low) / span.clamp_min(1e-30), 0).clamp(0, 1)[:, None, None],
            p.labels,
            p.class_names,
        )
        for p in (data.train, data.test)
    ]
    return ImageData(data.name, *parts)


def points_part(data: PointData, role: str) -> Points:
    """The points of a role, as a view: the role model has the train part, and the other roles have the same shares of the test part as of images."""
    if role not in POINT_ROLES:
        raise ValueError(f"{unknown('role of points', role, POINT_ROLES)}; points have no judges")
    if role == "model":
        return data.train
    return data.test.take(role_slice(role, len(data.train), len(data.test))[1])


def _drawn(name: str, n: int, seed: int) -> Points:
    density, generator = toy.density(name), torch.Generator().manual_seed(seed)
    of, names = toy.classes(name)
    values, components = zip(*(density.sample(_BLOCK, generator) for _ in range(-(-n // _BLOCK))))
    return Points(torch.cat(values)[:n].float(), of[torch.cat(components)[:n]], names)
