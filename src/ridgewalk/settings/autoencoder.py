"""A recipe's tables of an autoencoder: the networks, the prior, the labels, the sensors, the judges, and how paths are searched."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from ridgewalk import naming
from ridgewalk.settings.fields import (
    MOST,
    TABLE,
    WIDEST,
    Activation,
    Architecture,
    Batch,
    Count,
    CountOrNone,
    NotNegative,
    Number,
    Positive,
    Share,
    Width,
    Widths,
    WidthsOrNone,
)

PRIORS = ("gaussian", "uniform", "mixture", "swiss-roll")


@dataclass(frozen=True, config=TABLE)
class Model:
    """The autoencoder. The decoder mirrors the encoder unless ``decoder_hidden`` names its layers."""

    posterior: Literal["deterministic", "gaussian", "universal"] = "deterministic"
    """The law q(z|x): a point, a diagonal Gaussian, or a network of the image and of noise."""
    network: Architecture = "mlp"
    """Perceptron, or convolutions of stride 2."""
    hidden: Widths = (512, 512)
    """Widths of a perceptron's layers, or channels of the convolutions, from the image inwards."""
    latent: Width = 8
    """Dimensions of the code, or of its style where it has a class as well."""
    activation: Activation = "relu"
    """Between layers."""
    noise: Width = 10
    """Values of the noise that a universal posterior reads."""
    batch_norm: bool = False
    """Whether every layer of the encoder is followed by batch normalisation."""
    init: NotNegative = 0.0
    """Standard deviation of the first weights; 0 for PyTorch's own."""
    output: Literal["sigmoid", "linear"] = "sigmoid"
    """What the decoder ends in; "linear" is clipped to [0, 1] in use."""
    decoder: Literal["", "mlp", "conv"] = ""
    """The decoder's architecture, where it is another than the encoder's; needs ``decoder_hidden``."""
    decoder_hidden: WidthsOrNone = ()
    """The decoder's layers, from the image inwards; empty for the encoder's."""

    def __post_init__(self) -> None:
        if self.decoder and not self.decoder_hidden:
            raise ValueError(
                f"a decoder of its own network, '{self.decoder}', needs hidden layers of its own: set model.decoder_hidden"
            )


@dataclass(frozen=True, config=TABLE)
class Prior:
    """The prior that an adversarial autoencoder matches its codes, or their styles, to."""

    name: str = "gaussian"
    """gaussian (of deviation ``objective.sigma``), uniform, mixture, swiss-roll, or module:function, which maps (rows, generator) to draws (rows, d)."""
    components: Width = 10
    """Components of the mixture, or segments of the roll."""
    scale: Positive = 1.0
    """Factor on all lengths of the uniform law, the mixture and the roll."""

    def __post_init__(self) -> None:
        if ":" not in self.name and self.name not in PRIORS:
            raise ValueError(
                f"{naming.unknown('prior', self.name, PRIORS)}; a function of your own is named as module:function"
            )


@dataclass(frozen=True, config=TABLE)
class Labels:
    """What an adversarial autoencoder with classes knows of them."""

    classes: Annotated[int, Field(ge=0, le=WIDEST)] = 0
    """Classes of the code, or clusters; 0 for as many as the data have."""
    count: Annotated[int, Field(ge=-1, le=MOST)] = -1
    """Images with a label, equally many of each class; -1 for all, 0 for none."""
    batch: Count = 100
    """Labelled images of a step."""
    weight: NotNegative = 1.0
    """Weight of the labelled images' cross-entropy."""
    adversarial: NotNegative = 1.0
    """Weight of the matcher's loss on classes."""
    shift: NotNegative = 0.0
    """Largest random shift of an augmented image, in pixels."""
    rotation: NotNegative = 0.0
    """Largest random rotation of an augmented image, in degrees."""
    scale: NotNegative = 0.0
    """Largest random relative change of size of an augmented image."""
    shear: NotNegative = 0.0
    """Largest random slope of an augmented image."""
    invariant: bool = False
    """Whether the class of every image is read from the augmented image in training, its style from the image itself."""
    noise: NotNegative = 0.0
    """Standard deviation of Gaussian noise on the logits of classes in training."""
    margin: NotNegative = 0.0
    """Least distance between the heads of clusters of a reduction, in units of the code."""
    hinge: NotNegative = 1.0
    """Weight of the hinge that holds the heads of clusters ``margin`` apart."""

    def __post_init__(self) -> None:
        if self.invariant and not any((self.shift, self.rotation, self.scale, self.shear)):
            raise ValueError(
                "labels.invariant needs something to be invariant to: set shift, rotation, scale or shear above 0"
            )
        if self.classes == 1:
            raise ValueError("a code with a class needs at least 2 classes or clusters; got classes = 1")


@dataclass(frozen=True, config=TABLE)
class Matcher:
    """The discriminator of codes that is trained with the model: an AAE's (both, where it has two), or a VAE-GAN's."""

    hidden: WidthsOrNone = (512, 512)
    """Widths; none for an affine function."""
    activation: Activation = "relu"
    """Between layers."""
    spectral: bool = False
    """Whether the spectral norm of every layer is held at 1."""
    init: NotNegative = 0.0
    """Standard deviation of the first weights; 0 for PyTorch's own."""
    loss: Literal["bce", "hinge", "wasserstein"] = "bce"
    """An AAE's game between discriminator and encoder."""
    r1: NotNegative = 0.0
    """Weight of an AAE's gradient penalty; 0 for none."""
    noise: NotNegative = 0.0
    """Standard deviation of Gaussian noise on all that an AAE's discriminator reads."""

    def __post_init__(self) -> None:
        if self.loss == "wasserstein" and not (self.spectral or self.r1):
            raise ValueError("a wasserstein critic has to be held smooth: set spectral = true, or r1 above 0")
        if self.init and self.spectral:
            raise ValueError("a spectral norm of 1 fixes the size of the weights; leave out init, or spectral")


@dataclass(frozen=True, config=TABLE)
class Critic:
    """A VAE-GAN's discriminator of images; its learning rate is ``training.rates.critic``."""

    network: Architecture = "mlp"
    """Perceptron, or convolutions of stride 2."""
    hidden: Widths = (512, 256)
    """Widths of a perceptron's layers, or channels of the convolutions."""
    spectral: bool = False
    """Whether the spectral norm of every layer is held at 1."""
    r1: NotNegative = 0.0
    """Weight of the gradient penalty on real images; 0 for none."""
    instance_noise: NotNegative = 0.0
    """Standard deviation of Gaussian noise on all that the critic reads (Sonderby et al. 2017)."""


@dataclass(frozen=True, config=TABLE)
class Detector:
    """The density-ratio discriminators of codes, trained after the model."""

    members: Annotated[int, Field(ge=1, le=1000)] = 3
    """Networks whose logits are averaged."""
    hidden: WidthsOrNone = (256, 256, 256)
    """Widths; none for an affine function."""
    activation: Activation = "relu"
    """Between layers."""
    epochs: Count = 20
    """Passes over the codes."""
    batch: Batch = 512
    """Codes of a step."""
    rate: Positive = 1e-3
    """Learning rate of Adam."""
    negatives: Literal["mixture", "whole", "ball", "density", "prior"] = "mixture"
    """Where points off the data are drawn from (``training.negatives``)."""
    samples: bool = False
    """Whether each step takes fresh draws of q(z|x) in place of its means; needs a Gaussian posterior."""


@dataclass(frozen=True, config=TABLE)
class Pixel:
    """The pixel discriminator, trained by `ridgewalk sense`."""

    network: Architecture = "mlp"
    """Perceptron, or convolutions of stride 2."""
    hidden: Widths = (256, 256)
    """Widths of a perceptron's layers, or channels of the convolutions."""
    epochs: Count = 10
    """Passes over the images."""
    batch: Batch = 256
    """Images of a step."""


@dataclass(frozen=True, config=TABLE)
class Judges:
    """The two judges, each a network that tells real images from composites of real ones, and a classifier whose features are compared."""

    steps: Count = 1600
    """Training steps of the network that tells real images from composites."""
    epochs: Count = 8
    """Passes of the classifier over its images."""
    batch: Batch = 128
    """Images of a step of the classifier."""
    rate: Positive = 1e-3
    """Learning rate of Adam, of the classifier."""
    neighbours: Count = 3
    """k of the k-nearest-neighbour balls in the classifier's features."""


@dataclass(frozen=True, config=TABLE)
class Walks:
    """How paths are searched and shown."""

    pairs: Count = 200
    """Pairs of a report."""
    frames: Annotated[int, Field(ge=3, le=WIDEST)] = 17
    """Images of a path."""
    nodes: Annotated[int, Field(ge=3, le=WIDEST)] = 33
    """Nodes of a string while it relaxes."""
    iterations: CountOrNone = 150
    """Steps of a string's relaxation."""
    step: Positive = 0.02
    """Size of a string's step."""
    smoothing: Share = 0.95
    """Weight with which a node of a string is drawn to the middle of its neighbours at each step."""
    margin: Number = 1.5
    """Logit of the detector above which the energy soft-ratio flattens."""
    length_weight: NotNegative = 0.3
    """Weight of a path's length where the best of several strings is chosen."""
    sgw_alpha: Positive = 0.1
    """Length of a score-guided walk's step to the end, in units of the code."""
    sgw_beta: NotNegative = 0.2
    """Size of a score-guided walk's correction per unit of the energy's gradient."""
    sgw_clamp: Positive = 1.0
    """Largest size of each component of the gradient in a score-guided walk."""
    guided_alpha: NotNegative = 0.05
    """Size of guided exploration's correction per unit of the energy's gradient."""
    guided_gamma: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Share of the remaining distance that a step of guided exploration covers."""
    references: Count = 20000
    """Codes of data that finders walk among."""
    neighbours: Count = 10
    """Neighbours of a code in the graph."""
    dual_shares: tuple[NotNegative, NotNegative] = (0.5, 0.5)
    """Shares of the latent and of the pixel force in the energy "dual", in units of the latent force."""
    realism: NotNegative = 8.0
    """Weight of the energy against the length of a ridge path."""

    def __post_init__(self) -> None:
        if not any(self.dual_shares):
            raise ValueError("dual_shares must not both be 0")


@dataclass(frozen=True, config=TABLE)
class Interpolation:
    """The interpolation network and its training."""

    hidden: Widths = (1024, 1024, 512)
    """Widths."""
    activation: Activation = "silu"
    """Between layers."""
    pool: Batch = 20000
    """Codes that its pairs are drawn from."""
    attraction: NotNegative = 0.1
    """Weight lambda of the attraction to the straight line."""
    times: Batch = 8
    """Times at which each pair is evaluated in a step, where there are several."""
    curve: NotNegative = 0.3
    """Weight of the curve's energy where the network is trained on an energy in place of re-projection."""
    epochs: Count = 10
    """Passes over the pairs."""
    batch: Batch = 256
    """Pairs of a step."""
    rate: Positive = 5e-4
    """Learning rate of Adam."""
