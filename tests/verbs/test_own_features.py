"""A report whose neighbours are looked for in the features of a network of the user's own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from commands import good, refused
from inception_file import written
from ridgewalk.data import part
from ridgewalk.evaluation.judged import prepare_judges
from ridgewalk.store.run import load


class Quarters(nn.Module):
    """The means of the four quarters of an image, times a weight that could be trained."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((4,), 2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * torch.nn.functional.adaptive_avg_pool2d(x, [2, 2]).flatten(1)


def test_a_report_uses_the_features_of_a_file(copied: Callable[[], Path], tmp_path: Path) -> None:
    run, file = copied(), written(Quarters(), tmp_path / "quarters.pt")
    words = ["report", run, "--pairs", 4, "--methods", "lerp", "--json"]
    plain, own = (json.loads(good(*words, *more)) for more in ((), ("--features", file)))
    assert plain["judges"]["A"] == {**plain["judges"]["A"], "labelled": True, "features": "its classifier"}
    assert own["judges"]["A"] == {"accuracy": None, "labelled": False, "features": f"the features of {file}"}
    assert "third_class" not in own["rows"]["lerp"]
    assert plain["power"] == own["power"]  # the composite judges are the same
    judges = prepare_judges(load(run), features=file)
    real = part(load(run).data, "test").floats()
    expected = sum(float(j.near(Quarters()(real).detach()).double().mean()) for j in judges) / 2
    assert own["lines"]["real"]["precision"] == pytest.approx(expected)
    assert (
        f"Whether frames are near real images is measured in the features of {file}." in Path(own["report"]).read_text()
    )


def test_a_file_of_another_network_is_refused_before_the_search(smoke: Path, tmp_path: Path) -> None:
    said = refused("report", smoke, "--features", tmp_path / "missing.pt")
    assert "there is no file" in said
    assert "--features takes a network as TorchScript" in said
    said = refused("report", smoke, "--features", written(nn.Identity(), tmp_path / "identity.pt"))
    assert "of 2 images are (2, 1, 8, 8); expected a map of images (n, 1, 8, 8) in [0, 1] to floats (n, f)" in said
