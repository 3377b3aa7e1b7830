"""
Where a run comes from: the data and how they were read (``Source``), and the recipe, seed and budget (``Origin``); both stand in ``run.toml``.

The file begins with the digests of what it holds: ``digests.source`` of the entry ``source``, which a user may edit where data were moved (the data are
compared by their own fingerprint), and ``digests.settings`` of all else. Whoever edits more on purpose removes the table ``digests``. Runs of version 0.1.0
have no such table.
"""

import hashlib
import json
import os
import tomllib
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import ridgewalk
from ridgewalk import naming
from ridgewalk.data import ImageData
from ridgewalk.data import load as load_images
from ridgewalk.data.hugging_face import asking
from ridgewalk.data.points import PointData, is_points, load_points
from ridgewalk.data.sources import NAMES, refuse_skipping
from ridgewalk.data.splits import in_read_order
from ridgewalk.data.toy import DENSITIES
from ridgewalk.files import write_bytes
from ridgewalk.locks import is_empty
from ridgewalk.records import digest_of, refuse_unknown
from ridgewalk.settings.recipes import Recipe, parse, to_table
from ridgewalk.store.trust import record_hub, refuse_untrusted, refuse_untrusted_hub

Data = ImageData | PointData


@dataclass(frozen=True)
class Source:
    """
    Data, and how they are read.

    Attributes:
        source: name of a data set, a folder or a file; see ``data.load``.
        skip_bad: whether image files that cannot be read are left out.
        size: side in pixels to which images are resized; None keeps theirs.
        channels: 1 or 3, to which images are converted; None keeps theirs.
    """

    source: str
    skip_bad: bool = False
    size: int | None = None
    channels: int | None = None

    def images(self) -> ImageData:
        """The data as images; points become rows of one channel."""
        return load_images(self.source, skip_bad=self.skip_bad, size=self.size, channels=self.channels)

    def images_or_points(self) -> Data:
        """
        The data as they are.

        Raises:
            ValueError: for a size or channels of points, and a name near that of a density.
        """
        if is_points(self.source):
            if self.size is not None or self.channels is not None:
                raise ValueError(f"--size and --channels are for images; '{self.source}' is points")
            refuse_skipping(self.source, self.skip_bad)
            return load_points(self.source)
        near = get_close_matches(self.source, DENSITIES, cutoff=0.75)
        if near and not Path(self.source).exists():
            unknown = naming.unknown("density", self.source, DENSITIES)
            raise ValueError(f"{unknown}; or name images, as of `ridgewalk train`")
        return self.images()


@dataclass(frozen=True)
class Origin(Source):
    """
    The origin of a run: its data, and the settings of its training.

    Attributes:
        recipe: name of the recipe.
        budget: smoke, cpu or full.
        seed: seed of weights, order of the data, noise and sensors.
        shape: (c, h, w) of images, (d,) of points.
        data: fingerprint of the data.
        version: version of ridgewalk.
        beside: path of the data from the run's folder, tried where ``source`` does not exist: run and data that were moved together are found.
        counts: numbers of rows of the train and the test part.
        classes: names of the classes.
        precision: no (float32), bf16 or fp16.
    """

    recipe: str = field(kw_only=True)
    budget: str = field(kw_only=True)
    seed: int = field(kw_only=True)
    shape: tuple[int, ...] = field(kw_only=True)
    data: str = field(kw_only=True)
    version: str = field(kw_only=True)
    beside: str | None = field(kw_only=True, default=None)
    counts: tuple[int, int] | None = field(kw_only=True, default=None)
    classes: tuple[str, ...] | None = field(kw_only=True, default=None)
    precision: str = field(kw_only=True, default="no")

    @classmethod
    def of(
        cls, source: Source, data: Data, recipe: str, budget: str, seed: int, precision: str, folder: Path
    ) -> "Origin":
        """
        Returns the origin of a run that is about to be trained.

        Args:
            source: source of the data; a file or folder is recorded by its absolute path, a density by its name.
            data: the data that were read from the source.
            recipe: shipped name or TOML file.
            budget: smoke, cpu or full.
            seed: seed of the run.
            precision: no, bf16 or fp16.
            folder: folder of the run.
        """
        place, beside, found = source.source, None, place_of(source.source)
        if found is not None:
            file, fold = found[0].resolve(), found[1]
            place = f"{file}{fold}"
            with suppress(ValueError):  # two drives of Windows have no path between them
                beside = f"{os.path.relpath(file, folder.resolve())}{fold}"
        return cls(
            **{**asdict(source), "source": place},
            recipe=Path(recipe).stem,
            budget=budget,
            seed=seed,
            shape=tuple(data.shape),
            data=fingerprint(data),
            version=ridgewalk.__version__,
            beside=beside,
            counts=(len(data.train), len(data.test)),
            classes=tuple(data.class_names),
            precision=precision,
        )

    @property
    def image(self) -> tuple[int, int, int]:
        """The shape (c, h, w) of an image, of a run on images."""
        c, h, w = self.shape
        return c, h, w

    def read_again(self, folder: Path, as_images: bool) -> Data:
        """
        Reads the data again from their source.

        Args:
            folder: folder of the run, which messages name.
            as_images: whether points become images, as an autoencoder reads them.

        Raises:
            ValueError: where the data have changed since the run was started, their roles have, or they are on the hub and the user did not name them
                (``store.trust``).
        """
        found = self.located(folder)
        with asking(partial(refuse_untrusted_hub, run=folder)):
            data = found.images() if as_images else found.images_or_points()
        if fingerprint(data) != self.data or (self.classes or tuple(data.class_names)) != tuple(data.class_names):
            self._refuse_former_roles(found.source, data, folder)
            raise ValueError(
                f"the data at {found.source} have changed since {folder} was started, or are others: {self._difference(data)}; restore them, "
                "name the run's own with --data, or train again"
            )
        return data

    def _refuse_former_roles(self, source: str, data: Data, folder: Path) -> None:
        """Raises ValueError for a run whose data were divided into roles without being shuffled: it was trained on images that would judge it."""
        if isinstance(data, ImageData) and fingerprint(in_read_order(data)) == self.data:
            raise ValueError(
                f"{folder} was trained by a former version, in which the images of {source} were divided into roles in the order of their files; now they "
                "are shuffled before, so that it was trained on images which are to judge it: train it again with this version"
            )

    def moved(self, source: str) -> "Origin":
        """
        The origin with the place that a user names for its data; a data set on the hub that is named may be downloaded.

        Raises:
            ValueError: where there is no such place, and the data were a file or folder.
        """
        if Path(self.source).is_absolute() and place_of(source) is None:
            raise ValueError(
                f"no such file or folder: '{source}', which --data names; the run's data were read from {self.source}"
            )
        if place_of(source) is None and not is_points(source) and source not in NAMES:
            record_hub(source)
        return replace(self, source=source, beside=None)

    def located(self, folder: Path) -> "Origin":
        """
        The origin with the place where its data are now: ``source``, or ``beside`` the folder of the run.

        Raises:
            ValueError: where a file or folder is at neither place.
        """
        if self.beside is None and not Path(self.source).is_absolute():  # a name, or a place that was named by --data
            return self
        if place_of(self.source) is not None:
            return self
        near = str(folder.resolve() / self.beside) if self.beside else ""
        if near and place_of(near) is not None:
            return replace(self, source=near)
        raise ValueError(
            f"the data of {folder} are no longer at {self.source}: name their place with --data SOURCE (in Python: load(folder, data=SOURCE)), or "
            f"correct `source` in the table [run] of {folder / 'run.toml'}"
        )

    def _difference(self, data: Data) -> str:
        """How data differ from those of the run, in words."""
        was = {"shape": tuple(self.shape), "rows of train and test": self.counts, "classes": self.classes}
        now = {
            "shape": tuple(data.shape),
            "rows of train and test": (len(data.train), len(data.test)),
            "classes": tuple(data.class_names),
        }
        told = [
            f"{name} {_brief(now[name])} in place of {_brief(was[name])}"
            for name in was
            if was[name] not in (None, now[name])
        ]
        return ", ".join(told) or "shape, number and classes agree, but values, labels or their order differ"


def _brief(values: object) -> str:
    """A value in words; of many class names the first ones."""
    if isinstance(values, tuple) and len(values) > 5:
        return f"{len(values)} ({', '.join(map(str, values[:5]))}, ...)"
    return str(values)


def place_of(source: str) -> tuple[Path, str] | None:
    """The existing file or folder that a source names, and ":3" of FILE.mat:3; None for the name of a data set, and where there is none."""
    path = Path(os.path.expanduser(source))
    if source in (*NAMES, *DENSITIES):
        return None
    if path.exists():
        return path, ""
    file, colon, fold = os.path.expanduser(source).rpartition(":")
    return (Path(file), colon + fold) if file.lower().endswith(".mat") and Path(file).is_file() else None


def fingerprint(data: Data) -> str:
    """SHA-256 of both parts of a data set."""
    if isinstance(data, PointData):
        return data.fingerprint()
    return hashlib.sha256(f"{data.train.fingerprint()}{data.test.fingerprint()}".encode()).hexdigest()


def write_settings(folder: Path, origin: Origin, recipe: Recipe) -> None:
    import tomli_w

    head = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(origin).items() if v is not None}
    table = {**to_table(recipe), "run": head}
    write_bytes(folder / "run.toml", tomli_w.dumps({"digests": _digests(tomli_w.dumps(table)), **table}).encode())


def _digests(text: str) -> dict[str, str]:
    """The digests of the settings of a run and of their entry ``source``, from their TOML; floats by their digits, as in ``records``."""
    table = tomllib.loads(text, parse_float=str)
    table.pop("digests", None)
    head = dict(table["run"])
    source = head.pop("source", None)
    return {"settings": digest_of({**table, "run": head}), "source": digest_of(source)}


def _compare(file: Path, found: Any, text: str, source: str) -> None:
    """Refuses settings that were changed since they were written, and warns of another source."""
    expected = _digests(text)
    if not isinstance(found, dict) or set(found) != set(expected):
        raise ValueError(
            f"{file} has a table 'digests' without the two digests that a run records; it was altered or cut short"
        )
    if found["settings"] != expected["settings"]:
        raise ValueError(
            f"{file} was changed since it was written, and may now be of another architecture or of other data than the files beside it: restore it, or "
            "remove its table 'digests' if you changed it on purpose"
        )
    if found["source"] != expected["source"]:
        warnings.warn(
            f"{file} names another source than when it was written, '{source}'; its data are compared with those of the training",
            stacklevel=4,
        )


def read_settings(folder: Path) -> tuple[Origin, Recipe]:
    """
    Reads ``run.toml``.

    Raises:
        ValueError: if the folder is not a run, its settings cannot be read, or it names code that the user does not trust.
    """
    file = folder / "run.toml"
    if not folder.is_dir():
        raise ValueError(f"no run at {folder}: there is no such folder; `ridgewalk train` makes one")
    if not file.is_file() and is_empty(folder):
        raise ValueError(
            f"{folder} holds no run: its training was stopped before anything was written; start it again with `ridgewalk train ... --out {folder}`"
        )
    if not file.is_file():
        raise ValueError(f"{folder} is not a run: it has no run.toml; name a folder that `ridgewalk train` made")
    try:
        text = file.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read as TOML ({error}); it was altered or cut short") from error
    digests = table.pop("digests", None)
    from pydantic import TypeAdapter

    try:
        head = table.pop("run")
        _ = head["precision"]  # the last key of the file: without it the file was cut short
        refuse_unknown("key of the table 'run'", head, [f.name for f in fields(Origin)])
        origin = TypeAdapter(Origin).validate_json(json.dumps(head), strict=True)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file} lacks what a run records, or has more ({error}); it was altered or cut short"
        ) from error
    recipe = parse(table, str(file))
    if digests is not None:
        _compare(file, digests, text, origin.source)
    refuse_untrusted(recipe, folder)
    return origin, recipe
