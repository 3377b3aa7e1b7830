"""The network of a TorchScript file: what it is shown, what FID is made of, and what is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from inception_file import Fake, written
from ridgewalk.judging.inception import FEATURES, load_inception


def test_images_are_shown_as_bytes_of_three_channels(tmp_path: Path) -> None:
    network = load_inception(written(Fake(), tmp_path / "network.pt"))
    grey = torch.full((70, 1, 8, 8), 100.4 / 255)  # more than a batch
    assert network.features(grey).shape == (70, FEATURES)
    assert network.features(grey)[:, :3].unique().tolist() == [100.0]
    colour = (
        torch.tensor([0.0, 127.6 / 255, 1.2]).view(1, 3, 1, 1).expand(2, 3, 8, 8)
    )  # 1.2 is what a sampler may leave
    assert network.features(colour)[0, :3].tolist() == [0.0, 128.0, 255.0]
    assert len(network.sha256) == 64


def test_fid_is_the_distance_of_the_features_of_two_sets(tmp_path: Path) -> None:
    network = load_inception(written(Fake(scale=1 / 255), tmp_path / "network.pt"))
    real, other = (
        torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(s)) ** p for s, p in ((1, 1), (2, 3))
    )
    a, b = network.features(real), network.features(other)
    centred = [(x.double() - x.double().mean(0)) / (len(x) - 1) ** 0.5 for x in (a, b)]
    means = (a.double().mean(0) - b.double().mean(0)).square().sum()
    mixed = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()  # tr (C_a C_b)^1/2 of covariances X^T X of rank 39
    expected = means + sum(x.square().sum() for x in centred) - 2 * mixed
    assert network.fid(b, a) == pytest.approx(float(expected), rel=1e-6)
    assert network.fid(a, a) == pytest.approx(0, abs=1e-5 * float(centred[0].square().sum()))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Fake(100), r"returned \(2, 100\) for 2 images: --inception takes a network .* to \(n, 2048\)"),
        (Fake(scale=float("inf")), "features that are not finite"),
        (nn.Linear(3, 2048), "cannot be evaluated"),
    ],
)
def test_another_network_is_refused(network: nn.Module, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load_inception(written(network, tmp_path / "network.pt"))


def test_a_file_of_weights_is_refused_and_unpickles_nothing(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"weight": torch.zeros(2), "trap": Trap()}, tmp_path / "weights.pth")
    torch.save({"weight": torch.zeros(2), "trap": Trap()}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    whole = written(Fake(), tmp_path / "network.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "damaged.pt").write_bytes(whole[:20_000] + bytes(64) + whole[20_064:])  # of the weights
    for name in ("weights.pth", "old.pth", "cut.pt", "damaged.pt"):
        with pytest.raises(ValueError, match="cannot be read as TorchScript"):
            load_inception(tmp_path / name)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ValueError, match="there is no file"):
        load_inception(tmp_path / "missing.pt")
