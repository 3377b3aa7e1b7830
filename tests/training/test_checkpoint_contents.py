"""What is inside a checkpoint: another network of the same shapes is not resumed, and junk is refused in one sentence."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from ridgewalk.settings.training import Schedule
from ridgewalk.training.loop import Fitting, fit
from ridgewalk.training.noise import Noise
from ridgewalk.training.objectives import Batch, Classification, Loss

DATA = [torch.rand(40, 1, 8, 8), torch.arange(40) % 2]
SCHEDULE = Schedule(epochs=3, batch=8, checkpoint_every=4, log_every=3)


def classifier(activation: nn.Module) -> Classification:
    torch.manual_seed(0)
    return Classification(nn.Sequential(nn.Flatten(), nn.Linear(64, 4), activation, nn.Linear(4, 2)))


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """The folder of a training that was stopped at step 6."""

    class Stop(Exception):
        pass

    own = Classification.loss

    def stopped(self: Classification, optimiser: str, batch: Batch, noise: Noise) -> Loss:
        if noise.step == 6:
            raise Stop
        return own(self, optimiser, batch, noise)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classification, "loss", stopped)
        with pytest.raises(Stop):
            fit(classifier(nn.ReLU()), DATA, SCHEDULE, Fitting("cpu"), folder=tmp_path)
    return tmp_path


@pytest.mark.parametrize("other", [nn.SiLU(), nn.Dropout(0.5)], ids=repr)
def test_a_network_of_another_activation_is_not_resumed(other: nn.Module, half: Path) -> None:
    """Its parameters have the same shapes."""
    with pytest.raises(ValueError, match="other settings"):
        fit(classifier(other), DATA, SCHEDULE, Fitting("cpu", resume=True), folder=half)
    fit(classifier(nn.ReLU()), DATA, SCHEDULE, Fitting("cpu", resume=True), folder=half)


def test_junk_in_place_of_the_states_of_optimisers_is_refused(half: Path) -> None:
    """With its own checksum, as an attacker would write it; nothing is unpickled."""
    place = half / "checkpoints" / "step-00000004"
    progress = json.loads((place / "progress.json").read_text())
    torch.save([1, 2], half / "other.pt")
    for junk in (
        b"",
        b"junk",
        pickle.dumps({"a": print}, protocol=2),
        b"PK\x03\x04" + bytes(90),
        (half / "other.pt").read_bytes(),
    ):
        (place / "optimisers.pt").write_bytes(junk)
        progress["sha256"]["optimisers.pt"] = hashlib.sha256(junk).hexdigest()
        (place / "progress.json").write_text(json.dumps(progress))
        with pytest.raises(ValueError, match=r"states of (the )?optimisers"):
            fit(classifier(nn.ReLU()), DATA, SCHEDULE, Fitting("cpu", resume=True), folder=half)
