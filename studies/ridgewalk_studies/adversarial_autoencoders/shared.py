"""What the experiments on adversarial autoencoders share: errors on the test part, the control network, figures over seeds, and pictures of codes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.data import ImageData, Images, file_rows, load, part
from ridgewalk.files import write_bytes
from ridgewalk.metrics.statistics import Interval, paired_difference
from ridgewalk.models.categories import CategoricalAutoencoder, ConditionalAutoencoder
from ridgewalk.path import chunked
from ridgewalk.records import parse_record, seal
from ridgewalk.reports import Cell, Figure, Section, Text, figures
from ridgewalk.reports.samples import sheet
from ridgewalk.reports.style import png
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.settings import recipes
from ridgewalk.settings.training import Schedule
from ridgewalk.store.run import Run
from ridgewalk.training.batch_norm import settle
from ridgewalk.training.duels import Corruption
from ridgewalk.training.families.base import family_of
from ridgewalk.training.families.matching import MatchingFamily
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Classification
from ridgewalk_studies.claims import Claim, Criterion, Verdict, by_value, judge
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.generative import decode_images
from ridgewalk_studies.measures.clustering import Clustering, measure_clusters
from ridgewalk_studies.measures.posterior import STEPS
from ridgewalk_studies.sources import AAE

T = TypeVar("T")

NAMED = "clusters are named by the validation images and scored on the other test images"
"""How the error of clusters is measured."""

SHOWN = 8
"""Number of rows of a picture."""

PLOTTED = 3000
"""Largest number of codes in a picture."""


@dataclass(frozen=True)
class Original:
    """
    The data set on which published figures were measured, and how it is recognised.

    Attributes:
        name: Name of the data set.
        shape: Shape of an image.
        test: number of test images, 0 for any.
        first: classes of the first images of the test file, which distinguish MNIST from other sets in its format.
    """

    name: str
    shape: tuple[int, int, int]
    test: int = 0
    first: tuple[int, ...] = ()

    def holds(self, data: ImageData) -> bool:
        """Whether ``data`` is this data set."""
        rows = file_rows(len(data.test)).argsort()[: len(self.first)]
        labels = tuple(data.test.labels[rows].tolist())
        return data.shape == self.shape and self.test in (0, len(data.test)) and labels == self.first


MNIST = Original("MNIST", (1, 28, 28), 10_000, (7, 2, 1, 0, 4, 1, 4, 9, 5, 9))

ORIGINALS: Mapping[str, Original] = {
    "aae-svhn": Original("SVHN", (3, 32, 32), 26_032),
    "aae-tfd": Original("the Toronto Face Database", (1, 48, 48)),
}
"""The data sets of the recipes whose published figures were not measured on MNIST."""


def original_of(e: Experiment) -> Original:
    """The data set on which the published figures of an experiment's recipe were measured."""
    return ORIGINALS.get(Path(e.recipe).stem, MNIST)


def published_of(e: Experiment, run: Run, figures: Mapping[str, T]) -> Mapping[str, T]:
    """The published figures if they were measured on the run's data set; otherwise none."""
    return figures if original_of(e).holds(run.data) else {}


def of_others(e: Experiment, run: Run) -> str:
    """A sentence if the published figures were measured on another data set than the run's; otherwise ""."""
    if (original := original_of(e)).holds(run.data):
        return ""
    return f" Published figures are of {original.name}, not of these images, and are left out."


def settings_of(e: Experiment, *prefixes: str) -> list[str]:
    """
    The recipe's own setting, "", and its variants.

    Variants called ``paper...`` have the paper's setting at the cpu budget. At the full budget the recipe itself has it, and they are left out.

    Raises:
        ValueError: Before anything is trained, if a variant's settings do not fit these images, or its name begins with none of the given ``prefixes``.
    """
    own = [v for v in e.settings.reproduce.variants if not (e.budget == "full" and v.startswith("paper"))]
    for v in own:
        if prefixes and not v.startswith(prefixes):
            raise ValueError(
                f"this experiment does not know what to make of the variant '{v}': its name has to begin with {' or '.join(prefixes)}"
            )
    data = load(e.source)
    for v in ["", *own]:
        changes = [*e.changes, *e.settings.reproduce.variants.get(v, ())]
        try:
            recipe = recipes.read(e.recipe, e.budget, changes, e.source)
            family = family_of(recipe)
            recipe = family.complete(recipe, data.class_names)
            family.refuse_unread(recipe)
            family.tensors(recipe, part(data, "model"), 0)
        except ValueError as error:
            raise ValueError(f"variant '{v}': {error}" if v else str(error)) from error
    return ["", *own]


def classes_of(run: Run, images: Images) -> Tensor:
    """Probabilities of classes or clusters: (n, K)."""
    model = run.model
    if not isinstance(model, CategoricalAutoencoder | ConditionalAutoencoder):
        raise ValueError(f"this run's objective '{run.recipe.objective.name}' has no classes in its codes")
    return chunked(lambda x: model.classify(x.to(run.device)).cpu(), images.floats())


def clusters_of(run: Run) -> Clustering:
    """Measures a run's clusters on the images of the roles test and reference; the validation images name them."""
    naming, scored = part(run.data, "validation"), [part(run.data, role) for role in ("test", "reference")]
    q = torch.cat([classes_of(run, images) for images in scored]).double()
    labels = torch.cat([images.labels for images in scored])
    return measure_clusters(q, labels, (classes_of(run, naming).double(), naming.labels))


def mistakes(run: Run) -> Tensor:
    """Whether the most probable class of each image of the test part differs from its own: bool (n,)."""
    test = run.data.test
    return classes_of(run, test).argmax(dim=1) != test.labels


def over_seeds(values: Sequence[float], note: str = "") -> Cell:
    """The mean over seeds, with their standard deviation as a note if there are several."""
    v = torch.tensor(values, dtype=torch.float64)
    spread = f"+- {float(v.std()):.2f}, {len(values)} seeds" if len(values) > 1 else "1 seed"
    return Cell(float(v.mean()), note=", ".join(t for t in (spread, note) if t))


def describe_seeds(values: Sequence[float], unit: str = " %") -> str:
    """The mean over seeds and the value of each seed, in words."""
    mean = sum(values) / len(values)
    return f"{mean:.2f}{unit} (by seed: {', '.join(f'{v:.2f}' for v in values)})"


def judge_published(
    statement: str, values: Sequence[float], target: float, how: str, lower: bool = True, unit: str = " %"
) -> Verdict:
    """
    Judges a claim that a figure reaches a published one. It holds if every seed does, and in part if some seed does.

    Args:
        statement: the claim.
        values: the figure, one value for each seed.
        target: the published figure.
        how: how it was measured.
        lower: whether lower figures are better.
        unit: The figure's unit, in words.
    """
    criterion = by_value(f"figure of every seed,{unit},", "at most" if lower else "at least", target)
    figure = f"{describe_seeds(values, unit)}; published {target:g}{unit}"
    claim = Claim(statement, AAE, (criterion,))
    return judge(claim, list(values), figure=figure, how=how)


def control_mistakes(run: Run, folder: Path) -> Tensor:
    """
    Mistakes on the test part of the run's own classifier trained on its labels alone, with dropout: bool (n,).

    The encoder's trunk and its head of classes are initialised anew, with dropout before their affine layers (``with_dropout``). They are trained for as
    many steps as the run, on batches of its labelled images with its augmentation and preprocessing, by Adam at 1e-3 with a cosine decay.

    Args:
        run: The run whose labels, network, steps and augmentation are taken.
        folder: The folder in which the result is kept, so that a resumed reproduction finds it.
    """
    record = folder / f"control-{run.folder.name}.json"
    if record.is_file():
        try:
            return torch.tensor(parse_record(record.read_bytes(), ("mistakes",))["mistakes"], dtype=torch.bool)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{record} cannot be read ({error}); remove it to train the classifier again") from error
    images, recipe, seed = part(run.data, "model"), run.recipe, run.origin.seed
    labelled = family_of(recipe).tensors(recipe, images, seed)[1]
    assert labelled is not None
    own = family_of(recipe).autoencoder(recipe, images.shape, mixed_seed(seed, Stream.CLASSIFIER))
    assert isinstance(own, CategoricalAutoencoder)
    network = with_dropout(nn.Sequential(own.encoder, own.label), first=recipe.model.network == "mlp")
    batch = min(labelled.batch, len(labelled.labels))
    epochs = max(1, int(run.manifest["steps"]) // (len(labelled.labels) // batch))
    schedule = Schedule(
        epochs,
        batch,
        rate=1e-3,
        decay="cosine",
        ema=recipe.training.ema,
        seed=mixed_seed(seed, Stream.CLASSIFIER_STEPS),
    )
    assert isinstance(recipe.objective, MatchingFamily)
    corrupt = Corruption(recipe.objective.input_noise, recipe.objective.input_dropout)

    def seen(x: Tensor, noise: Noise) -> Tensor:
        return corrupt(labelled.augmentation(x, noise), noise)

    objective = Classification(network, augmentation=seen)
    fit(objective, [labelled.images, labelled.labels], schedule, Fitting("cpu", label="control with dropout"))
    settle(network, labelled.images)
    test = run.data.test
    wrong = chunked(lambda x: network(x), test.floats()).argmax(dim=1) != test.labels
    write_bytes(record, json.dumps(seal({"mistakes": wrong.int().tolist()})).encode())
    return wrong


def with_dropout(network: nn.Module, hidden: float = 0.5, images: float = 0.2, first: bool = True) -> nn.Sequential:
    """
    The network's layers in a row, with dropout before each affine one (Srivastava et al. 2014).

    Args:
        network: nested sequences of layers.
        hidden: share of hidden units that are dropped.
        images: share of pixels, before the first affine layer.
        first: whether that layer reads pixels.
    """
    layers: list[nn.Module] = []
    for layer in network.modules():
        if isinstance(layer, nn.Sequential):
            continue
        if isinstance(layer, nn.Linear):
            reads_pixels = first and not any(isinstance(before, nn.Linear) for before in layers)
            layers.append(nn.Dropout(images if reads_pixels else hidden))
        layers.append(layer)
    return nn.Sequential(*layers)


def judge_fewer_mistakes(statement: str, own: Sequence[Tensor], other: Sequence[Tensor], how: str) -> Verdict:
    """Judges a claim that one model makes fewer mistakes than another on the same images; a resampled image keeps all its seeds."""
    difference: Interval = paired_difference(
        torch.stack([w.double() for w in own]).mean(0), torch.stack([w.double() for w in other]).mean(0), 0
    )
    claim = Claim(statement, "", (Criterion("difference of the errors", "below", 0),))
    return judge(claim, difference, figure=f"difference of errors {difference:+.2%}", how=how)


def probe_steps(e: Experiment) -> int:
    """Number of training steps of a probe of the aggregated posterior; fewer in a smoke run, whose figures mean nothing."""
    return 50 if e.budget == "smoke" else STEPS


def games(runs: Mapping[str, Sequence[Run]]) -> Section:
    """The diagnosis of each run's discriminators at the end of their training."""
    lines = [
        f"{name}, seed {run.origin.seed}: {line['sentence']}"
        for name, own in runs.items()
        for run in own
        for line in run.manifest.get("readings", {}).values()
    ]
    spent = [
        float(r.manifest.get("diagnostics_seconds", 0)) / max(1e-9, float(r.manifest["seconds"]))
        for own in runs.values()
        for r in own
    ]
    lead = f"Measured on held-out images while training; measuring took {max(spent, default=0):.1%} of the training time at most."
    return Section("How the games ended", lead, [Text("\n\n".join(lines), aside=True)])


# ---------------------------------------------------------------------------------------------------- pictures


def scatter(run: Run, title: str) -> Figure:
    """Draws codes of held-out images by class (their styles, if codes contain a class), along two principal directions if there are more dimensions."""
    images = part(run.data, "test")
    images = images.take(torch.arange(min(PLOTTED, len(images))))
    z = run.encode(images.floats()).cpu()
    model, what, how = run.model, "Codes", ""
    if isinstance(model, CategoricalAutoencoder | ConditionalAutoencoder) and z.shape[1] > model.dims:
        z, what = z[:, : model.dims], "Styles"
        how = " Where classes lie over one another, style does not reveal the class, which the rest of the code holds."
    if z.shape[1] > 2:
        mean = z.mean(dim=0)
        z = (z - mean) @ torch.linalg.svd(z - mean, full_matrices=False).Vh[:2].T
        how = f"Along the two directions in which they vary most.{how}"
    else:
        how = f"They have two dimensions: nothing is projected.{how}"
    names = [images.class_names[int(i)] for i in images.labels]
    drawn = png(figures.latent_plane(z.numpy(), names))
    return Figure(drawn, f"{what} of {len(images)} held-out images in the plane, coloured by class", how, title)


def styles_by_class(run: Run, title: str) -> Figure:
    """Draws the styles of the first held-out images, decoded in every class: one row for each style, the image itself first."""
    model = run.model
    assert isinstance(model, CategoricalAutoencoder | ConditionalAutoencoder)
    x = part(run.data, "test").floats(torch.arange(SHOWN))
    with torch.no_grad():
        style = model.split(x.to(run.device))[0]
        rows = []
        for i in range(len(x)):
            y = torch.eye(model.classes, device=run.device)
            rows.append(torch.cat([x[i : i + 1], decode_images(run, model.join(style[i].expand(len(y), -1), y))]))
    drawn = png(
        sheet(torch.cat(rows).numpy(), columns=model.classes + 1, cell=max(16, min(44, 660 // (model.classes + 1))))
    )
    says = "A row is the style of one held-out image, which is shown first; a column is a class. Rows should look written by one hand."
    return Figure(drawn, "Images decoded from one style in every class, one row for each style", says, title, wide=True)


def heads(run: Run, title: str, confident: int = 9) -> Figure:
    """Draws each cluster's head, decoded at style 0, and the held-out images that belong to it with the highest probability."""
    model = run.model
    assert isinstance(model, CategoricalAutoencoder)
    images = part(run.data, "test")
    q = classes_of(run, images)
    style = torch.zeros(model.classes, model.dims, device=run.device)
    with torch.no_grad():
        made = decode_images(run, model.join(style, torch.eye(model.classes, device=run.device)))
    rows = []
    for k in range(model.classes):
        best = q[:, k].topk(min(confident, len(q))).indices
        rows.append(torch.cat([made[k : k + 1], images.floats(best)]))
    drawn = png(sheet(torch.cat(rows).numpy(), columns=confident + 1, cell=30))
    says = f"A row is a cluster: its head first, decoded at style 0, then the {confident} held-out images that most surely belong to it."
    return Figure(drawn, "Clusters as rows: the decoded head and its surest images", says, title, wide=True)


def manifold(run: Run, title: str, side: int = 20, reach: float = 0.0) -> Figure:
    """Draws the decodings of a lattice of codes in the plane that covers the range of the codes."""
    z = run.encode(part(run.data, "test").floats()).cpu()
    if z.shape[1] != 2:
        raise ValueError(f"the manifold of codes is shown for codes of two dimensions; these have {z.shape[1]}")
    low, high = z.quantile(0.01, dim=0), z.quantile(0.99, dim=0)
    low, high = (-reach * torch.ones(2), reach * torch.ones(2)) if reach else (low, high)
    xs, ys = torch.linspace(float(low[0]), float(high[0]), side), torch.linspace(float(high[1]), float(low[1]), side)
    points = torch.stack([xs.repeat(side), ys.repeat_interleave(side)], dim=1)
    drawn = png(sheet(decode_images(run, points).numpy(), columns=side, cell=30))
    says = "Codes on a lattice, decoded: left to right the first dimension, top to bottom the second one downwards."
    return Figure(drawn, "Decoded images on a lattice in the plane of codes", says, title, wide=True)


def one_hot_of(labels: Tensor, classes: int) -> Tensor:
    """Returns labels (n,) as one-hot rows (n, K)."""
    return F.one_hot(labels, classes).float()
