"""A recipe's tables of an autoencoder: what it is, what it is trained for and against, its sensors and judges, and how it is walked."""

import math
from dataclasses import dataclass

from ridgewalk import naming
from ridgewalk.models.autoencoders import OUTPUTS
from ridgewalk.settings.checks import above_zero, at_least
from ridgewalk.training import priors
from ridgewalk.training.duels import GAMES
from ridgewalk.training.losses import RECONSTRUCTIONS
from ridgewalk.training.negatives import BOUNDARIES

ORDERS = ("joint", "separate")
"""How a VAE-GAN is trained: all players at once, or the VAE first."""


@dataclass(frozen=True)
class Model:
    """
    The autoencoder. ``network`` mlp (``hidden``: widths) or conv (``hidden``: channels); ``posterior`` deterministic, gaussian or universal.

    ``latent`` dimensions of the code, or of its style where it has a class as well; ``noise`` values that a universal posterior is fed with;
    ``batch_norm`` after every layer of the encoder; ``init`` the standard deviation of the first weights, 0 for PyTorch's own; ``output`` of the decoder
    sigmoid, or linear, which is clipped to [0, 1] in use. The decoder mirrors the encoder, unless
    ``decoder_hidden`` names its layers, from the image inwards, and ``decoder`` (mlp or conv) another network.
    """

    posterior: str = "deterministic"
    network: str = "mlp"
    hidden: tuple[int, ...] = (512, 512)
    latent: int = 8
    activation: str = "relu"
    noise: int = 10
    batch_norm: bool = False
    init: float = 0.0
    output: str = "sigmoid"
    decoder: str = ""
    decoder_hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.decoder and not self.decoder_hidden:
            raise ValueError(
                f"a decoder of its own network, '{self.decoder}', needs hidden layers of its own: set model.decoder_hidden"
            )
        if self.output not in OUTPUTS:
            raise ValueError(naming.unknown("output of a decoder", self.output, OUTPUTS))
        at_least(1, latent=self.latent, hidden=min(self.hidden, default=0), noise=self.noise)
        at_least(1, decoder_hidden=min(self.decoder_hidden, default=1))
        at_least(0, init=self.init)


@dataclass(frozen=True)
class Objective:
    """
    What it is trained for: ``ae``, ``vae``, ``aae``, ``vae-gan``; or ``diffusion``, which has no autoencoder: see ``Diffusion``.

    Adversarial autoencoders with classes: ``aae-conditioned``, ``aae-style``, ``aae-semisupervised``, ``aae-clustering``, ``aae-reduction``;
    see ``Labels``. Of all adversarial ones: ``input_noise`` and ``input_dropout`` of what the encoder reads in training, ``code_noise`` the deviation of
    Gaussian noise on codes, or on their styles, in training; ``together`` whether all that moves the encoder is one loss of one optimiser.

    ``beta`` weighs the KL term of a VAE or a VAE-GAN, ``adversarial`` the adversarial loss of an AAE or a VAE-GAN; ``sigma`` is of the AAE's
    prior. A VAE-GAN's: ``pixel_weight`` and ``feature_weight`` of its two reconstruction losses, ``order`` joint or separate,
    ``latent`` whether a discriminator of codes is trained along.
    """

    name: str = "aae"
    reconstruction: str = "half_squared"
    beta: float = 1.0
    sigma: float = 1.0
    adversarial: float = 1.0
    pixel_weight: float = 1.0
    feature_weight: float = 0.0
    order: str = "joint"
    latent: bool = True
    input_noise: float = 0.0
    input_dropout: float = 0.0
    code_noise: float = 0.0
    together: bool = False

    def __post_init__(self) -> None:
        if self.reconstruction not in RECONSTRUCTIONS:
            raise ValueError(naming.unknown("reconstruction loss", self.reconstruction, RECONSTRUCTIONS))
        if self.order not in ORDERS:
            raise ValueError(naming.unknown("order", self.order, ORDERS))
        at_least(0, beta=self.beta, adversarial=self.adversarial)
        at_least(0, pixel_weight=self.pixel_weight, feature_weight=self.feature_weight)
        above_zero(sigma=self.sigma)
        at_least(0, input_noise=self.input_noise, input_dropout=self.input_dropout, code_noise=self.code_noise)
        if not self.input_dropout < 1:
            raise ValueError(f"input_dropout must be below 1; got {self.input_dropout}")


@dataclass(frozen=True)
class Prior:
    """
    An adversarial autoencoder's prior: gaussian, of deviation ``objective.sigma``; uniform, mixture, swiss-roll; or "module:function".

    ``components`` of the mixture, or segments of the roll; ``scale`` of the lengths of all but the Gaussian. A function of one's own maps
    (rows, generator) to draws (rows, d).
    """

    name: str = "gaussian"
    components: int = 10
    scale: float = 1.0

    def __post_init__(self) -> None:
        if ":" not in self.name and self.name not in priors.NAMES:
            raise ValueError(
                f"{naming.unknown('prior', self.name, priors.NAMES)}; a function of your own is named as module:function"
            )
        at_least(1, components=self.components)
        above_zero(scale=self.scale)


@dataclass(frozen=True)
class Labels:
    """
    What an adversarial autoencoder with classes knows of them.

    ``classes`` of the code, or clusters: 0 for those of the data; ``count`` images with a label, equally many of each class: -1 for all, 0 for none;
    ``batch`` of labelled images a step, ``weight`` of their cross-entropy, and their augmentation: ``shift`` in pixels, ``rotation`` in degrees,
    ``scale`` and ``shear`` relative; ``invariant`` whether the class of every image is read from an image so augmented, in training; ``noise`` the
    deviation of Gaussian noise on logits of classes in training; ``adversarial`` weighs the matcher's loss on classes; ``margin`` between the heads
    of clusters of a reduction, and the weight ``hinge`` of what holds them apart.
    """

    classes: int = 0
    count: int = -1
    batch: int = 100
    weight: float = 1.0
    adversarial: float = 1.0
    shift: float = 0.0
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    invariant: bool = False
    noise: float = 0.0
    margin: float = 0.0
    hinge: float = 1.0

    def __post_init__(self) -> None:
        at_least(-1, count=self.count)
        at_least(0, classes=self.classes, weight=self.weight, adversarial=self.adversarial)
        at_least(0, margin=self.margin, hinge=self.hinge, noise=self.noise)
        at_least(0, shift=self.shift, rotation=self.rotation, scale=self.scale, shear=self.shear)
        at_least(1, batch=self.batch)
        if self.invariant and not any((self.shift, self.rotation, self.scale, self.shear)):
            raise ValueError(
                "labels.invariant needs something to be invariant to: set shift, rotation, scale or shear above 0"
            )
        if self.classes == 1:
            raise ValueError("a code with a class needs at least 2 classes or clusters; got classes = 1")


@dataclass(frozen=True)
class Matcher:
    """
    The latent discriminator that is trained along: the AAE's own (both, where it has two), or a VAE-GAN's. No ``hidden`` widths make it affine.

    ``init`` is the standard deviation of its first weights, 0 for PyTorch's own (uniform, by the width of a layer), which is the safe one.
    Of an AAE's: ``loss`` bce, hinge or wasserstein; ``r1`` the weight of its gradient penalty; ``noise`` the deviation of noise on what it sees.
    """

    hidden: tuple[int, ...] = (512, 512)
    activation: str = "relu"
    spectral: bool = False
    init: float = 0.0
    loss: str = "bce"
    r1: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        at_least(1, hidden=min(self.hidden, default=1))
        at_least(0, init=self.init, r1=self.r1, noise=self.noise)
        if self.loss not in GAMES:
            raise ValueError(naming.unknown("loss of a discriminator", self.loss, GAMES))
        if self.loss == "wasserstein" and not (self.spectral or self.r1):
            raise ValueError("a wasserstein critic has to be held smooth: set spectral = true, or r1 above 0")
        if self.init and self.spectral:
            raise ValueError("a spectral norm of 1 fixes the size of the weights; leave out init, or spectral")


@dataclass(frozen=True)
class Critic:
    """
    A VAE-GAN's discriminator of images, and what steadies it.

    ``network`` mlp (``hidden``: widths) or conv (``hidden``: channels); ``spectral`` norm, the weight ``r1`` of the gradient penalty, the
    deviation ``instance_noise`` of the noise on what it sees. Its learning rate is ``training.rates.critic``.
    """

    network: str = "mlp"
    hidden: tuple[int, ...] = (512, 256)
    activation: str = "leaky_relu"
    spectral: bool = False
    r1: float = 0.0
    instance_noise: float = 0.0

    def __post_init__(self) -> None:
        at_least(1, hidden=min(self.hidden, default=0))
        at_least(0, r1=self.r1, instance_noise=self.instance_noise)


@dataclass(frozen=True)
class Detector:
    """
    The density-ratio discriminators, trained after the model: ``members`` networks whose logits are averaged.

    ``negatives`` is one of the samplers of ``training.negatives.BOUNDARIES``; ``prior``, ``lerp`` and ``shells`` are the weights of "mixture".
    ``samples`` takes fresh draws of q(z|x) in place of its means.
    """

    members: int = 3
    hidden: tuple[int, ...] = (256, 256, 256)
    activation: str = "relu"
    epochs: int = 20
    batch: int = 512
    rate: float = 1e-3
    prior: float = 1.0
    lerp: float = 1.0
    shells: float = 1.0
    negatives: str = "mixture"
    samples: bool = False

    def __post_init__(self) -> None:
        if self.negatives not in BOUNDARIES:
            raise ValueError(naming.unknown("sampler of negatives", self.negatives, BOUNDARIES))
        if self.negatives != "mixture" and (self.prior, self.lerp, self.shells) != (1.0, 1.0, 1.0):
            raise ValueError(
                f"the weights prior, lerp and shells are those of negatives = 'mixture'; got negatives = '{self.negatives}': leave them out"
            )
        at_least(1, members=self.members, epochs=self.epochs, hidden=min(self.hidden, default=1))
        at_least(2, batch=self.batch)
        above_zero(rate=self.rate)


@dataclass(frozen=True)
class Pixel:
    """The pixel discriminator D_x, trained on demand: ``network`` mlp (``hidden``: widths) or conv (``hidden``: channels)."""

    network: str = "mlp"
    hidden: tuple[int, ...] = (256, 256)
    activation: str = "leaky_relu"
    epochs: int = 10
    batch: int = 256
    rate: float = 1e-3

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, hidden=min(self.hidden, default=1))
        at_least(2, batch=self.batch)
        above_zero(rate=self.rate)


@dataclass(frozen=True)
class Judges:
    """The two classifiers that grade: epochs and batch of each one's training, k of the k-NN balls."""

    epochs: int = 8
    batch: int = 128
    rate: float = 1e-3
    neighbours: int = 3

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, neighbours=self.neighbours)
        at_least(2, batch=self.batch)
        above_zero(rate=self.rate)


@dataclass(frozen=True)
class Walks:
    """
    How paths are searched and shown: pairs, frames, relaxing nodes and iterations of a string, the SGW's constants, references of the graph.

    ``dual_shares`` are those of the latent and of the pixel force in the energy "dual", in units of the latent force; ``realism`` is the
    ridge path's knob.
    """

    pairs: int = 200
    frames: int = 17
    nodes: int = 33
    iterations: int = 150
    step: float = 0.02
    smoothing: float = 0.95
    margin: float = 1.5
    length_weight: float = 0.3
    sgw_alpha: float = 0.1
    sgw_beta: float = 0.2
    references: int = 20000
    neighbours: int = 10
    dual_shares: tuple[float, float] = (0.5, 0.5)
    realism: float = 4.0

    def __post_init__(self) -> None:
        at_least(1, pairs=self.pairs, references=self.references, neighbours=self.neighbours)
        at_least(
            0,
            iterations=self.iterations,
            smoothing=self.smoothing,
            sgw_beta=self.sgw_beta,
            length_weight=self.length_weight,
            realism=self.realism,
        )
        at_least(3, frames=self.frames, nodes=self.nodes)
        above_zero(step=self.step, sgw_alpha=self.sgw_alpha)
        if not self.smoothing < 1:
            raise ValueError(f"smoothing must be below 1; got {self.smoothing}")
        if not all(0 <= s < math.inf for s in self.dual_shares) or not any(self.dual_shares):
            raise ValueError(
                f"dual_shares must be two numbers >= 0, finite and not both 0; got {', '.join(map(str, self.dual_shares))}"
            )


@dataclass(frozen=True)
class Interpolation:
    """
    The interpolation network and its training: ``pool`` latents, ``attraction`` lambda, ``times`` asked of each pair where there are many.

    ``curve`` weighs the curve energy where it is trained on an energy in place of re-projection.
    """

    hidden: tuple[int, ...] = (1024, 1024, 512)
    activation: str = "silu"
    pool: int = 20000
    attraction: float = 0.1
    times: int = 8
    curve: float = 0.3
    epochs: int = 10
    batch: int = 256
    rate: float = 5e-4

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, hidden=min(self.hidden, default=1))
        at_least(2, batch=self.batch, pool=self.pool, times=self.times)
        at_least(0, attraction=self.attraction, curve=self.curve)
        above_zero(rate=self.rate)
