"""A new objective is one file, one entry and one recipe: here a family of this file's own is registered, and trained from a recipe on disk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest
import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

import ridgewalk
from commands import call
from ridgewalk.models.autoencoders import Autoencoder
from ridgewalk.registry import OBJECTIVES, Objective
from ridgewalk.settings import recipes, reference
from ridgewalk.settings.fields import TABLE, NotNegative
from ridgewalk.settings.recipes import Recipe
from ridgewalk.store.priors import prior_draws
from ridgewalk.training.families.base import AutoencoderFamily, Networks, family_of
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss


@plain_dataclass(eq=False)
class Contractive:
    """|G(E(x)) - x|^2 / 2 + w |E(x)|^2, means over images."""

    model: Autoencoder
    weight: float

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return self.model.networks

    @property
    def optimisers(self) -> Mapping[str, tuple[str, ...]]:
        return {"autoencoder": ("encoder", "decoder")}

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        z = self.model.encode(batch[0])
        rec = (self.model.decode(z) - batch[0]).square().flatten(1).sum(1).mean() / 2
        return rec + self.weight * z.square().sum(1).mean(), {"reconstruction": rec}


@dataclass(frozen=True, config=TABLE)
class ContractiveObjective(AutoencoderFamily):
    """An autoencoder whose codes are drawn to 0."""

    name: Literal["contractive"] = "contractive"
    shrinkage: NotNegative = 0.1
    """Weight of the squared length of codes."""

    posteriors: ClassVar = ("deterministic",)

    def objective(self, recipe: Recipe, networks: Networks) -> Contractive:
        return Contractive(networks.model, self.shrinkage)

    def draw_prior(
        self, recipe: Recipe, model: Autoencoder, codes: Callable[[], Tensor], rows: int, noise: Noise
    ) -> Tensor:
        return codes().std(0) * super().draw_prior(recipe, model, codes, rows, noise)


RECIPE = """
question = "Do small codes lose anything?"

[objective]
name = "contractive"
shrinkage = 0.5

[model]
hidden = [16]
latent = 3

[budgets.smoke.training]
epochs = 1
batch = 64

[budgets.smoke.detector]
members = 1
epochs = 1
hidden = [8]
"""


@pytest.fixture
def registered() -> Mapping[str, Objective]:
    address = f"{__name__}:ContractiveObjective"
    remove = OBJECTIVES.add(Objective("contractive", "codes are drawn to 0", address))
    yield OBJECTIVES
    remove()


def test_a_family_of_ones_own_is_trained_from_a_recipe(registered: Mapping[str, Objective], tmp_path: Path) -> None:
    file, folder = tmp_path / "contractive.toml", tmp_path / "run"
    file.write_text(RECIPE)
    code, _, error = call("train", file, "--data", "digits", "--budget", "smoke", "--out", folder, "--device", "cpu")
    assert code == 0, error
    run = ridgewalk.load(folder)
    assert family_of(run.recipe) == ContractiveObjective(shrinkage=0.5)
    drawn = prior_draws(run, 500, 0)
    assert drawn.shape == (500, 3)
    torch.testing.assert_close(drawn.std(0), run.references.std(0), rtol=0.15, atol=0)
    assert reference.records("objective")["objective"]["shrinkage"]["objectives"] == ("contractive",)


def test_keys_of_a_family_of_ones_own_are_checked(registered: Mapping[str, Objective]) -> None:
    with pytest.raises(
        ValueError, match=r"objective\.shrinkage = -1\.0 does not fit: must be greater than or equal to 0"
    ):
        recipes.parse({"objective": {"name": "contractive", "shrinkage": -1.0}}, "here")
    with pytest.raises(ValueError, match=r"did you mean 'objective\.shrinkage'"):
        recipes.parse({"objective": {"name": "contractive", "shrinkag": 1.0}}, "here")
    with pytest.raises(ValueError, match=r"the objective 'vae' has no use for objective\.shrinkage"):
        recipes.parse({"objective": {"name": "vae", "shrinkage": 1.0}}, "here")


def test_every_objective_has_a_description_and_a_file() -> None:
    for name, entry in OBJECTIVES.items():
        recipe = recipes.parse({"objective": {"name": name}}, "here")
        assert recipe.objective.name == name
        assert entry.about
