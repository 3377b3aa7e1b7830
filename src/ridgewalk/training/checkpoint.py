"""
The whole state of a training run at a step, in a folder of its own:

    step-00001200/
      networks.safetensors     every network (and, as "ema:name", its moving average)
      optimisers.pt            optimisers and gradient scaler, read with weights-only loading
      progress.json            step, settings' fingerprint, and the SHA-256 of the two files

A checkpoint is written under another name and renamed when it is whole, so that a folder called step-* is complete.
"""

import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ridgewalk.files import write_bytes
from ridgewalk.models.weights import load_networks, save_networks

_NAME = re.compile(r"step-(\d{8})")


def write(
    folder: Path,
    step: int,
    networks: Mapping[str, nn.Module],
    optimisers: Mapping[str, Any],
    fingerprint: str,
    keep: int = 2,
) -> Path:
    """Writes the checkpoint of ``step`` below ``folder`` and removes all but the newest ``keep``."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:08d}"
    temporary = folder / f".step-{step:08d}.{os.getpid()}.tmp"
    try:
        temporary.mkdir()
        buffer = io.BytesIO()
        torch.save(dict(optimisers), buffer)
        sums = {
            "networks.safetensors": save_networks(temporary / "networks.safetensors", networks),
            "optimisers.pt": write_bytes(temporary / "optimisers.pt", buffer.getvalue()),
        }
        progress = {"step": step, "fingerprint": fingerprint, "sha256": sums}
        write_bytes(temporary / "progress.json", json.dumps(progress, indent=1).encode())
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
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


def read(checkpoint: Path, networks: Mapping[str, nn.Module], fingerprint: str) -> dict[str, Any]:
    """
    Loads the networks in place and returns the optimisers' states.

    Raises:
        ValueError: if a file is missing, cut short or altered, or if the checkpoint belongs to other settings.
    """
    record = checkpoint / "progress.json"
    try:
        progress = json.loads(record.read_text())
        sums, found = progress["sha256"], progress["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{record} cannot be read, so {checkpoint.name} is not a whole checkpoint; remove that folder to resume from the one before"
        ) from error
    if found != fingerprint:
        raise ValueError(
            f"{checkpoint} was written by a run with other settings or other data; resume with those that it was started with"
        )
    load_networks(checkpoint / "networks.safetensors", networks, sums.get("networks.safetensors"))
    states = checkpoint / "optimisers.pt"
    content = states.read_bytes() if states.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sums.get("optimisers.pt"):
        raise ValueError(
            f"{states} is missing, cut short or altered: its checksum differs; remove {checkpoint.name} to resume from the checkpoint before"
        )
    return torch.load(io.BytesIO(content), weights_only=True)


def _all(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("step-*") if _NAME.fullmatch(p.name) and p.is_dir()) if folder.is_dir() else []
