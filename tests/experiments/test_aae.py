"""The experiments on document 004 at their smallest, and what their figures are made of."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torch import nn

import ridgewalk
from ridgewalk.experiments import aae_priors, aae_shared, running
from ridgewalk.models.categories import categorical
from ridgewalk.runs import train
from ridgewalk.runs.record import Run

SMALL = ["model.hidden=[24, 16]", "matcher.hidden=[16]", "detector.epochs=1", "detector.members=1", "judges.epochs=1"]
FEW = "reproduce.variants={%s}"

WANTED = {
    "aae-semisupervised": (FEW % 'labels-all=["labels.count=-1"]', "errors", "Errors"),
    "aae-clustering": (FEW % "", "clusters-30", "The clusters"),
    "aae-style": (FEW % "", "run", "Written by one hand"),
    "aae-reduction": (
        FEW % 'unlabelled=["labels.count=0", "labels.classes=12", "training.rates={}"]',
        "unlabelled",
        "The plane",
    ),
    "aae-likelihood": (FEW % "", "oracle", "Samples"),
    "aae-priors": (
        FEW % 'gaussian=["objective.name=aae","labels.count=-1","prior.name=gaussian"],'
        'ae=["objective.name=ae","labels.count=-1","prior.name=gaussian","training.rates={}"]',
        "holes",
        "Priors and posteriors side by side",
    ),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("recipe", WANTED)
def test_an_experiment_runs_from_training_to_report(recipe: str, tmp_path: Path) -> None:
    variants, figure, heading = WANTED[recipe]
    changes = [*SMALL, variants, *(["reproduce.points=60"] if recipe == "aae-likelihood" else [])]
    result = running.reproduce(
        recipe, source="digits", budget="smoke", changes=changes, out=tmp_path / "out", device="cpu"
    )
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    assert figure in found
    assert found["claims"]
    assert heading in result.page.read_text()
    assert "How the games ended" in result.page.read_text()
    if recipe == "aae-semisupervised":
        run = ridgewalk.load(tmp_path / "out" / "run-0")
        wrong = aae_shared.mistakes(run)
        assert found["errors"]["run"] == pytest.approx([100 * float(wrong.double().mean())])
        control = aae_shared.control_mistakes(run, tmp_path / "out")  # read again, not trained
        assert found["control"]["run"] == pytest.approx([100 * float(control.double().mean())])
        assert len(wrong) == len(control) == len(run.data.test)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_house_numbers_and_faces_from_a_users_own_files(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name, n in (("train", 700), ("test", 70)):
        x = generator.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
        y = np.array([[i % 10 + 1] for i in range(n)], dtype=np.uint8)
        savemat(tmp_path / f"{name}_32x32.mat", {"X": x.transpose(2, 3, 1, 0), "y": y})
    faces, folds = generator.integers(0, 256, (800, 12, 12), dtype=np.uint8), np.ones((800, 5), dtype=np.uint8)
    folds[400:500], folds[500:550], folds[550:] = 0, 2, 3
    savemat(tmp_path / "TFD_48x48.mat", {"images": faces, "folds": folds})
    for recipe, source, changes, figure in (
        ("aae-svhn", tmp_path, ["labels.count=20"], "17.70"),
        ("aae-tfd", tmp_path / "TFD_48x48.mat", [], "2252"),
    ):
        result = running.reproduce(
            recipe, source=str(source), budget="smoke", changes=[*SMALL, *changes], out=tmp_path / recipe, device="cpu"
        )
        page = result.page.read_text()
        assert figure in page
        assert "published" in page


def test_the_control_is_the_network_itself_with_dropout_before_its_affine_layers() -> None:
    images = torch.rand(4, 1, 8, 8)
    for network, first, rates in (("mlp", True, [0.2, 0.5, 0.5]), ("conv", False, [0.5, 0.5])):
        own = categorical((1, 8, 8), 2, 3, network=network, hidden=(6, 5))
        bare = nn.Sequential(own.encoder, own.label)
        found = aae_shared.dropped(bare, first=first).eval()
        assert torch.equal(found(images), bare(images))
        assert [layer.p for layer in found if isinstance(layer, nn.Dropout)] == rates
        follows = [b for a, b in itertools.pairwise(found) if isinstance(a, nn.Dropout)]
        assert all(isinstance(layer, nn.Linear) for layer in follows)


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run") / "run"
    return train.start("aae-priors", train.Reading("digits"), folder, budget="smoke", changes=SMALL[:4], device="cpu")


def test_codes_in_the_middle_of_their_petal_are_in_place(conditioned: Run) -> None:
    angle = 2 * torch.pi * torch.arange(10) / 10
    middles = 1.4 * torch.stack([angle.cos(), angle.sin()], dim=1)
    assert aae_priors.placed(conditioned, middles, torch.arange(10)).all()
    assert not aae_priors.placed(conditioned, middles, (torch.arange(10) + 1) % 10).any()


def test_an_error_over_seeds_is_their_mean_with_its_spread() -> None:
    cell = aae_shared.over_seeds([1.0, 3.0])
    assert cell.value == 2.0
    assert cell.note is not None
    assert cell.note.startswith("+- 1.41, 2 seeds")
    assert aae_shared.reached("it is low", [1.0, 3.0], 2.0, "").verdict == "held in part"
    assert aae_shared.reached("it is low", [1.0, 1.5], 2.0, "").verdict == "held"
    assert aae_shared.reached("it is high", [1.0, 1.5], 2.0, "", lower=False).verdict == "did not hold"


def test_fewer_mistakes_are_told_from_more_and_from_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    few, many = (torch.rand(2000, generator=generator) < p for p in (0.02, 0.08))
    assert aae_shared.fewer("fewer", [few], [many], "").verdict == "held"
    assert aae_shared.fewer("fewer", [many], [few], "").verdict == "did not hold"
    assert aae_shared.fewer("fewer", [few], [few], "").verdict == "undecided"
