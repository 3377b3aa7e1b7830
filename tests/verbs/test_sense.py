"""The pixel sensor of a run: trained on demand, kept beside the others, read by energies, and refused where it does not fit."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import ridgewalk
from ridgewalk.cli import app
from ridgewalk.energies import typical_force
from ridgewalk.evaluation.sensors import diagnose_sensors
from ridgewalk.registry import ENERGIES
from ridgewalk.verbs import train

Copy = Callable[[], Path]


def test_without_one_its_energies_say_how_to_train_one(smoke: Path) -> None:
    run = ridgewalk.load(smoke)
    for name in ("pixel", "dual"):
        with pytest.raises(ValueError, match="ridgewalk sense RUN"):
            run.energy(name)
    with pytest.raises(ValueError, match="--contrast real"):
        run.energy("pixel-real")


def test_it_is_trained_once_loaded_again_and_has_a_gradient_through_the_decoder(copied: Copy) -> None:
    folder = copied()
    run = ridgewalk.load(folder)
    train.sense(run, "holes", device="cpu")
    train.sense(run, "real", device="cpu")
    with pytest.raises(ValueError, match="has a pixel sensor already"):
        train.sense(run, "holes", device="cpu")
    again = ridgewalk.load(folder)
    assert again.sensors["pixel"].positive == "encoded"
    assert again.sensors["pixel-real"].positive == "real"
    z = again.references[:7]
    margin, unscaled = again.recipe.walks.margin, again.energy("pixel").energy  # type: ignore[attr-defined]
    logits = again.sensors["pixel"](again.decode(z))
    torch.testing.assert_close(unscaled(z), torch.nn.functional.softplus(margin - logits))


def test_the_dual_sensor_weighs_both_forces_alike(copied: Copy) -> None:
    folder = copied()
    train.sense(ridgewalk.load(folder), device="cpu")
    run = ridgewalk.load(folder)
    dual, points = run.energy("dual"), run.context.lerp_points
    halves = [typical_force(lambda z, e=e, w=w: w * e(z), points) for e, w in zip(dual.energies, dual.weights)]  # type: ignore[attr-defined]
    assert halves[0] == pytest.approx(halves[1], rel=1e-4)
    assert halves[0] == pytest.approx(typical_force(run.energy("soft-ratio"), points) / 2, rel=1e-4)


def test_every_energy_that_a_run_has_is_of_the_density_ratios_force_and_guides_a_string(copied: Copy) -> None:
    folder = copied()
    run = ridgewalk.load(folder)
    for contrast in ("holes", "real"):
        train.sense(run, contrast, device="cpu")
    run = ridgewalk.load(folder)
    force = typical_force(run.energy("soft-ratio"), run.context.lerp_points)
    for name in ("pixel", "pixel-real", "reprojection", "neighbours", "kernel"):
        assert typical_force(run.energy(name), run.context.lerp_points) == pytest.approx(force, rel=1e-4)
    z = run.references
    for name in (n for n, e in ENERGIES.items() if e.sensor is None or e.sensor in run.sensors):
        path = run.finder("string", name)(z[:2], z[2:4])
        assert path.nodes.isfinite().all()
        assert path.arrived.all()


def test_a_sensor_that_was_altered_is_refused(copied: Copy) -> None:
    folder = copied()
    train.sense(ridgewalk.load(folder), device="cpu")
    weights = folder / "pixel.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-4] + b"\0\0\0\1")
    with pytest.raises(ValueError, match=r"pixel.safetensors is not the file that was written"):
        ridgewalk.load(folder)
    weights.write_bytes(content)
    (folder / "pixel.json").write_text("{")
    with pytest.raises(ValueError, match=r"pixel.json cannot be read"):
        ridgewalk.load(folder)


def test_the_command_line_trains_diagnoses_and_compares(copied: Copy) -> None:
    folder, runner = copied(), CliRunner()
    trained = runner.invoke(app, ["sense", str(folder), "--device", "cpu", "--json"])
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout)["sensor"] == "pixel"
    assert {d.name for d in diagnose_sensors(ridgewalk.load(folder))} == {"detector", "matcher", "pixel"}
    words = ["report", str(folder), "--pairs", "4", "--methods", "string:dual,sgw-arriving:pixel", "--json"]
    compared = runner.invoke(app, words)
    assert compared.exit_code == 0, compared.output
    assert set(json.loads(compared.stdout)["rows"]) == {"lerp", "slerp", "string:dual", "sgw-arriving:pixel"}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["sense", "RUN", "--contrast", "hole"], "did you mean 'holes'"),
        (["walk", "RUN", "--pairs", "2", "--energy", "dual"], "ridgewalk sense RUN"),
        (["report", "RUN", "--methods", "string:duel"], "did you mean 'dual'"),
        (["report", "RUN", "--methods", "lerp:ratio"], "follows no energy"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(smoke: Path, words: list[str], part: str) -> None:
    result = CliRunner().invoke(app, [str(smoke) if w == "RUN" else w for w in words])
    assert result.exit_code == 2
    assert part in result.stderr
    assert "Traceback" not in result.stderr


def test_strings_and_arriving_walks_take_a_matchers_energy_at_the_density_ratios_force_and_the_walk_as_written_does_not(
    smoke: Path,
) -> None:
    run = ridgewalk.load(smoke)
    points = run.context.lerp_points
    force = typical_force(run.energy("soft-ratio"), points)
    for name in ("logit-squared", "bce-to-0", "bce-to-half"):
        for method in ("string", "graph-string", "sgw-arriving"):
            energy = run.finder(method, name).energy  # type: ignore[attr-defined]
            assert typical_force(energy, points) == pytest.approx(force, rel=1e-4)
        written = run.finder("sgw", name).energy  # type: ignore[attr-defined]
        assert typical_force(written, points) == pytest.approx(typical_force(run.energy(name), points))
