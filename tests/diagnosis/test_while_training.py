"""Each verdict during training is reached by a discriminator that is in that state, and figures are those of closed forms."""

from collections.abc import Callable
from math import log

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ridgewalk.diagnosis.while_training import Inspector, diagnose
from ridgewalk.models import autoencoders
from ridgewalk.models.autoencoders import Architecture
from ridgewalk.models.discriminators import latent_discriminator
from ridgewalk.settings.training import Schedule
from ridgewalk.training.families.adversarial import AAE
from ridgewalk.training.log import read_log, read_readings
from ridgewalk.training.loop import Fitting, fit


class Scores(nn.Module):
    """A discriminator by its formula."""

    def __init__(self, f: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.f = f

    def forward(self, z: Tensor) -> Tensor:
        return self.f(z)


def sides(shift: float, n: int = 1500) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 2, generator=generator), torch.randn(n, 2, generator=generator) + shift


@pytest.mark.parametrize(
    ("verdict", "shift", "f"),
    [
        ("dead", 3.0, lambda z: 0.001 * z[:, 0]),  # flat, while the sides differ
        ("dead", 3.0, lambda z: z[:, 0] - z[:, 1]),  # looks where nothing differs
        ("dead", 0.0, lambda z: 0.0001 * z[:, 0]),  # alike, but flat everywhere
        ("equilibrium", 0.0, lambda z: 0.01 * z.square().sum(1)),  # alike, and far points score differently
        ("alive", 1.0, lambda z: -0.5 * z[:, 0]),
        ("saturated", 3.0, lambda z: 20 * (1.5 - z[:, 0])),
    ],
)
def test_each_state_has_its_verdict(verdict: str, shift: float, f: Callable[[Tensor], Tensor]) -> None:
    p, q = sides(shift)
    found = diagnose(7, "discriminator", Scores(f), p, q)
    assert found.verdict == verdict
    assert found.sentence.startswith("step 7: discriminator ")
    assert "a classifier newly trained on these points" in found.sentence


def test_the_figures_are_those_of_their_definitions() -> None:
    p, q = sides(2.0)
    f = diagnose(1, "d", Scores(lambda z: 0.3 - 0.5 * z[:, 0]), p, q).figures
    up, down = 0.3 - 0.5 * p[:, 0], 0.3 - 0.5 * q[:, 0]
    assert f["positive_mean"] == pytest.approx(float(up.mean()), abs=1e-5)
    assert f["negative_std"] == pytest.approx(float(down.std()), abs=1e-5)
    assert f["gradient"] == pytest.approx(0.5, abs=1e-6)
    exact = float(F.softplus(-up).mean() + F.softplus(down).mean()) / 2
    assert f["bce"] == pytest.approx(exact, abs=1e-5)
    assert f["excess"] == pytest.approx(exact - log(2), abs=1e-5)
    wins = (up[:, None] > down[None]).double().mean()
    assert f["auc"] == pytest.approx(float(wins), abs=1e-5)
    assert f["mean_difference"] == pytest.approx(float((p.mean(0) - q.mean(0)).abs().max()), abs=1e-5)
    assert f["deviation_highest"] == pytest.approx(float((q.std(0) / p.std(0)).max()), abs=1e-5)
    assert f["sliced_wasserstein"] > 1
    assert f["probe_auc"] > 0.9


def test_a_fooled_discriminator_is_not_dead() -> None:
    p, q = sides(2.0)
    found = diagnose(1, "d", Scores(lambda z: 0.5 * z[:, 0]), p, q)
    assert found.verdict == "alive"
    assert "takes one side for the other" in found.sentence


def test_inspecting_changes_nothing_and_is_logged(tmp_path) -> None:  # type: ignore[no-untyped-def]
    x = torch.rand(64, 1, 4, 4, generator=torch.Generator().manual_seed(1))

    def game() -> AAE:
        torch.manual_seed(0)
        return AAE(
            autoencoders.build((1, 4, 4), 2, architecture=Architecture(hidden=(8,), batch_norm=True)),
            latent_discriminator(2, "prior", (8,), spectral=True),
        )

    looked, plain = game(), game()
    schedule = Schedule(epochs=5, batch=16)
    with pytest.warns(UserWarning, match=r"step \d+: discriminator"):
        history = fit(looked, [x], schedule, Fitting("cpu"), folder=tmp_path, inspect=Inspector(looked, (x,)))
    fit(plain, [x], schedule, Fitting("cpu"))
    for name, network in looked.networks.items():
        for a, b in zip(network.state_dict().values(), plain.networks[name].state_dict().values()):
            assert torch.equal(a, b), name
    lines = read_readings(tmp_path / "log.jsonl")
    assert [line["step"] for line in lines] == list(range(2, 21, 2))
    assert lines == list(history.readings)
    assert len(read_log(tmp_path / "log.jsonl")[0]) == 20
