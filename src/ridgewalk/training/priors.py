"""
Priors of codes: whatever can be sampled. Each maps a number of rows and the step's noise to draws (rows, d).

    gaussian      N(0, sigma^2 I)
    uniform       U[-a, a]^d
    mixture       m Gaussians in the plane, like petals: at angle t_k = 2 pi k / m and distance 1.4, of deviation 0.5 along the radius, 0.1 across it
    swiss-roll    u (cos 4 pi u, sin 4 pi u) 3, u^2 uniform in [0, 1], of deviation 0.05, parted into segments of equal weight in u^2
    own           a function of the user's own, (rows, generator) -> (rows, d), named as module:function

A mixture's component and a roll's segment are its classes: ``given`` draws from that of each row's label, from any where the label is -1.
The mixture and the roll are those of the figures of Makhzani et al. (2015), whose numbers are not in its text: these reproduce their look.
"""

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from ridgewalk import naming
from ridgewalk.settings.autoencoder import PRIORS
from ridgewalk.training.noise import Noise

Sampler = Callable[[int, torch.Generator], Tensor]


class Prior(Protocol):
    """A law of codes that can be sampled."""

    def __call__(self, rows: int, noise: Noise, /) -> Tensor:
        """Draws ``rows`` codes: (rows, d)."""
        ...


@runtime_checkable
class Classed(Protocol):
    """A prior with a law for each of several classes."""

    classes: int

    def __call__(self, rows: int, noise: Noise, /) -> Tensor:
        """Draws codes of all classes together: (rows, d)."""
        ...

    def given(self, labels: Tensor, noise: Noise, /) -> Tensor:
        """Draws one code from the law of each label's class, int64 (n,), or of a random class where it is -1: (n, d)."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """N(0, sigma^2 I) in ``dims`` dimensions."""

    dims: int
    sigma: float = 1.0

    def __call__(self, rows: int, noise: Noise, /) -> Tensor:
        return self.sigma * noise.normal(rows, self.dims)


@dataclass(frozen=True)
class Uniform:
    """U[-side, side] in each of ``dims`` dimensions."""

    dims: int
    side: float = 1.0

    def __call__(self, rows: int, noise: Noise, /) -> Tensor:
        return self.side * (2 * noise.uniform(rows, self.dims) - 1)


class Parted(ABC):
    """A prior in the plane with a part for each class: a draw of the whole prior first draws its part."""

    def __call__(self, rows: int, noise: Noise, /) -> Tensor:
        return self.given(torch.full((rows,), -1, device=noise.device), noise)

    @abstractmethod
    def given(self, labels: Tensor, noise: Noise, /) -> Tensor:
        """Draws one point from the part of each label, or from a random part where it is -1: (n,) -> (n, 2)."""


@dataclass(frozen=True)
class Mixture(Parted):
    """Petals in the plane, ``classes`` of them, all lengths times ``scale``."""

    classes: int = 10
    scale: float = 1.0
    distance: float = 1.4
    along: float = 0.5
    across: float = 0.1

    def given(self, labels: Tensor, noise: Noise, /) -> Tensor:
        component = _fill_unknown(labels, self.classes, noise)
        angle = 2 * math.pi * component / self.classes
        x, y = noise.normal(len(labels), 2).unbind(dim=1)
        x, y = self.distance + self.along * x, self.across * y
        return self.scale * torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], dim=1)


@dataclass(frozen=True)
class SwissRoll(Parted):
    """A spiral of two turns in the plane, of ``classes`` segments, all lengths times ``scale``."""

    classes: int = 10
    scale: float = 1.0
    radius: float = 3.0
    deviation: float = 0.05

    def given(self, labels: Tensor, noise: Noise, /) -> Tensor:
        segment = _fill_unknown(labels, self.classes, noise)
        u = ((segment + noise.uniform(len(labels))) / self.classes).sqrt()
        angle = 4 * math.pi * u
        spiral = self.radius * u[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
        return self.scale * (spiral + self.deviation * noise.normal(len(labels), 2))


@dataclass(frozen=True)
class Own:
    """
    A user's own prior, whose draws are checked before they are used.

    Args:
        sampler: (rows, generator) -> float (rows, dims); all its randomness should come from the generator.
        dims: number d of dimensions of a draw.
        name: name of the prior in error messages.

    Raises:
        ValueError: when called, if it returns another shape or type, or values that are not finite.
    """

    sampler: Sampler
    dims: int
    name: str

    def __call__(self, rows: int, noise: Noise, /) -> Tensor:
        return noise.drawn(rows, self._checked)

    def _checked(self, rows: int, generator: torch.Generator) -> Tensor:
        try:
            drawn = self.sampler(rows, generator)
        except Exception as error:
            raise ValueError(
                f"the prior {self.name} failed to draw {rows} rows: {type(error).__name__}: {error}"
            ) from error
        wanted = (rows, self.dims)
        if not isinstance(drawn, Tensor) or tuple(drawn.shape) != wanted or not drawn.is_floating_point():
            got = f"{drawn.dtype} {tuple(drawn.shape)}" if isinstance(drawn, Tensor) else type(drawn).__name__
            raise ValueError(
                f"the prior {self.name} must return a tensor of floats {wanted}, rows by model.latent; got {got}"
            )
        if not drawn.isfinite().all():
            row = int((~drawn.isfinite().flatten(1).all(dim=1)).nonzero()[0, 0])
            raise ValueError(f"the prior {self.name} must return finite values; row {row} of {rows} has NaN or Inf")
        return drawn.detach().float()


def categories(rows: int, classes: int, noise: Noise) -> Tensor:
    """Draws of the uniform categorical law, one-hot: (rows, classes)."""
    return F.one_hot(noise.integers(classes, rows), classes).float()


def prior(name: str, dims: int, sigma: float = 1.0, components: int = 10, scale: float = 1.0) -> Prior:
    """
    Returns the prior called ``name``.

    Args:
        name: one of ``PRIORS``, or module:function of a user's own.
        dims: number d of dimensions of a code.
        sigma: standard deviation of the Gaussian.
        components: number of components of the mixture, or of segments of the roll.
        scale: factor of all lengths of the mixture, the roll and the uniform law.

    Raises:
        ValueError: for an unknown name, a plane's prior in another number of dimensions, and a function that cannot be found.
    """
    if ":" in name:
        return Own(_import_function(name), dims, name)
    if name not in PRIORS:
        raise ValueError(f"{naming.unknown('prior', name, PRIORS)}; a function of your own is named as module:function")
    if name == "gaussian":
        return Gaussian(dims, sigma)
    if name == "uniform":
        return Uniform(dims, scale)
    if dims != 2:
        raise ValueError(f"the prior '{name}' lies in the plane: it needs model.latent = 2; got {dims}")
    return (Mixture if name == "mixture" else SwissRoll)(components, scale)


def _fill_unknown(labels: Tensor, classes: int, noise: Noise) -> Tensor:
    """The labels, with a random class where they are -1."""
    return torch.where(labels < 0, noise.integers(classes, len(labels)).to(labels.device), labels)


def _import_function(name: str) -> Sampler:
    """Imports the function called module:function."""
    module, _, function = name.partition(":")
    if not module or not function:
        raise ValueError(f"a prior of your own is named as module:function; got '{name}'")
    try:
        found = getattr(importlib.import_module(module), function, None)
    except Exception as error:  # whatever the user's module does when it is imported
        raise ValueError(
            f"the prior '{name}' cannot be imported: {error}; its module must be installed, or lie in a folder of PYTHONPATH"
        ) from error
    if not callable(found):
        raise ValueError(f"the prior '{name}' is not there: module {module} has no function called '{function}'")
    return found
