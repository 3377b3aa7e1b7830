"""Recipes: every shipped one parses at every budget, and what is written reads back equal."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
import torch

from ridgewalk.diffusion.building import build_network, build_process, build_sampler
from ridgewalk.settings import recipes
from ridgewalk.settings.recipes import BUDGETS, Recipe
from ridgewalk.settings.training import Schedule
from ridgewalk.training.families.base import Networks, family_of
from ridgewalk.training.labelled import Labelled
from ridgewalk.training.negatives import BOUNDARIES


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", recipes.names())
def test_every_shipped_recipe_parses_and_builds_at_every_budget(name: str, budget: str) -> None:
    recipe = recipes.read(name, budget)
    assert recipe.question
    shape = (1, 28, 28)
    if recipe.objective.name == "diffusion":
        side = 256 if name.endswith("256") else 32
        of = (
            (2,) if recipe.diffusion.network == "mlp" else (1, 28, 28) if name == "diffusion-mnist" else (3, side, side)
        )
        with torch.device("meta"):  # the full size has hundreds of millions of weights
            assert sum(w.numel() for w in build_network(recipe.diffusion, of, 10, 0).parameters()) > 1000
        assert build_sampler(recipe.sampling, build_process(recipe.diffusion)) is not None
        return
    family = family_of(recipe)
    recipe = family.complete(recipe, [str(c) for c in range(10)])
    few = Labelled(torch.zeros(10, *shape), torch.arange(10)) if recipe.labels.count else None
    networks = Networks(family.autoencoder(recipe, shape, 0), family.adversaries(recipe, shape, 0), few)
    stages = family.stages(recipe, networks, seed=0)
    there = {p for s in stages for p in s.objective.optimisers}
    assert set(recipe.training.rates) | set(recipe.training.momenta) <= there
    assert sum(s.schedule.epochs for s in stages) == recipe.training.epochs
    assert recipe.detector.negatives in BOUNDARIES


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_survives_toml(name: str, budget: str) -> None:
    recipe = recipes.read(name, budget)
    text = tomli_w.dumps(recipes.to_table(recipe))
    assert recipes.parse(tomllib.loads(text), "here") == recipe


def test_optional_settings_survive_toml() -> None:
    recipe = replace(Recipe(), training=Schedule(clip=1.0, ema=0.999, rates={"matcher": 1e-4}, betas=(0.5, 0.9)))
    assert recipes.parse(tomllib.loads(tomli_w.dumps(recipes.to_table(recipe))), "here") == recipe


def test_changes_come_last_and_in_order() -> None:
    recipe = recipes.read("digits", "smoke", ["training.epochs=3", "training.epochs=4", "model.activation=silu"])
    assert recipe.training.epochs == 4
    assert recipe.model.activation == "silu"
    assert recipe.training.batch == recipes.read("digits", "smoke").training.batch


def test_a_change_that_is_a_table_takes_the_place_of_the_old_one() -> None:
    assert recipes.read("aae").training.rates
    assert recipes.read("aae", changes=["training.rates={}"]).training.rates == {}
    assert recipes.read("aae", changes=["training.rates={matcher=1e-4}"]).training.rates == {"matcher": 1e-4}


def test_small_images_have_settings_of_their_own_and_the_budget_comes_last() -> None:
    assert recipes.read("sensor-alive").training.epochs == 20
    assert recipes.read("sensor-alive", source="digits").training.epochs == 150
    assert recipes.read("sensor-alive", "smoke", source="digits").training.epochs == 4
    assert recipes.read("sensor-alive", source="elsewhere") == recipes.read("sensor-alive")


def test_a_source_without_settings_of_its_own_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[sources.mnist.training]\nepochs = 3\n")
    with pytest.raises(ValueError, match="digits"):
        recipes.read(str(file))


def test_a_budget_changes_its_own_keys_only() -> None:
    smoke, cpu = recipes.read("digits", "smoke"), recipes.read("digits", "cpu")
    assert smoke.training.epochs < cpu.training.epochs
    assert smoke.model == cpu.model


def test_a_users_recipe_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('question = "mine"\n[model]\nlatent = 3\n[budgets.smoke.model]\nlatent = 2\n')
    assert recipes.read(str(file)).model.latent == 3
    assert recipes.read(str(file), "smoke").model.latent == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[model]\nlatnt = 3", "did you mean 'model.latent'"),
        ("[modle]\nlatent = 3", "did you mean 'model'"),
        ("model = 3", "model must be a table"),
        ("[model]\nlatent = 3.5", "model.latent = 3.5"),
        ("[model]\nlatent = true", "model.latent = True"),
        ('[model]\nhidden = ["a"]', "model.hidden.0"),
        ("[budgets.tiny.model]\nlatent = 3", "unknown budget 'tiny'"),
        ("[budgets.cpu.model]\nlatnt = 3", "did you mean 'model.latent'"),
        ("[model", "not valid TOML"),
    ],
)
def test_a_refusal_names_the_file_the_place_and_the_nearest(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ValueError) as caught:
        recipes.read(str(file))
    assert said in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_an_unknown_recipe_and_budget_name_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'digits'"):
        recipes.read("digit")
    with pytest.raises(ValueError, match="did you mean 'smoke'"):
        recipes.read("digits", "smok")
