"""Where a training computes, and in what precision: the device, accelerate's object for it, and the seed of what layers draw there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ridgewalk import naming
from ridgewalk.files import note_written

PRECISIONS = ("no", "bf16", "fp16")


def resolve_device(name: str) -> torch.device:
    """Returns the device called ``name``; ``auto`` is the accelerator if there is one, otherwise the CPU. A missing device is refused."""
    if name == "auto":
        return (
            torch.accelerator.current_accelerator() or torch.device("cpu")
            if torch.accelerator.is_available()
            else torch.device("cpu")
        )
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device '{name}' is not available here; use 'cpu' or 'auto'") from error
    return device


def refuse_precision(precision: str, device: torch.device) -> None:
    """Raises ValueError for a precision that is unknown, or that this device does not have."""
    if precision not in PRECISIONS:
        raise ValueError(naming.unknown("precision", precision, PRECISIONS))
    if precision == "fp16" and device.type != "cuda":
        raise ValueError(f"precision 'fp16' needs a CUDA device; on {device.type} use 'bf16' or 'no'")


def accelerator(device: torch.device, precision: str, tracked: Path | None) -> Any:
    """Accelerate's object for a training on this device: processes, precision, and TensorBoard in the folder ``tracked``."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    # one process may train on a device and then on another: forget the last choice, but keep a process group that is at work
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    settings: dict[str, Any] = {"cpu": device.type == "cpu", "mixed_precision": precision}
    if tracked is None:
        return Accelerator(**settings)
    try:
        from torch.utils import tensorboard  # noqa: F401
    except ImportError as error:
        raise ValueError("logging to TensorBoard needs the package: pip install 'ridgewalk[tensorboard]'") from error
    found = Accelerator(log_with="tensorboard", project_dir=str(tracked), **settings)
    found.init_trackers("tensorboard")
    note_written(tracked / "tensorboard")
    return found


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Layers that draw from the global generator (dropout) draw from ``seed`` inside, and the caller's state comes back."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        # not torch.manual_seed, which writes down a traceback for CUDA at every call, used or not
        torch.default_generator.manual_seed(seed)
        if device.type in ("cuda", "mps"):
            getattr(torch, device.type).manual_seed(seed)
        yield
