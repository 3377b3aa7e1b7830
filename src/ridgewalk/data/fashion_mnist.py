"""
Fashion-MNIST: 28 x 28 grey images of ten kinds of clothing, 60000 and 10000 of them, in MNIST's file format (``idx``).

Source: H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms" (2017).
"""

from dataclasses import replace
from pathlib import Path

from ridgewalk.data.idx import holds_idx, read_idx
from ridgewalk.data.images import Images

PLACE = Path("/usr/share/datasets/fashion-mnist")
"""The folder of Debian's package dataset-fashion-mnist."""

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
"""The names of the labels 0 .. 9."""


def read_fashion_mnist() -> tuple[Images, Images]:
    """The train and test images in file order, with the authors' class names; ValueError where the package is not installed, or is another data set."""
    if not holds_idx(PLACE):
        raise ValueError(
            f"'fashion-mnist' is read from {PLACE}, where there are no IDX files: install them by `apt install dataset-fashion-mnist`, or name the folder "
            "that has them by its path, such as ./fashion-mnist"
        )
    train, test = read_idx(PLACE)
    if train.class_names != tuple(str(label) for label in range(len(CLASSES))):
        raise ValueError(
            f"{PLACE} must hold the labels 0 to {len(CLASSES) - 1} of Fashion-MNIST; it holds {', '.join(train.class_names)}; install the package "
            "dataset-fashion-mnist again"
        )
    return replace(train, class_names=CLASSES), replace(test, class_names=CLASSES)
