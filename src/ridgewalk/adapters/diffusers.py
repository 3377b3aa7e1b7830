"""
Score models of Hugging Face's diffusers, both ways (extra ``diffusers``).

A pipeline's network F returns what its scheduler steps with; here that becomes a score of data x in [-1, 1].

    ScoreSdeVePipeline   u = (x + 1) / 2 in [0, 1], conditioned on sigma_u:      F(u_t, sigma_u) = grad log p(u_t)
                         so x_t is VE with sigma = 2 sigma_u:              score = F((x_t + 1) / 2, sigma / 2) / 2
    DDPMPipeline         level i = 0, ..., N - 1, conditioned on i = (N - 1) t:
        epsilon          F = E[eps | x_t]                                  score = -F / sigma
        v_prediction     F = E[alpha eps - sigma x_0 | x_t]                score = -x_t - alpha / sigma F
        sample           F = E[x_0 | x_t]                                  score = (alpha F - x_t) / sigma^2

A DDPM's score is the network's own: the clipping of E[x_0 | x_t] that its scheduler may do while sampling (``clip_sample``) is no part of it.

Sources: the pipelines, schedulers and UNet2DModel of diffusers 0.42; Song et al. (2021); Ho et al. (2020); Salimans and Ho (2022) for v.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from ridgewalk import fields, naming
from ridgewalk.diffusion import SDE, VE, Sampled, Tabulated, sample
from ridgewalk.diffusion.sde import along
from ridgewalk.models.diffusers_unet import diffusers_library, unet_2d
from ridgewalk.protocols import VectorField
from ridgewalk.records import parse_json

__all__ = ["ScoreModel", "as_pipeline", "load_score", "unet_2d"]

SCHEDULERS = {  # of the pipelines that can be read
    "ScoreSdeVePipeline": ("ScoreSdeVeScheduler",),
    "DDPMPipeline": ("DDPMScheduler", "DDIMScheduler"),
    "DDIMPipeline": ("DDIMScheduler", "DDPMScheduler"),
}
PREDICTIONS = ("epsilon", "v_prediction", "sample")
OUTPUTS = ("pil", "np", "pt")
WEIGHTS = "diffusion_pytorch_model.safetensors"


# ------------------------------------------------------------------------------------------------ from diffusers


@final
@dataclass(frozen=True, eq=False)
class ScoreModel:
    """
    A pretrained score.

    Attributes:
        sde: whose marginals the score is of.
        shape: (c, h, w) of one image.
        score: grad log p_t of images in [-1, 1], (n, c, h, w), () or (n,) -> (n, c, h, w).
        network: beneath it, frozen and in eval mode.
        deviation: root mean square of the images, as far as anyone knows: Karras et al. (2022) take 0.5 for all of theirs.
    """

    sde: SDE
    shape: tuple[int, int, int]
    score: VectorField
    network: nn.Module
    deviation: float = 0.5


@final
@dataclass(frozen=True, eq=False)
class ExplodingScore:
    """F((x + 1) / 2, sigma / 2) / 2, for a network of images in [0, 1] under VE; ``sde`` is that of x."""

    network: nn.Module
    sde: VE

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        """X_t (n, c, h, w), t () or (n,) -> (n, c, h, w)."""
        sigma = self.sde.sigma(t.to(x)).expand(len(x))
        return self.network((x + 1) / 2, sigma / 2).sample / 2


@final
@dataclass(frozen=True, eq=False)
class TabulatedScore:
    """A network that is conditioned on the level i = (N - 1) t, and predicts ``epsilon``, ``v_prediction`` or ``sample``."""

    network: nn.Module
    sde: Tabulated
    prediction: str

    def __call__(self, x: Tensor, t: Tensor, /) -> Tensor:
        """X_t (n, c, h, w), t () or (n,) -> (n, c, h, w)."""
        t = t.to(x)
        level = t * (len(self.sde.alphas_squared) - 1)
        out = self.network(x, level.expand(len(x))).sample[:, : x.shape[1]]  # a learnt variance may follow
        alpha, sigma = along(self.sde.alpha(t), x), along(self.sde.sigma(t), x)
        if self.prediction == "epsilon":
            return -out / sigma
        if self.prediction == "v_prediction":
            return -x - alpha / sigma * out
        return (alpha * out - x) / sigma**2


def load_score(folder: str | Path, device: torch.device | str = "cpu") -> ScoreModel:
    """
    Loads the score of a pipeline that diffusers' ``save_pretrained`` wrote to a local folder.

    Args:
        folder: folder with model_index.json; unet and scheduler lie in folders of their own, or in ``folder`` itself as in old pipelines.
        device: device of its network.

    Raises:
        ValueError: if diffusers is missing; if the folder does not exist or holds no pipeline; if pipeline, scheduler, network or prediction are of a
            kind that is not known; if the weights are not in safetensors (pickled ones are never read) or do not fit the network.
    """
    library, root = diffusers_library(), Path(folder)
    if not root.is_dir():
        raise ValueError(
            f"'{folder}' is no folder here, and score models are read from local folders only: "
            "download the pipeline, or write it with its save_pretrained(folder)"
        )
    index = _read_json(
        root / "model_index.json",
        f"'{folder}' holds no diffusers pipeline: it has no model_index.json; give the folder that a pipeline's save_pretrained wrote",
    )
    pipeline, kind, model = (_class(index, key) for key in ("_class_name", "scheduler", "unet"))
    if pipeline not in SCHEDULERS:
        raise ValueError(naming.unknown("pipeline", pipeline, SCHEDULERS))
    if model != "UNet2DModel":
        raise ValueError(naming.unknown(f"network of a {pipeline}", model, ["UNet2DModel"]))
    settings = _read_json(
        _part(root, "scheduler") / "scheduler_config.json",
        f"'{folder}' is a score model without its scheduler's config (scheduler/scheduler_config.json), which says how much noise there is",
    )
    if kind not in SCHEDULERS[pipeline]:
        raise ValueError(naming.unknown(f"scheduler of a {pipeline}", kind, SCHEDULERS[pipeline]))
    try:
        scheduler = getattr(library, kind).from_config(settings)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(f"diffusers makes no {kind} of the config in '{folder}': {_line(error)}") from error
    unet = _read_unet(library, _part(root, "unet"))
    shape = _shape(unet, getattr(scheduler, "variance_type", None))
    network = unet.to(device).eval().requires_grad_(False)
    if kind == "ScoreSdeVeScheduler":
        ve = VE(2 * scheduler.config.sigma_min, 2 * scheduler.config.sigma_max)
        _embeds(unet, pipeline, "fourier", "positional")
        return ScoreModel(ve, shape, ExplodingScore(network, ve), network)
    prediction = scheduler.config.prediction_type
    if prediction not in PREDICTIONS:
        raise ValueError(naming.unknown("prediction_type", str(prediction), PREDICTIONS))
    _embeds(unet, pipeline, "positional")
    table = _table(scheduler)
    return ScoreModel(table, shape, TabulatedScore(network, table, prediction), network)


def _table(scheduler: Any) -> Tabulated:
    """Its levels, multiplied up in float64: in float32, 1 - alpha^2 has three digits at the first of them."""
    if scheduler.config.rescale_betas_zero_snr:
        raise ValueError(
            "this scheduler has rescale_betas_zero_snr: its last level holds nothing of the data, so that no score is defined there; "
            "only models whose last level keeps a little are read"
        )
    return Tabulated(tuple(torch.cumprod(1 - scheduler.betas.double(), 0).tolist()))


def _read_unet(library: Any, folder: Path) -> Any:
    """The network of a folder, from safetensors and nothing else."""
    config = _read_json(folder / "config.json", f"'{folder}' holds no network: it has no config.json")
    if config.get("_class_name", "UNet2DModel") != "UNet2DModel":
        raise ValueError(naming.unknown("network", str(config["_class_name"]), ["UNet2DModel"]))
    if (folder / f"{WEIGHTS}.index.json").exists():
        raise ValueError(f"the weights in '{folder}' are in parts; write them as one file, {WEIGHTS}")
    if not (folder / WEIGHTS).is_file():
        pickled = sorted(p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt"))
        why = f"only {pickled[0]}, and pickled files are never read: they can run code" if pickled else "no weights"
        raise ValueError(
            f"'{folder}' holds {why}; expected {WEIGHTS}, as save_pretrained(..., safe_serialization=True) writes it"
        )
    try:
        with torch.random.fork_rng(devices=[]):  # diffusers draws weights before it reads them
            unet, found = library.UNet2DModel.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except Exception as error:  # of diffusers, accelerate or safetensors: whichever sees it first that they do not fit
        raise ValueError(f"the weights in '{folder}' are not those of its config: {_line(error)}") from error
    if found["missing_keys"] or found["unexpected_keys"]:
        lacks, extra = sorted(found["missing_keys"]), sorted(found["unexpected_keys"])
        what = f"{lacks[0]} is missing" if lacks else f"{extra[0]} belongs nowhere"
        raise ValueError(f"the weights in '{folder}' are not those of its config: {what}")
    return unet


def _shape(unet: Any, variance: str | None) -> tuple[int, int, int]:
    """(c, h, w) of the images that a network reads and returns."""
    c, out, size = unet.config.in_channels, unet.config.out_channels, unet.config.sample_size
    if unet.class_embedding is not None:
        raise ValueError(
            "this network is conditioned on a class, which its pipeline never gives; only unconditional ones are read"
        )
    if out != c and not (out == 2 * c and variance in ("learned", "learned_range")):
        raise ValueError(f"a score has as many channels as its images; this network reads {c} and returns {out}")
    if size is None:
        raise ValueError(
            "this network's config does not state the size of its images: set sample_size in its config.json"
        )
    h, w = (size, size) if isinstance(size, int) else size
    return int(c), int(h), int(w)


def _embeds(unet: Any, pipeline: str, *known: str) -> None:
    """Refuses an embedding that fails at the times it will be given: log 0 (``fourier``) or fractions (``learned``)."""
    embedding = unet.config.time_embedding_type
    if embedding not in known:
        raise ValueError(naming.unknown(f"time_embedding_type of a {pipeline}", str(embedding), known))


# -------------------------------------------------------------------------------------------------- to diffusers


def as_pipeline(
    model: ScoreModel, sampler: Callable[..., Sampled], guidance: VectorField | None = None
) -> Callable[..., Any]:
    """
    What is called as diffusers' unconditional pipelines are: ``pipeline(batch_size=4, generator=g).images``.

    Args:
        model: whose score draws the images.
        sampler: made with ``model.sde``.
        guidance: added to the score.

    Raises:
        ValueError: for a sampler of another SDE.
    """
    sde = getattr(sampler, "sde", getattr(getattr(sampler, "flow", None), "sde", model.sde))
    if sde != model.sde:
        raise ValueError(
            f"the sampler's SDE must be the model's, or its levels are not those of the score; got {type(sde).__name__}, "
            f"the model's is {type(model.sde).__name__}: make the sampler with model.sde"
        )
    score = model.score if guidance is None else fields.add(model.score, guidance)

    def pipeline(
        batch_size: int = 1,
        generator: torch.Generator | None = None,
        num_inference_steps: int | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> Any:
        """
        Draws images.

        Args:
            batch_size: number of images.
            generator: one number is drawn from it as the seed of all images; None is seed 0, the same images at every call.
            num_inference_steps: number of steps; that of the sampler by default.
            output_type: ``pil``, ``np`` (n, h, w, c) or ``pt`` (n, c, h, w), these two in [0, 1].
            return_dict: whether to return an ``ImagePipelineOutput``, or a tuple with the images.
        """
        if output_type not in OUTPUTS:
            raise ValueError(naming.unknown("output_type", output_type, OUTPUTS))
        if output_type == "pil" and model.shape[0] not in (1, 3, 4):
            raise ValueError(f"images of {model.shape[0]} channels cannot be PIL's; choose output_type = 'np' or 'pt'")
        if not isinstance(generator, torch.Generator | None):
            raise ValueError(
                "give one generator for all images: the noise of image i depends on it and on i alone, not on the number of images"
            )
        made = sample(
            sampler if num_inference_steps is None else _of_steps(sampler, num_inference_steps),
            score,
            batch_size,
            model.shape,
            seed=_seed(generator),
            device=next(model.network.parameters()).device,
        )
        images: Any = (made.x / 2 + 0.5).clamp(0, 1)
        library = diffusers_library()
        if output_type != "pt":
            images = images.permute(0, 2, 3, 1).cpu().numpy()
        if output_type == "pil":
            images = library.DiffusionPipeline.numpy_to_pil(images)
        return library.ImagePipelineOutput(images=images) if return_dict else (images,)

    return pipeline


def _of_steps(sampler: Any, steps: int) -> Any:
    if not hasattr(sampler, "steps"):
        raise ValueError(f"a {type(sampler).__name__} has no steps to set; leave num_inference_steps out")
    return replace(sampler, steps=steps)


def _seed(generator: torch.Generator | None) -> int:
    if generator is None:
        return 0
    return int(torch.randint(2**62, (), generator=generator, device=generator.device))


# --------------------------------------------------------------------------------------------------------- files


def _part(root: Path, name: str) -> Path:
    """A part of a pipeline: in its own folder, or in the pipeline's (as pipelines were before they had folders)."""
    return root / name if (root / name).is_dir() else root


def _read_json(path: Path, missing: str) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(missing)
    try:
        read = parse_json(path.read_bytes())
    except ValueError as error:  # of JSON or of UTF-8
        raise ValueError(f"{path} is not JSON: {_line(error)}") from error
    if not isinstance(read, dict):
        raise ValueError(f"{path} must hold an object; got a {type(read).__name__}")
    return read


def _class(index: dict[str, Any], key: str) -> str:
    """The class that a pipeline's index names: as a string, or after its library in a pair."""
    entry = index.get(key)
    return str(entry[-1] if isinstance(entry, list) and entry else entry)


def _line(error: Exception) -> str:
    """The first line of an error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
