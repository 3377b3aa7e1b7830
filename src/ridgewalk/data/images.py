"""
Images with a class each, as uint8 (n, c, h, w), and data sets of a train and a test part.

Pixels stay uint8 on the CPU and are converted to floats pixel / 255 in [0, 1] batch by batch. Rows of a table are stored as images (n, 1, 1, d) of floats
in [0, 1], since 8 bits would not represent them exactly.
"""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ridgewalk.data.decode import BadImage, decode, refuse_constant
from ridgewalk.path import chunked

ArrayLike = Tensor | NDArray[Any]


@dataclass(frozen=True, eq=False)
class Images:
    """
    Images with a class each.

    Attributes:
        pixels: uint8 (n, c, h, w), n >= 1; or float32 in [0, 1] for rows of a table.
        labels: int64 (n,), each in 0 .. len(class_names) - 1.
        class_names: name of each label.
    """

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.pixels.dtype not in (torch.uint8, torch.float32) or self.pixels.dim() != 4:
            raise ValueError(
                f"pixels must be uint8 (n, c, h, w), or float32 in [0, 1]; got {self.pixels.dtype} {tuple(self.pixels.shape)}; "
                "Images.from_array converts other arrays"
            )
        if 0 in self.pixels.shape:
            raise ValueError(
                f"an image set needs at least one image with at least one pixel; got {tuple(self.pixels.shape)}"
            )
        if self.pixels.is_floating_point():
            _refuse_outside(self.pixels)
        refuse_labels(self.labels, len(self.pixels), self.class_names, "image")

    def __len__(self) -> int:
        """The number of images, n."""
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (c, h, w) of every image."""
        _, c, h, w = self.pixels.shape
        return c, h, w

    def take(self, index: Tensor) -> "Images":
        """The images at ``index``, int64 (m,), which may repeat, in its order."""
        return Images(self.pixels[self._checked(index)], self.labels[index], self.class_names)

    def floats(self, index: Tensor | None = None) -> Tensor:
        """The images at ``index``, int64 (m,), by default all, as pixel / 255: float32 (m, c, h, w) in [0, 1]; float pixels are returned unchanged."""
        if index is None:
            return self.pixels.clone() if self.pixels.is_floating_point() else to_floats(self.pixels)
        return to_floats(self.pixels[self._checked(index)])

    def map(self, f: Callable[[Tensor], Tensor], chunk: int | None = None) -> Tensor:
        """The values (n, *) of f at all images in [0, 1], which are converted to floats in chunks; f and ``chunk`` as in ``path.chunked``."""
        return chunked(lambda pixels: f(to_floats(pixels)), self.pixels, chunk=chunk)

    def fingerprint(self) -> str:
        """SHA-256 of shape, pixels and labels, in hexadecimal."""
        return fingerprint(self.pixels, self.labels)

    def digests(self) -> Tensor:
        """
        64 bits of blake2b over the shape and pixels of each image: int64 (n,).

        An image of floats that are all multiples of 1 / 255 is hashed as bytes, so that an image and its conversion to floats have the same digest.
        """
        start = hashlib.blake2b(repr(self.shape).encode(), digest_size=8)
        rows, values = [], self.pixels.flatten(1)
        levels = (values * 255).round() if values.is_floating_point() else values
        whole = (levels / 255 == values).all(dim=1) if values.is_floating_point() else torch.ones(len(values)).bool()
        as_bytes = _bytes(levels.to(torch.uint8))
        for i, is_whole in enumerate(whole.tolist()):
            row = as_bytes[i] if is_whole else _bytes(values[i])
            image = start.copy()
            image.update(row)
            rows.append(image.digest())
        return torch.from_numpy(np.frombuffer(b"".join(rows), dtype="<i8").astype(np.int64))

    @classmethod
    def from_array(
        cls, array: ArrayLike, labels: ArrayLike | Sequence[int] | None = None, class_names: Sequence[str] | None = None
    ) -> "Images":
        """
        Converts an array; float pixels become round(255 x).

        Args:
            array: NumPy or torch array (n, h, w), (n, c, h, w) or (n, h, w, c) with c = 1 or 3, uint8 or floats in [0, 1]; where both axes could be c, the
                first is taken.
            labels: (n,) whole numbers from 0, which number the classes; by default all 0.
            class_names: name of each label; by default "0", "1", ... up to the largest label, or "all" without labels.
        """
        pixels = _as_uint8(_as_nchw(_as_tensor(array, "images")))
        if labels is None:
            names = ("all",) if class_names is None else tuple(class_names)
            return cls(pixels, torch.zeros(len(pixels), dtype=torch.int64), names)
        given = _as_tensor(labels if isinstance(labels, Tensor) else np.asarray(labels), "labels")
        if given.is_floating_point() or given.dim() != 1:
            raise ValueError(
                f"labels must be whole numbers of shape ({len(pixels)},); got {given.dtype} {tuple(given.shape)}"
            )
        given = given.to(torch.int64)
        if class_names is None:
            if len(given) and int(given.max()) >= max(len(given), 1000):
                raise ValueError(
                    f"labels must number the classes from 0; the largest of {len(given)} labels is {int(given.max())}; "
                    "number them by numpy.unique(labels, return_inverse=True), or pass class_names"
                )
            class_names = [str(i) for i in range(max(int(given.max()) + 1, 1))] if len(given) else ["0"]
        return cls(pixels, given, tuple(class_names))

    def _checked(self, index: Tensor) -> Tensor:
        if index.dtype != torch.int64 or index.dim() != 1:
            raise ValueError(f"an index must be int64 of shape (m,); got {index.dtype} {tuple(index.shape)}")
        wrong = (index < 0) | (index >= len(self))
        if wrong.any():
            raise ValueError(
                f"an index must lie in 0 .. {len(self) - 1} for {len(self)} images; got {int(index[first_index(wrong)])}"
            )
        return index


@dataclass(frozen=True, eq=False)
class ImageData:
    """
    Train and test images of one shape with the same classes.

    Their order is final: "test image i", as in ``--from i`` and ``pairs``, is row i of ``test``. ``splits.arrange`` has shuffled both
    parts, and ``splits.file_rows`` says which row of its file an image is.
    """

    name: str
    train: Images
    test: Images

    def __post_init__(self) -> None:
        if self.train.shape != self.test.shape:
            raise ValueError(
                f"train and test images of '{self.name}' must share (c, h, w); got train {self.train.shape}, "
                f"test {self.test.shape}; resize or convert one of them"
            )
        if self.train.class_names != self.test.class_names:
            raise ValueError(
                f"train and test images of '{self.name}' must have the same class names; got {len(self.train.class_names)} and "
                f"{len(self.test.class_names)} names that differ; pass the same class_names to both"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (c, h, w) of every image."""
        return self.train.shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each label."""
        return self.train.class_names


def read_image(path: Path | str, like: tuple[int, int, int] | None = None, *, resize: bool = False) -> Tensor:
    """
    Reads one image file as uint8 (c, h, w); of several frames the first.

    Args:
        path: the file.
        like: shape (c, h, w) of the result: the image is converted to c = 1 or 3 channels, and its h and w must match.
        resize: whether an image of another size is scaled to cover (h, w) and cropped about its centre.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no such image file: '{path}'; check its name")
    if like is not None and like[0] not in (1, 3):
        raise ValueError(f"an image file can be converted to 1 or 3 channels; the images here have {like[0]}")
    channels, box = (None, None) if like is None else (like[0], like[1:] if resize else None)
    try:
        pixels, has_more_frames = decode(path, str(path), channels, box)
        refuse_constant(pixels, str(path))
    except BadImage as error:
        raise ValueError(f"{error}; choose another file") from error
    if has_more_frames:
        warnings.warn(f"{path} has several frames or pages, of which the first is used", UserWarning, stacklevel=2)
    if like is not None and pixels.shape != like:
        raise ValueError(
            f"{path} is {pixels.shape[1]} x {pixels.shape[2]} (height x width) and the "
            f"images here are {like[1]} x {like[2]}; resize the file, or pass --resize (resize=True)"
        )
    return torch.from_numpy(pixels)


def to_floats(pixels: Tensor) -> Tensor:
    """The values pixel / 255 of uint8 pixels as float32; float pixels are returned unchanged."""
    return pixels.to(torch.float32).div_(255) if pixels.dtype == torch.uint8 else pixels


def digests_of(x: Tensor) -> Tensor:
    """The digests (n,) of images given as floats (n, c, h, w) in [0, 1], equal to those of ``Images.digests``."""
    return Images(x.detach().float().cpu(), torch.zeros(len(x), dtype=torch.int64), ("all",)).digests()


def fingerprint(values: Tensor, labels: Tensor) -> str:
    """SHA-256 of the shape and bytes of ``values`` and the bytes of ``labels``, in hexadecimal."""
    total = hashlib.sha256(repr(tuple(values.shape)).encode())
    total.update(_bytes(values))
    total.update(_bytes(labels))
    return total.hexdigest()


def refuse_labels(labels: Tensor, n: int, class_names: Sequence[str], what: str) -> None:
    """Raises ValueError unless labels are int64 (n,) in 0 .. len(class_names) - 1; ``what`` names a row in the message."""
    if labels.dtype != torch.int64 or labels.shape != (n,):
        raise ValueError(
            f"labels must be int64 of shape ({n},), one for each {what}; got {labels.dtype} {tuple(labels.shape)}"
        )
    wrong = (labels < 0) | (labels >= len(class_names))
    if wrong.any():
        i = first_index(wrong)
        raise ValueError(
            f"labels must lie in 0 .. {len(class_names) - 1} for {len(class_names)} class names; "
            f"{what} {i} has {int(labels[i])}; correct the labels or name every class"
        )


def first_index(wrong: Tensor) -> int:
    """The first index at which bool (n,) is true."""
    return int(wrong.nonzero()[0, 0])


def _bytes(values: Tensor) -> Any:
    return np.ascontiguousarray(values.cpu().numpy())


def _as_tensor(array: ArrayLike, what: str) -> Tensor:
    if isinstance(array, Tensor):
        return array.detach().cpu()
    array = np.asarray(array)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{what} must be an array of numbers; got type {array.dtype}; are they all of one shape?")
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))


def _as_nchw(values: Tensor) -> Tensor:
    shape = tuple(values.shape)
    if values.dim() not in (3, 4):
        raise ValueError(
            f"images must be (n, h, w), (n, c, h, w) or (n, h, w, c); got shape {shape}; "
            "a single image needs a leading axis"
        )
    if 0 in shape:
        raise ValueError(
            f"an image set needs at least one image with at least one pixel; got an empty array of shape {shape}"
        )
    if values.dim() == 3:
        return values[:, None]
    if shape[1] in (1, 3):
        return values
    if shape[3] in (1, 3):
        return values.permute(0, 3, 1, 2)
    raise ValueError(
        f"images must have 1 or 3 channels, as (n, c, h, w) or (n, h, w, c); got shape {shape}; "
        "convert them to grey or RGB"
    )


def _as_uint8(values: Tensor) -> Tensor:
    if values.dtype == torch.uint8:
        return values.contiguous()
    if not values.is_floating_point():
        raise ValueError(f"pixels must be uint8 or floats in [0, 1]; got {values.dtype}; cast 0 .. 255 to uint8")
    _refuse_outside(values)
    return (values * 255).round().to(torch.uint8).contiguous()


def _refuse_outside(values: Tensor) -> None:
    """Raises ValueError for floating-point pixels that are not in [0, 1]."""
    flat = values.flatten(1)
    broken = ~flat.isfinite().all(dim=1)
    if broken.any():
        raise ValueError(
            f"pixels must be finite; image {first_index(broken)} has NaN or infinite values; repair or drop it"
        )
    outside = (flat.amin(dim=1) < 0) | (flat.amax(dim=1) > 1)
    if outside.any():
        i = first_index(outside)
        raise ValueError(
            f"floating-point pixels must lie in [0, 1]; image {i} has values from {float(flat[i].min()):g} to "
            f"{float(flat[i].max()):g}; rescale them, or pass 0 .. 255 as uint8"
        )
