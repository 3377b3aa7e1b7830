"""The settings of an experiment and its runs by seed and variant, each of which is read, resumed or trained."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ridgewalk.evaluation.judged import describe_blindness, judges_of
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
    The settings of one reproduction, and access to its runs.

    Attributes:
        recipe: The recipe's name or file.
        settings: The recipe at this budget and source.
        source: Source of the images.
        budget: "smoke", "cpu" or "full".
        changes: Further settings of every run, each "table.key=value".
        folder: The folder of the reproduction.
        device: The device for training.
        judged: The judges that were made so far.
    """

    recipe: str
    settings: Recipe
    source: str
    budget: str
    changes: Sequence[str]
    folder: Path
    device: str
    judged: list[Judge] = field(default_factory=list, repr=False)

    @property
    def points(self) -> int:
        """Number of codes, images or pairs of a measurement."""
        return self.settings.reproduce.points

    @property
    def quick(self) -> bool:
        """Whether this is a smoke run, which exercises every part and whose figures mean nothing."""
        return self.budget == "smoke"

    def epochs(self, seconds: float, per_epoch: float) -> int:
        """Returns the number of epochs that take the given seconds, at ``per_epoch`` seconds each; at most two in a smoke run."""
        epochs = max(1, round(seconds / per_epoch))
        return min(2, epochs) if self.quick else epochs

    def run(self, seed: int, variant: str = "", source: str = "") -> Run:
        """Returns the run of a seed with a variant's changes, on the experiment's data or another source, which is read, resumed or trained."""
        folder = self.folder / f"{variant or 'run'}-{seed}"
        if (folder / "manifest.json").is_file():
            return load(folder, self.device)
        if (folder / "run.toml").is_file():
            return train.resume(folder, device=self.device)
        own = self.settings.reproduce.variants.get(variant, ())
        return train.start(
            TrainRequest(
                self.recipe,
                Source(source or self.source),
                folder,
                budget=self.budget,
                seed=seed,
                changes=[*self.changes, *own],
                device=self.device,
                refuse_unread=False,
            )
        )

    def runs(self, variant: str = "", source: str = "") -> list[Run]:
        """Returns one run for each seed of the recipe."""
        return [self.run(seed, variant, *([source] if source else [])) for seed in self.settings.reproduce.seeds]

    def diffusion(
        self, seed: int, variant: str = "", source: str = "", changes: Sequence[str] = (), name: str = ""
    ) -> Run:
        """
        Returns the diffusion of a seed, which is read, resumed or trained.

        Args:
            seed: Seed of data, weights, order and noise.
            variant: The variant whose changes of the recipe are taken.
            source: Source of the data; the experiment's by default.
            changes: Further changes, of a run that is called ``name``.
            name: Name of the run's folder in place of the variant's.
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
                refuse_unread=False,
            )
        )

    def codes(self, run: Run, name: str = "", changes: Sequence[str] = ()) -> TrainedDiffusion:
        """Reads, resumes or trains the diffusion of an autoencoder's codes, in its folder or, with changes, in a folder that ends in ``name``."""
        folder = self._codes(run, name)
        if not DIFFUSION.is_in(folder):
            diffuse.diffuse(run, changes, run.origin.seed, self.device, folder=folder)
        return diffusion.load(folder, run.recipe.sampling, self.device)

    def with_codes(self, run: Run, model: TrainedDiffusion | None = None, name: str = "") -> Run:
        """Returns the run with a diffusion of its codes from ``codes`` in place of its own, for the training of guides."""
        return run.with_diffusion(model or self.codes(run), self._codes(run, name))

    def _codes(self, run: Run, name: str) -> Path:
        return run.folder.with_name(f"{run.folder.name}-{name}") if name else run.folder

    def guide(self, run: Run, name: str, seed: int = 0, changes: Sequence[str] = (), beside: bool = False) -> Guide:
        """
        Returns a guide of a run's diffusion, which is read, resumed or trained.

        Args:
            run: The run that holds the diffusion.
            name: Name of the guide's folder.
            seed: Seed of its negatives and training.
            changes: Changes of the tables ``guidance`` and ``sampling``.
            beside: Whether it is written into the run's folder, where the verbs find it, and ``name`` is ignored.
        """
        folder = run.folder if beside else self.folder / f"{run.folder.name}-{name}"
        if GUIDE.is_in(folder):
            return guide.load(folder, run.diffusion)
        table = [c for c in self.changes if c.split(".")[0] in ("guidance", "sampling")]
        return guiding.train(run, [*table, *changes], seed, folder)

    def judges(self, run: Run) -> list[Judge]:
        """Returns both judges of the run's data."""
        made = judges_of(run)
        self.judged.extend(made)
        return made

    def caveats(self) -> list[str]:
        """Returns sentences that say where the judges cannot tell, each once, and what the budget is for."""
        own = (
            ["This is the smoke budget, which shows that everything works; its figures mean nothing."]
            if self.quick
            else []
        )
        pairs = zip(self.judged[::2], self.judged[1::2])
        return own + list(dict.fromkeys(sentence for pair in pairs for sentence in describe_blindness(pair)))
