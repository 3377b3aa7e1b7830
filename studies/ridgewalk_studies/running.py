"""
The verb `reproduce`: trains the runs that a recipe's experiment asks for, hands them to its driver, and writes the report.

A folder of a reproduction holds ``experiment.json`` (what was asked), a run for each seed and variant, ``result.json`` (every figure) and
``report.html``. One that was stopped is gone on with: runs that are whole are read, one that is half written is resumed.
"""

import json
import os
import platform
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

import ridgewalk
from ridgewalk import naming
from ridgewalk.files import free_folder, write_bytes
from ridgewalk.judging.judges import Judge
from ridgewalk.reports import Claims, Page, Section, Text, write
from ridgewalk.reports.claims import summary
from ridgewalk.reports.findings import Findings
from ridgewalk.settings import recipes
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store import diffusion, guide
from ridgewalk.store.diffusion import Diffused
from ridgewalk.store.guide import Guide
from ridgewalk.store.run import Run, load
from ridgewalk.verbs import diffuse, measurement, train
from ridgewalk.verbs import guide as guiding
from ridgewalk.verbs.diffuse import DiffusionRun
from ridgewalk.verbs.report import Result

IDX = ("train-images-idx3-ubyte", "train-images.idx3-ubyte")
"""What MNIST's file of training images is called, with or without .gz."""


@dataclass(frozen=True, eq=False)
class Experiment:
    """
    What an experiment is run with.

    Attributes:
        recipe: name or file.
        settings: at this budget and source.
        source: of the images.
        budget: smoke, cpu or full.
        changes: further settings of every run.
        folder: of the reproduction.
        device: to train on.
    """

    recipe: str
    settings: Recipe
    source: str
    budget: str
    changes: Sequence[str]
    folder: Path
    device: str

    @property
    def points(self) -> int:
        """How many codes, images or pairs are measured at once."""
        return self.settings.reproduce.points

    @property
    def quick(self) -> bool:
        """Whether this is a smoke run: every part is exercised, and no figure means anything."""
        return self.budget == "smoke"

    def epochs(self, seconds: float, per_epoch: float) -> int:
        """The epochs that take the given time, at ``per_epoch`` seconds for each; one or two, whatever the time, in a smoke run."""
        epochs = max(1, round(seconds / per_epoch))
        return min(2, epochs) if self.quick else epochs

    def run(self, seed: int, variant: str = "") -> Run:
        """The run of a seed, with a variant's changes: read, resumed or trained."""
        folder = self.folder / f"{variant or 'run'}-{seed}"
        if (folder / "manifest.json").is_file():
            return load(folder, self.device)
        if (folder / "run.toml").is_file():
            return train.resume(folder, device=self.device)
        own = self.settings.reproduce.variants.get(variant, ())
        return train.start(
            self.recipe,
            train.Reading(self.source),
            folder,
            budget=self.budget,
            seed=seed,
            changes=[*self.changes, *own],
            device=self.device,
        )

    def runs(self, variant: str = "") -> list[Run]:
        """One run a seed."""
        return [self.run(seed, variant) for seed in self.settings.reproduce.seeds]

    def diffusion(
        self, seed: int, variant: str = "", source: str = "", changes: Sequence[str] = (), name: str = ""
    ) -> DiffusionRun:
        """
        The diffusion of a seed: read, resumed or trained.

        Args:
            seed: of all of it.
            variant: whose changes of the recipe are taken.
            source: of other data than the experiment's.
            changes: further ones, of a run that is called ``name``.
            name: of its folder, in place of the variant's.
        """
        data = source or self.source
        name = "-".join(n for n in (name or variant or "diffusion", source, str(seed)) if n)
        folder = self.folder / name
        if (folder / "run.toml").is_file():
            return diffuse.resume(folder, device=self.device)
        own = self.settings.reproduce.variants.get(variant, ())
        return diffuse.start(
            self.recipe,
            train.Reading(data),
            folder,
            budget=self.budget,
            seed=seed,
            changes=[*self.changes, *own, *changes],
            device=self.device,
        )

    def codes(self, run: Run, name: str = "", changes: Sequence[str] = ()) -> Diffused:
        """The diffusion of an autoencoder's codes: beside it, or with changes in a folder of its own that ends in ``name``; read, resumed or trained."""
        folder = self._codes(run, name)
        if not diffusion.present(folder):
            diffuse.diffuse(run, changes, run.origin.seed, self.device, folder=folder)
        return diffusion.read(folder, run.recipe.sampling, self.device)

    def with_codes(self, run: Run, model: Diffused | None = None, name: str = "") -> Run:
        """The run with a diffusion of its codes in place of its own, as ``codes`` left it, for guides to be trained of."""
        return replace(run, folder=self._codes(run, name), diffused=model or self.codes(run))

    def _codes(self, run: Run, name: str) -> Path:
        return run.folder.with_name(f"{run.folder.name}-{name}") if name else run.folder

    def guide(
        self, run: Run | DiffusionRun, name: str, seed: int = 0, changes: Sequence[str] = (), beside: bool = False
    ) -> Guide:
        """
        A guide of a run's diffusion: read, resumed or trained.

        Args:
            run: the diffusion's.
            name: of its folder.
            seed: of its negatives and training.
            changes: of the tables ``guidance`` and ``sampling``.
            beside: whether it is written beside the diffusion, for the verbs to find, and ``name`` is left out.
        """
        folder = run.folder if beside else self.folder / f"{run.folder.name}-{name}"
        assert run.diffused is not None
        if guide.present(folder):
            return guide.read(folder, run.diffused)
        table = [c for c in self.changes if c.split(".")[0] in ("guidance", "sampling")]
        return guiding.train(run, [*table, *changes], seed, folder)

    def judges(self, run: Run) -> list[Judge]:
        """Both judges of the data."""
        return measurement.judges_of(run)


Driver = Callable[[Experiment], Findings]


def drivers() -> Mapping[str, Driver]:
    """The drivers by the name that ``reproduce.experiment`` gives."""
    from ridgewalk_studies import front
    from ridgewalk_studies.adversarial_autoencoders import classified, clustered, likelihood, priors, styles
    from ridgewalk_studies.diffusion import images, plane
    from ridgewalk_studies.guidance import images as guidance_images
    from ridgewalk_studies.guidance import plane as guidance_plane
    from ridgewalk_studies.interpolation import network
    from ridgewalk_studies.sensors import alive, compared, failure
    from ridgewalk_studies.vae_gan import study

    return {
        "aae-likelihood": likelihood.measure,
        "aae-semisupervised": classified.measure_semisupervised,
        "aae-clustering": clustered.measure,
        "aae-priors": priors.measure,
        "aae-style": styles.measure,
        "aae-reduction": classified.measure_reduction,
        "sensor-failure": failure.measure,
        "sensor-alive": alive.measure,
        "sensors-compared": compared.measure,
        "vae-gan": study.measure,
        "interpolation-network": network.measure,
        "front": front.measure,
        "diffusion-2d": plane.measure,
        "diffusion-mnist": images.measure,
        "guidance-2d": guidance_plane.measure,
        "guidance-mnist": guidance_images.measure,
    }


def names() -> list[str]:
    """The shipped recipes that have an experiment."""
    return [name for name in recipes.names() if recipes.read(name).reproduce.experiment]


def at_hand() -> str:
    """MNIST's folder where its files are at hand ($RIDGEWALK_MNIST, data/mnist, mnist), otherwise scikit-learn's digits."""
    named = os.environ.get("RIDGEWALK_MNIST")
    for place in [Path(named)] if named else [Path("data/mnist"), Path("mnist")]:
        if any((place / f"{name}{end}").is_file() for name in IDX for end in ("", ".gz")):
            return str(place)
    if named:
        raise ValueError(f"RIDGEWALK_MNIST names {named}, where there are no files of MNIST; correct it, or unset it")
    return "digits"


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
        source: of the images; MNIST where it is at hand, otherwise the digits, by default.
        budget: smoke, cpu or full.
        changes: settings "table.key=value" of every run.
        out: folder; one that holds the same experiment unfinished is gone on with. By default the first free of runs/NAME, ...
        device: auto, cpu, cuda or mps.
        accepted: called with source and folder when nothing is left to refuse, before the training.

    Raises:
        ValueError: for a recipe without an experiment, and a folder that holds something else or a finished one.
    """
    chosen = recipes.read(recipe, budget, changes).reproduce.source or at_hand() if source is None else source
    if chosen == recipes.YOURS:
        raise ValueError(f"'{recipe}' is an experiment on files of your own: name them with --data")
    settings = recipes.read(recipe, budget, changes, chosen)
    name, known = settings.reproduce.experiment, drivers()
    if not name:
        raise ValueError(
            f"recipe '{recipe}' is a model to train, with no experiment to reproduce; those that have one: {', '.join(names())}"
        )
    if name not in known:
        raise ValueError(naming.unknown("experiment", name, known))
    folder = out or free_folder(Path("runs"), Path(recipe).stem)
    asked = {"recipe": recipe, "source": _place(chosen), "budget": budget, "changes": list(changes)}
    _claim(folder, asked)
    accepted(chosen, folder)
    began = perf_counter()
    experiment = Experiment(recipe, settings, chosen, budget, changes, folder, device)
    found = known[name](experiment)
    minutes = (perf_counter() - began) / 60
    figures = {**asked, "source": Path(chosen).name, "minutes": minutes, "answer": list(found.answer), **found.figures}
    figures["claims"] = Claims(found.claims, "claims").to_rows()
    write_bytes(folder / "result.json", json.dumps(figures, indent=1).encode())
    page = folder / "report.html"
    verdict = [*found.answer, *([summary(found.claims)] if found.claims else [])]
    write(_page(experiment, found, verdict, minutes), page)
    return Result(page, verdict, {"report": str(page), **figures})


def _place(source: str) -> str:
    return str(Path(source).resolve()) if Path(source).exists() else source


def _claim(folder: Path, asked: Mapping[str, Any]) -> None:
    """Makes the folder, or finds the same experiment in it, unfinished."""
    record = folder / "experiment.json"
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        write_bytes(record, json.dumps(dict(asked), indent=1).encode())
        return
    try:
        before = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ValueError(f"{folder} exists already and holds no reproduction; choose another --out") from None
    if (folder / "report.html").exists():
        raise ValueError(f"{folder} holds a finished reproduction; choose another --out")
    different = [k for k in asked if before.get(k) != asked[k]]
    if different:
        told = ", ".join(f"{k} {before.get(k)!r} instead of {asked[k]!r}" for k in different)
        raise ValueError(f"{folder} holds a reproduction with {told}; ask for the same, or choose another --out")


def _page(e: Experiment, found: Findings, verdict: Sequence[str], minutes: float) -> Page:
    r = e.settings.reproduce
    first = Section(
        "What was claimed, and what was found",
        " ".join(
            t for t in (r.expected and f"Expected: {r.expected}", r.measured and f"Measured before: {r.measured}") if t
        ),
        [Claims(found.claims, "Claims and verdicts")] if found.claims else [Text("No claim was made of these images.")],
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
