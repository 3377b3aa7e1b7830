"""
The verb `reproduce`: runs a recipe's experiment, which trains what it needs, and writes the report.

A folder of a reproduction holds ``experiment.json`` (the request), ``seconds.json`` (the time so far, until it is finished), a run
for each seed and variant, ``result.json`` (every figure) and ``report.html``. One that was stopped can be continued: finished runs are
read, and an unfinished one is resumed.
"""

import json
import os
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import ridgewalk
from ridgewalk.files import free_folder, write_bytes
from ridgewalk.locks import is_empty, writing
from ridgewalk.records import json_bytes, parse_record, seal
from ridgewalk.registry import Buildable, Table
from ridgewalk.reports import Claims, Page, Section, Text, write
from ridgewalk.settings import recipes
from ridgewalk_studies.claims import records, rows, summary
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings
from ridgewalk_studies.timing import Clock

IDX = ("train-images-idx3-ubyte", "train-images.idx3-ubyte")
"""Names of MNIST's file of training images, without .gz."""

_AAE = "ridgewalk_studies.adversarial_autoencoders"

STUDIES: Table[Buildable] = Table(
    "experiment",
    [
        Buildable("aae-likelihood", "likelihood of images by a Parzen window", f"{_AAE}.likelihood:measure"),
        Buildable("aae-semisupervised", "classification with few labels", f"{_AAE}.classified:measure_semisupervised"),
        Buildable("aae-clustering", "clusters found without labels", f"{_AAE}.clustered:measure"),
        Buildable("aae-priors", "priors of any shape, and what they do to codes", f"{_AAE}.priors:measure"),
        Buildable("aae-style", "style apart from the class", f"{_AAE}.styles:measure"),
        Buildable("aae-reduction", "two dimensions, with and without labels", f"{_AAE}.classified:measure_reduction"),
        Buildable("sensor-failure", "walks under a dead sensor", "ridgewalk_studies.sensors.failure:measure"),
        Buildable("sensor-alive", "walks that follow a live sensor", "ridgewalk_studies.sensors.alive:measure"),
        Buildable("sensors-compared", "all sensors on one model", "ridgewalk_studies.sensors.compared:measure"),
        Buildable("walk-phases", "constants of walks, and which are best", "ridgewalk_studies.sensors.phases:measure"),
        Buildable("vae-gan", "a VAE with two discriminators", "ridgewalk_studies.vae_gan.study:measure"),
        Buildable(
            "interpolation-network", "networks that learn paths", "ridgewalk_studies.interpolation.network:measure"
        ),
        Buildable("front", "realism against smoothness and time", "ridgewalk_studies.front:measure"),
        Buildable("path-truth", "paths whose in-betweens are known", "ridgewalk_studies.truth.study:measure"),
        Buildable("diffusion-2d", "diffusions of points in the plane", "ridgewalk_studies.diffusion.plane:measure"),
        Buildable("diffusion-mnist", "diffusions of pixels and codes", "ridgewalk_studies.diffusion.images:measure"),
        Buildable("guidance-2d", "guidance in the plane", "ridgewalk_studies.guidance.plane:measure"),
        Buildable("guidance-mnist", "guidance of codes and pixels", "ridgewalk_studies.guidance.images:measure"),
    ],
)
"""The drivers, each a function from ``Experiment`` to ``Findings``, by the name that ``reproduce.experiment`` gives."""


def names() -> list[str]:
    """Returns the shipped recipes that have an experiment."""
    return [name for name in recipes.names() if recipes.read(name).reproduce.experiment]


def at_hand() -> str:
    """Returns the folder with MNIST's files ($RIDGEWALK_MNIST, data/mnist or mnist) if there is one, otherwise scikit-learn's digits."""
    named = os.environ.get("RIDGEWALK_MNIST")
    for place in [Path(named)] if named else [Path("data/mnist"), Path("mnist")]:
        if any((place / f"{name}{end}").is_file() for name in IDX for end in ("", ".gz")):
            return str(place)
    if named:
        raise ValueError(f"RIDGEWALK_MNIST names {named}, where there are no files of MNIST; correct it, or unset it")
    return "digits"


@dataclass(frozen=True)
class Result:
    """
    The result of a reproduced experiment.

    Attributes:
        page: File of the report.
        verdict: The result in sentences.
        figures: All measurements, for JSON.
        tables: Folder of the report's tables as CSV and LaTeX; None where it has none.
    """

    page: Path
    verdict: list[str]
    figures: dict[str, Any]
    tables: Path | None = None


def reproduce(
    recipe: str,
    *,
    source: str | None = None,
    budget: str = "cpu",
    changes: Sequence[str] = (),
    out: Path | None = None,
    device: str = "auto",
    accepted: Callable[[str, Path], None] = lambda source, folder: None,
) -> Result:
    """
    Runs an experiment from training to report.

    Args:
        recipe: shipped name or TOML file with a ``[reproduce]`` table.
        source: Source of the images; by default MNIST if its files are found, otherwise the digits.
        budget: "smoke", "cpu" or "full".
        changes: settings "table.key=value" of every run.
        out: The folder; one that holds the same experiment unfinished is continued. By default the first free one of runs/NAME, ...
        device: "auto", "cpu", "cuda" or "mps".
        accepted: Called with source and folder after all checks, before the training.

    Raises:
        ValueError: for a recipe without an experiment, and a folder that holds other files or a finished reproduction.
    """
    chosen = recipes.read(recipe, budget, changes).reproduce.source or at_hand() if source is None else source
    if chosen == recipes.YOURS:
        raise ValueError(f"'{recipe}' is an experiment on files of your own: name them with --data")
    settings = recipes.read(recipe, budget, changes, chosen)
    if not settings.reproduce.experiment:
        raise ValueError(
            f"recipe '{recipe}' is a model to train, with no experiment to reproduce; those that have one: {', '.join(names())}"
        )
    driver = STUDIES.find(settings.reproduce.experiment)
    folder = out or free_folder(Path("runs"), Path(recipe).stem)
    asked = {"recipe": recipe, "source": _place(chosen), "budget": budget, "changes": list(changes)}
    experiment = Experiment(recipe, settings, chosen, budget, changes, folder, device)
    with writing(folder, lambda: _occupy(folder, asked)), Clock(folder / "seconds.json") as clock:
        accepted(chosen, folder)
        found: Findings = driver.build(experiment)
    minutes = clock.seconds / 60
    figures = {
        **asked,
        "source": Path(chosen).name,
        "minutes": minutes,
        "answer": [*experiment.caveats(), *found.answer],
        **found.figures,
    }
    figures["claims"] = records(found.claims)
    write_bytes(folder / "result.json", json_bytes(figures))
    page = folder / "report.html"
    verdict = [*experiment.caveats(), *found.answer, *([summary(found.claims)] if found.claims else [])]
    tables = write(_page(experiment, found, verdict, minutes), page)
    clock.file.unlink(missing_ok=True)
    return Result(page, verdict, {"report": str(page), **figures}, tables)


def _place(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).exists() else source


def _occupy(folder: Path, asked: Mapping[str, Any]) -> None:
    """Makes the folder, or accepts it if it holds the same experiment, unfinished."""
    record = folder / "experiment.json"
    if not folder.exists() or (folder.is_dir() and is_empty(folder)):
        write_bytes(record, json.dumps(seal(asked), indent=1).encode())
        return
    try:
        before = parse_record(record.read_bytes(), asked)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} exists already and holds no reproduction: {record.name} cannot be read ({error}); choose another --out"
        ) from None
    if (folder / "report.html").exists():
        raise ValueError(f"{folder} holds a finished reproduction; choose another --out")
    different = [k for k in asked if before.get(k) != asked[k]]
    if different:
        changed = ", ".join(f"{k} {before.get(k)!r} instead of {asked[k]!r}" for k in different)
        raise ValueError(f"{folder} holds a reproduction with {changed}; ask for the same, or choose another --out")


def _page(e: Experiment, found: Findings, verdict: Sequence[str], minutes: float) -> Page:
    r = e.settings.reproduce
    lead: Sequence[str] = (r.expected and f"Expected: {r.expected}", r.measured and f"Measured before: {r.measured}")
    if e.quick:
        lead = (
            "A smoke run exercises every part on little data after little training: its figures do not test the claims.",
        )
    first = Section(
        "Claims",
        " ".join(t for t in lead if t),
        [Claims(rows(found.claims), "Claims and verdicts")]
        if found.claims
        else [Text("No claim was made of these images.")],
    )
    seeds = ", ".join(map(str, r.seeds))
    return Page(
        f"ridgewalk reproduces {Path(e.recipe).stem} on {Path(e.source).name}",
        f"{e.budget}; model seeds {seeds}; ridgewalk {ridgewalk.__version__}; {minutes:.1f} minutes.",
        verdict,
        [first, *found.sections],
        {"recipe": dict(recipes.to_table(e.settings))},
        e.settings.question,
        {
            "command": shlex.join(
                ["ridgewalk", "reproduce", e.recipe, "--data", Path(e.source).name, "--budget", e.budget]
                + [word for change in e.changes for word in ("--set", change)]
            ),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
            "software": f"Python {platform.python_version()}, PyTorch {torch.__version__}",
        },
    )
