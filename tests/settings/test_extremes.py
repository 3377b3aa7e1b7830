"""Extreme values of settings and options are refused in one sentence, before anything is allocated or written."""

from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from commands import refused
from ridgewalk.settings import recipes
from ridgewalk.settings.recipes import Recipe


def numbers() -> list[str]:
    """Every setting that is a number, or holds numbers."""
    found = []
    for table in fields(Recipe):
        kind = table.default_factory
        if isinstance(kind, type):
            for key, schema in TypeAdapter(kind).json_schema()["properties"].items():
                kinds = {schema.get("type"), *(s.get("type") for s in schema.get("anyOf", []))}
                if kinds & {"integer", "number"}:
                    found.append(f"{table.name}.{key}")
    return found


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e308", "-1e308", str(10**400), "-1" + 40 * "0"])
def test_no_setting_takes_a_number_that_is_not_finite_or_is_huge(value: str) -> None:
    keys = numbers()
    assert len(keys) > 90
    for key in keys:
        with pytest.raises(ValueError, match=key.partition(".")[0]):
            recipes.read("aae", changes=[f"{key}={value}"])
    for key in ("objective.sigma", "objective.code_noise", "objective.adversarial"):
        with pytest.raises(ValueError, match="objective"):
            recipes.read("aae", changes=[f"{key}={value}"])


@pytest.mark.parametrize(
    "change",
    [
        "model.latent=9223372036854775807",
        "model.hidden=[1000000000]",
        "model.hidden=[]",
        f"model.hidden={[1] * 2000}",
        "detector.members=1000000",
        "diffusion.channels=1000000000",
        "diffusion.attention=[-1]",
        "reproduce.seeds=[-1]",
        "reproduce.seeds=[]",
        "training.seed=9223372036854775808",
        f'prior.name="{"x" * 10**6}"',
        f"model.activation={'x' * 10**6}",
        f"{'x' * 10**6}.a=1",
        "training.rates={autoencoder = inf}",
        "training.betas=[0.9, nan]",
        "model.latent=" + "[" * 10**5,
        "model.latent=" + "9" * 5000,
    ],
    ids=lambda change: change[:40],
)
def test_extreme_settings_are_refused_in_one_short_sentence(change: str, tmp_path: Path) -> None:
    for recipe in ("aae", "diffusion-2d"):
        with pytest.raises((ValueError, ValidationError)):
            recipes.read(recipe, changes=[change])
    words = ["train", "aae", "--data", "digits", "--budget", "smoke", "--out", tmp_path / "r", "--set", change]
    assert len(refused(*words, within=tmp_path)) < 2500


def test_recipes_that_are_nested_deeply_or_hold_long_numbers_are_refused(tmp_path: Path) -> None:
    for name, text in (("deep", f"x = {'[' * 100_000}"), ("long", f"x = {'9' * 5000}")):
        (tmp_path / f"{name}.toml").write_text(text)
        assert "not valid TOML" in refused("train", tmp_path / f"{name}.toml", "--data", "digits")


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "--n", 10**30],
        ["sample", "--n", 999_999_999],
        ["sample", "--n", -1],
        ["sample", "--seed", 2**63],
        ["sample", "--seed", -1],
        ["sample", "--steps", 10**20],
        ["evaluate", "--n", 10**30],
        ["walk", "--pairs", 10**30],
        ["walk", "--pairs", 2, "--frames", 10**30],
        ["walk", "--pairs", 2, "--seed", -1],
        ["report", "--pairs", 10**30],
        ["map", "--third", 10**30],
        ["guide", "--seed", -1],
        ["guide", "--seed", 2**64],
        ["diffuse", "--seed", 2**64],
        ["sample", "--gamma", "nan"],
        ["sample", "--weight", "inf"],
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_extreme_options_are_refused(words: list[object], smoke: Path) -> None:
    verb, *options = words
    refused(verb, smoke, *options, within=smoke)
