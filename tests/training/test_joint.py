"""Score and discriminator together: what each optimiser moves, when the bank is filled, and that a killed run resumes to the same bits."""

from pathlib import Path

import pytest
import torch

from ridgewalk.diffusion import VP, Denoiser, Heun, RowNoise, Standardiser
from ridgewalk.diffusion.guidance import TimeRatio
from ridgewalk.models.backbones import TimeMLP
from ridgewalk.seeds import mixed_seed
from ridgewalk.settings.training import Schedule
from ridgewalk.training import joint
from ridgewalk.training.denoising import DenoisingScoreMatching
from ridgewalk.training.joint import Bank, Joint
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.noise import Noise
from ridgewalk.training.ratio import NoisedRatio

AS_IT_IS = Standardiser(torch.tensor(0.0), torch.tensor(1.0))
DATA = torch.randn(64, 2, generator=torch.Generator().manual_seed(0)) * 0.3 + 1


def made(refresh: int = 3) -> Joint:
    torch.manual_seed(0)
    sde = VP()
    denoiser = Denoiser(TimeMLP(2, (8,), fourier=0), sde)
    ratio = TimeRatio(TimeMLP(2, (8,), outputs=1, fourier=0), sde)
    for network in (denoiser.network, ratio.network):
        torch.nn.init.normal_(network.last.weight, std=0.1)  # as if trained a little
    return Joint(
        DenoisingScoreMatching(denoiser, AS_IT_IS),
        NoisedRatio(ratio, AS_IT_IS),
        Bank(20, (2,)),
        Heun(sde, 4),
        refresh,
        seed=5,
    )


def test_each_optimiser_changes_its_own_network_only() -> None:
    objective = made()
    for optimiser, own, other in (
        ("denoiser", "denoiser", "discriminator"),
        ("discriminator", "discriminator", "denoiser"),
    ):
        for network in objective.networks.values():
            network.zero_grad()
        objective.loss(optimiser, (DATA[:16],), Noise(0, 0))[0].backward()
        grads = {n: [p.grad for p in objective.networks[n].parameters()] for n in (own, other)}
        assert any(g is not None and bool(g.any()) for g in grads[own])
        assert all(g is None or not bool(g.any()) for g in grads[other])


def test_the_bank_holds_the_scores_own_samples_of_its_last_filling() -> None:
    objective = made(refresh=3)
    denoiser = objective.matching.denoiser
    objective.loss("discriminator", (DATA[:16],), Noise(0, 0))
    first = objective.bank.samples.clone()
    noise = RowNoise(mixed_seed(5, 0) % 2**31, 20, (2,))
    assert torch.equal(first, Heun(VP(), 4)(denoiser.score, noise).x)
    with torch.no_grad():
        denoiser.network.last.bias += 0.5
    for step in (1, 2):
        objective.loss("discriminator", (DATA[:16],), Noise(0, step))
        assert torch.equal(objective.bank.samples, first)
    objective.loss("discriminator", (DATA[:16],), Noise(0, 3))
    assert not torch.allclose(objective.bank.samples, first, atol=0.05)


def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two fillings of the bank, whose samples are of weights that no longer are."""
    schedule = Schedule(epochs=3, batch=16, rate=1e-2, ema=0.9, checkpoint_every=1, log_every=1)
    whole = made(5)
    fit(whole, [DATA], schedule, Fitting("cpu"), folder=tmp_path / "whole")
    killed, real, asked = made(5), joint.Joint.loss, []

    def broken(self, *arguments):  # type: ignore[no-untyped-def]
        asked.append(1)
        if len(asked) == 15:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(joint.Joint, "loss", broken)
    with pytest.raises(KeyboardInterrupt):
        fit(killed, [DATA], schedule, Fitting("cpu"), folder=tmp_path / "killed")
    monkeypatch.undo()
    resumed = made(5)
    fit(resumed, [DATA], schedule, Fitting("cpu", resume=True), folder=tmp_path / "killed")
    for name, network in whole.networks.items():
        for a, b in zip(network.state_dict().values(), resumed.networks[name].state_dict().values()):
            assert torch.equal(a, b), name


def test_what_does_not_fit_is_refused() -> None:
    objective = made()
    with pytest.raises(ValueError, match="every 1 or more"):
        made(0)
    with pytest.raises(ValueError, match="unconditional"):
        Joint(
            objective.matching,
            NoisedRatio(objective.ratio.ratio, AS_IT_IS, negatives="rollout"),
            objective.bank,
            objective.sampler,
        )
