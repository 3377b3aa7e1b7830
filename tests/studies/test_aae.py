"""The experiments on adversarial autoencoders at smoke size, and the parts of their figures."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torch import nn

import ridgewalk
from ridgewalk.data import Images, arrange, part
from ridgewalk.metrics.statistics import Interval
from ridgewalk.metrics.transport import sliced_wasserstein
from ridgewalk.models.autoencoders import Architecture
from ridgewalk.models.categories import build_categorical
from ridgewalk.store.origin import Source
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk.training.batch_norm import settle
from ridgewalk.verbs import train
from ridgewalk.verbs.train import TrainRequest
from ridgewalk_studies.adversarial_autoencoders import priors, shared
from ridgewalk_studies.measures.clustering import majority_names, mistaken
from ridgewalk_studies.measures.fracturing import Fracturing
from ridgewalk_studies.measures.holes import Holes
from ridgewalk_studies.measures.posterior import Match
from ridgewalk_studies.reproduce import reproduce

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
    result = reproduce(recipe, source="digits", budget="smoke", changes=changes, out=tmp_path / "out", device="cpu")
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    assert figure in found
    assert bool(found["claims"]) == (recipe not in ("aae-clustering", "aae-reduction"))  # whose claims are MNIST's
    page = result.page.read_text()
    assert heading in page
    assert f"ridgewalk reproduce {recipe} --data digits --budget smoke --set " in page
    if recipe not in ("aae-priors", "aae-style"):
        assert "Published figures are of MNIST, not of these images" in page
    assert "How the games ended" in result.page.read_text()
    if recipe == "aae-priors":
        run = ridgewalk.load(tmp_path / "out" / "run-0")
        for figure, role in (("match", "test"), ("match_unseen", "judge_b")):
            codes = priors.draw_codes(run, part(run.data, role).floats()[:100])
            distance = sliced_wasserstein(codes.double(), prior_draws(run, 200, 1)[:100].double())
            assert found[figure]["mixture, conditioned"][0]["sliced_wasserstein"] == pytest.approx(distance)
    if recipe == "aae-clustering":  # named by the validation images, which are not scored
        run = ridgewalk.load(tmp_path / "out" / "run-0")
        q, labels, first = shared.classes_of(run, run.data.test), run.data.test.labels, len(run.data.test) // 10
        wrong = mistaken(q[first:], labels[first:], majority_names(q[:first], labels[:first]))
        assert found["clusters-30"]["majority"] == pytest.approx([100 * float(wrong.double().mean())])
    if recipe == "aae-semisupervised":
        run = ridgewalk.load(tmp_path / "out" / "run-0")
        wrong = shared.mistakes(run)
        assert found["errors"]["run"] == pytest.approx([100 * float(wrong.double().mean())])
        control = shared.control_mistakes(run, tmp_path / "out")  # read again, not trained
        assert found["control"]["run"] == pytest.approx([100 * float(control.double().mean())])
        assert len(wrong) == len(control) == len(run.data.test)
        state = torch.get_rng_state()
        shown = [shared.scatter(run, "styles").image for _ in range(2)]
        assert shown[0] == shown[1]
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_house_numbers_and_faces_from_a_users_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_anew = []
    monkeypatch.setattr(shared, "settle", lambda network, images: taken_anew.append(settle(network, images)))
    generator = np.random.default_rng(0)
    for name, n in (("train", 700), ("test", 70)):
        x = generator.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
        y = np.array([[i % 10 + 1] for i in range(n)], dtype=np.uint8)
        savemat(tmp_path / f"{name}_32x32.mat", {"X": x.transpose(2, 3, 1, 0), "y": y})
    faces, folds = generator.integers(0, 256, (800, 12, 12), dtype=np.uint8), np.ones((800, 5), dtype=np.uint8)
    folds[400:500], folds[500:550], folds[550:] = 0, 2, 3
    savemat(tmp_path / "TFD_48x48.mat", {"images": faces, "folds": folds})
    for recipe, source, changes, images in (
        ("aae-svhn", tmp_path, ["labels.count=20"], "SVHN"),
        ("aae-tfd", tmp_path / "TFD_48x48.mat", [], "the Toronto Face Database"),
    ):
        result = reproduce(
            recipe, source=str(source), budget="smoke", changes=[*SMALL, *changes], out=tmp_path / recipe, device="cpu"
        )
        assert f"Published figures are of {images}, not of these images" in result.page.read_text()
    assert len(taken_anew) == 1  # of the control, whose network is normalised by batches


def test_published_figures_belong_to_their_own_data_set() -> None:
    def images(labels: list[int]) -> Images:
        return Images.from_array(np.zeros((len(labels), 28, 28), dtype=np.uint8), labels, [str(i) for i in range(10)])

    train = images([i % 10 for i in range(20)])
    for first, holds in (([7, 2, 1, 0, 4, 1, 4, 9, 5, 9], True), ([9, 2, 1, 1, 6, 1, 4, 6, 5, 7], False)):
        data = arrange("given", train, images(first + [0] * 9_990))
        assert shared.MNIST.holds(data) == holds
    assert not shared.MNIST.holds(arrange("given", train, images([7, 2, 1, 0, 4, 1, 4, 9, 5, 9])))
    assert not shared.ORIGINALS["aae-svhn"].holds(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_published_figures_are_shown_for_their_own_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "MNIST", shared.Original("MNIST", (1, 8, 8)))
    for recipe, variants, wanted in (
        ("aae-clustering", "", "30 clusters, published"),
        ("aae-reduction", 'labels-100=["labels.count=100"]', "published, with 100 labels, 2-d"),
    ):
        result = reproduce(
            recipe,
            source="digits",
            budget="smoke",
            changes=[*SMALL, FEW % variants],
            out=tmp_path / recipe,
            device="cpu",
        )
        page, found = result.page.read_text(), json.loads((tmp_path / recipe / "result.json").read_text())
        assert wanted in page
        assert "not of these images" not in page
        assert all("published" in c["figure"] for c in found["claims"])
        assert len(found["claims"]) == 2  # by exemplar and by majority; of the recipe and of its variant


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ('wide=["model.latent=9"]', "does not know what to make of the variant 'wide': its name has to begin with"),
        ('labels-no=["labels.count=5000"]', "variant 'labels-no': 5000 labels were requested"),
        ('labels-bad=["labels.margin=2.0"]', "variant 'labels-bad': the objective 'aae-semisupervised' has no use for"),
    ],
)
def test_a_variant_that_cannot_be_trained_is_refused_before_the_first_training(
    variant: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        reproduce("aae-semisupervised", source="digits", budget="smoke", changes=[FEW % variant], out=tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {".lock", "experiment.json"}


def test_what_a_prior_does_is_judged_by_intervals_and_beyond_a_decoders_blur() -> None:
    def row(probe: float) -> Match:
        return Match(1000, 0.1, 0.1, 0.0, 0.0, Interval(probe, probe - 0.02, probe + 0.02, 0.95, 1000), 0.0, (1.0, 1.0))

    for aucs, fate in (
        ((0.51,), "held"),
        ((0.54,), "undecided"),
        ((0.7,), "did not hold"),
        ((0.51, 0.7), "held in part"),
    ):
        assert priors._judge_matches({"a": [row(v) for v in aucs]}, {"a": [row(0.5) for _ in aucs]})[0].fate == fate

    def hollow(unreal: float, floor: float) -> Holes:
        rows = torch.arange(1000) / 1000
        return Holes({"mean": (rows < unreal).double()}, {"mean": (rows < floor).double()})

    few, many, blurred = hollow(0.2, 0.1), hollow(0.5, 0.1), hollow(0.5, 0.4)
    broken = hollow(0.5, 0.49)  # whose reconstructions are as unreal as its draws
    for own, other, fate in (
        (few, many, "held"),
        (many, few, "did not hold"),
        (few, blurred, "held in part"),
        (broken, few, "did not hold"),
        (few, few, "undecided"),
    ):
        assert priors._judge_holes({"gaussian": [own], "vae": [other]})[0].fate == fate

    def torn(rank: float) -> Fracturing:
        return Fracturing({"rank": torch.full((1000,), rank, dtype=torch.float64)}, torch.ones(10), 5)

    for ranks, fate in (((0.1, 0.2), "held"), ((0.2, 0.1), "did not hold")):
        assert priors._judge_fracturing({"gaussian": [torn(ranks[0])], "ae": [torn(ranks[1])]})[0].fate == fate
    for share, fate in ((0.95, "held"), (0.6, "held in part"), (0.3, "did not hold")):
        assert priors._judge_places({"a": [torch.arange(100) < 100 * share]})[0].fate == fate


def test_the_control_is_the_network_itself_with_dropout_before_its_affine_layers() -> None:
    images = torch.rand(4, 1, 8, 8)
    for network, first, rates in (("mlp", True, [0.2, 0.5, 0.5]), ("conv", False, [0.5, 0.5])):
        own = build_categorical((1, 8, 8), 2, 3, Architecture(network, (6, 5)))
        bare = nn.Sequential(own.encoder, own.label)
        found = shared.with_dropout(bare, first=first).eval()
        assert torch.equal(found(images), bare(images))
        assert [layer.p for layer in found if isinstance(layer, nn.Dropout)] == rates
        follows = [b for a, b in itertools.pairwise(found) if isinstance(a, nn.Dropout)]
        assert all(isinstance(layer, nn.Linear) for layer in follows)


@pytest.fixture(scope="module")
def conditioned(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run") / "run"
    return train.start(
        TrainRequest("aae-priors", Source("digits"), folder, budget="smoke", changes=SMALL[:4], device="cpu")
    )


def test_codes_in_the_middle_of_their_petal_are_in_place(conditioned: Run) -> None:
    angle = 2 * torch.pi * torch.arange(10) / 10
    middles = 1.4 * torch.stack([angle.cos(), angle.sin()], dim=1)
    assert priors.in_own_part(conditioned, middles, torch.arange(10)).all()
    assert not priors.in_own_part(conditioned, middles, (torch.arange(10) + 1) % 10).any()


def test_an_error_over_seeds_is_their_mean_with_its_spread() -> None:
    cell = shared.over_seeds([1.0, 3.0])
    assert cell.value == 2.0
    assert cell.note is not None
    assert cell.note.startswith("+- 1.41, 2 seeds")
    assert shared.judge_published("it is low", [1.0, 3.0], 2.0, "").fate == "held in part"
    assert shared.judge_published("it is low", [1.0, 1.5], 2.0, "").fate == "held"
    assert shared.judge_published("it is high", [1.0, 1.5], 2.0, "", lower=False).fate == "did not hold"


def test_fewer_mistakes_are_distinguished_from_more_and_from_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    few, many = (torch.rand(2000, generator=generator) < p for p in (0.02, 0.08))
    assert shared.judge_fewer_mistakes("fewer", [few], [many], "").fate == "held"
    assert shared.judge_fewer_mistakes("fewer", [many], [few], "").fate == "did not hold"
    assert shared.judge_fewer_mistakes("fewer", [few], [few], "").fate == "undecided"
