"""The VAE-GAN's experiment at smoke size, and the boundaries' table."""

import json
from pathlib import Path

import pytest
import torch

import ridgewalk
from ridgewalk.evaluation.judged import judges_of
from ridgewalk.evaluation.sensors import diagnose_sensors
from ridgewalk.store.origin import Source
from ridgewalk.training.log import read_log
from ridgewalk.training.negatives import BOUNDARIES
from ridgewalk.verbs import train
from ridgewalk.verbs.train import TrainRequest
from ridgewalk_studies.generative import generative
from ridgewalk_studies.reproduce import reproduce
from ridgewalk_studies.vae_gan import boundaries

QUICK = (
    "training.epochs=2",
    "detector.epochs=1",
    "judges.epochs=2",
    "walks.pairs=6",
    "walks.iterations=5",
    "reproduce.points=60",
    'reproduce.variants={vae=["objective.name=vae","training.rates={}"],plain=["objective.feature_weight=0.0"],'
    'separate=["objective.order=separate","objective.feature_weight=0.0"],"steady-r1"=["critic.r1=1.0","objective.latent=false"],'
    'l1=["objective.name=vae","training.rates={}","objective.reconstruction=absolute"]}',
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smoke reproduction on digits."""
    folder = tmp_path_factory.mktemp("reproduced") / "vae-gan"
    reproduce("vae-gan", source="digits", budget="smoke", changes=QUICK, out=folder, device="cpu")
    return folder


def test_every_variant_is_trained_and_measured(finished: Path) -> None:
    assert {p.name for p in finished.iterdir() if p.is_dir()} == {
        "run-0",
        "vae-0",
        "plain-0",
        "separate-0",
        "steady-r1-0",
        "l1-0",
        "report-tables",
    }
    found = json.loads((finished / "result.json").read_text())
    assert set(found["models"]) == {"vae-gan", "vae", "plain", "separate"}
    assert set(found["boundaries"]["boundaries"]) == set(BOUNDARIES)
    assert set(found["steady"]) == {"r1"}
    assert {"vae-gan-0-along", "vae-gan-0-afterwards"} <= set(found["latent"])
    assert any("joint" in c["claim"] for c in found["claims"])
    assert "What steadies the critic" in (finished / "report.html").read_text()


def test_a_vaegans_own_discriminators_are_sensors_of_its_run(finished: Path) -> None:
    run = ridgewalk.load(finished / "run-0")
    assert set(run.sensors) == {"detector", "critic", "latent"}
    z = run.references[:5]
    for name in ("critic", "latent"):
        assert run.energy(name)(z).shape == (5,)
    assert {d.name for d in diagnose_sensors(run)} == {"critic", "detector", "latent"}
    separate = ridgewalk.load(finished / "separate-0")
    assert (separate.folder / "stage-1" / "log.jsonl").is_file()
    logs = [read_log(folder / "log.jsonl")[0] for folder in (separate.folder, separate.folder / "stage-1")]
    assert [line["step"] for line in logs[0]] == [line["step"] for line in logs[1]]


def test_separate_training_leaves_the_encoder_as_the_vae_made_it(tmp_path: Path) -> None:
    changes = ["training.epochs=2", "objective.order=separate", "detector.epochs=1", "training.decay=constant"]
    run = train.start(
        TrainRequest("vae-gan", Source("digits"), tmp_path / "two", budget="smoke", changes=changes, device="cpu")
    )
    alone = [
        "training.epochs=1",
        "objective.name=vae",
        "training.rates={}",
        "detector.epochs=1",
        "training.decay=constant",
    ]
    vae = train.start(
        TrainRequest("vae-gan", Source("digits"), tmp_path / "one", budget="smoke", changes=alone, device="cpu")
    )
    for a, b in zip(run.model.encoder.parameters(), vae.model.encoder.parameters()):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(run.model.decoder.parameters(), vae.model.decoder.parameters()))


def test_a_run_killed_in_its_second_stage_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ["training.epochs=2", "objective.order=separate", "detector.epochs=1", "training.checkpoint_every=5"]
    whole = train.start(
        TrainRequest("vae-gan", Source("digits"), tmp_path / "a", budget="smoke", changes=changes, device="cpu")
    )
    from ridgewalk.training.families.vae_gan import VAEGAN

    loss, calls = VAEGAN.loss, iter(range(1000))

    def killed(self, optimiser, batch, noise):  # type: ignore[no-untyped-def]
        if next(calls) == 20:
            raise KeyboardInterrupt
        return loss(self, optimiser, batch, noise)

    with monkeypatch.context() as patch:
        patch.setattr(VAEGAN, "loss", killed)
        with pytest.raises(KeyboardInterrupt):
            train.start(
                TrainRequest("vae-gan", Source("digits"), tmp_path / "b", budget="smoke", changes=changes, device="cpu")
            )
    resumed = train.resume(tmp_path / "b", device="cpu")
    for name in ("decoder", "encoder"):
        for a, b in zip(getattr(whole.model, name).parameters(), getattr(resumed.model, name).parameters()):
            assert torch.equal(a, b)
    for a, b in zip(whole.sensors["critic"].parameters(), resumed.sensors["critic"].parameters()):
        assert torch.equal(a, b)


def test_fresh_draws_need_a_gaussian_posterior(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gaussian"):
        train.start(
            TrainRequest("digits", Source("digits"), tmp_path / "x", budget="smoke", changes=["detector.samples=true"])
        )
    assert not (tmp_path / "x").exists()


def test_reconstructions_of_a_perfect_model_cost_nothing(smoke: Path) -> None:
    from ridgewalk.models.autoencoders import Autoencoder

    run = ridgewalk.load(smoke)
    perfect = run.with_autoencoder(model=Autoencoder(torch.nn.Identity(), torch.nn.Identity()))
    judges = judges_of(run)
    x = run.data.test.take(torch.arange(40)).floats()
    from ridgewalk_studies.measures.attributes import reconstruction_columns

    columns = reconstruction_columns(x, perfect.decode(perfect.model.encode(x)), judges)
    assert float(columns["squared"].max()) == 0
    assert float(columns["features_A"].max()) == 0
    assert columns["sharpness"].allclose(torch.ones(40, dtype=columns["sharpness"].dtype))
    g = generative([run], judges, 40)
    assert float(g.features.min()) > 0
    assert set(g.frechet) == {"A", "B"}


def test_a_detector_of_a_boundary_has_the_recipes_settings(smoke: Path) -> None:
    run = ridgewalk.load(smoke)
    sensor = boundaries.detector(run, "ball")
    assert sensor.positive == "encoded"
    assert sum(p.numel() for p in sensor.parameters()) == sum(p.numel() for p in run.sensors["detector"].parameters())
