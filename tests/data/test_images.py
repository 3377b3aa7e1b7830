"""Images: the conversion of arrays and files, and everything that it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ridgewalk.data import ImageData, Images, read_image


def random_pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# Is it true?


def test_the_three_layouts_of_one_array_are_the_same_images() -> None:
    nchw = random_pixels(5, 3, 6, 7)
    first = Images.from_array(nchw)
    last = Images.from_array(nchw.transpose(0, 2, 3, 1))
    assert first.shape == last.shape == (3, 6, 7)
    assert torch.equal(first.pixels, last.pixels)
    grey = Images.from_array(nchw[:, 0])
    assert grey.shape == (1, 6, 7)
    assert torch.equal(grey.pixels[:, 0], torch.from_numpy(nchw[:, 0]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_floats_are_255_times_their_value_rounded(dtype: torch.dtype) -> None:
    values = torch.tensor([[[0.0, 1.0], [0.5, 0.2]]], dtype=dtype)
    assert Images.from_array(values).pixels.flatten().tolist() == [0, 255, 128, 51]


def test_floats_and_bytes_are_inverse_to_each_other() -> None:
    images = Images.from_array(np.arange(256, dtype=np.uint8).reshape(1, 16, 16))
    x = images.floats()
    assert x.dtype == torch.float32
    assert (x.min(), x.max()) == (0, 1)
    assert torch.equal(Images.from_array(x).pixels, images.pixels)


def test_numpy_arrays_of_the_other_byte_order_and_read_only_ones_are_taken() -> None:
    values = np.linspace(0, 1, 9).reshape(1, 3, 3)
    values.setflags(write=False)
    swapped = values.astype(values.dtype.newbyteorder())
    assert torch.equal(Images.from_array(values).pixels, Images.from_array(swapped).pixels)


def test_labels_and_names_have_their_defaults() -> None:
    pixels = random_pixels(3, 2, 2)
    bare = Images.from_array(pixels)
    assert bare.labels.tolist() == [0, 0, 0]
    assert bare.class_names == ("all",)
    labelled = Images.from_array(pixels, np.array([2, 0, 1], dtype=np.uint8))
    assert labelled.labels.dtype == torch.int64
    assert labelled.class_names == ("0", "1", "2")
    assert Images.from_array(pixels, [0, 0, 1], ["cat", "dog"]).class_names == ("cat", "dog")


# Does it keep the contract?


def test_take_and_floats_follow_the_index() -> None:
    images = Images.from_array(random_pixels(6, 1, 3, 3), [0, 1, 2, 0, 1, 2])
    index = torch.tensor([4, 0, 4])
    taken = images.take(index)
    assert len(taken) == 3
    assert torch.equal(taken.pixels, images.pixels[index])
    assert taken.labels.tolist() == [1, 0, 1]
    assert torch.equal(images.floats(index), images.floats()[index])


def test_fingerprint_depends_on_pixels_labels_shape_and_order() -> None:
    pixels = random_pixels(4, 1, 4, 4)
    one = Images.from_array(pixels, [0, 1, 1, 0])
    changed = pixels.copy()
    changed[3, 0, 3, 3] ^= 1
    others = [
        Images.from_array(changed, [0, 1, 1, 0]),
        Images.from_array(pixels, [0, 1, 1, 1]),
        Images.from_array(pixels.reshape(4, 1, 2, 8), [0, 1, 1, 0]),
        Images.from_array(pixels[::-1].copy(), [0, 1, 1, 0]),
    ]
    assert one.fingerprint() == Images.from_array(pixels.copy(), [0, 1, 1, 0]).fingerprint()
    assert len({one.fingerprint(), *(other.fingerprint() for other in others)}) == 5


def test_digests_are_equal_exactly_where_images_are() -> None:
    pixels = random_pixels(50, 1, 4, 4)
    pixels[17] = pixels[3]
    digests = Images.from_array(pixels).digests()
    assert digests.shape == (50,)
    assert digests.dtype == torch.int64
    assert digests[17] == digests[3]
    assert len(digests.unique()) == 49
    assert torch.equal(
        Images.from_array(pixels[10:]).digests(), digests[10:]
    )  # independent of the position of the image
    assert not torch.equal(Images.from_array(pixels.reshape(50, 1, 2, 8)).digests(), digests)
    assert (digests < 0).any()  # all 64 bits are used, the sign as well


def test_from_array_does_not_change_its_input() -> None:
    values = np.random.default_rng(0).random((2, 3, 4))
    before = values.copy()
    images = Images.from_array(values)
    values[:] = 0
    assert torch.equal(images.pixels, Images.from_array(before).pixels)


# Does it survive use?


def broken(value: float, row: int = 2) -> np.ndarray:
    values = np.full((4, 3, 3), 0.5)
    values[row, 1, 1] = value
    values[3, 0, 0] = value
    return values


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (broken(np.nan), "image 2 has NaN or infinite"),
        (broken(np.inf), "image 2 has NaN or infinite"),
        (broken(1.5), r"image 2 has values from 0.5 to 1.5; rescale"),
        (broken(-0.25), r"image 2 has values from -0.25"),
        (np.zeros((0, 3, 3), np.uint8), "needs at least one image"),
        (np.zeros((3, 0, 3), np.uint8), "needs at least one image with at least one pixel"),
        (np.zeros((3, 3), np.uint8), r"got shape \(3, 3\); a single image needs a leading axis"),
        (np.zeros((1, 2, 3, 4, 5), np.uint8), "images must be"),
        (np.zeros((2, 8, 8, 4), np.uint8), "1 or 3 channels"),
        (np.zeros((2, 8, 8), np.int64), "cast 0 .. 255 to uint8"),
        (np.array(["a", "b"]), "must be an array of numbers"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Images.from_array(array)


@pytest.mark.parametrize(
    ("labels", "names", "sentence"),
    [
        ([0, 1], None, r"labels must be int64 of shape \(3,\)"),
        ([], None, "labels must be"),
        ([0.5, 0.0, 1.0], None, "labels must be whole numbers"),
        ([[0], [1], [0]], None, "labels must be whole numbers"),
        ([0, -1, 0], None, "image 1 has -1"),
        ([0, 1, 2], ["a", "b"], r"0 .. 1 for 2 class names; image 2 has 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: list, names: list | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Images.from_array(random_pixels(3, 2, 2), labels, names)


def test_wrong_tensors_and_indices_are_refused() -> None:
    pixels, labels = torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="pixels must be uint8"):
        Images(pixels.int(), labels, ("all",))
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]; image 1 has values from 0 to 2"):
        Images(torch.tensor([[0.0] * 4, [0.0, 2.0, 0.0, 0.0]]).view(2, 1, 2, 2), labels, ("all",))
    with pytest.raises(ValueError, match="image 0 has NaN"):
        Images(pixels.float() / 0, labels, ("all",))
    with pytest.raises(ValueError, match="labels must be int64"):
        Images(pixels, labels.int(), ("all",))
    images = Images(pixels, labels, ("all",))
    for index in (torch.tensor([2]), torch.tensor([-1])):
        with pytest.raises(ValueError, match=r"0 .. 1 for 2 images; got"):
            images.take(index)
    with pytest.raises(ValueError, match="index must be int64"):
        images.floats(torch.tensor([0.0]))
    with pytest.raises(ValueError, match="at least one image"):
        images.take(labels[:0])


def test_parts_that_do_not_match_are_refused() -> None:
    a, b = Images.from_array(random_pixels(2, 4, 4)), Images.from_array(random_pixels(2, 4, 5))
    with pytest.raises(ValueError, match=r"must share \(c, h, w\); got train \(1, 4, 4\), test \(1, 4, 5\)"):
        ImageData("x", a, b)
    with pytest.raises(ValueError, match="have the same class names; got 1 and 2"):
        ImageData("x", a, Images.from_array(random_pixels(2, 4, 4), [0, 1]))
    data = ImageData("x", a, a)
    assert (data.shape, data.class_names) == ((1, 4, 4), ("all",))


# One file


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path)
    return path


def test_a_file_keeps_its_pixels(tmp_path: Path) -> None:
    rgb, grey = random_pixels(5, 6, 3), random_pixels(5, 6)
    assert np.array_equal(read_image(save(tmp_path / "a.png", rgb)).numpy(), rgb.transpose(2, 0, 1))
    assert np.array_equal(read_image(save(tmp_path / "b.png", grey), (1, 5, 6)).numpy(), grey[None])


def test_a_file_is_converted_to_the_channels_that_are_wanted(tmp_path: Path) -> None:
    grey = random_pixels(5, 6)
    as_rgb = read_image(save(tmp_path / "a.png", grey), (3, 5, 6))
    assert np.array_equal(as_rgb.numpy(), np.stack([grey] * 3))
    assert read_image(save(tmp_path / "b.png", random_pixels(5, 6, 3)), (1, 5, 6)).shape == (1, 5, 6)


def test_sixteen_bits_become_eight_and_transparent_parts_white(tmp_path: Path) -> None:
    wide = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    assert np.array_equal(read_image(save(tmp_path / "wide.png", wide))[0].numpy(), np.arange(256).reshape(16, 16))
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:2, :, 3] = 255  # black above, nothing below
    assert read_image(save(tmp_path / "clear.png", clear), (1, 4, 4))[0, :, 0].tolist() == [0, 0, 255, 255]


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # rotated by a quarter
    Image.fromarray(random_pixels(8, 16)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (1, 16, 8)


def test_another_size_is_refused_or_resized(tmp_path: Path) -> None:
    path = save(tmp_path / "big.png", np.repeat(np.repeat(random_pixels(4, 4), 8, axis=0), 12, axis=1))
    with pytest.raises(ValueError, match=r"big.png is 32 x 48 .* images here are 8 x 8; .*resize=True"):
        read_image(path, (1, 8, 8))
    assert read_image(path, (3, 8, 8), resize=True).shape == (3, 8, 8)


def test_files_that_cannot_be_encoded_are_refused_by_name(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.png", random_pixels(32, 32)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    save(tmp_path / "flat.png", np.full((4, 4), 7, np.uint8))
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "real.tiff")
    for name, sentence in {
        "cut.png": "truncated or damaged",
        "text.png": "not an image in a known format",
        "empty.png": "not an image",
        "flat.png": "constant: .* nothing to encode; choose another file",
        "real.tiff": "floating-point pixels",
        "none.png": "no such image file",
    }.items():
        with pytest.raises(ValueError, match=f"{name}.*{sentence}|{sentence}.*{name}"):
            read_image(tmp_path / name)
    with pytest.raises(ValueError, match="converted to 1 or 3 channels"):
        read_image(tmp_path / "whole.png", (4, 32, 32))


def test_a_solid_colour_is_constant_although_its_channels_differ(tmp_path: Path) -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200
    with pytest.raises(ValueError, match="constant"):
        read_image(save(tmp_path / "red.png", red))
