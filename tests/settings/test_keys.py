"""Keys that no recipe sets have the effect that their description says; keys of earlier versions are read at the value that they are now fixed at."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

import ridgewalk
from ridgewalk.context import Context
from ridgewalk.data import load
from ridgewalk.diagnosis.guides import GuideDiagnosis, LevelDiagnosis
from ridgewalk.diffusion import Denoiser, Sampled, Standardiser
from ridgewalk.diffusion.building import build_process, build_sampler
from ridgewalk.diffusion.guidance import DiscriminatorGuidance, TimeRatio
from ridgewalk.finders.best import BestOf, build_best_string
from ridgewalk.finders.geodesic import build_ridge
from ridgewalk.finders.walk import build_guided_exploration, build_score_guided_walk
from ridgewalk.judging.judges import judge
from ridgewalk.models.autoencoders import OUTPUTS, POSTERIORS
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.models.blocks import ACTIVATIONS
from ridgewalk.models.discriminators import latent_discriminator
from ridgewalk.seeds import mixed_seed
from ridgewalk.settings import autoencoder, diffusion, fields, recipes
from ridgewalk.settings.recipes import REMOVED, Recipe
from ridgewalk.store.diffusion import DiffusionData
from ridgewalk.store.diffusion import load as load_diffusion
from ridgewalk.store.guide import Guide
from ridgewalk.store.origin import Source
from ridgewalk.training.denoising import TIMES, WEIGHTINGS
from ridgewalk.training.duels import GAMES
from ridgewalk.training.families import base
from ridgewalk.training.families.base import Networks, family_of
from ridgewalk.training.families.categorical import Categorical
from ridgewalk.training.families.vae_gan import VAEGAN
from ridgewalk.training.guide import GuidedModel
from ridgewalk.training.losses import RECONSTRUCTIONS
from ridgewalk.training.negatives import BOUNDARIES
from ridgewalk.training.noise import Noise
from ridgewalk.training.ratio import NEGATIVES
from ridgewalk.verbs.diffuse import diffuse
from ridgewalk.verbs.train import TrainRequest, start

SHAPE = (1, 8, 8)


def read(**tables: dict[str, Any]) -> Recipe:
    return recipes.parse(tables, "here")


def stage(recipe: Recipe, seed: int = 0) -> base.Stage:
    family = family_of(recipe)
    recipe = family.complete(recipe, ["a", "b", "c"])
    networks = Networks(family.autoencoder(recipe, SHAPE, seed), family.adversaries(recipe, SHAPE, seed))
    return family.stages(recipe, networks, seed)[-1]


def test_choices_are_the_names_that_the_library_knows() -> None:
    def choices(kind: type, key: str) -> set[str]:
        return set(get_args(kind.__annotations__[key]))

    assert set(get_args(fields.Activation)) == set(ACTIVATIONS)
    assert choices(autoencoder.Model, "posterior") == set(POSTERIORS)
    assert choices(autoencoder.Model, "output") == set(OUTPUTS)
    assert choices(autoencoder.Matcher, "loss") == set(GAMES)
    assert choices(autoencoder.Detector, "negatives") == set(BOUNDARIES)
    assert choices(base.AutoencoderFamily, "reconstruction") == set(RECONSTRUCTIONS)
    assert choices(diffusion.Diffusion, "weighting") == set(WEIGHTINGS)
    assert set(get_args(diffusion.Law)) == set(TIMES)
    assert choices(diffusion.Guidance, "kind") == set(NEGATIVES)


def test_weights_of_a_vae_gan() -> None:
    def loss(weight: float) -> float:
        objective = stage(read(objective={"name": "vae-gan", "pixel_weight": weight}, model={"posterior": "gaussian"}))
        x = torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(0))
        assert isinstance(objective.objective, VAEGAN)
        total, terms = objective.objective.loss("autoencoder", (x,), Noise(0, 0))
        return float((total - weight * terms["reconstruction"]).detach())

    assert loss(1.0) == pytest.approx(loss(0.25), rel=1e-4)


def test_the_networks_of_discriminators() -> None:
    gaussian = {"posterior": "gaussian"}
    critic = stage(read(objective={"name": "vae-gan"}, model=gaussian, critic={"network": "conv", "hidden": [4, 8]}))
    assert any(isinstance(m, torch.nn.Conv2d) for m in critic.objective.networks["critic"].modules())
    held = stage(read(matcher={"spectral": True})).objective.networks["discriminator"]
    assert [n for n, _ in held.named_parameters() if "parametrizations" in n]


def test_the_weight_of_the_matcher_on_classes() -> None:
    found = stage(read(objective={"name": "aae-clustering"}, labels={"adversarial": 3.0, "classes": 4})).objective
    assert isinstance(found, Categorical)
    assert found.weights == {"style_discriminator": 1.0, "label_discriminator": 3.0}


def test_the_scale_of_a_prior() -> None:
    recipe = read(prior={"name": "uniform", "scale": 5.0})
    family = family_of(recipe)
    drawn = family.draw_prior(recipe, family.autoencoder(recipe, SHAPE, 0), lambda: torch.empty(0), 1000, Noise(0, 0))
    assert 4.9 < float(drawn.abs().max()) <= 5.0


def test_the_seed_and_the_clip_of_a_training() -> None:
    given = stage(read(training={"seed": 3, "clip": 0.5}), seed=7).schedule
    assert given.seed == mixed_seed(7, 3) != stage(Recipe(), seed=7).schedule.seed
    assert given.clip == 0.5


def test_settings_of_a_diffusion() -> None:
    d = read(diffusion={"betas": [0.2, 5.0], "clip": 0.25}).diffusion
    assert d.schedule(0).clip == 0.25
    log_alpha = -(0.2 * 0.5 + (5.0 - 0.2) * 0.5**2 / 2) / 2  # minus half the integral of beta from 0 to t = 0.5
    assert float(build_process(d).alpha(torch.tensor(0.5)).log()) == pytest.approx(log_alpha, rel=1e-5)


def test_settings_of_score_matching() -> None:
    d = read(diffusion={"t_min": 0.02, "drop": 0.4, "labels": True}).diffusion
    data = DiffusionData(torch.randn(8, 2), Standardiser.between(0.0, 1.0), labels=torch.arange(8) % 2, classes=2)
    denoiser = Denoiser(TimeMLP(2, (4,), classes=2), build_process(d), 1.0)
    objective = data.matching(denoiser, d)
    assert (objective.t_min, objective.drop) == (0.02, 0.4)


def test_the_least_time_of_a_guide() -> None:
    sde = build_process(Recipe().diffusion)
    model = GuidedModel(
        sde,
        deviation=1.0,
        standardiser=Standardiser.between(0.0, 1.0),
        score=lambda x, t, labels: -x,
        sample=lambda rows, seed, labels, keep: Sampled(torch.zeros(rows, 2), 0, torch.zeros(0)),
        device=torch.device("cpu"),
        steps=1,
    )
    objective = model.objective(TimeMLP(2, (4,), outputs=1), read(guidance={"t_min": 0.03}).guidance)
    assert objective.t_min == 0.03


PARTS = ("model", "detector")


def test_negatives_change_the_detector_alone_and_a_diffusion_learns_draws_of_a_gaussian_posterior(
    tmp_path: Path, smoke: Path
) -> None:
    quick = ["training.epochs=1", "detector.epochs=1", "detector.members=1"]
    run = start(TrainRequest("vae", Source("digits"), tmp_path / "vae", "smoke", changes=quick, device="cpu"))
    other = [*quick, "detector.negatives=whole"]
    start(TrainRequest("vae", Source("digits"), tmp_path / "whole", "smoke", changes=other, device="cpu"))
    models, detectors = ([(tmp_path / r / f"{n}.safetensors").read_bytes() for r in ("vae", "whole")] for n in PARTS)
    assert models[0] == models[1]
    assert detectors[0] != detectors[1]
    changes, made = ["diffusion.epochs=1", "diffusion.hidden=[8]"], []
    for draws in ("true", "false"):
        diffuse(run, [*changes, f"diffusion.draws={draws}"], device="cpu", folder=tmp_path / draws)
        made.append((tmp_path / draws / "denoiser.safetensors").read_bytes())
    assert made[0] != made[1]
    drawn, held = (
        load_diffusion(tmp_path / draws, recipes.read("vae").sampling).standardiser for draws in ("true", "false")
    )
    assert (drawn.scale > held.scale).all()  # draws vary more than means
    with pytest.raises(ValueError, match=r"diffusion\.draws needs model\.posterior"):
        diffuse(ridgewalk.load(smoke), ["diffusion.draws=true"], device="cpu", folder=tmp_path / "none")


def test_settings_of_a_sampler() -> None:
    sde = build_process(Recipe().diffusion)
    heun = build_sampler(read(sampling={"churn": 7.0}).sampling, sde)
    assert getattr(heun, "churn") == 7.0  # noqa: B009
    pc = build_sampler(read(sampling={"sampler": "pc", "corrections": 4}).sampling, sde)
    assert getattr(pc, "corrector").steps == 4  # noqa: B009


def test_settings_of_walks_reach_the_finders() -> None:
    walks = read(walks={"sgw_beta": 0.7, "length_weight": 0.9, "realism": 2.5, "smoothing": 0.5}).walks
    detector = latent_discriminator(2, "encoded", (4,)).requires_grad_(False).eval()
    codes = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    context = Context(walks, {"detector": detector}, lambda x: x, lambda z: z, lambda: codes, lambda: codes)
    energy = lambda z: z.square().sum(1)  # noqa: E731
    assert build_score_guided_walk(context, energy).beta == 0.7
    given = {"sgw_alpha": 0.3, "sgw_beta": 0.04, "sgw_clamp": 2.0, "guided_alpha": 0.07, "guided_gamma": 0.5}
    own = replace(context, walks=read(walks=given).walks)
    walk, guided = build_score_guided_walk(own, energy), build_guided_exploration(own, energy)
    assert (walk.alpha, walk.beta, walk.clamp, walk.eps) == (0.3, 0.04, 2.0, 0.3)
    assert (guided.alpha, guided.gamma) == (0.07, 0.5)
    assert build_ridge(context, energy).realism == 2.5
    best = build_best_string(context, energy)
    assert isinstance(best, BestOf)
    assert best.length_weight == 0.9


def test_the_learning_rate_of_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIDGEWALK_CACHE", str(tmp_path))  # judges of these rates are nobody else's
    data = load("digits")
    slow, fast = (judge(data, "A", autoencoder.Judges(epochs=1, rate=rate, steps=4)) for rate in (1e-5, 1e-3))
    assert slow.accuracy < fast.accuracy


def test_the_strength_and_the_window_of_a_guide() -> None:
    sde = build_process(Recipe().diffusion)
    found = LevelDiagnosis(
        level=1.0,
        bce=0.5,
        bce_error=0.01,
        calibration=0.0,
        gain=0.1,
        gain_error=0.01,
        strength=0.5,
        strength_error=0.01,
    )
    levels = torch.tensor([0.01, 1.0, 100.0])

    def guide(**settings: object) -> Guide:
        network = TimeRatio(TimeMLP(2, (4,), outputs=1), sde, 1.0)
        return Guide(network, read(guidance=settings).guidance, GuideDiagnosis((found,)), {})

    assert guide(calibrated=False, low=0.1, high=10.0).weight()(levels).tolist() == [0.0, 1.0, 0.0]
    assert guide(calibrated=False).weight()(levels).tolist() == [1.0, 1.0, 1.0]
    assert guide(calibrated=True).weight()(levels).tolist() == [0.5, 0.5, 0.5]
    guidance = guide(gamma=2.5).guidance()
    assert isinstance(guidance, DiscriminatorGuidance)
    assert guidance.gamma == 2.5


@pytest.mark.parametrize("key", REMOVED)
def test_a_key_of_an_earlier_version_is_read_at_its_old_default_only(key: str) -> None:
    table, _, name = key.partition(".")
    assert recipes.parse({table: {name: REMOVED[key]}}, "here") == Recipe()
    with pytest.raises(ValueError, match=rf"here: {key} is no longer a setting .* leave it out"):
        recipes.parse({table: {name: 0.123}}, "here")


def test_keys_of_other_objectives_are_dropped_at_their_default_and_refused_otherwise() -> None:
    assert read(objective={"name": "aae", "beta": 1.0, "order": "joint"}) == Recipe()
    assert "beta" not in recipes.to_table(read(objective={"name": "ae", "beta": 0.3}))["objective"]
    with pytest.raises(ValueError, match=r"the objective 'aae' has no use for objective\.beta"):
        read(objective={"name": "aae", "beta": 0.3})
    with pytest.raises(ValueError, match=r"did you mean 'objective\.beta'"):
        read(objective={"name": "vae", "beat": 0.3})
    with pytest.raises(ValueError, match=r"objective\.beta = -1\.0 does not fit"):
        read(objective={"name": "vae", "beta": -1.0})
