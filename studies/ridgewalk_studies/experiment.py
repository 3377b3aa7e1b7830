"""What an experiment is run with: its settings, and its runs of seeds and variants, each read, resumed or trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ridgewalk.evaluation.judged import judges_of
from ridgewalk.judging.judges import Judge
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store import diffusion, guide
from ridgewalk.store.diffusion import DIFFUSION, TrainedDiffusion
from ridgewalk.store.guide import GUIDE, Guide
from ridgewalk.store.origin import Source
from ridgewalk.store.run import Run, load
from ridgewalk.verbs import diffuse, train
from ridgewalk.verbs import guide as guiding
from ridgewalk.verbs.train import TrainRequest


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
            TrainRequest(
                self.recipe,
                Source(self.source),
                folder,
                budget=self.budget,
                seed=seed,
                changes=[*self.changes, *own],
                device=self.device,
            )
        )

    def runs(self, variant: str = "") -> list[Run]:
        """One run a seed."""
        return [self.run(seed, variant) for seed in self.settings.reproduce.seeds]

    def diffusion(
        self, seed: int, variant: str = "", source: str = "", changes: Sequence[str] = (), name: str = ""
    ) -> Run:
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
            return train.resume(folder, device=self.device)
        own = self.settings.reproduce.variants.get(variant, ())
        return train.start(
            TrainRequest(
                self.recipe,
                Source(data),
                folder,
                budget=self.budget,
                seed=seed,
                changes=[*self.changes, *own, *changes],
                device=self.device,
            )
        )

    def codes(self, run: Run, name: str = "", changes: Sequence[str] = ()) -> TrainedDiffusion:
        """The diffusion of an autoencoder's codes: beside it, or with changes in a folder of its own that ends in ``name``; read, resumed or trained."""
        folder = self._codes(run, name)
        if not DIFFUSION.is_in(folder):
            diffuse.diffuse(run, changes, run.origin.seed, self.device, folder=folder)
        return diffusion.load(folder, run.recipe.sampling, self.device)

    def with_codes(self, run: Run, model: TrainedDiffusion | None = None, name: str = "") -> Run:
        """The run with a diffusion of its codes in place of its own, as ``codes`` left it, for guides to be trained of."""
        return run.with_diffusion(model or self.codes(run), self._codes(run, name))

    def _codes(self, run: Run, name: str) -> Path:
        return run.folder.with_name(f"{run.folder.name}-{name}") if name else run.folder

    def guide(self, run: Run, name: str, seed: int = 0, changes: Sequence[str] = (), beside: bool = False) -> Guide:
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
        if GUIDE.is_in(folder):
            return guide.load(folder, run.diffusion)
        table = [c for c in self.changes if c.split(".")[0] in ("guidance", "sampling")]
        return guiding.train(run, [*table, *changes], seed, folder)

    def judges(self, run: Run) -> list[Judge]:
        """Both judges of the data."""
        return judges_of(run)
