"""Diffusers' models read as scores: each equals what diffusers' own schedulers and pipelines make of the same network and noise."""

import json
import sys
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from problems import curvature, points
from ridgewalk.adapters import ScoreModel, as_pipeline, load_score, unet_2d
from ridgewalk.adapters.diffusers import ExplodingScore, TabulatedScore
from ridgewalk.diffusion import (
    VE,
    VP,
    Ancestral,
    Flow,
    Heun,
    LangevinCorrector,
    PredictorCorrector,
    ProbabilityFlow,
    ReverseDiffusion,
    RowNoise,
    Tabulated,
)
from ridgewalk.diffusion.sampling import Counted, Transition, levels
from ridgewalk.models.weights import load_networks, save_networks

diffusers = pytest.importorskip("diffusers")

VE_SETTINGS = {"num_train_timesteps": 6, "snr": 0.2, "sigma_min": 0.02, "sigma_max": 1.5, "sampling_eps": 1e-5}
EXPLODING = {"time_embedding_type": "fourier", "center_input_sample": True}
TABULATED = {"num_train_timesteps": 10, "beta_start": 0.01, "beta_end": 0.3, "clip_sample": False}
SMALL = {"channels": 8, "multipliers": (1, 2), "classes": 3}


def unet(channels: int = 3, **settings: object) -> nn.Module:
    """A UNet2DModel of 8 x 8 images with weights of its own, none of them zero."""
    torch.manual_seed(0)
    return diffusers.UNet2DModel(**{
        "sample_size": 8,
        "in_channels": channels,
        "out_channels": channels,
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "norm_num_groups": 4,
    } | settings)  # fmt: skip


def exploding(folder: Path, **settings: object) -> ScoreModel:
    """A ScoreSdeVePipeline, saved and loaded."""
    scheduler = diffusers.ScoreSdeVeScheduler(**VE_SETTINGS)
    diffusers.ScoreSdeVePipeline(unet(**EXPLODING | settings), scheduler).save_pretrained(folder)
    return load_score(folder)


def tabulated(folder: Path, network: dict[str, object] | None = None, **settings: object) -> ScoreModel:
    """A DDPMPipeline, saved and loaded."""
    scheduler = diffusers.DDPMScheduler(**TABULATED | settings)
    diffusers.DDPMPipeline(unet(**network or {}), scheduler).save_pretrained(folder)
    return load_score(folder)


@pytest.fixture(scope="module")
def ve(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ScoreModel]:
    folder = tmp_path_factory.mktemp("ve")
    return folder, exploding(folder)


@pytest.fixture(scope="module")
def ddpm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ScoreModel]:
    folder = tmp_path_factory.mktemp("ddpm")
    return folder, tabulated(folder)


class Drawn(RowNoise):
    """The draws of one generator, in the order in which diffusers makes them."""

    def __init__(self, rows: int, shape: tuple[int, ...], seed: int = 1) -> None:
        super().__init__(0, rows, shape)
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self) -> Tensor:
        return torch.randn(self.rows, *self.shape, generator=self.generator)


def drawn(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 3, channels: int = 3) -> Tensor:
    return points(n, channels, 8, 8, seed=5, dtype=torch.float32)


# ------------------------------------------------------------------------------------------------ one step alike


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("level", [1, 4, 9])
def test_a_step_of_ddpm_is_an_ancestral_step(tmp_path: Path, prediction: str, level: int) -> None:
    model, x = tabulated(tmp_path, prediction_type=prediction), images()
    scheduler = diffusers.DDPMScheduler.from_pretrained(tmp_path / "scheduler")
    with torch.no_grad():
        theirs = scheduler.step(model.network(x, torch.tensor(level)).sample, level, x, generator=drawn()).prev_sample
        noisier, cleaner = levels(model.sde, torch.tensor([level, level - 1]) / 9)
        ours = Ancestral(model.sde).step(Counted(model.score), x, Transition(noisier, cleaner), Drawn(3, (3, 8, 8)))
    assert (theirs - x).abs().mean() > 0.05
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("i", [0, 2, 4])
def test_a_step_of_the_ve_predictor_is_a_step_of_reverse_diffusion(ve: tuple[Path, ScoreModel], i: int) -> None:
    (folder, model), u = ve, images()
    scheduler = diffusers.ScoreSdeVeScheduler.from_pretrained(folder / "scheduler")
    sigma = scheduler.sigmas[i].expand(3)
    with torch.no_grad():
        theirs = scheduler.step_pred(model.network(u, sigma).sample, scheduler.timesteps[i], u, generator=drawn())
        at = levels(model.sde, torch.tensor([5 - i, 4 - i]) / 5)
        noise = Drawn(3, (3, 8, 8))
        ours = ReverseDiffusion(model.sde).step(Counted(model.score), 2 * u - 1, Transition(*at), noise)
    assert (theirs.prev_sample - theirs.prev_sample_mean).abs().mean() > 0.02
    # sampling_eps moves the time that they pass to the network by up to 1e-5, in which sigma has a slope of 4
    torch.testing.assert_close((ours + 1) / 2, theirs.prev_sample, rtol=0, atol=1e-4)


@pytest.mark.parametrize("i", [0, 2, 5])
def test_a_step_of_the_ve_corrector_is_one_of_langevin(ve: tuple[Path, ScoreModel], i: int) -> None:
    (folder, model), u = ve, images()
    scheduler = diffusers.ScoreSdeVeScheduler.from_pretrained(folder / "scheduler")
    sigma = scheduler.sigmas[i].expand(3)
    with torch.no_grad():
        theirs = scheduler.step_correct(model.network(u, sigma).sample, u, generator=drawn()).prev_sample
        at = levels(model.sde, scheduler.timesteps[i : i + 1])[0]
        ours = LangevinCorrector(0.2)(Counted(model.score), 2 * u - 1, at, 1.0, Drawn(3, (3, 8, 8)))
    assert (theirs - u).abs().mean() > 1e-4
    torch.testing.assert_close((ours + 1) / 2 - u, theirs - u, rtol=1e-3, atol=1e-6)


# --------------------------------------------------------------------------------------------- pipelines, throughout


def test_the_ve_pipeline_makes_the_images_of_predictor_and_corrector(ve: tuple[Path, ScoreModel]) -> None:
    folder, model = ve
    pipeline = diffusers.ScoreSdeVePipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(2, num_inference_steps=6, generator=drawn(), output_type="np").images
    noise = Drawn(2, (3, 8, 8))
    start = 2 * VE_SETTINGS["sigma_max"] * noise.normal() - 1  # theirs is around 0 of [0, 1]; ours, around its middle
    made = PredictorCorrector(model.sde, 6, corrector=LangevinCorrector(0.2))(model.score, noise, start)
    ours = (made.x / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert ((theirs > 0) & (theirs < 1)).sum() > 40  # of 384: not all clipped
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)  # discrete_sigmas are sampling_eps away from sigmas


def test_the_ddpm_pipeline_makes_the_images_of_ancestral_sampling(ddpm: tuple[Path, ScoreModel]) -> None:
    folder, model = ddpm
    pipeline = diffusers.DDPMPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(2, generator=drawn(), num_inference_steps=10, output_type="np").images
    noise = Drawn(2, (3, 8, 8))
    made = Ancestral(model.sde, 10, t_min=1e-9)(model.score, noise, noise.normal())
    ours = (made.x / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    assert ((theirs > 0) & (theirs < 1)).mean() > 0.2
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


# ------------------------------------------------------------------------------------------------ closed forms


class ScriptedModel(nn.Module):
    """A function of images and the network's time input with the interface of a UNet2DModel."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, told: Tensor) -> SimpleNamespace:
        assert told.shape == x.shape[:1]
        return SimpleNamespace(sample=self.function(x, told.view(-1, 1, 1, 1)))


@pytest.mark.parametrize("t", [torch.tensor(0.37), torch.tensor([0.0, 0.5, 1.0])])
def test_every_prediction_of_gaussian_data_is_its_score(t: Tensor) -> None:
    sde, s = Tabulated.ddpm(40), 0.3
    x, t = images().double(), t.double()

    def network(of: Callable[[Tensor, Tensor, Tensor], Tensor]) -> ScriptedModel:
        """Of the noise expected, E[eps | x_t] = sigma x_t / v, and alpha and sigma at level / 39."""

        def function(x: Tensor, level: Tensor) -> Tensor:
            alpha, sigma = sde.alpha(level / 39), sde.sigma(level / 39)
            eps = sigma * x / ((alpha * s) ** 2 + sigma**2)
            clean = alpha * s**2 * x / ((alpha * s) ** 2 + sigma**2)
            return of(eps, clean, torch.stack([alpha, sigma]))

        return ScriptedModel(function)

    networks = {
        "epsilon": network(lambda eps, clean, c: eps),
        "v_prediction": network(lambda eps, clean, c: c[0] * eps - c[1] * clean),
        "sample": network(lambda eps, clean, c: clean),
    }
    expected = -x / ((sde.alpha(t) * s) ** 2 + sde.sigma(t) ** 2).view(-1, 1, 1, 1)
    for prediction, read in networks.items():
        torch.testing.assert_close(TabulatedScore(read, sde, prediction)(x, t), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("t", [torch.tensor(0.37), torch.tensor([0.0, 0.5, 1.0])])
def test_the_score_in_zero_to_one_becomes_that_in_minus_one_to_one(t: Tensor) -> None:
    s, sde, x = 0.15, VE(0.02, 20.0), images().double()
    network = ScriptedModel(lambda u, sigma: -(u - 0.5) / (s**2 + sigma**2))
    expected = -x / ((2 * s) ** 2 + sde.sigma(t.double()) ** 2).view(-1, 1, 1, 1)
    torch.testing.assert_close(ExplodingScore(network, sde)(x, t.double()), expected, rtol=1e-12, atol=0)


def test_epsilon_and_v_of_one_network_are_one_score(ddpm: tuple[Path, ScoreModel]) -> None:
    _, model = ddpm
    x, sde = images(), model.sde
    assert isinstance(sde, Tabulated)

    def v(x: Tensor, level: Tensor) -> Tensor:
        """(eps - sigma x_t) / alpha."""
        eps = model.network(x, level.flatten()).sample
        return (eps - sde.sigma(level / 9) * x) / sde.alpha(level / 9)

    for t in (torch.tensor(0.25), torch.tensor([0.1, 0.6, 1.0])):
        torch.testing.assert_close(TabulatedScore(ScriptedModel(v), sde, "v_prediction")(x, t), model.score(x, t))


# ----------------------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("schedule", ["linear", "scaled_linear", "squaredcos_cap_v2", "trained"])
@pytest.mark.parametrize("kind", ["DDPMScheduler", "DDIMScheduler"])
def test_levels_are_those_of_the_scheduler(tmp_path: Path, schedule: str, kind: str) -> None:
    trained = {"trained_betas": [0.01, 0.02, 0.05, 0.1, 0.3]}
    settings = trained if schedule == "trained" else {"beta_schedule": schedule, "num_train_timesteps": 50}
    scheduler = getattr(diffusers, kind)(**settings)
    diffusers.DDPMPipeline(unet(), scheduler).save_pretrained(tmp_path)
    if kind == "DDIMScheduler":  # which the pipeline's constructor keeps
        assert json.loads((tmp_path / "model_index.json").read_text())["scheduler"][1] == kind
    model = load_score(tmp_path)
    n = len(scheduler.alphas_cumprod)
    t = torch.arange(n, dtype=torch.float64) / (n - 1)
    theirs = scheduler.alphas_cumprod.double()
    torch.testing.assert_close(model.sde.alpha(t).square(), theirs, rtol=1e-5, atol=1e-7)  # theirs: a float32 product
    torch.testing.assert_close(model.sde.sigma(t).square(), 1 - theirs, rtol=1e-5, atol=1e-7)
    x, last = images(), torch.full((3,), n - 1.0)
    torch.testing.assert_close(
        model.score(x, torch.tensor(1.0)), -model.network(x, last).sample / model.sde.sigma(t[-1]).float()
    )


def test_a_pipeline_of_implicit_models_is_read(tmp_path: Path) -> None:
    diffusers.DDIMPipeline(unet(), diffusers.DDIMScheduler()).save_pretrained(tmp_path)
    assert load_score(tmp_path).score(images(), torch.tensor(0.5)).shape == (3, 3, 8, 8)


def test_weights_come_back_to_the_last_bit_frozen_and_without_a_draw(tmp_path: Path) -> None:
    for folder, model in ((tmp_path / "a", exploding(tmp_path / "a")), (tmp_path / "b", tabulated(tmp_path / "b"))):
        torch.manual_seed(3)
        state = torch.random.get_rng_state()
        again = load_score(str(folder))
        assert torch.equal(torch.random.get_rng_state(), state)
        written = unet(**EXPLODING if folder.name == "a" else {}).state_dict()
        for read in (model, again):
            assert all(torch.equal(tensor, written[key]) for key, tensor in read.network.state_dict().items())
            assert not read.network.training
            assert not any(p.requires_grad for p in read.network.parameters())
        x, t = images(), torch.tensor(0.3)
        assert torch.equal(model.score(x, t), again.score(x, t))
        assert again.shape == (3, 8, 8)


def test_a_score_depends_on_its_image_and_its_time_row_by_row(
    ve: tuple[Path, ScoreModel], ddpm: tuple[Path, ScoreModel]
) -> None:
    for _, model in (ve, ddpm):
        x, t = images(), torch.tensor([0.2, 0.5, 0.9])
        before = x.clone()
        whole = model.score(x, t)
        assert torch.equal(x, before)
        for i in range(3):
            torch.testing.assert_close(model.score(x[i : i + 1], t[i])[0], whole[i], rtol=1e-4, atol=1e-5)
        leaf = x.clone().requires_grad_(True)  # guidance and likelihoods differentiate a score
        assert torch.autograd.grad(model.score(leaf, t).square().sum(), leaf)[0].abs().min() > 0


def test_images_need_not_be_square_nor_of_three_channels(tmp_path: Path) -> None:
    model = tabulated(tmp_path, {"channels": 1, "sample_size": (8, 4)})
    assert model.shape == (1, 8, 4)
    assert model.score(points(2, 1, 8, 4).float(), torch.tensor(0.5)).shape == (2, 1, 8, 4)


def test_a_learnt_variance_is_left_out(tmp_path: Path) -> None:
    model, x = tabulated(tmp_path, {"out_channels": 6}, variance_type="learned_range"), images()
    both = model.network(x, torch.full((3,), 9.0)).sample
    expected = -both[:, :3] / model.sde.sigma(torch.tensor(1.0))
    torch.testing.assert_close(model.score(x, torch.tensor(1.0)), expected)


def test_old_pipelines_have_all_in_one_folder(ddpm: tuple[Path, ScoreModel], tmp_path: Path) -> None:
    folder, model = ddpm
    for file in (
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "scheduler/scheduler_config.json",
    ):
        (tmp_path / Path(file).name).write_bytes((folder / file).read_bytes())
    x, t = images(), torch.tensor(0.4)
    assert torch.equal(load_score(tmp_path).score(x, t), model.score(x, t))


# ----------------------------------------------------------------------------------------------- what is refused


def edited(path: Path, **entries: object) -> None:
    """A JSON file, some of its entries replaced."""
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def pickled(folder: Path) -> None:
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))


def shortened(folder: Path) -> None:
    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def renamed(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = folder / "unet/diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    save_file({k.replace("conv_in.bias", "conv_on.bias"): v for k, v in tensors.items()}, weights)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "scheduler/scheduler_config.json").unlink(), "a score model without its scheduler's config"),
        (lambda f: (f / "model_index.json").unlink(), "holds no diffusers pipeline: it has no model_index.json"),
        (lambda f: (f / "model_index.json").write_text("{"), "model_index.json is not JSON"),
        (lambda f: (f / "model_index.json").write_text("[]"), "must hold an object; got a list"),
        (lambda f: edited(f / "model_index.json", _class_name="DDPMPipelin"), "unknown pipeline 'DDPMPipelin'; did you mean 'DDPMPipeline'"),
        (lambda f: edited(f / "model_index.json", _class_name=["own", "StableDiffusionPipeline"]), "unknown pipeline 'StableDiffusionPipeline'"),
        (lambda f: edited(f / "model_index.json", _class_name="ScoreSdeVePipeline"),
         "unknown scheduler of a ScoreSdeVePipeline 'DDPMScheduler'; .*ScoreSdeVeScheduler"),
        (lambda f: edited(f / "model_index.json", scheduler=["diffusers", "PNDMScheduler"]), "'PNDMScheduler'; did you mean 'DDPMScheduler'"),
        (lambda f: edited(f / "model_index.json", unet=["diffusers", "UNet2DConditionModel"]), "did you mean 'UNet2DModel'"),
        (lambda f: edited(f / "unet/config.json", _class_name="UNet1DModel"), "unknown network 'UNet1DModel'; did you mean 'UNet2DModel'"),
        (lambda f: edited(f / "unet/config.json", sample_size=None), "does not state the size of its images"),
        (lambda f: edited(f / "unet/config.json", block_out_channels=[8, 24]), "are not those of its config"),
        (lambda f: (f / "unet/config.json").unlink(), "holds no network"),
        (lambda f: edited(f / "scheduler/scheduler_config.json", beta_schedule="linaer"), "diffusers makes no DDPMScheduler .* linaer"),
        (lambda f: edited(f / "scheduler/scheduler_config.json", prediction_type="v"), "unknown prediction_type 'v'; .*v_prediction"),
        (lambda f: edited(f / "scheduler/scheduler_config.json", rescale_betas_zero_snr=True), "holds nothing of the data"),
        (pickled, "holds only diffusion_pytorch_model.bin, and pickled files are never read"),
        (lambda f: (f / "unet/diffusion_pytorch_model.safetensors").unlink(), "holds no weights; expected"),
        (lambda f: (f / "unet/diffusion_pytorch_model.safetensors.index.json").write_text("{}"), "are in parts"),
        (shortened, "are not those of its config"),
        (renamed, "conv_in.bias"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_whole_pipeline_is_refused(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    tabulated(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_score(tmp_path)


@pytest.mark.parametrize(
    "name", ["google/ddpm-cifar10-32", "https://huggingface.co/google/ncsnpp-church-256", "no such folder"]
)
def test_only_local_folders_are_read(name: str) -> None:
    with pytest.raises(ValueError, match="is no folder here, and score models are read from local folders only"):
        load_score(name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_class_embeds": 3}, "is conditioned on a class"),
        ({"out_channels": 6}, "reads 3 and returns 6"),
        ({"time_embedding_type": "fourier"}, "unknown time_embedding_type of a DDPMPipeline 'fourier'; known: positional"),
        ({"time_embedding_type": "learned", "num_train_timesteps": 10}, "'learned'; known: positional"),
    ],
)  # fmt: skip
def test_networks_that_are_no_score_are_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tabulated(tmp_path, settings)


def test_without_diffusers_the_error_states_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    for call in (lambda: load_score(tmp_path), lambda: unet_2d((1, 8, 8))):
        with pytest.raises(ValueError, match=r"pip install ridgewalk\[diffusers\]"):
            call()


# ------------------------------------------------------------------------------------------------- as a pipeline


def test_images_come_as_diffusers_gives_them(ddpm: tuple[Path, ScoreModel]) -> None:
    _, model = ddpm
    pipeline = as_pipeline(model, Ancestral(model.sde, 4))
    tensors = pipeline(batch_size=2, output_type="pt").images
    assert tensors.shape == (2, 3, 8, 8)
    assert 0 <= tensors.min() < tensors.max() <= 1
    (arrays,) = pipeline(batch_size=2, output_type="np", return_dict=False)
    np.testing.assert_array_equal(arrays, tensors.permute(0, 2, 3, 1).numpy())
    pictures = pipeline(batch_size=2).images
    assert [p.size for p in pictures] == [(8, 8)] * 2
    np.testing.assert_array_equal(np.asarray(pictures[1]), (arrays[1] * 255).round().astype("uint8"))
    assert type(pipeline()) is diffusers.ImagePipelineOutput


def test_a_pipelines_images_are_the_samplers(ddpm: tuple[Path, ScoreModel]) -> None:
    _, model = ddpm
    sampler = Ancestral(model.sde, 4)
    x = sampler(model.score, RowNoise(0, 2, (3, 8, 8))).x
    torch.testing.assert_close(as_pipeline(model, sampler)(2, output_type="pt").images, (x / 2 + 0.5).clamp(0, 1))


def test_a_generator_decides_the_images_and_moves_on(ve: tuple[Path, ScoreModel]) -> None:
    _, model = ve

    def pipeline(generator: torch.Generator | None, n: int = 2) -> Tensor:
        sampler = PredictorCorrector(model.sde, 3, corrector=LangevinCorrector(norms="level"))
        return as_pipeline(model, sampler)(n, generator, output_type="pt").images

    torch.manual_seed(0)
    state, g = torch.random.get_rng_state(), drawn()
    first, second = pipeline(g), pipeline(g)
    assert torch.equal(first, pipeline(drawn()))
    assert not torch.equal(first, second)
    assert not torch.equal(first, pipeline(drawn(2)))
    assert torch.equal(pipeline(None), pipeline(None))
    torch.testing.assert_close(pipeline(drawn(), 4)[:2], first, rtol=0, atol=1e-4)  # convolutions of other batches
    assert torch.equal(torch.random.get_rng_state(), state)


def test_guidance_is_added_to_the_score(ddpm: tuple[Path, ScoreModel]) -> None:
    _, model = ddpm

    def brighter(x: Tensor, t: Tensor, /) -> Tensor:
        return torch.full_like(x, 0.3)

    sampler = Ancestral(model.sde, 4)
    guided = as_pipeline(model, sampler, brighter)(2, output_type="pt").images
    x = sampler(lambda x, t: model.score(x, t) + 0.3, RowNoise(0, 2, (3, 8, 8))).x
    torch.testing.assert_close(guided, (x / 2 + 0.5).clamp(0, 1))
    assert guided.mean() > as_pipeline(model, sampler)(2, output_type="pt").images.mean() + 0.01


def test_steps_may_be_set_at_the_call(ddpm: tuple[Path, ScoreModel]) -> None:
    _, model = ddpm
    three, five = (as_pipeline(model, Heun(model.sde, steps)) for steps in (3, 5))
    assert torch.equal(three(num_inference_steps=5, output_type="pt").images, five(output_type="pt").images)
    flow = as_pipeline(model, ProbabilityFlow(Flow(model.sde, "euler", steps=3)))
    assert flow(output_type="np").images.shape == (1, 8, 8, 3)
    with pytest.raises(ValueError, match="a ProbabilityFlow has no steps to set"):
        flow(num_inference_steps=5)


def test_what_a_pipeline_cannot_do_is_refused(ddpm: tuple[Path, ScoreModel], tmp_path: Path) -> None:
    _, model = ddpm
    for other in (Ancestral(VP()), ProbabilityFlow(Flow(VP()))):
        with pytest.raises(ValueError, match=r"got VP, the model's is Tabulated: make the sampler with model.sde"):
            as_pipeline(model, other)
    pipeline = as_pipeline(model, Ancestral(model.sde, 2))
    with pytest.raises(ValueError, match="unknown output_type 'pill'; did you mean 'pil'"):
        pipeline(output_type="pill")
    with pytest.raises(ValueError, match="one generator for all images"):
        pipeline(2, [drawn(1), drawn(2)])
    pairs = tabulated(tmp_path, {"channels": 2})
    with pytest.raises(ValueError, match="images of 2 channels cannot be PIL's"):
        as_pipeline(pairs, Ancestral(pairs.sde, 2))()


def test_grey_images_are_grey_pictures(tmp_path: Path) -> None:
    model = tabulated(tmp_path, {"channels": 1})
    assert as_pipeline(model, Ancestral(model.sde, 2))().images[0].mode == "L"


# --------------------------------------------------------------------------------------------------- a backbone


def woken(seed: int = 0, shape: tuple[int, int, int] = (1, 8, 8), **settings: object) -> nn.Module:
    """A backbone in float64 whose last layer is not zero, as it is after some training."""
    torch.manual_seed(seed)
    network = unet_2d(shape, **SMALL | {"attention": (4,)} | settings).double()
    nn.init.normal_(network.unet.conv_out.weight, std=0.2)
    return network


def inputs(n: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    return points(n, 1, 8, 8), 0.7 * points(n, seed=1), torch.arange(n) % 3


def test_a_backbone_is_zero_before_training_and_leaves_it_at_its_first_step() -> None:
    torch.manual_seed(0)
    network, (x, c, labels) = unet_2d((1, 8, 8), **SMALL), inputs()
    out = network(x.float(), c.float(), labels)
    assert out.shape == x.shape
    assert out.dtype == torch.float32
    assert not out.any()
    (out - x.float()).square().sum().backward()
    torch.optim.SGD(network.parameters(), lr=0.1).step()
    assert network(x.float(), c.float()).any()


def test_a_backbone_receives_ddpms_levels() -> None:
    network, (x, c, labels) = woken(), inputs()
    expected = network.unet(x, 500 + 1000 * c / 4, labels + 1).sample
    torch.testing.assert_close(network(x, c, labels), expected)


def test_a_backbone_depends_on_the_row_the_noise_level_and_the_class() -> None:
    network, (x, c, labels) = woken(), inputs()
    free = network(x, c)
    assert torch.equal(free, network(x, c, torch.full_like(labels, -1)))
    for other in (network(x, c, labels), network(x, c, (labels + 1) % 3), network(x, c + 0.02), network(x + 0.1, c)):
        assert ((other - free).flatten(1).norm(dim=1) > 1e-4).all()


def test_rows_of_a_backbone_do_not_depend_on_their_batch() -> None:
    network, (x, c, labels) = woken(), inputs()
    before, whole = [v.clone() for v in (x, c, labels)], network(x, c, labels)
    for i in range(5):
        torch.testing.assert_close(
            network(x[i : i + 1], c[i : i + 1], labels[i : i + 1])[0], whole[i], rtol=1e-9, atol=1e-10
        )
    assert all(torch.equal(a, b) for a, b in zip(before, (x, c, labels)))


def test_a_backbone_has_second_derivatives() -> None:
    network, (x, c, _) = woken(), inputs(2)
    # diffusers' softmax is in float32, whose rounding a smaller step would show
    found, measured = curvature(lambda at: network(at, c), x, step=1e-3)
    assert found == pytest.approx(measured, rel=1e-4)


def test_every_parameter_of_a_backbone_learns() -> None:
    network, (x, c, labels) = woken(), inputs(8)
    labels[0] = -1
    network(x, c, labels).square().sum().backward()
    assert [key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_backbone_comes_back_from_disk_to_the_last_bit(tmp_path: Path) -> None:
    network, other, rows = woken(), woken(seed=1), inputs()
    sha = save_networks(tmp_path / "w.safetensors", {"network": network})
    assert not torch.equal(other(*rows), network(*rows))
    load_networks(tmp_path / "w.safetensors", {"network": other}, sha)
    assert torch.equal(other(*rows), network(*rows))


def test_attention_is_at_the_given_sides() -> None:
    from diffusers.models.attention_processor import Attention

    def count(*sides: int, blocks: int = 1) -> int:
        network = unet_2d((3, 16, 8), 4, (1, 2, 2), blocks, sides)
        return sum(isinstance(module, Attention) for module in network.modules())

    assert count() == 0
    assert count(4) == 1 + 1 + 2  # down, the bottom, up
    assert count(8) == 1 + 2
    assert count(16, blocks=2) == 2 + 3
    assert woken(shape=(3, 16, 8), classes=0)(points(2, 3, 16, 8), torch.zeros(2).double()).shape == (2, 3, 16, 8)


def test_a_backbone_denoises_as_its_place_in_a_denoiser_wants() -> None:
    from ridgewalk.diffusion import Denoiser

    sde = VE(0.01, 50.0)
    new = Denoiser(unet_2d((1, 8, 8), channels=4, multipliers=(1,)), sde, deviation=0.5)
    x, t = images(channels=1), torch.tensor([1e-5, 0.5, 1.0])
    expected = -x / (0.25 + sde.sigma(t).square()).view(-1, 1, 1, 1)  # F = 0 is the score of Gaussian data
    torch.testing.assert_close(new.score(x, t), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": torch.tensor([0, 1, 3])}, "labels are 0 to 2, or -1 for no class; got 3"),
        ({"labels": torch.tensor([0, -2, 1])}, "got -2"),
        ({"labels": torch.tensor([0, 1])}, r"labels must be int64 \(3,\); got torch.int64 \(2,\)"),
        ({"labels": torch.tensor([0.0, 1, 2])}, "got torch.float32"),
        ({"x": points(3, 1, 8, 4)}, r"reads images \(n, 1, 8, 8\) and noise levels \(n,\); got \(3, 1, 8, 4\)"),
        ({"c": torch.zeros(2)}, r"got \(3, 1, 8, 8\) and \(2,\)"),
    ],
)  # fmt: skip
def test_rows_levels_and_labels_that_are_none_are_refused(arguments: dict[str, Tensor], message: str) -> None:
    x, c, labels = inputs(3)
    with pytest.raises(ValueError, match=message):
        woken()(**{"x": x, "c": c, "labels": labels} | arguments)


def test_an_unconditional_backbone_refuses_classes() -> None:
    network, (x, c, labels) = woken(classes=0), inputs()
    assert torch.equal(network(x, c, torch.full_like(labels, -1)), network(x, c))
    with pytest.raises(ValueError, match="labels are -1 alone"):
        network(x, c, labels)


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((1, 28, 28), {"multipliers": (1, 2, 2, 2)}, "28 x 28 pixels cannot be halved 3 times: the side 28 is not a multiple of 8"),
        ((1, 28, 27), {}, "cannot be halved 2 times"),
        ((1, 8, 8), {"channels": 5}, "even number of channels"),
        ((1, 8, 8), {"multipliers": ()}, "at least one multiplier"),
        ((1, 8, 8), {"classes": -1}, "classes -1"),
        ((8, 8), {}, r"images \(c, h, w\)"),
    ],
)  # fmt: skip
def test_settings_that_make_no_backbone_are_refused(shape, settings, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        unet_2d(shape, **settings)


def test_groups_divide_every_width() -> None:
    for channels in (2, 4, 6, 10, 20, 36):
        x = points(1, 1, 4, 4).float()
        assert unet_2d((1, 4, 4), channels, (1, 3))(x, torch.zeros(1)).shape == x.shape
    assert sqrt(unet_2d((1, 4, 4), 36, (1,)).unet.conv_norm_out.num_groups) == 3  # four channels a group
