"""The loop: an interrupted run equals one that never was, bit for bit; bad settings and bad numbers are refused."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.models import autoencoders
from ridgewalk.models.autoencoders import Architecture
from ridgewalk.models.discriminators import latent_discriminator
from ridgewalk.settings.training import Schedule
from ridgewalk.training import checkpoint
from ridgewalk.training.devices import resolve_device
from ridgewalk.training.families.adversarial import AAE
from ridgewalk.training.families.autoencoder import AE
from ridgewalk.training.families.vae import VAE
from ridgewalk.training.loop import Fitting, History, fit
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Loss, Objective

SHAPE = (1, 4, 4)
X = torch.randint(0, 256, (40, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


class Stop(Exception):
    """What interrupts a run in these tests."""


class Interrupted:
    """An objective that is killed as step ``at`` begins."""

    def __init__(self, inner: Objective, at: int) -> None:
        self.inner, self.at = inner, at

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return self.inner.networks

    @property
    def optimisers(self) -> Mapping[str, tuple[str, ...]]:
        return self.inner.optimisers

    def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        if noise.step == self.at:
            raise Stop
        return self.inner.loss(optimiser, batch, noise)


def user_ae() -> AE:
    """An autoencoder of a user's own modules, with dropout and batch statistics."""
    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.Dropout(0.3), nn.Linear(12, 3))
    decoder = nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.1), nn.Sigmoid(), nn.Unflatten(1, SHAPE))
    return AE(autoencoders.Autoencoder(encoder, decoder))


def vae() -> VAE:
    torch.manual_seed(1)
    return VAE(autoencoders.build(SHAPE, 3, "gaussian", Architecture(hidden=(8,))), beta=0.5)  # type: ignore[arg-type]


def aae() -> AAE:
    torch.manual_seed(1)
    return AAE(
        autoencoders.build(SHAPE, 3, "gaussian", Architecture(hidden=(8,))),
        latent_discriminator(3, "prior", (8,), spectral=True),
    )


SCHEDULES = {
    "adam": {"decay": "cosine"},
    "ema": {"ema": 0.9},
    "sgd-clip": {"optimiser": "sgd", "rate": 0.01, "clip": 0.5},
}


def schedule(epochs: int = 3, **settings: object) -> Schedule:
    return Schedule(epochs=epochs, batch=8, checkpoint_every=4, log_every=3, seed=2, **settings)  # type: ignore[arg-type]


def states(objective: Objective, history: History) -> dict[str, Tensor]:
    modules = {**objective.networks, **{f"average {n}": m for n, m in history.averages.items()}}
    return {f"{n}.{k}": v for n, m in modules.items() for k, v in m.state_dict().items()}


@pytest.mark.parametrize("stop", [2, 4, 7, 14])
@pytest.mark.parametrize("settings", SCHEDULES)
@pytest.mark.parametrize("make", [user_ae, vae, aae])
def test_a_run_interrupted_and_resumed_equals_one_never_interrupted(
    make: object, settings: str, stop: int, tmp_path: Path
) -> None:
    plan = schedule(**SCHEDULES[settings])
    straight = make()  # type: ignore[operator]
    whole = fit(straight, [X], plan, Fitting("cpu"), folder=tmp_path / "whole")
    with pytest.raises(Stop):
        fit(Interrupted(make(), stop), [X], plan, Fitting("cpu"), folder=tmp_path / "cut")  # type: ignore[operator]
    torch.rand(3)  # what else draws from the global generator must not matter
    again = make()  # type: ignore[operator]
    resumed = fit(again, [X], plan, Fitting("cpu", resume=True), folder=tmp_path / "cut")
    assert (tmp_path / "cut" / "log.jsonl").read_text() == (tmp_path / "whole" / "log.jsonl").read_text()
    for name, tensor in states(straight, whole).items():
        assert torch.equal(tensor, states(again, resumed)[name]), name
    assert torch.equal(whole.steps, resumed.steps)
    assert all(torch.equal(whole.terms[n], resumed.terms[n]) for n in whole.terms)
    assert resumed.taken == 15 - (stop // 4) * 4


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first, second = vae(), vae()
    fit(first, [X], schedule(), Fitting("cpu"), folder=tmp_path)
    log = (tmp_path / "log.jsonl").read_text()
    fit(second, [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)
    assert (tmp_path / "log.jsonl").read_text() == log
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters()))


def test_a_torn_last_line_of_the_log_is_dropped(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        fit(Interrupted(vae(), 6), [X], schedule(), Fitting("cpu"), folder=tmp_path / "cut")
    with (tmp_path / "cut" / "log.jsonl").open("a") as file:
        file.write('{"step": 5, "recon')
    fit(vae(), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path / "cut")
    fit(vae(), [X], schedule(), Fitting("cpu"), folder=tmp_path / "whole")
    assert (tmp_path / "cut" / "log.jsonl").read_text() == (tmp_path / "whole" / "log.jsonl").read_text()


def test_training_does_not_touch_the_global_generator() -> None:
    objective = user_ae()
    before = torch.random.get_rng_state()
    fit(objective, [X], schedule(1), Fitting("cpu"))
    assert torch.equal(before, torch.random.get_rng_state())


def test_each_step_has_its_line(tmp_path: Path) -> None:
    history = fit(vae(), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    lines = [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 16))
    assert history.steps.tolist() == list(range(1, 16))
    assert [line["kl"] for line in lines] == history.terms["kl"].tolist()


def test_an_epoch_shows_every_row_once() -> None:
    seen: list[Tensor] = []

    class Spy(AE):
        def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
            seen.append(batch[0][:, 0, 0, 0])
            return super().loss(optimiser, batch, noise)

    rows = torch.arange(40.0)[:, None, None, None].expand(40, *SHAPE).contiguous()
    fit(Spy(user_ae().model), [rows], schedule(2), Fitting("cpu"))
    first, second = torch.cat(seen[:5]), torch.cat(seen[5:])
    assert torch.equal(first.sort().values, torch.arange(40.0))
    assert torch.equal(second.sort().values, torch.arange(40.0))
    assert not torch.equal(first, second)


def test_the_moving_average_follows_its_recursion() -> None:
    values: list[Tensor] = []

    class Spy(AE):
        def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
            values.append(next(self.model.encoder.parameters()).detach().clone())
            return super().loss(optimiser, batch, noise)

    torch.manual_seed(1)
    objective = Spy(autoencoders.build(SHAPE, 3, architecture=Architecture(hidden=(8,))))
    history = fit(objective, [X], schedule(1, ema=0.9), Fitting("cpu"))
    values.append(next(objective.model.encoder.parameters()).detach())
    average = values[1]  # the first update copies
    for value in values[2:]:
        average = 0.9 * average + 0.1 * value
    assert torch.allclose(next(history.averages["encoder"].parameters()), average, atol=1e-6)


def test_a_resume_with_other_settings_or_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        fit(Interrupted(vae(), 6), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    with pytest.raises(ValueError, match="other settings or other data"):
        fit(vae(), [X], schedule(rate=0.5), Fitting("cpu", resume=True), folder=tmp_path)
    with pytest.raises(ValueError, match="other settings or other data"):
        fit(vae(), [255 - X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)


def test_a_resume_under_other_weights_of_the_objective_is_refused(tmp_path: Path) -> None:
    """Shapes, schedule and data are the same; what is minimised is not."""
    fit(vae(), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    with pytest.raises(ValueError, match="other settings or other data"):
        fit(replace(vae(), beta=2.0), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)
    assert len(fit(vae(), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path).steps) == 15


def test_only_the_newest_checkpoints_stay(tmp_path: Path) -> None:
    fit(vae(), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    assert [p.name for p in sorted((tmp_path / "checkpoints").iterdir())] == ["step-00000012", "step-00000015"]
    newest = checkpoint.latest(tmp_path / "checkpoints")
    assert newest is not None
    assert checkpoint.step_of(newest) == 15


@pytest.mark.parametrize("file", ["networks.safetensors", "optimisers.pt", "progress.json"])
@pytest.mark.parametrize("damage", ["cut", "altered", "removed"])
def test_a_damaged_checkpoint_is_refused(file: str, damage: str, tmp_path: Path) -> None:
    with pytest.raises(Stop):
        fit(Interrupted(vae(), 6), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    target = tmp_path / "checkpoints" / "step-00000004" / file
    content = target.read_bytes()
    if damage == "removed":
        target.unlink()
    else:
        target.write_bytes(content[: len(content) // 2] if damage == "cut" else content[:-9] + b"!" + content[-8:])
    with pytest.raises(ValueError, match="step-00000004"):
        fit(vae(), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)


@pytest.mark.parametrize("file", ["networks.safetensors", "optimisers.pt", "progress.json"])
def test_a_damaged_newest_checkpoint_is_passed_over(file: str, tmp_path: Path) -> None:
    """The training is resumed from the whole one before it, says so, and ends as an uninterrupted one does."""
    with pytest.raises(Stop):
        fit(Interrupted(vae(), 10), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    target = tmp_path / "checkpoints" / "step-00000008" / file
    target.write_bytes(target.read_bytes()[:20])
    resumed, straight = vae(), vae()
    with pytest.warns(UserWarning, match="resumed from step-00000004"):
        fit(resumed, [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)
    fit(straight, [X], schedule(), Fitting("cpu"))
    pairs = zip(resumed.model.parameters(), straight.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_checkpoint_whose_folder_was_renamed_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        fit(Interrupted(vae(), 6), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    (tmp_path / "checkpoints" / "step-00000004").rename(tmp_path / "checkpoints" / "step-00000006")
    with pytest.raises(ValueError, match="step-00000006"):
        fit(vae(), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)


def test_a_checkpoint_of_the_former_version_has_no_digest_of_settings_and_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        fit(Interrupted(vae(), 6), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    record = tmp_path / "checkpoints" / "step-00000004" / "progress.json"
    progress = json.loads(record.read_text())
    del progress["settings"]
    record.write_text(json.dumps(progress))
    history = fit(vae(), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)
    assert int(history.steps[-1]) == 15


def test_a_log_that_was_damaged_before_the_training_is_resumed_is_said(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        fit(Interrupted(vae(), 6), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    log = tmp_path / "log.jsonl"
    for damaged in (log.read_text().replace("reconstruction", "reconstructiom", 1), log.read_text()[9:], ""):
        log.write_text(damaged)
        with pytest.warns(UserWarning, match="log.jsonl was altered or cut short"), pytest.raises(Stop):
            fit(Interrupted(vae(), 6), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)
    with pytest.warns(UserWarning, match="log.jsonl was altered"):
        history = fit(vae(), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)
    assert int(history.steps[-1]) == 15


def test_numbers_that_are_not_finite_stop_the_run(tmp_path: Path) -> None:
    class Bad(AE):
        def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
            loss, terms = super().loss(optimiser, batch, noise)
            return loss * (torch.nan if noise.step == 6 else 1), {"reconstruction": terms["reconstruction"], "b": loss}

    class Poisoned(AE):
        """Its gradient is infinite at step 4 though its loss is finite: the weights are bad after it."""

        def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
            loss, terms = super().loss(optimiser, batch, noise)
            if noise.step == 3:
                loss = loss + (0 * self.model(batch[0]).mean()).sqrt()
            return loss, terms

    class Term(AE):
        def loss(self, optimiser: str, batch: Batch, noise: Noise) -> Loss:
            loss, terms = super().loss(optimiser, batch, noise)
            return loss, {**terms, "strange": loss * (torch.inf if noise.step == 6 else 1)}

    with pytest.raises(FloatingPointError, match=r"'reconstruction' became nan at step 8; .*step-00000004"):
        fit(Bad(user_ae().model), [X], schedule(), Fitting("cpu"), folder=tmp_path / "bad")
    with pytest.raises(FloatingPointError, match=r"'strange' became inf at step 7; .*step-00000004"):
        fit(Term(user_ae().model), [X], schedule(), Fitting("cpu"), folder=tmp_path / "term")
    with pytest.raises(FloatingPointError, match=r"weights of '.*' are not finite after step 4; no checkpoint"):
        fit(Poisoned(user_ae().model), [X], schedule(), Fitting("cpu"), folder=tmp_path / "poisoned")
    assert checkpoint.latest(tmp_path / "poisoned" / "checkpoints") is None


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"batch": 1},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"log_every": 0},
        {"checkpoint_every": -1},
        {"optimiser": "adm"},
        {"decay": "cosin"},
        {"ema": 1.5},
        {"clip": 0.0},
        {"betas": (1.0, 0.9)},
        {"rates": {"x": -1.0}},
    ],
)
def test_a_schedule_refuses_what_it_cannot_keep(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Schedule(**settings)  # type: ignore[arg-type]


def test_what_a_run_cannot_do_is_refused_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"at least one batch of 8; got \[5\]"):
        fit(vae(), [X[:5]], schedule(), Fitting("cpu"), folder=tmp_path)
    with pytest.raises(ValueError, match="equal length"):
        fit(vae(), [X, X[:20]], schedule(), Fitting("cpu"), folder=tmp_path)
    with pytest.raises(ValueError, match="bf16"):
        fit(vae(), [X], schedule(), Fitting("cpu", precision="bf61"), folder=tmp_path)
    with pytest.raises(ValueError, match="fp16"):
        fit(vae(), [X], schedule(), Fitting("cpu", precision="fp16"), folder=tmp_path)
    with pytest.raises(ValueError, match="autoencoder"):
        fit(vae(), [X], schedule(rates={"autoencodr": 1e-3}), Fitting("cpu"), folder=tmp_path)
    with pytest.raises(ValueError, match="folder"):
        fit(vae(), [X], schedule(), Fitting("cpu", resume=True))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["meta", "gpu", "cuda:99", ""])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not available"):
        resolve_device(name)


def test_bfloat16_trains_and_keeps_float32_weights() -> None:
    objective = vae()
    fit(objective, [X], schedule(), Fitting("cpu", precision="bf16"))
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in objective.model.parameters())


def test_the_time_of_a_resumed_training_is_that_of_all_its_parts(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        fit(Interrupted(vae(), 7), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    progress = tmp_path / "checkpoints" / "step-00000004" / "progress.json"
    found = json.loads(progress.read_text())
    assert 0 < found["spent"]["seconds"] < 100
    assert found["spent"]["steps"] == 4
    found["spent"] |= {"seconds": 1000.0, "inspecting": 50.0}
    del found["notes"]  # the digest of the entries
    progress.write_text(json.dumps(found))
    resumed = fit(vae(), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)
    assert 1000 < resumed.seconds < 1100
    assert resumed.inspecting == 50
    assert (resumed.taken, resumed.timed) == (11, 15)
    again = fit(vae(), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)
    assert 1000 < again.seconds < resumed.seconds + 1
    assert (again.taken, again.timed) == (0, 15)


def test_a_checkpoint_without_its_time_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        fit(Interrupted(vae(), 7), [X], schedule(), Fitting("cpu"), folder=tmp_path)
    progress = tmp_path / "checkpoints" / "step-00000004" / "progress.json"
    found = json.loads(progress.read_text())
    del found["spent"], found["notes"]
    progress.write_text(json.dumps(found))
    resumed = fit(vae(), [X], schedule(), Fitting("cpu", resume=True), folder=tmp_path)
    assert (resumed.taken, resumed.timed) == (11, 11)
