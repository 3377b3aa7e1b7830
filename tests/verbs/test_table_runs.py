"""A table of numbers through what images go through: training, judges, walks, and the sentences for what cannot be."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from conftest import SMOKE
from ridgewalk.cli import app
from ridgewalk.data import load, load_points, part
from ridgewalk.judging.judges import judge
from ridgewalk.settings.autoencoder import Judges
from ridgewalk.store.origin import Source
from ridgewalk.store.run import Run
from ridgewalk.store.run import load as load_run
from ridgewalk.verbs import train
from ridgewalk.verbs.train import TrainRequest
from ridgewalk_studies.adversarial_autoencoders.shared import classes_of
from ridgewalk_studies.measures.clustering import measure_clusters


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "table"
    changes = (*SMOKE, "training.epochs=60", "training.batch=32", "model.latent=3")
    return train.start(TrainRequest("digits", Source("wine"), folder, budget="smoke", changes=changes, device="cpu"))


def test_an_autoencoder_learns_a_tables_rows(run: Run) -> None:
    images = part(load_run(run.folder).data, "validation")
    x = images.floats()
    with torch.no_grad():
        error = (run.decode(run.encode(x)) - x).square().mean()
    assert float(error) < 0.8 * float((part(run.data, "model").floats().mean(0) - x).square().mean())
    assert run.origin.shape == (1, 1, 13)


def test_a_walk_over_a_table_is_judged(run: Run) -> None:
    words = ["walk", str(run.folder), "--from", "3", "--to", "20", "--method", "lerp", "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)


def test_a_judge_of_rows_knows_their_classes() -> None:
    found = judge(load("breast-cancer"), "A", Judges(epochs=40, batch=16, steps=4))
    assert found.accuracy > 0.85  # two classes of which one has 63 %
    assert found.features(load("breast-cancer").test.floats()).shape == (82, 128)


@pytest.mark.parametrize(("recipe", "error"), [("aae-semisupervised", 0.15), ("aae-clustering", 0.3)])
def test_classes_of_a_table_by_a_recipes_own_settings_for_tables(recipe: str, error: float, tmp_path: Path) -> None:
    changes = ("training.epochs=150", "detector.epochs=1", "detector.members=1")
    found = train.start(TrainRequest(recipe, Source("wine"), tmp_path / "run", changes=changes, device="cpu"))
    assert (found.recipe.model.network, found.recipe.labels.shift) == ("mlp", 0)
    told, labels = classes_of(found, found.data.test).double(), found.data.test.labels
    assert measure_clusters(told, labels, (told, labels)).majority < error  # 0.6 where all are of one class


def test_averages_of_a_normal_law_are_as_real_as_its_rows_and_the_judges_say_that_they_cannot_tell(
    tmp_path: Path,
) -> None:
    """Averages of rows of one bell are rows that the bell could have given, if less spread: no judge can refuse most of them and take most real rows."""
    np.save(tmp_path / "plain.npy", np.random.default_rng(0).normal(size=(4000, 2)))
    found = judge(load(str(tmp_path / "plain.npy")), "A", Judges(steps=100))
    assert any("half-and-half averages" in reason for reason in found.composite.power.reasons)


def test_what_is_decoded_goes_back_to_the_tables_units(run: Run) -> None:
    points = load_points("wine")
    rows = points.low + (points.high - points.low) * run.data.test.floats()[:, 0, 0]
    inside = ((points.test.values >= points.low) & (points.test.values <= points.high)).all(1)
    assert torch.allclose(rows[inside], points.test.values[inside], rtol=1e-4)


def test_bad_sources_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(b"nothing")
    (tmp_path / "test_32x32.mat").write_bytes(b"nothing")
    for source, message in (
        (tmp_path, "cannot be read as a MATLAB file"),
        ("wien", "did you mean 'wine'"),
        (tmp_path / "none.npz", "no such file"),
    ):
        result = CliRunner().invoke(app, ["train", "digits", "--data", str(source), "--out", str(tmp_path / "run")])
        assert result.exit_code == 2
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
