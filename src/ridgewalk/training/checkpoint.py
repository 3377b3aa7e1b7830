"""
The whole state of a training run at a step, in a folder of its own:

    step-00001200/
      networks.safetensors     every network (and, as "ema:name", its moving average)
      optimisers.pt            optimisers and gradient scaler, read with weights-only loading
      progress.json            step, fingerprint of shapes, schedule and data, digest of the objective's settings, length and digest of the log until then,
                               time spent, and the SHA-256 of the two files

A checkpoint is written under another name and renamed when it is whole, so that a folder called step-* is complete.
"""

import hashlib
import io
import json
import os
import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ridgewalk.files import note_written, write_bytes
from ridgewalk.locks import new_temporary
from ridgewalk.models.weights import load_networks, save_networks
from ridgewalk.records import digest_of, parse_record
from ridgewalk.settings.training import Schedule
from ridgewalk.training.log import Written
from ridgewalk.training.objectives import Objective

_NAME = re.compile(r"step-(\d{8})")


@dataclass(frozen=True)
class Identity:
    """
    What must agree for a checkpoint to be resumed.

    Attributes:
        fingerprint: digest of the networks' shapes, the optimisers, the schedule and the data.
        settings: digest of the objective's settings, such as its weights, its noise and its SDE; None for an objective that is no dataclass, and in
            checkpoints of version 0.1.0.
    """

    fingerprint: str
    settings: str | None

    @staticmethod
    def of(objective: Objective, data: Sequence[Tensor], schedule: Schedule) -> "Identity":
        """The identity of a training."""
        parts = {
            "networks": {n: [list(p.shape) for p in net.parameters()] for n, net in objective.networks.items()},
            "players": {p: list(names) for p, names in objective.optimisers.items()},
            "schedule": asdict(schedule),
            "data": [_digest_of(t) for t in data],
        }
        return Identity(digest_of(parts), digest_of(_settings(objective)) if is_dataclass(objective) else None)

    def refuse_other(self, found: "Identity", where: Path) -> None:
        """Refuses a checkpoint of another training."""
        known = found.settings is not None and self.settings is not None
        if found.fingerprint != self.fingerprint or (known and found.settings != self.settings):
            raise OtherTraining(
                f"{where} was written by a run with other settings or other data; resume with those that it was started with"
            )


@dataclass(frozen=True)
class Spent:
    """
    The time that the steps of a training took, over all of its parts.

    Attributes:
        seconds: seconds in the loop, without those of ``inspecting``.
        steps: number of steps that took them.
        inspecting: seconds of the diagnosis of the networks.
    """

    seconds: float = 0.0
    steps: int = 0
    inspecting: float = 0.0


class OtherTraining(ValueError):
    """A whole checkpoint that belongs to another training."""


def _digest_of(tensor: Tensor) -> str:
    return hashlib.sha256(np.ascontiguousarray(tensor.detach().cpu().numpy()).data).hexdigest()


def _settings(value: object) -> object:
    """The settings inside an objective as plain values: numbers, names and tensors of its dataclasses, at any depth; networks by their layers."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, nn.Module):
        return repr(value)  # its layers, with what their parameters do not show, such as activations and dropout
    if isinstance(value, Tensor):
        return _digest_of(value)
    if isinstance(value, Mapping):
        return {str(k): _settings(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_settings(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__, **{f.name: _settings(getattr(value, f.name)) for f in fields(value)}}
    return getattr(value, "__qualname__", type(value).__name__)


def write(
    folder: Path,
    step: int,
    networks: Mapping[str, nn.Module],
    optimisers: Mapping[str, Any],
    identity: Identity,
    log: Written | None = None,
    spent: Spent = Spent(),
    keep: int = 2,
) -> Path:
    """Writes the checkpoint of ``step`` below ``folder`` and removes all but the newest ``keep``; ``log`` is the training's log until then."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:08d}"
    with new_temporary(target, folder=True) as temporary:
        buffer = io.BytesIO()
        torch.save(dict(optimisers), buffer)
        sums = {
            "networks.safetensors": save_networks(temporary / "networks.safetensors", networks),
            "optimisers.pt": write_bytes(temporary / "optimisers.pt", buffer.getvalue()),
        }
        notes = {**asdict(identity), "log": None if log is None else asdict(log), "spent": asdict(spent)}
        progress = {"step": step, **notes, "notes": digest_of(notes), "sha256": sums}
        write_bytes(temporary / "progress.json", json.dumps(progress, indent=1).encode())
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
        note_written(target)
    for old in _all(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint below ``folder``, or None."""
    found = _all(folder)
    return found[-1] if found else None


def step_of(checkpoint: Path) -> int:
    """The step of a checkpoint folder, by its name."""
    match = _NAME.fullmatch(checkpoint.name)
    if match is None:
        raise ValueError(f"{checkpoint} is not a checkpoint folder; those are called step-00000000")
    return int(match[1])


def read_spent(folder: Path, step: int) -> Spent:
    """The time that the steps until the checkpoint of ``step`` took; of no steps where it was not recorded, as by version 0.1.0 at first."""
    try:
        found = json.loads((folder / f"step-{step:08d}" / "progress.json").read_text(encoding="utf-8"))["spent"]
        spent = Spent(float(found["seconds"]), int(found["steps"]), float(found["inspecting"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return Spent()
    return spent if all(0 <= value < float("inf") for value in asdict(spent).values()) else Spent()


def restore(
    folder: Path, networks: Mapping[str, nn.Module], identity: Identity
) -> tuple[int, Mapping[str, Any] | None, Written | None]:
    """
    Loads the newest whole checkpoint below ``folder`` into the networks, in place; a damaged one is passed over with a warning.

    Returns:
        Its step, the optimisers' states, and the log until then; 0 and None where there is no checkpoint, and no log in one of version 0.1.0.

    Raises:
        ValueError: if every checkpoint is damaged, or the newest whole one belongs to another training.
    """
    every = _all(folder)[::-1]
    for i, checkpoint in enumerate(every):
        try:
            return step_of(checkpoint), *read(checkpoint, networks, identity)
        except OtherTraining:
            raise
        except ValueError as error:
            if i + 1 == len(every):
                raise
            warnings.warn(f"{error}. The training is resumed from {every[i + 1].name}", stacklevel=4)
    return 0, None, None


def read(
    checkpoint: Path, networks: Mapping[str, nn.Module], identity: Identity
) -> tuple[dict[str, Any], Written | None]:
    """
    Loads the networks in place and returns the optimisers' states, and the log until then where it is known.

    Raises:
        ValueError: if a file is missing, cut short or altered, or if the checkpoint belongs to other settings.
    """
    record = checkpoint / "progress.json"
    try:
        progress = parse_record(record.read_bytes(), ("step", "fingerprint", "settings", "log", "spent", "notes"))
        sums, settings = progress["sha256"], progress.get("settings")
        found = Identity(str(progress["fingerprint"]), None if settings is None else str(settings))
        wanted = str(sums["networks.safetensors"]), str(sums["optimisers.pt"])
        if progress["step"] != step_of(checkpoint):
            raise ValueError(f"it is of step {progress['step']}")
        spent = {"spent": progress["spent"]} if "spent" in progress else {}
        notes = digest_of({**asdict(found), "log": progress.get("log"), **spent})
        if settings is not None and progress.get("notes", notes) != notes:
            raise ValueError("its digest does not fit its entries")
        log = Written(**progress["log"]) if progress.get("log") else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{record} cannot be read ({error}), so {checkpoint.name} is not a whole checkpoint"
        ) from error
    identity.refuse_other(found, checkpoint)
    states = checkpoint / "optimisers.pt"
    content = states.read_bytes() if states.is_file() else b""
    if hashlib.sha256(content).hexdigest() != wanted[1]:
        raise ValueError(f"{states} is missing, cut short or altered: its checksum differs")
    load_networks(checkpoint / "networks.safetensors", networks, wanted[0])
    try:
        loaded = torch.load(io.BytesIO(content), weights_only=True)
    except Exception as error:  # the unpickler raises errors of many kinds
        raise ValueError(f"{states} holds no states of optimisers ({type(error).__name__})") from error
    return loaded, log


def _all(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("step-*") if _NAME.fullmatch(p.name) and p.is_dir()) if folder.is_dir() else []
