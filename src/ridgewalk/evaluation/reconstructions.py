"""The reconstructions of a run's held-out images, and sentences about them."""

import torch
from torch import Tensor

from ridgewalk.metrics.reconstructions import Reconstruction, compare_reconstructions
from ridgewalk.path import chunked
from ridgewalk.store.run import Run

IMAGES = 256
"""Number of images: the first of the test part, which are validation images where it has 2560 or more."""


def reconstruct(run: Run, count: int = IMAGES) -> tuple[Tensor, Tensor]:
    """The first ``count`` images (n, c, h, w) of the test part, or as many as there are, and their reconstructions, on the CPU."""
    test = run.data.test
    x = test.take(torch.arange(min(count, len(test)))).floats()
    return x, chunked(run.decode, run.encode(x)).cpu()


def measure_reconstructions(run: Run) -> Reconstruction | None:
    """Measures the reconstructions of a run with an autoencoder; None where there are fewer than 2 test images."""
    x, y = reconstruct(run)
    return compare_reconstructions(x, y) if len(x) > 1 else None


def describe_reconstruction(found: Reconstruction) -> str:
    """Returns the figures in a sentence."""
    over = "" if found.relative is None else f", {found.relative:.2f} of the data's standard deviation"
    detail = "" if found.detail is None else f"; {found.detail:.0%} of the detail is left"
    return (
        f"Reconstructions of {found.n} held-out images: root mean square error {found.rmse:.3f} a pixel{over}{detail}."
    )


def warn_of_reconstruction(found: Reconstruction | None) -> list[str]:
    """Returns a sentence where the reconstructions are too poor for a path to matter, or where they are blurred; none otherwise."""
    if found is None:
        return []
    if found.poor:
        return [
            f"The reconstructions are too poor for a path to matter: {found.confused:.0%} of {found.n} held-out images are reconstructed as something that "
            "is nearer to another of them; train longer, or with more dimensions, before you read anything into paths."
        ]
    if found.blurred:
        return [
            f"The reconstructions are blurred: {found.detail:.0%} of the images' differences between neighbouring pixels are left, and a path shows no "
            "more (noise in the images counts as detail)."
        ]
    return []
