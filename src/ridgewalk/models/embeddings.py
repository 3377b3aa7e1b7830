"""
Embeddings of the noise level and the class that a network is conditioned on.

    waves         x -> [cos 2 pi F x, sin 2 pi F x]        F fixed: Gaussian draws (Fourier features) or a geometric series
    noise level   c -> MLP(waves(c))
    class         y -> E[y + 1]                            E learnt; its row 0 stands for "no class"

A noise level c is log(sigma) / 4 (Karras et al. 2022), of order -1 to 2; frequencies count waves per unit of c.
"""

import torch
from torch import Tensor, nn

from ridgewalk import naming
from ridgewalk.models.blocks import mlp

WAVES: tuple[str, ...] = ("fourier", "sinusoidal")


class Waves(nn.Module):
    """
    [cos 2 pi F x, sin 2 pi F x] for fixed frequencies F (m, d): (n, d) -> (n, 2 m).

    Args:
        frequencies: F, in waves per unit of x; a buffer, which is saved with the network and not trained.
    """

    frequencies: Tensor

    def __init__(self, frequencies: Tensor) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)

    def forward(self, x: Tensor) -> Tensor:
        """(n, d) -> (n, 2 m)."""
        phase = 2 * torch.pi * x @ self.frequencies.T
        return torch.cat([phase.cos(), phase.sin()], dim=1)


class FourierFeatures(Waves):
    """
    [cos 2 pi B x, sin 2 pi B x] with the entries of B drawn once from N(0, scale^2): (n, d) -> (n, features).

    Their mean product approximates a Gaussian kernel up to O(1 / sqrt(features)):
    (2 / features) <f(x), f(y)> = mean_j cos 2 pi b_j (x - y) ~ exp(-2 pi^2 scale^2 |x - y|^2),
    so an affine layer on the features separates points at distances of about 1 / (2 pi scale).

    Args:
        dims: d, the dimension of x.
        features: number of features, even.
        scale: standard deviation of the frequencies, in waves per unit of x.
        seed: seed of the frequencies; torch's global generator is not used.

    Source: Tancik et al. 2020 (eq. 5 and section 6.1, Gaussian mapping); Rahimi and Recht 2007 for the kernel.
    """

    def __init__(self, dims: int, features: int, scale: float = 1.0, seed: int = 0) -> None:
        if dims < 1 or scale <= 0:
            raise ValueError(f"Fourier features need at least 1 dimension and a scale above 0; got {dims} and {scale}")
        generator = torch.Generator().manual_seed(seed)
        super().__init__(scale * torch.randn(_half(features), dims, generator=generator))


class Sinusoids(Waves):
    """
    Waves of one scalar at frequencies in geometric progression from ``low`` to ``high``, both included: (n, 1) -> (n, features).

    Args:
        features: number of features, even.
        low: lowest frequency, in waves per unit of the scalar.
        high: highest frequency.

    Source: Vaswani et al. 2017, section 3.5, where the scalar is a position in a sentence.
    """

    def __init__(self, features: int, low: float = 1 / 16, high: float = 8.0) -> None:
        if not 0 < low <= high:
            raise ValueError(f"frequencies run from low to high with 0 < low <= high; got {low} and {high}")
        octaves = torch.linspace(0, 1, _half(features))[:, None]
        super().__init__(low * (high / low) ** octaves)


class TimeEmbedding(nn.Module):
    """
    SiLU(W_2 SiLU(W_1 waves(c) + b_1) + b_2): noise levels (n,) -> (n, width).

    Args:
        width: width of the embedding, an even number.
        waves: ``fourier`` (Gaussian frequencies, NCSN++, Song et al. 2021) or ``sinusoidal`` (a geometric series, DDPM++).
        scale: standard deviation of the Gaussian frequencies in waves per unit of c; the highest sinusoidal frequency is four times as large. The default
            separates noise levels that differ by a third. NCSN++'s 16 separates 4 per cent; in 2 dimensions its error was 40 per cent larger, while 0.5
            to 4 gave equal errors (in the measurement that ``TimeMLP`` quotes).
    """

    def __init__(self, width: int, waves: str = "fourier", scale: float = 2.0) -> None:
        super().__init__()
        if waves not in WAVES:
            raise ValueError(naming.unknown("embedding", waves, WAVES))
        self.waves = FourierFeatures(1, width, scale) if waves == "fourier" else Sinusoids(width, high=4 * scale)
        self.mlp = nn.Sequential(*mlp([width, width, width], "silu"), nn.SiLU())

    def forward(self, c: Tensor) -> Tensor:
        """(n,) -> (n, width)."""
        return self.mlp(self.waves(c[:, None]))


class ClassEmbedding(nn.Module):
    """
    E[y + 1], where y = -1 stands for "no class" (Ho and Salimans 2022): labels (n,) -> (n, width).

    Args:
        classes: number of classes; their labels are 0 to classes - 1.
        width: width of the embedding.
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.classes = classes
        self.table = nn.Embedding(classes + 1, width)

    def forward(self, labels: Tensor) -> Tensor:
        """int64 (n,) -> (n, width)."""
        return self.table(labels + 1)


class Conditioning(nn.Module):
    """
    The sum of the embeddings of noise level and class: c (n,), labels (n,) or None -> (n, width).

    Args:
        width: width of both embeddings, an even number.
        classes: number of classes; 0 makes an unconditional network, which refuses labels other than -1.
        waves: ``fourier`` or ``sinusoidal``, as ``TimeEmbedding`` defines them.
    """

    def __init__(self, width: int, classes: int = 0, waves: str = "fourier") -> None:
        super().__init__()
        if classes < 0:
            raise ValueError(f"a network needs 0 classes (unconditional) or more; got {classes}")
        self.width = width
        self.time = TimeEmbedding(width, waves)
        self.label = ClassEmbedding(classes, width) if classes else None

    def forward(self, c: Tensor, labels: Tensor | None = None) -> Tensor:
        """Embeds noise levels (n,) and labels int64 (n,), which are -1 for "no class"; None stands for -1 throughout."""
        if labels is None:
            labels = torch.full(c.shape, -1, device=c.device)
        else:
            check_labels(labels, len(c), 0 if self.label is None else self.label.classes)
        embedding = self.time(c)
        return embedding if self.label is None else embedding + self.label(labels)


def check_labels(labels: Tensor, n: int, classes: int) -> None:
    """Raises ValueError unless labels are int64 (n,) in -1 .. classes - 1."""
    if labels.shape != (n,) or labels.dtype != torch.int64:
        raise ValueError(f"labels must be int64 ({n},); got {labels.dtype} {tuple(labels.shape)}")
    strange = (labels < -1) | (labels >= classes)
    if strange.any():
        known = f"0 to {classes - 1}, or -1 for no class" if classes else "-1 alone: it was made with classes=0"
        raise ValueError(f"this network's labels are {known}; got {int(labels[strange][0])}")


def _half(features: int) -> int:
    """Half of an even number of waves, as each frequency gives a cosine and a sine."""
    if features < 2 or features % 2:
        raise ValueError(f"waves come in pairs, so their number must be even and positive; got {features}")
    return features // 2
