"""
Adversarial autoencoders with the interface of scikit-learn: ``fit``, ``predict``, ``transform`` and ``score`` on arrays (n, d).

    AAEClassifier   learns from few labels; y is -1 (or "-1" if labels are words) for a row whose class is not known
    AAEClusterer    finds K clusters without labels

Both train ``families.categorical.Categorical`` over multilayer perceptrons: an encoder with two heads, for the style s in R^m and the class y of a row,
which are matched to N(0, I) and to the corners of the simplex, and a decoder of both. Columns are scaled to [0, 1] by their range in the fitted data, and
later values are clipped to it. Training is in float32 on ``device``; the fitted networks compute in float64 on the CPU, where the result of a row does
not depend on its batch (to rounding).

Source: Makhzani, Shlens, Jaitly, Goodfellow and Frey (2015), Adversarial autoencoders, sections 5 and 6.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
from torch import Tensor

from ridgewalk import naming
from ridgewalk.models.autoencoders import Architecture
from ridgewalk.models.categories import build_categorical, refuse_few
from ridgewalk.models.discriminators import latent_discriminator
from ridgewalk.path import chunked
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings.training import Schedule
from ridgewalk.training.batch_norm import settle
from ridgewalk.training.duels import Corruption
from ridgewalk.training.families.categorical import Categorical
from ridgewalk.training.labelled import Labelled
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.priors import Gaussian

Array = NDArray[Any]

SCALES = ("column", "table")
"""The range that is scaled to [0, 1]: that of each column, or that of all values together, as for pixels."""

_ROWS = 1024  # number of rows that are evaluated at once


class _AdversarialAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The common part of both estimators: scaling, training, and the outputs of both heads and of the decoder."""

    n_components: int
    hidden: Sequence[int]
    epochs: int
    batch_size: int
    learning_rate: float
    discriminator_rate: float
    input_noise: float
    scale: str
    device: str
    random_state: Any

    def transform(self, X: Any) -> Array:
        """The styles s of rows (n, d): float64 (n, n_components)."""
        return np.asarray(self._evaluate(X, lambda x: self.model_.heads(x)[0]))

    def predict_proba(self, X: Any) -> Array:
        """The class probabilities q(y | x) of rows (n, d): float64 (n, K)."""
        return np.asarray(self._evaluate(X, lambda x: self.model_.classify(x)))

    def reconstruct(self, X: Any) -> Array:
        """The reconstructions G(s, y) of rows (n, d), in the units of the rows: float64 (n, d)."""
        decoded = np.asarray(self._evaluate(X, lambda x: self.model_(x).flatten(1)))
        return self.low_ + decoded * self.span_

    def _train(self, X: Array, classes: int, known: Array | None, labels: Array | None, batch_norm: bool) -> None:
        """Trains on rows (n, d), of which the rows ``known`` have the classes ``labels``."""
        self._check_settings()
        low, high = (X.min(axis=0), X.max(axis=0)) if self.scale == "column" else (X.min(), X.max())
        self.low_ = np.broadcast_to(low, X.shape[1:]).astype(np.float64)
        self.span_ = np.broadcast_to(high - low, X.shape[1:]).astype(np.float64)
        x, d, seed = self._to_images(X).float(), X.shape[1], self._seed()
        hidden = tuple(int(v) for v in self.hidden)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mixed_seed(seed, Stream.AUTOENCODER))
            model = build_categorical(
                (1, 1, d), self.n_components, classes, architecture=Architecture(hidden=hidden, batch_norm=batch_norm)
            )
            on_style, on_class = (latent_discriminator(m, "prior", hidden) for m in (self.n_components, classes))
        labelled = None
        if known is not None and labels is not None:
            rows = torch.from_numpy(known)
            labelled = Labelled(x[rows], torch.from_numpy(labels), min(self.batch_size, len(rows)))
        objective = Categorical(
            model,
            on_style,
            on_class,
            Gaussian(self.n_components),
            labelled,
            corruption=Corruption(noise=self.input_noise),
            together=True,
        )
        schedule = Schedule(
            epochs=self.epochs,
            batch=min(self.batch_size, len(x)),
            rate=self.learning_rate,
            rates={"discriminator": self.discriminator_rate},
            decay="cosine",
            seed=mixed_seed(seed, Stream.ESTIMATOR_STEPS),
        )
        history = fit(objective, [x], schedule, Fitting(self.device, label=type(self).__name__, shared=False))
        self.loss_curve_ = history.terms["reconstruction"].numpy()
        settle(model, x)
        self.model_ = model.cpu().double().requires_grad_(False)
        self._n_features_out = self.n_components

    def _evaluate(self, X: Any, f: Any) -> Tensor:
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False, dtype=np.float64)
        return chunked(f, self._to_images(rows), chunk=_ROWS)

    def _to_images(self, X: Array) -> Tensor:
        """Rows (n, d) as images (n, 1, 1, d) in [0, 1]; a column that does not vary is 0."""
        span = np.where(self.span_ > 0, self.span_, np.inf)
        return torch.from_numpy(np.clip((X - self.low_) / span, 0.0, 1.0))[:, None, None]

    def _seed(self) -> int:
        if self.random_state is None:
            return int(np.random.SeedSequence().generate_state(1)[0])
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _check_settings(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(naming.unknown("scale", str(self.scale), SCALES))
        for name in ("n_components", "epochs", "batch_size"):
            if not _is_positive_integer(getattr(self, name)):
                raise ValueError(f"{name} must be a whole number, at least 1; got {getattr(self, name)!r}")
        if np.ndim(self.hidden) != 1 or not len(self.hidden) or not all(map(_is_positive_integer, self.hidden)):
            raise ValueError(
                f"hidden must hold at least one width, each a whole number, at least 1; got {self.hidden!r}"
            )
        noise = self.input_noise
        if isinstance(noise, bool) or not isinstance(noise, int | float | np.number) or not 0 <= noise < np.inf:
            raise ValueError(f"input_noise must be >= 0 and finite; got {noise!r}")


def _is_positive_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


class AAEClassifier(ClassifierMixin, _AdversarialAutoencoder):  # type: ignore[misc]
    """
    Semi-supervised classifier: a softmax trained on the known labels, whose trunk is also trained to reconstruct every row from class and style.

    Args:
        n_components: number of dimensions of the style.
        hidden: widths of the hidden layers of the encoder (in reverse order in the decoder) and of the discriminators.
        epochs: number of passes over all rows, with and without label.
        batch_size: number of rows per step, and of the labelled rows that are added to them; all rows if there are fewer.
        learning_rate: learning rate of the encoder and the decoder, which decays to 0 along a cosine.
        discriminator_rate: learning rate of the discriminators.
        input_noise: standard deviation of the noise that is added to the encoder's input in training, in units of scaled values.
        scale: the range that is scaled to [0, 1], "column" or "table".
        device: the device of the training, "auto", "cpu", "cuda" or "mps".
        random_state: seed of weights, order and noise: an integer, a RandomState, or None for a new seed at every fit.

    Attributes:
        classes_: (K,) sorted labels, without the one for "not known".
        model_: the fitted networks.
        low_, span_: (d,) minimum and range of the values that are scaled to [0, 1].
        loss_curve_: reconstruction loss at each step.
        n_features_in_: d, the number of columns.
    """

    def __init__(
        self,
        n_components: int = 10,
        hidden: Sequence[int] = (256, 256),
        epochs: int = 100,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        discriminator_rate: float = 5e-4,
        input_noise: float = 0.1,
        scale: str = "column",
        device: str = "cpu",
        random_state: Any = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.discriminator_rate = discriminator_rate
        self.input_noise = input_noise
        self.scale = scale
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """
        Trains on rows (n, d) and labels (n,), which are -1 (or "-1") for rows without a label.

        Raises:
            ValueError: if the arrays do not fit together, a setting is out of range, or fewer than two classes have a label.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        known = np.flatnonzero(y.astype(str) != "-1") if y.dtype.kind in "OUS" else np.flatnonzero(y != -1)
        if len(known) == 0:
            raise ValueError(f"none of the {len(y)} rows has a label: all y are -1; label some, or use AAEClusterer")
        self.classes_, labels = np.unique(y[known], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs labels of at least 2 classes; got 1 class: {self.classes_[0]!r}")
        self._train(X, len(self.classes_), known, labels.astype(np.int64), batch_norm=False)
        return self

    def predict(self, X: Any) -> Array:
        """The most probable class of each row: (n,)."""
        most = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most]


class AAEClusterer(ClusterMixin, _AdversarialAutoencoder):  # type: ignore[misc]
    """
    Finds K clusters by matching a softmax to the corners of the simplex, which are equally likely.

    Clusters are numbered by the number of fitted rows in them, the largest first, so that empty clusters come last. All arguments and attributes that
    are not listed are those of ``AAEClassifier``; every layer of the encoder is followed by batch normalisation.

    Args:
        n_clusters: K, at least 2; usually more than the number of classes.
        n_components: number of dimensions of the style, which holds what the cluster does not determine; it should be small.

    Attributes:
        labels_: (n,) the cluster of each fitted row.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        n_components: int = 5,
        hidden: Sequence[int] = (256, 256),
        epochs: int = 100,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        discriminator_rate: float = 5e-4,
        input_noise: float = 0.0,
        scale: str = "column",
        device: str = "cpu",
        random_state: Any = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_components = n_components
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.discriminator_rate = discriminator_rate
        self.input_noise = input_noise
        self.scale = scale
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """
        Finds clusters of rows (n, d); ``y`` is not used.

        Raises:
            ValueError: if the rows or a setting are out of range.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        if not _is_positive_integer(self.n_clusters):
            raise ValueError(f"n_clusters must be a whole number, at least 2; got {self.n_clusters!r}")
        refuse_few(self.n_clusters)
        self._train(X, self.n_clusters, None, None, batch_norm=True)
        self.order_ = np.arange(self.n_clusters)
        found = self.predict_proba(X).argmax(axis=1)
        self.order_ = np.argsort(-np.bincount(found, minlength=self.n_clusters), kind="stable")
        self.labels_ = self.predict(X)
        return self

    def predict_proba(self, X: Any) -> Array:
        """The cluster probabilities q(y | x) of rows (n, d): float64 (n, n_clusters)."""
        return super().predict_proba(X)[:, self.order_]

    def predict(self, X: Any) -> Array:
        """The most probable cluster of each row: int64 (n,)."""
        return self.predict_proba(X).argmax(axis=1)

    def score(self, X: Any, y: Any = None) -> float:
        """Minus half the squared reconstruction error of scaled values, averaged over rows; higher is better, and ``y`` is not used."""
        errors = self._evaluate(X, lambda x: (self.model_(x) - x).flatten(1).square().sum(dim=1) / 2)
        return -float(errors.mean())
