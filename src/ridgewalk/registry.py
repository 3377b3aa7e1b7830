"""
Everything that a user can name: one table each of methods, energies, sensors, samplers, objectives and adapters.

An entry holds its name, one line about it, what it needs and how it is built: ``make`` is a "module:function" that is imported on first use, so that
this file does not import torch. Help texts, refusals, colours of figures, the tables of README.md and the commands `ridgewalk methods`, `ridgewalk
energies` and `ridgewalk samplers` all read these tables. A new method, energy or sampler is one function beside the class that it builds and one entry.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, asdict, dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from ridgewalk import naming


@dataclass(frozen=True)
class Entry:
    """
    One thing that a user can name.

    Attributes:
        name: the name that a user types.
        about: a description in one line, without a full stop.
    """

    name: str
    about: str

    def row(self) -> dict[str, str]:
        """The row of this entry in a printed table, by column heads."""
        return {"name": self.name, "what it is": self.about}


@dataclass(frozen=True)
class Buildable(Entry):
    """
    An entry whose object can be built.

    Attributes:
        make: the function that builds the object, or its address "module:function".
    """

    make: str | Callable[..., Any]

    def build(self, *arguments: Any) -> Any:
        """Calls ``make`` with the arguments and returns the object."""
        if not isinstance(self.make, str):
            return self.make(*arguments)
        module, _, function = self.make.partition(":")
        return getattr(import_module(module), function)(*arguments)


E = TypeVar("E", bound=Entry)


class Table(Mapping[str, E], Generic[E]):
    """Entries by name, in the order in which they are listed; ``kind`` is the word for one entry in messages."""

    def __init__(self, kind: str, entries: Iterable[E] = ()) -> None:
        self.kind = kind
        self._entries: dict[str, E] = {}
        for entry in entries:
            self.add(entry)

    def __getitem__(self, name: str) -> E:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> E:
        """Returns the entry called ``name``; an unknown name raises a ValueError with the nearest name and all names."""
        if name not in self._entries:
            raise ValueError(naming.unknown(self.kind, name, self))
        return self._entries[name]

    def add(self, entry: E) -> Callable[[], None]:
        """Adds an entry with a new name, and returns a function that removes it again."""
        if entry.name in self._entries:
            raise ValueError(f"there is a {self.kind} '{entry.name}' already; give the new one another name")
        self._entries[entry.name] = entry

        def remove() -> None:
            del self._entries[entry.name]

        return remove

    def choices(self, allowed: Callable[[E], bool] = lambda entry: True) -> str:
        """The names of the allowed entries, as "a, b or c"."""
        return naming.either(name for name, entry in self.items() if allowed(entry))

    def rows(self) -> list[dict[str, str]]:
        """The rows of the printed table."""
        return [entry.row() for entry in self.values()]

    def records(self) -> dict[str, dict[str, Any]]:
        """The attributes of each entry except ``make``, as plain values by the entry's name."""
        return {
            name: {k: v for k, v in asdict(entry).items() if k not in ("name", "make")} for name, entry in self.items()
        }


@dataclass(frozen=True)
class Method(Buildable):
    """
    A path finder. ``make`` takes the ``Context`` and, for a method that follows an energy, the energy.

    Attributes:
        energy: the name of the energy that the method follows by default; None for a method that follows no energy.
        needs: what the method needs besides sensors: some of ``diffusion``, ``guide``, ``references`` and ``decoder``.
        arrives: when its paths reach their second end, in words.
        keeps: whether it can change one part of a code and keep the other (`--keep`).
        realism: whether the name may end in a realism, as in ``ridge@8``; the energy is then calibrated to 0 on data and 1 on straight lines.
        reads: the settings in the table ``walks`` that the method reads, beside ``frames`` and those that every search reads.
        equalised: whether an energy of the weak matcher is scaled to the density ratio's force, because the method has one step size for all energies.
        unguided: what its paths are, in words, if the energy has no force.
        colour: its colour in figures, "#rrggbb"; a method without one takes the next free colour.
        marker: its marker in figures, by matplotlib's name; a family of methods shares one shape.
    """

    _: KW_ONLY
    energy: str | None = None
    needs: tuple[str, ...] = ()
    arrives: str = "always"
    keeps: bool = True
    realism: bool = False
    reads: tuple[str, ...] = ()
    equalised: bool = True
    unguided: str = "LERP"
    colour: str = ""
    marker: str = "o"

    def row(self) -> dict[str, str]:
        name = f"{self.name}@R" if self.realism else self.name
        return {"method": name, "energy": self.energy or "none", "arrives": self.arrives, "what it is": self.about}


@dataclass(frozen=True)
class EnergyEntry(Buildable):
    """
    An energy. ``about`` is its formula, and ``make`` takes the ``Context``.

    Attributes:
        sensor: the name of the sensor that the energy reads; None for an energy that reads no sensor.
        scaled: whether it is scaled so that its median force on straight lines is that of the density ratio.
    """

    _: KW_ONLY
    sensor: str | None = None
    scaled: bool = False

    def row(self) -> dict[str, str]:
        return {"energy": self.name, "sensor": self.sensor or "none", "formula": self.about}


OTHER_SENSOR = "choose the energy of another sensor, such as soft-ratio"
"""The remedy for an energy without force whose sensor cannot be trained again separately."""


@dataclass(frozen=True)
class Sensor(Entry):
    """
    A trained network that energies read.

    Attributes:
        missing: the remedy if a run does not have this sensor.
        dead: the remedy if the energies that read it have no force.
        on_images: whether its input is decoded images instead of codes.
        against_prior: whether it is trained to separate encoded data from the prior.
    """

    _: KW_ONLY
    missing: str
    dead: str = OTHER_SENSOR
    on_images: bool = False
    against_prior: bool = False


@dataclass(frozen=True)
class SamplerEntry(Buildable):
    """A sampler of diffusions. ``make`` takes the settings (``Sampling``), the SDE and the number of states to keep."""


@dataclass(frozen=True)
class Objective(Buildable):
    """An objective that a model is trained with. ``make`` is the address of its family's definition."""


@dataclass(frozen=True)
class Adapter(Buildable):
    """
    A reader of another library's models.

    Attributes:
        extra: the optional dependency group of ridgewalk that installs the library.
    """

    _: KW_ONLY
    extra: str

    @property
    def install(self) -> str:
        """The sentence that says how to install the library."""
        return f"this needs the library {self.name}: pip install ridgewalk[{self.extra}]"

    def row(self) -> dict[str, str]:
        return {"library": self.name, "what is read": self.about, "installed by": f"ridgewalk[{self.extra}]"}


_WALKS, _STRINGS, _RIDGES = "ridgewalk.finders.walk:", "ridgewalk.finders.string:", "ridgewalk.finders.geodesic:"
_LOGITS, _NEIGHBOURS, _SAMPLERS = (
    "ridgewalk.energies.discriminator:",
    "ridgewalk.energies.neighbours:",
    "ridgewalk.diffusion.building:",
)
_FAMILIES = "ridgewalk.training.families."
_RELAXED = ("nodes", "iterations", "step", "smoothing")
_NOT_ALWAYS = "not always; the result says which did"
_RETURNS = "where the flow returns; the result says where"

# fmt: off
METHODS: Table[Method] = Table("method", [
    Method("lerp", "straight line", "ridgewalk.finders.straight:build_lerp", colour="#E69F00"),
    Method("slerp", "great circle", "ridgewalk.finders.straight:build_slerp", keeps=False, colour="#B35C00"),
    Method("sgw", "score-guided walk as first written: a drive of unit length and the clamped gradient of an energy",
           f"{_WALKS}build_score_guided_walk", energy="logit-squared", arrives=_NOT_ALWAYS, equalised=False,
           reads=("sgw_alpha", "sgw_beta", "sgw_clamp"), colour="#56B4E9", marker="s"),
    Method("sgw-arriving", "score-guided walk whose correction is normal to the drive and capped below it",
           f"{_WALKS}build_arriving_walk", energy="soft-ratio", arrives="always, by proof", colour="#0072B2", marker="s"),
    Method("guided", "guided exploration along grad log D",
           f"{_WALKS}build_guided_exploration", energy="neg-log-d", arrives=_NOT_ALWAYS, equalised=False,
           reads=("guided_alpha", "guided_gamma"), colour="#2B3A8C", marker="s"),
    Method("graph", "shortest path over a k-nearest-neighbour graph of codes",
           "ridgewalk.finders.graph:build_graph", needs=("references",), keeps=False, reads=("neighbours",), colour="#CC79A7", marker="^"),
    Method("string", "string method: a whole curve relaxes on an energy, from a straight line",
           f"{_STRINGS}build_string", energy="soft-ratio", needs=("decoder",), reads=_RELAXED, colour="#009E73", marker="D"),
    Method("graph-string", "string method from the graph's path",
           f"{_STRINGS}build_graph_string", energy="soft-ratio", needs=("references", "decoder"), keeps=False,
           unguided="the graph's path, smoothed", reads=(*_RELAXED, "neighbours"), colour="#00543D", marker="D"),
    Method("best-string", "strings from a line, a great circle and the graph's path; the best of each pair by energy and length",
           "ridgewalk.finders.best:build_best_string", energy="soft-ratio", needs=("references", "decoder"), keeps=False,
           unguided="the best of its starts, smoothed", reads=(*_RELAXED, "neighbours", "length_weight"), colour="#A6D96A", marker="D"),
    Method("geodesic", "shortest curve in decoded images (pull-back metric)",
           f"{_RIDGES}build_geodesic", needs=("decoder",), colour="#5B4A00", marker="v"),
    Method("flow", "through noise: both ends are carried to t = 1 by the probability flow of the diffusion of codes, joined on a great circle "
           "and carried back",
           "ridgewalk.finders.flow:build_flow", needs=("diffusion",), arrives=_RETURNS, keeps=False, colour="#3B0A1A", marker="h"),
    Method("flow-guided", "flow, by the score that a discriminator corrects",
           "ridgewalk.finders.flow:build_guided_flow", needs=("diffusion", "guide"), arrives=_RETURNS, keeps=False, colour="#E8788A", marker="h"),
    Method("ridge", "the least of image curve energy and R times an energy: R = 0 is the geodesic, 8 the default, more is more real and longer",
           f"{_RIDGES}build_ridge", energy="soft-ratio", needs=("decoder", "references"), realism=True,
           unguided="the geodesic", reads=("realism",), colour="#8B2EFF", marker="P"),
    Method("ridge-quick", "ridge with fewer nodes and iterations",
           f"{_RIDGES}build_quick_ridge", energy="soft-ratio", needs=("decoder", "references"), realism=True,
           unguided="the geodesic", reads=("realism",), colour="#C8A2FF", marker="P"),
])

ENERGIES: Table[EnergyEntry] = Table("energy", [
    EnergyEntry("logit-squared", "l^2 of the AAE's D_z", f"{_LOGITS}build_logit_squared", sensor="matcher"),
    EnergyEntry("bce-to-0", "softplus(l) of the AAE's D_z, which has no minimum", f"{_LOGITS}build_towards_encoded", sensor="matcher"),
    EnergyEntry("bce-to-half", "softplus(l) - l/2 - ln 2 of the AAE's D_z, lowest at D = 1/2", f"{_LOGITS}build_ideal", sensor="matcher"),
    EnergyEntry("ratio", "-l of the density-ratio detector", f"{_LOGITS}build_density_ratio", sensor="detector"),
    EnergyEntry("soft-ratio", "softplus(m - l) of the density-ratio detector", f"{_LOGITS}build_soft_ratio", sensor="detector"),
    EnergyEntry("neg-log-d", "softplus(-l) of the density-ratio detector", f"{_LOGITS}build_negative_log_d", sensor="detector"),
    EnergyEntry("pixel", "softplus(m - l(G(z))) of D_x, which separates decoded data from decoded holes",
                f"{_LOGITS}build_pixel", sensor="pixel", scaled=True),
    EnergyEntry("pixel-real", "softplus(m - l(G(z))) of the naive D_x, which separates real images from decoded holes",
                f"{_LOGITS}build_pixel_real", sensor="pixel-real", scaled=True),
    EnergyEntry("critic", "softplus(m - l(G(z))) of the VAE-GAN's own D_x, which separates real images from decoded ones",
                f"{_LOGITS}build_critic", sensor="critic", scaled=True),
    EnergyEntry("latent", "softplus(m - l) of the VAE-GAN's own D_z, which separates draws of q(z|x) from the prior",
                f"{_LOGITS}build_latent", sensor="latent", scaled=True),
    EnergyEntry("posterior", "-l(z) + |z|^2 / 2 of the VAE-GAN's own D_z: minus the log density of encoded data, up to a constant",
                "ridgewalk.energies.posterior:build_posterior", sensor="latent", scaled=True),
    EnergyEntry("dual", "soft-ratio of D_z and of D_x(G(z)), each at its share of the typical force",
                "ridgewalk.energies.dual:build_dual", sensor="pixel"),
    EnergyEntry("reprojection", "|z - E(G(z))|^2, scaled to the density ratio's force",
                "ridgewalk.energies.cycle:build_reprojection", scaled=True),
    EnergyEntry("neighbours", "mean squared distance to the 10 nearest codes, scaled to the density ratio's force",
                f"{_NEIGHBOURS}build_nearest_neighbours", scaled=True),
    EnergyEntry("kernel", "minus the log of a kernel density of codes, h = 0.5, scaled to the density ratio's force",
                f"{_NEIGHBOURS}build_kernel_density", scaled=True),
    EnergyEntry("diffusion", "a bound on minus the log density of codes by their diffusion: its denoising error, scaled to the density ratio's force",
                "ridgewalk.energies.denoising:build_denoising_bound", sensor="denoiser", scaled=True),
])

SENSORS: Table[Sensor] = Table("sensor", [
    Sensor("matcher", "the AAE's own D_z, which separates draws of the prior from codes",
           missing="only an adversarial autoencoder has one", against_prior=True),
    Sensor("detector", "the density-ratio detector, which separates codes from points off the data",
           missing="train the run again", dead="train the run again"),
    Sensor("pixel", "D_x, which separates decoded data from decoded holes",
           missing="train one with `ridgewalk sense RUN`",
           dead="remove pixel.json and pixel.safetensors, and train it again with `ridgewalk sense RUN`", on_images=True),
    Sensor("pixel-real", "D_x, which separates real images from decoded holes",
           missing="train one with `ridgewalk sense RUN --contrast real`",
           dead="remove pixel-real.json and pixel-real.safetensors, and train it again with `ridgewalk sense RUN --contrast real`", on_images=True),
    Sensor("critic", "the VAE-GAN's own D_x, which separates real images from decoded ones",
           missing="only a VAE-GAN has one", on_images=True),
    Sensor("latent", "the VAE-GAN's own D_z, which separates draws of q(z|x) from the prior",
           missing="only a VAE-GAN with objective.latent has one", against_prior=True),
    Sensor("denoiser", "the diffusion of codes", missing="train one with `ridgewalk diffuse RUN`"),
])

SAMPLERS: Table[SamplerEntry] = Table("sampler", [
    SamplerEntry("heun", "Heun's method on the probability flow; with churn, stochastic", f"{_SAMPLERS}build_heun"),
    SamplerEntry("ddim", "Euler's method on the probability flow", f"{_SAMPLERS}build_ddim"),
    SamplerEntry("euler-maruyama", "the reverse SDE in equal steps", f"{_SAMPLERS}build_predictor"),
    SamplerEntry("reverse-diffusion", "each step of the forward process reversed", f"{_SAMPLERS}build_predictor"),
    SamplerEntry("ancestral", "ancestral sampling, as in DDPM", f"{_SAMPLERS}build_predictor"),
    SamplerEntry("pc", "predictor-corrector: reverse diffusion and Langevin", f"{_SAMPLERS}build_predictor_corrector"),
    SamplerEntry("langevin", "annealed Langevin dynamics, without a predictor", f"{_SAMPLERS}build_langevin"),
    SamplerEntry("ode", "the probability flow by an adaptive solver", f"{_SAMPLERS}build_ode"),
])

OBJECTIVES: Table[Objective] = Table("objective", [
    Objective("ae", "a plain autoencoder: reconstruction alone", f"{_FAMILIES}autoencoder:AutoencoderObjective"),
    Objective("vae", "a variational autoencoder: reconstruction and a KL term", f"{_FAMILIES}vae:VariationalObjective"),
    Objective("aae", "an adversarial autoencoder", f"{_FAMILIES}adversarial:AdversarialObjective"),
    Objective("vae-gan", "a variational autoencoder with a discriminator of images, and one of codes beside it", f"{_FAMILIES}vae_gan:VAEGANObjective"),
    Objective("aae-conditioned", "an adversarial autoencoder whose discriminator is conditioned on the class", f"{_FAMILIES}conditioned:ConditionedObjective"),
    Objective("aae-style", "an adversarial autoencoder whose decoder is conditioned on the class", f"{_FAMILIES}style:StyleObjective"),
    Objective("aae-semisupervised", "an adversarial autoencoder with style and class, whose classes are learned from some labels",
              f"{_FAMILIES}categorical:SemiSupervisedObjective"),
    Objective("aae-clustering", "an adversarial autoencoder with style and class, whose classes are found without labels",
              f"{_FAMILIES}categorical:ClusteringObjective"),
    Objective("aae-reduction", "an adversarial autoencoder that reduces images to a few dimensions, in clusters",
              f"{_FAMILIES}reduction:ReductionObjective"),
    Objective("diffusion", "a diffusion of points or images", f"{_FAMILIES}diffusion:DiffusionObjective"),
])

ADAPTERS: Table[Adapter] = Table("adapter", [
    Adapter("diffusers", "a pretrained ScoreSdeVe or DDPM pipeline in a local folder, as a score",
            "ridgewalk.adapters.diffusers:load_score", extra="diffusers"),
])
# fmt: on
