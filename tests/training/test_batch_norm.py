"""Batch normalisation's statistics: of the images that a network will read, and untouched by looking."""

import copy

import pytest
import torch
from torch import nn

from ridgewalk.training.batch_norm import batch_statistics, settle


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.0))


def images(n: int = 1203) -> torch.Tensor:
    return torch.rand(n, 1, 2, 2, generator=torch.Generator().manual_seed(1))


def test_settled_statistics_are_those_of_the_images() -> None:
    net, x = network(), images()
    net.train()
    for _ in range(5):
        net(3 * x - 7)  # what was read in training
    net.eval()
    net.training = True  # the whole's own mode is not its parts'
    weights = copy.deepcopy([*net.parameters()])
    settle(net, x)
    seen = net[1](x.flatten(1))
    torch.testing.assert_close(net[2].running_mean, seen.mean(0).detach())
    parts = torch.stack([p.var(0) for p in seen.tensor_split(3)]).mean(0)  # three batches of 401
    torch.testing.assert_close(net[2].running_var, parts.detach())
    assert net.training
    assert not net[2].training
    assert net[2].momentum == 0.1
    assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters()))


def test_bytes_are_read_as_floats_up_to_one() -> None:
    x = (images() * 255).round().to(torch.uint8)
    of_bytes, of_floats = network(), network()
    settle(of_bytes, x)
    settle(of_floats, x.float() / 255)
    assert torch.equal(of_bytes[2].running_mean, of_floats[2].running_mean)
    assert torch.equal(of_bytes[2].running_var, of_floats[2].running_var)


def test_one_image_is_refused_and_networks_without_such_a_layer_are_left_alone() -> None:
    with pytest.raises(ValueError, match="at least 2 images"):
        settle(network(), images(1))
    plain = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    before = copy.deepcopy(plain.state_dict())
    settle(plain, images(1))
    assert all(torch.equal(before[k], v) for k, v in plain.state_dict().items())


def test_a_look_reads_a_batch_as_training_does_and_leaves_no_trace() -> None:
    net, x = network(), images(64)
    trained = copy.deepcopy(net).train()(x)
    net.eval()
    before = copy.deepcopy(net.state_dict())
    with batch_statistics([net]):
        torch.testing.assert_close(net(x), trained)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert not net[2].training
    assert net[2].track_running_stats
    with pytest.raises(RuntimeError), batch_statistics([net]):
        raise RuntimeError
    assert not net[2].training
    assert net[2].track_running_stats
