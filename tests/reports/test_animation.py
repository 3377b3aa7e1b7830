"""Animations go to b and back, rest at the ends, and are written whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ridgewalk.reports import write_gif


def fading(k: int = 5, c: int = 1) -> np.ndarray:
    return np.linspace(0, 1, k)[:, None, None, None] * np.ones((k, c, 8, 8))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_path_goes_forth_and_back(tmp_path: Path, channels: int) -> None:
    write_gif(fading(5, channels), tmp_path / "path.gif", seconds=2.0, upscale=3)
    with Image.open(tmp_path / "path.gif") as image:
        assert image.n_frames == 8
        assert image.size == (24, 24)
        assert image.info["loop"] == 0
        shades, durations = [], []
        for i in range(image.n_frames):
            image.seek(i)
            shades.append(np.asarray(image.convert("L")).mean())
            durations.append(image.info["duration"])
    assert shades == pytest.approx([0, 64, 128, 191, 255, 191, 128, 64], abs=2)
    assert durations == [2000, 500, 500, 500, 2000, 500, 500, 500]


def test_several_paths_are_tiled(tmp_path: Path) -> None:
    write_gif([fading(), 1 - fading(), fading()], tmp_path / "a.gif", upscale=2, columns=2)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.size == (2 * 16 + 4, 2 * 16 + 4)
        assert image.n_frames == 8
        pixels = np.asarray(image.convert("L"))
    assert (pixels[0, 0], pixels[0, -1], pixels[-1, 0], pixels[-1, -1]) == (0, 255, 0, 255)


def test_small_images_are_enlarged(tmp_path: Path) -> None:
    write_gif(fading(), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        assert image.size == (112, 112)


def test_wrong_frames_leave_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.gif"
    write_gif(fading(), file)
    old = file.read_bytes()
    with pytest.raises(ValueError, match=r"frames must be \(k, c, h, w\)"):
        write_gif(np.zeros((5, 8, 8)), file)
    with pytest.raises(ValueError, match="seconds must be positive"):
        write_gif(fading(), file, seconds=0)
    assert file.read_bytes() == old
    assert [f.name for f in tmp_path.iterdir()] == ["a.gif"]
