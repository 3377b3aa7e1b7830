"""Runs whose codes have to do with classes: trained, loaded, walked along their parts, killed and resumed; bad input is one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import ridgewalk
from ridgewalk.cli import app
from ridgewalk.data import part
from ridgewalk.evaluation import parts
from ridgewalk.evaluation.ends import draw_ends
from ridgewalk.evaluation.search import search
from ridgewalk.models.categories import CategoricalAutoencoder
from ridgewalk.models.weights import read_tensors
from ridgewalk.reports import figures
from ridgewalk.store.origin import Source
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk.training.families.base import family_of
from ridgewalk.training.log import read_log, read_readings
from ridgewalk.verbs import train
from ridgewalk.verbs.train import TrainRequest

SMALL = ["model.hidden=[24, 16]", "matcher.hidden=[16]", "detector.epochs=1", "detector.members=1", "training.ema=0.0"]
RECIPES = ("aae-semisupervised", "aae-clustering", "aae-style", "aae-priors", "aae-reduction")


def trained(recipe: str, folder: Path, *changes: str) -> Run:
    return train.start(
        TrainRequest(recipe, Source("digits"), folder, budget="smoke", changes=[*SMALL, *changes], device="cpu")
    )


def call(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(w) for w in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("classed")
    return {recipe: trained(recipe, parent / recipe).folder for recipe in RECIPES}


def test_a_run_is_normalised_by_the_images_that_it_reads(runs: dict[str, Path]) -> None:
    run = ridgewalk.load(runs["aae-clustering"])
    assert isinstance(run.model, CategoricalAutoencoder)
    features = run.model.encoder(part(run.data, "model").floats())
    affine, norm = run.model.label  # type: ignore[misc]
    logits = affine(features).detach()
    assert (norm.running_mean - logits.mean(0)).abs().max() < 0.02 * logits.std(
        0
    ).min()  # trained on masked and turned images
    assert (norm.running_var / logits.var(0) - 1).abs().max() < 0.05


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_with_classes_is_a_model_like_any_other(runs: dict[str, Path], recipe: str) -> None:
    run = ridgewalk.load(runs[recipe])
    classes = 30 if recipe == "aae-clustering" else 10
    wide = recipe in ("aae-semisupervised", "aae-clustering", "aae-style")
    assert run.recipe.labels.classes == classes
    assert run.size == run.recipe.model.latent + (classes if wide else 0)
    x = run.data.test.floats(torch.arange(6))
    z = run.encode(x)
    assert z.shape == (6, run.size)
    assert run.decode(z).shape == x.shape
    drawn = prior_draws(run, 50, 0)
    assert drawn.shape == (50, run.size)
    assert torch.equal(drawn, prior_draws(run, 50, 0))
    if wide:
        assert torch.equal(drawn[:, -classes:].sum(1), torch.ones(50))
    path = run.finder("string")(z[:3], z[3:])
    assert path.nodes.shape[::2] == (3, run.size)
    assert ("matcher" in run.sensors) == (recipe != "aae-reduction")
    for sensor in run.sensors.values():
        assert sensor(z).shape == (6,)
    names = [
        n for n in ("style_discriminator", "label_discriminator", "discriminator") if n in run.manifest["readings"]
    ]
    assert len(names) == (1 if recipe in ("aae-style", "aae-priors") else 2)
    for line in run.manifest["readings"].values():
        assert line["reading"] in line["sentence"]


def test_the_matcher_of_style_and_class_sums_both_discriminators(runs: dict[str, Path]) -> None:
    run = ridgewalk.load(runs["aae-semisupervised"])
    z = prior_draws(run, 9, 1)
    body = run.sensors["matcher"].body
    torch.testing.assert_close(run.sensors["matcher"](z), body.style(z[:, :10]) + body.label(z[:, 10:]))


def test_a_class_that_is_not_given_is_the_one_that_reconstructs_best(runs: dict[str, Path]) -> None:
    run = ridgewalk.load(runs["aae-style"])
    x = run.data.test.floats(torch.arange(20))
    style, y = run.model.split(x)  # type: ignore[operator]
    errors = torch.stack(
        [
            (run.decode(torch.cat([style, torch.eye(10)[[k] * 20]], 1)) - x).square().flatten(1).sum(1)
            for k in range(10)
        ],
        dim=1,
    )
    assert torch.equal(y.argmax(1), errors.argmin(1))


@pytest.mark.parametrize("keep", parts.KEPT)
@pytest.mark.parametrize("method", ["lerp", "string", "geodesic", "sgw", "ridge-quick"])
@pytest.mark.filterwarnings("ignore:an energy is calibrated")
def test_the_part_that_is_kept_does_not_move(runs: dict[str, Path], method: str, keep: str) -> None:
    run = ridgewalk.load(runs["aae-semisupervised"])
    ends = draw_ends(run, 3, 0)
    z_a, z_b = parts.encode_ends(run, ends.x_a, ends.x_b, keep)
    s_a, s_b = (run.encode(x)[:, :10] for x in (ends.x_a, ends.x_b))
    assert torch.equal(z_b[:, :10], s_a if keep == "style" else s_b)
    nodes = search(parts.restrict(run, keep), method, z_a, z_b).nodes
    kept = slice(0, 10) if keep == "style" else slice(10, 20)
    assert torch.allclose(nodes[:, :, kept], z_a[:, None, kept].expand_as(nodes[:, :, kept]), atol=1e-6)
    other = slice(10, 20) if keep == "style" else slice(0, 10)
    assert (nodes[:, -1, other] - z_a[:, other]).abs().max() > 0


def test_pairs_of_one_class_are_of_one_class(runs: dict[str, Path]) -> None:
    run = ridgewalk.load(runs["aae-style"])
    ends = draw_ends(run, 20, 0, same_class=True)
    assert torch.equal(ends.labels_a, ends.labels_b)
    assert not (draw_ends(run, 20, 0).labels_a == draw_ends(run, 20, 0).labels_b).any()


def test_a_reductions_style_is_kept_on_a_straight_line(runs: dict[str, Path]) -> None:
    run = ridgewalk.load(runs["aae-reduction"])
    ends = draw_ends(run, 3, 0)
    z_a, z_b = parts.encode_ends(run, ends.x_a, ends.x_b, "style")
    (_, y_a), (_, y_b) = run.model.split(ends.x_a), run.model.split(ends.x_b)  # type: ignore[operator]
    torch.testing.assert_close(z_b - z_a, run.model.clusters(y_b - y_a))  # type: ignore[operator]


def test_walking_along_a_part_from_the_command_line(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    strips = figures.strips
    monkeypatch.setattr(figures, "strips", lambda *a, **k: (drawn.append(k["ends"]), strips(*a, **k))[1])
    words = ["walk", runs["aae-style"], "--pairs", 2, "--method", "lerp", "--keep", "class", "--same-class"]
    code, out, error = call(*words, "--out", tmp_path / "walk", "--device", "cpu", "--json")
    assert code == 0, error
    assert json.loads(out)["keep"] == "class"
    assert set(json.loads(out)["free"]) == {"lerp"}  # a great circle would not keep the class
    assert (tmp_path / "walk" / "report.html").is_file()
    assert all(a is not None and b is None for a, b in drawn)  # the path ends at a code that no image has
    assert len(drawn) == 2


@pytest.mark.parametrize(
    ("recipe", "words", "message"),
    [
        ("aae-semisupervised", ["--keep", "clas"], "did you mean 'class'"),
        ("aae-semisupervised", ["--keep", "class", "--method", "graph"], "would not keep the class"),
        ("aae-semisupervised", ["--keep", "style", "--method", "flow"], "would not keep the style"),
        ("aae-semisupervised", ["--keep", "style", "--method", "flow-guided"], "would not keep the style"),
        ("aae-priors", ["--keep", "style"], "needs a code with style and class"),
        ("aae-reduction", ["--keep", "style"], "only a straight line keeps one of them"),
    ],
)
def test_what_cannot_be_kept_is_refused(runs: dict[str, Path], recipe: str, words: list[str], message: str) -> None:
    code, out, error = call("walk", runs[recipe], "--pairs", 2, *words)
    assert (code, out) == (2, "")
    assert message in error
    assert not (runs[recipe] / "walks").exists()


FEW = ["labels.count=5"]
STILL = ["labels.shift=0.0", "labels.rotation=0.0", "labels.scale=0.0", "labels.shear=0.0"]


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        ("aae-semisupervised", FEW, "5 labels are fewer than the 10 classes"),
        ("aae-semisupervised", ["labels.count=100000"], "100000 labels were requested"),
        ("aae-semisupervised", ["labels.count=0"], "needs labels"),
        ("aae-semisupervised", ["labels.classes=7"], "these images have 10 classes, and labels.classes = 7"),
        ("aae-clustering", ["labels.classes=1"], "at least 2 classes or clusters; got classes = 1"),
        ("aae-clustering", ["labels.count=10"], "uses no labels"),
        ("aae-style", ["labels.count=50"], "reads the class of every image"),
        ("aae-priors", ["prior.name=gaussian"], "needs a prior with a part for each of the 10 classes"),
        ("aae-priors", ["prior.components=4"], "has 4"),
        ("aae-priors", ["model.latent=3"], "needs model.latent = 2; got 3"),
        ("aae-likelihood", ["prior.name=gausian"], "did you mean 'gaussian'"),
        ("aae-likelihood", ["prior.name=nowhere_at_all:f", "objective.sigma=1.0"], "cannot be imported"),
        ("aae-likelihood", ["labels.count=10"], "has no use for labels"),
        ("aae-likelihood", ["matcher.loss=wasserstein", "matcher.r1=0.0"], "held smooth"),
        ("ae", ["objective.input_noise=0.3"], "has no use for objective.input_noise"),
        ("aae-semisupervised", ["model.posterior=gaussian"], "needs model.posterior"),
        ("aae-semisupervised", ["labels.invariant=true", *STILL], "something to be invariant to"),
        ("aae-semisupervised", ["model.decoder_hidden=[]"], "needs hidden layers of its own"),
        ("aae-semisupervised", ["objective.code_noise=-1.0"], "code_noise"),
        ("aae-style", ["labels.noise=1.0"], "has no use for labels.noise"),
        ("aae-style", ["labels.invariant=true", "labels.shift=1.0"], "labels.shift, labels.invariant"),
        ("ae", ["objective.code_noise=0.3"], "has no use for objective.code_noise"),
        ("aae-priors", ["labels.count=-1"], "needs some images without a label"),
        ("aae-priors", ["labels.shift=1.0"], "has no use for labels.shift"),
        ("aae-style", ["labels.batch=50"], "has no use for labels.batch"),
        ("aae-semisupervised", ["labels.hinge=2.0"], "has no use for labels.hinge"),
        ("aae-reduction", ["labels.margin=0.0", "labels.hinge=2.0"], "has no use for labels.hinge"),
        ("aae-clustering", ["labels.invariant=false"], "has no use for labels.shift"),
        ("aae-clustering", ["labels.weight=3.0"], "has no use for labels.weight"),
        ("aae-likelihood", ["prior.components=4"], "has no use for prior.components"),
        ("aae-likelihood", ["objective.beta=0.5"], "has no use for objective.beta"),
        ("aae-likelihood", ["critic.r1=0.5"], "has no use for critic.r1"),
        ("aae-likelihood", ["model.noise=4"], "has no use for model.noise"),
    ],
)
def test_bad_settings_are_one_sentence_and_nothing_is_written(
    tmp_path: Path, recipe: str, changes: list[str], message: str
) -> None:
    sets = [w for c in changes for w in ("--set", c)]
    code, out, error = call("train", recipe, "--data", "digits", "--budget", "smoke", "--out", tmp_path / "run", *sets)
    assert (code, out) == (2, "")
    assert message in error, error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_rows_of_a_table_are_not_turned(tmp_path: Path) -> None:
    words = ["train", "aae-semisupervised", "--data", "wine", "--out", tmp_path / "run", "--set", "labels.rotation=5.0"]
    code, out, error = call(*words)
    assert (code, out) == (2, "")
    assert "no pixels to move" in error
    assert not (tmp_path / "run").exists()


def test_images_without_classes_have_no_labels(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    generator = torch.Generator().manual_seed(0)
    for i in range(30):
        pixels = torch.randint(0, 256, (8, 8), generator=generator, dtype=torch.uint8).numpy()
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    words = ["train", "aae-semisupervised", "--budget", "smoke", "--out", tmp_path / "run", "--data"]
    code, _, error = call(*words, folder)
    assert code == 2
    assert "labels need at least 2" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("function", "message"), [("wide", r"\(8, 8\), rows by"), ("broken", "NaN or Inf")])
def test_a_users_prior_is_looked_at_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, message: str
) -> None:
    (tmp_path / "my_laws.py").write_text(
        "import torch\ndef wide(n, g):\n    return torch.zeros(n, 3)\ndef broken(n, g):\n    return torch.full((n, 8), float('nan'))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "my_laws", raising=False)
    with pytest.raises(ValueError, match=message):
        trained("aae-likelihood", tmp_path / "run", f"prior.name=my_laws:{function}", "objective.sigma=1.0")
    assert not (tmp_path / "run").exists()


def test_a_run_with_a_users_prior_draws_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rings_here.py").write_text(
        "import torch\ndef ring(n, g):\n    a = 6.2831853 * torch.rand(n, generator=g)\n    return torch.stack([a.cos(), a.sin()], 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    changes = ["prior.name=rings_here:ring", "objective.sigma=1.0", "model.latent=2", "model.posterior=universal"]
    run = trained("aae-likelihood", tmp_path / "run", *changes)
    assert torch.allclose(prior_draws(run, 20, 0).norm(dim=1), torch.ones(20), atol=1e-5)


class Killed(Exception):
    pass


def test_a_killed_semi_supervised_run_ends_as_one_that_never_was(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = runs["aae-semisupervised"]
    steps = len(read_log(whole / "log.jsonl")[0])
    original = CategoricalAutoencoder.logits
    calls = 0

    def dying(self: CategoricalAutoencoder, x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls > steps - 3:
            raise Killed
        return original(self, x)

    monkeypatch.setattr(CategoricalAutoencoder, "logits", dying)
    with pytest.raises(Killed):
        trained("aae-semisupervised", tmp_path / "run")
    monkeypatch.setattr(CategoricalAutoencoder, "logits", original)
    assert not (tmp_path / "run" / "manifest.json").exists()
    code, _, error = call("train", "--resume", tmp_path / "run", "--device", "cpu")
    assert code == 0, error
    ours, theirs = (read_tensors(f / "model.safetensors") for f in (tmp_path / "run", whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[n], theirs[n]) for n in ours)
    assert read_log(tmp_path / "run" / "log.jsonl") == read_log(whole / "log.jsonl")
    assert read_readings(tmp_path / "run" / "log.jsonl") == read_readings(whole / "log.jsonl")


def test_another_split_of_labels_is_another_seed(runs: dict[str, Path]) -> None:
    run = ridgewalk.load(runs["aae-semisupervised"])
    images = run.data.train
    first, again, other = (family_of(run.recipe).tensors(run.recipe, images, s)[0][1] for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert int((first >= 0).sum()) == run.recipe.labels.count
