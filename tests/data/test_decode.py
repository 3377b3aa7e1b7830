"""Images that cannot be used: each message says its own cause."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ridgewalk.data.decode import BadImage, decode


def random_image(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)).convert(mode)


def bomb(path: Path) -> None:
    Image.new("1", (14000, 14000)).save(path)


def floats(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).random((16, 16)).astype(np.float32)).save(path, format="TIFF")


def whole_32_bit_numbers(path: Path) -> None:
    Image.fromarray(np.full((16, 16), 2**30, np.int32)).save(path, format="TIFF")


def script(path: Path) -> None:
    random_image().save(path, format="EPS")


@pytest.mark.parametrize(
    ("build", "cause"),
    [
        (bomb, r"is too large \(196 megapixels; the limit is 179\)"),
        (floats, "has floating-point pixels, which have no fixed range: save it with 8 or 16 bits"),
        (whole_32_bit_numbers, "has 32-bit pixels, which have no fixed range"),
        (script, "is not an image in a known format"),
        (lambda p: p.write_bytes(b""), r"is not an image in a known format \(it is empty\)"),
        (lambda p: p.write_bytes(b"<!DOCTYPE html><p>not found"), r"\(it is a web page\)"),
        (lambda p: p.write_bytes(b"<svg xmlns=''/>"), r"\(it is a text with markup"),
        (lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1"), r"\(it is a pointer of Git LFS"),
        (lambda p: p.write_bytes(b"\0\0\0\x18ftypheic" + bytes(40)), r"\(it is an HEIC image"),
        (lambda p: p.write_bytes(b"II*\0" + bytes(20)), r"\(it begins as a TIFF file"),
        (lambda p: p.write_bytes(b"\x89PNG" + bytes(20)), r"\(it begins as an image, but its header is damaged\)"),
        (lambda p: None, "cannot be read: no such file or directory"),
        (lambda p: p.mkdir(), "cannot be read: is a directory"),
    ],
)
def test_the_cause_is_named(tmp_path: Path, build: object, cause: str) -> None:
    build(tmp_path / "a.png")  # type: ignore[operator]
    with pytest.raises(BadImage, match=f"^{tmp_path}/a.png (is not an image in a known format )?{cause}"):
        decode(tmp_path / "a.png", f"{tmp_path}/a.png")


def test_a_file_without_permission_is_said_to_be_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "a.png")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(BadImage, match=r"^a\.png cannot be read: permission denied$"):
        decode(tmp_path / "a.png", "a.png")


@pytest.mark.parametrize(
    "form", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "DDS", "TGA", "ICO", "PCX", "SGI"]
)
def test_damage_of_every_kind_is_one_sentence(tmp_path: Path, form: str) -> None:
    file, generator = tmp_path / "a", np.random.default_rng(0)
    random_image("P" if form == "GIF" else "RGB").save(file, format=form)
    whole = file.read_bytes()
    for _ in range(100):
        raw = bytearray(whole[: generator.integers(0, len(whole))] if generator.random() < 0.5 else whole)
        for i in generator.integers(0, max(len(raw), 1), 4):
            raw[i : i + 1] = generator.bytes(1)
        message = "a "
        try:
            assert decode(bytes(raw), "a").pixels.dtype == np.uint8
        except BadImage as error:
            message = str(error)
        assert message.startswith("a ")
        assert "\n" not in message
