"""Sensors that are dead, unequal, overflowing, or of another run: a walk reports it, and continues or refuses in one sentence."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import ridgewalk
from commands import call, refused
from conftest import SMOKE
from ridgewalk.energies import typical_force
from ridgewalk.evaluation.sensors import diagnose_sensors
from ridgewalk.files import write_bytes
from ridgewalk.finders.building import measure_forces
from ridgewalk.models.discriminators import image_discriminator
from ridgewalk.models.weights import read_tensors, save_networks
from ridgewalk.registry import ENERGIES, EnergyEntry
from ridgewalk.settings import recipes
from ridgewalk.settings.autoencoder import Walks
from ridgewalk.store.autoencoder import new_pixel_detector
from ridgewalk.store.origin import read_settings, write_settings
from ridgewalk.verbs import train

Copy = Callable[[], Path]


def walked(*words: object) -> tuple[dict[str, np.ndarray], dict[str, object], str, str]:
    """Arrays, stats.json, the page and standard error of a walk."""
    code, out, error = call("walk", *words, "--json")
    assert code == 0, error
    folder = Path(json.loads(out)["folder"])
    with np.load(folder / "paths.npz", allow_pickle=False) as file:
        arrays = dict(file)
    return arrays, json.loads((folder / "stats.json").read_text()), (folder / "report.html").read_text(), error


def rewritten(folder: Path, file: str, change: Callable[[str, Tensor], Tensor]) -> None:
    """Changes tensors of a safetensors file, and its checksum wherever that is kept."""
    from safetensors.torch import save

    tensors = {n: change(n, t).contiguous() for n, t in read_tensors(folder / file).items()}
    installed(folder, file, save(tensors))


def installed(folder: Path, file: str, content: bytes) -> None:
    """Puts other weights in place of a run's, with their own checksum."""
    digest, stem = write_bytes(folder / file, content), file.removesuffix(".safetensors")
    record = folder / (f"{stem}.json" if stem.startswith("pixel") else "manifest.json")
    table = json.loads(record.read_text()) if record.is_file() else {"contrast": "holes", "seed": 0}
    if stem.startswith("pixel"):
        table["sha256"] = digest
    else:
        table["sha256"][file] = digest
    record.write_text(json.dumps(table))


def silenced(folder: Path, file: str, prefix: str, factor: float = 0.0) -> None:
    """Multiplies the weights of a network: at 0 its logit is the same everywhere."""
    rewritten(folder, file, lambda n, t: t * factor if n.startswith(prefix) else t)


@pytest.fixture(scope="module")
def with_pixels(smoke: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke run with a pixel sensor."""
    folder = tmp_path_factory.mktemp("sensed") / "run"
    shutil.copytree(smoke, folder, ignore=shutil.ignore_patterns("walks", "report*.html"))
    train.sense(ridgewalk.load(folder), device="cpu")
    return folder


@pytest.fixture
def sensed(with_pixels: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    return shutil.copytree(with_pixels, tmp_path / "sensed")


@pytest.fixture(scope="module")
def straight(with_pixels: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The nodes of its LERP walk of three pairs: (3, 9, 8)."""
    folder = tmp_path_factory.mktemp("straight") / "walk"
    return walked(with_pixels, "--pairs", 3, "--frames", 9, "--method", "lerp", "--out", folder)[0]["nodes"]


# --- dead sensors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "prefix", "method", "energy", "sensor"),
    [
        ("detector.safetensors", "detector", "string", "soft-ratio", "detector"),
        ("detector.safetensors", "detector", "sgw-arriving", "ratio", "detector"),
        ("model.safetensors", "discriminator", "sgw", "logit-squared", "matcher"),
        ("model.safetensors", "discriminator", "string", "logit-squared", "matcher"),
        ("model.safetensors", "discriminator", "sgw-arriving", "bce-to-0", "matcher"),
        ("pixel.safetensors", "pixel", "string", "pixel", "pixel"),
    ],
)
def test_a_walk_guided_by_a_dead_sensor_equals_lerp_and_reports_it(
    file: str, prefix: str, method: str, energy: str, sensor: str, sensed: Path, straight: np.ndarray
) -> None:
    silenced(sensed, file, prefix)
    found, stats, page, error = walked(sensed, "--pairs", 3, "--frames", 9, "--method", method, "--energy", energy)
    # float32 sums over the steps of a walk, or over the moves of a string
    assert np.allclose(found["nodes"], straight, atol=1e-4)
    (note,) = stats["notes"]  # type: ignore[misc]
    assert f"the sensor {sensor} is dead" in note
    assert "will equal LERP" in note
    assert f"note: {note}" in error
    assert f"the sensor {sensor} is dead" in page
    assert stats["forces"][energy] == {"median": 0.0, "weight": 1.0}  # type: ignore[index]


def test_a_sensor_of_nearly_no_force_is_not_scaled_up(sensed: Path) -> None:
    silenced(sensed, "pixel.safetensors", "pixel", 1e-4)
    (force,) = measure_forces("string", ridgewalk.load(sensed).context, "pixel")
    assert 0 < force.size < 1e-7
    assert (force.weight, force.alive) == (1.0, False)


def test_a_sensor_whose_diagnosis_is_dead_is_warned_of_though_it_has_a_force(sensed: Path) -> None:
    """The smoke run's own detector: three epochs, and the same logit nearly everywhere."""
    run = ridgewalk.load(sensed)
    (diagnosis,) = diagnose_sensors(run, names=["detector"])
    assert diagnosis.verdict == "dead"
    _, stats, page, error = walked(sensed, "--pairs", 2)
    assert stats["notes"] == [diagnosis.sentence]
    assert f"note: {diagnosis.sentence}" in error
    assert "detector is dead" in page


def test_a_walk_by_a_sensor_that_lives_has_no_note(sensed: Path) -> None:
    _, stats, _, error = walked(sensed, "--pairs", 2, "--energy", "logit-squared")
    assert stats["notes"] == []
    assert "note:" not in error


def test_without_a_living_detector_other_energies_keep_their_own_force(sensed: Path) -> None:
    silenced(sensed, "detector.safetensors", "detector")
    with pytest.warns(UserWarning, match="keep their own force"):
        energy = ridgewalk.load(sensed).energy("reprojection")
    assert energy.weight == 1.0  # type: ignore[attr-defined]
    _, stats, _, error = walked(sensed, "--pairs", 2, "--energy", "reprojection")
    assert "the detector is dead" in error
    assert stats["notes"] == []


@pytest.mark.parametrize(
    ("dead", "said", "mended"),
    [
        (["pixel"], "its pixel half", "--energy soft-ratio"),
        (["detector"], "its latent half", "--energy pixel"),
        (["pixel", "detector"], "its latent and its pixel half", "ridgewalk sense RUN"),
    ],
)
def test_a_dual_walk_with_a_dead_half_is_refused(dead: list[str], said: str, mended: str, sensed: Path) -> None:
    for name in dead:
        silenced(sensed, f"{name}.safetensors", name)
    for words in (["walk", sensed, "--pairs", 2, "--energy", "dual"], ["report", sensed, "--methods", "string:dual"]):
        sentence = refused(*words)
        assert said in sentence
        assert mended in sentence
    assert not (sensed / "walks").exists()


# --- the weights of a dual walk --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.7, 0.3), (0.0, 2.0)])
def test_a_dual_walk_takes_and_shows_its_shares(shares: tuple[float, float], sensed: Path) -> None:
    words = [sensed, "--pairs", 2, "--energy", "dual", "--shares", ",".join(map(str, shares))]
    _, stats, page, _ = walked(*words)
    run = ridgewalk.load(sensed)
    points = run.context.lerp_points
    latent, pixel = (typical_force(e, points) for e in run.energy("dual").energies)  # type: ignore[attr-defined]
    assert latent == pytest.approx(typical_force(run.energy("soft-ratio"), points))
    forces = stats["forces"]
    assert forces["latent"] == pytest.approx({"median": latent, "weight": shares[0]})  # type: ignore[index]
    assert forces["pixel"] == pytest.approx({"median": pixel, "weight": shares[1] * latent / pixel}, rel=1e-4)  # type: ignore[index]
    line = f"forces on {len(points)} LERP points: latent {latent:.3g}, pixel {pixel:.3g}; weights {shares[0]:.3g} and "
    assert line in page


def test_shares_are_a_setting_of_the_recipe_and_an_option_of_a_report(sensed: Path) -> None:
    recipe = recipes.read("digits", "smoke", ["walks.dual_shares=[0.8, 0.2]"])
    assert recipe.walks.dual_shares == (0.8, 0.2)
    assert recipes.parse(recipes.to_table(recipe), "here") == recipe
    words = ["report", sensed, "--pairs", 3, "--methods", "string:dual", "--json"]
    weights = []
    for more in ([], ["--shares", "1,0"]):
        code, out, error = call(*words, *more)
        assert code == 0, error
        weights.append([f["weight"] for f in json.loads(out)["forces"].values()])
    assert weights[0][0] == 0.5
    assert weights[1] == [1.0, 0.0]


@pytest.mark.parametrize("shares", ["-1,1", "nan,1", "inf,1", "1", "1,2,3", "0,0", "a,b", ","])
def test_shares_that_cannot_be_kept_are_refused(shares: str, smoke: Path) -> None:
    for words in (["walk", smoke, "--pairs", 2, "--energy", "dual"], ["report", smoke, "--methods", "string:dual"]):
        assert "--shares takes two numbers" in refused(*words, "--shares", shares)
        assert "an argument is empty, after --shares" in refused(*words, "--shares", "")


def test_shares_without_dual_are_refused(smoke: Path) -> None:
    for words in (["walk", smoke, "--pairs", 2], ["report", smoke], ["report", smoke, "--methods", "string:ratio"]):
        assert "--shares weighs the two forces of the energy 'dual'" in refused(*words, "--shares", "0.5,0.5")


@pytest.mark.parametrize("shares", [(-0.1, 1.0), (float("nan"), 1.0), (1.0, float("inf")), (0.0, 0.0)])
def test_a_recipe_refuses_shares_that_cannot_be_kept(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="dual_shares"):
        Walks(dual_shares=shares)


# --- gradients that overflow -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["string", "sgw", "sgw-arriving"])
def test_gradients_that_overflow_are_counted_and_reported(
    method: str, smoke: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    class Steep:
        """Finite everywhere; its gradient is infinite in places."""

        def __call__(self, z: Tensor) -> Tensor:
            return 1e-3 * z[:, 1] + _Infinite.apply(z)

    request.addfinalizer(ENERGIES.add(EnergyEntry("steep", "steep in places", lambda context: Steep())))
    words = [smoke, "--pairs", 3, "--method", method, "--energy", "steep", "--out", tmp_path / "walk"]
    _, stats, page, _ = walked(*words)
    search = stats["search"]
    assert 0 < search["nonfinite"] < search["nfe"]  # type: ignore[index]
    said = f"gradient was not finite on {search['nonfinite']} of {search['nfe']} evaluations, and counted as 0"  # type: ignore[index]
    assert said in page


class _Infinite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(z)
        return 0 * z[:, 0]

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        (z,) = ctx.saved_tensors
        return torch.where((9 * z[:, :1]).cos() > 0, float("inf"), 0.0).expand_as(z) * gradient[:, None]


# --- sensors of another run ------------------------------------------------------------------------------------------


def test_sensors_of_another_latent_space_or_image_shape_are_refused_with_both(sensed: Path, tmp_path: Path) -> None:
    small = ["--budget", "smoke", "--device", "cpu", "--set", "model.latent=5", "--out", tmp_path / "other"]
    sets = [w for change in SMOKE for w in ("--set", change)]
    assert call("train", "digits", "--data", "digits", *small, *sets)[0] == 0
    whole = {f: (sensed / f).read_bytes() for f in ("detector.safetensors", "model.safetensors", "manifest.json")}
    for file in ("detector.safetensors", "model.safetensors"):
        installed(sensed, file, (tmp_path / "other" / file).read_bytes())
        sentence = refused("walk", sensed, "--pairs", 2)
        assert f"{file} holds another architecture" in sentence
        assert "reads 5 values, where latent codes of 8 values are expected" in sentence
        for name, content in whole.items():
            (sensed / name).write_bytes(content)
    save_networks(tmp_path / "p", {"pixel": image_discriminator((1, 28, 28), "encoded")})
    installed(sensed, "pixel.safetensors", (tmp_path / "p").read_bytes())
    for words in (["walk", sensed, "--pairs", 2], ["sensors", sensed], ["report", sensed]):
        sentence = refused(*words)
        assert "pixel.safetensors holds another architecture" in sentence
        assert "reads 784 values, where images of 1 x 8 x 8 (64 values) are expected" in sentence


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((3, 8, 8), "3 channels of 5 to 8 pixels a side"),
        ((1, 28, 28), "1 channel of 25 to 28 pixels a side"),
        ((1, 28, 14), "1 channel of 28 cells after 2 halvings"),
    ],
)
def test_convolutions_of_another_image_shape_are_refused(
    shape: tuple[int, int, int], said: str, copied: Copy, tmp_path: Path
) -> None:
    folder = copied()
    origin, recipe = read_settings(folder)
    write_settings(folder, origin, replace(recipe, pixel=replace(recipe.pixel, network="conv", hidden=(16, 32))))
    run = ridgewalk.load(folder)
    own = new_pixel_detector(run.recipe, run.origin.shape, "holes")
    save_networks(tmp_path / "own", {"pixel": own})
    installed(folder, "pixel.safetensors", (tmp_path / "own").read_bytes())
    assert "pixel" in ridgewalk.load(folder).sensors
    save_networks(tmp_path / "p", {"pixel": image_discriminator(shape, "encoded", (16, 32), network="conv")})
    installed(folder, "pixel.safetensors", (tmp_path / "p").read_bytes())
    sentence = refused("walk", folder, "--pairs", 2)
    assert said in sentence
    assert "images of 1 x 8 x 8 (1 channel of 5 to 8 pixels a side) are expected" in sentence
