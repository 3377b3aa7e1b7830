"""Heads on a score network, and spectral norm: what learns, what is saved, what is bounded."""

import pytest
import torch
from torch import nn

from ridgewalk.models.backbones import TimeMLP
from ridgewalk.models.heads import OnBackbone, spectrally_normalised
from ridgewalk.models.unet import UNet, UNetEncoder, UNetLayers
from ridgewalk.models.weights import load_networks, save_networks


def backbones() -> list[tuple[nn.Module, tuple[int, ...]]]:
    torch.manual_seed(0)
    mlp, unet = (
        TimeMLP(3, (16, 16), fourier=8, classes=2),
        UNet((1, 8, 8), UNetLayers(8, (1, 2), attention=(), classes=2)),
    )
    for network in (mlp, unet):
        network.requires_grad_(False)
    return [(mlp, (3,)), (unet, (1, 8, 8))]


@pytest.mark.parametrize("which", [0, 1], ids=["mlp", "unet"])
def test_a_head_reads_the_backbone_and_does_not_change_it(which: int, tmp_path) -> None:  # type: ignore[no-untyped-def]
    backbone, shape = backbones()[which]
    torch.manual_seed(1)
    head = OnBackbone(backbone, (8,), classes=2)
    nn.init.normal_(head.head.last.weight)
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    x, c, labels = torch.randn(5, *shape), torch.randn(5) / 4, torch.tensor([0, 1, -1, 0, 1])
    x.requires_grad_(True)
    out = head(x, c, labels)
    assert out.shape == (5, 1)
    (gradient,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    assert bool(gradient.flatten(1).any(1).all())
    assert bool(torch.autograd.grad(gradient.square().sum(), x)[0].any())  # a likelihood needs the second derivative
    assert not any(p is q for p in head.parameters() for q in backbone.parameters())
    assert sum(p.numel() for p in head.parameters()) == sum(p.numel() for p in head.head.parameters())
    optimiser = torch.optim.Adam(head.parameters(), 0.1)
    head(x, c, labels).square().mean().backward()
    optimiser.step()
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())
    digest = save_networks(tmp_path / "h.safetensors", {"head": head})
    other = OnBackbone(backbone, (8,), classes=2)
    load_networks(tmp_path / "h.safetensors", {"head": other}, digest)
    assert torch.equal(other(x, c, labels), head(x, c, labels))
    alone = head(x[2:3], c[2:3], labels[2:3])
    assert torch.allclose(alone, head(x, c, labels)[2:3], atol=1e-5)


def test_a_network_without_features_is_refused() -> None:
    with pytest.raises(ValueError, match="features"):
        OnBackbone(nn.Linear(2, 2), (8,))


@pytest.mark.parametrize("which", [0, 1], ids=["mlp", "unet"])
def test_spectral_norm_bounds_every_layer_that_x_goes_through(which: int) -> None:
    torch.manual_seed(0)
    network = [
        TimeMLP(3, (16, 16), outputs=1, fourier=0),
        UNetEncoder((1, 8, 8), UNetLayers(8, (1, 2), attention=())),
    ][which]
    with torch.no_grad():
        for p in network.parameters():
            p.mul_(7)
    spectrally_normalised(network)
    x, c = torch.randn(4, *([(3,), (1, 8, 8)][which])), torch.randn(4) / 4
    for _ in range(30):  # power iterations, one a pass
        network(x, c)
    bounded = [
        m
        for name, m in network.named_modules()
        if isinstance(m, nn.Linear | nn.Conv2d) and not any(p in name for p in ("conditioning", "films", "told"))
    ]
    assert len(bounded) >= 3
    for layer in bounded:
        assert float(torch.linalg.matrix_norm(layer.weight.flatten(1), 2)) == pytest.approx(1, abs=0.02)
    assert bool(network(x, c).isfinite().all())
    assert bool(network(x, c).any())  # what starts at zero was given a start
