"""The processes of a run that torchrun started: the number of this process, and the exchange of results."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from signal import SIGKILL
from threading import Thread
from time import sleep
from typing import Any, TypeVar

Result = TypeVar("Result")


def world() -> int:
    """Number of processes; 1 unless torchrun started several."""
    return max(1, _read_number("WORLD_SIZE", 1))


def rank() -> int:
    """Number of this process; process 0 writes files and prints."""
    return _read_number("RANK", 0) if world() > 1 else 0


def _read_number(name: str, default: int) -> int:
    """Reads a whole number from an environment variable that torchrun sets."""
    text = os.environ.get(name, str(default))
    if not text.strip().isdecimal():
        raise ValueError(f"the environment variable {name} must be a whole number, as torchrun sets it; got '{text}'")
    return int(text)


def join() -> None:
    """Opens the process group if there are several processes, so that they can exchange results."""
    if world() > 1:
        import torch
        import torch.distributed as dist

        if not dist.is_initialized():
            end_with_launcher()
            # process 0 may train a detector or a judge while the others wait
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            dist.init_process_group(backend, timeout=timedelta(days=1))


def end_with_launcher() -> None:
    """Ends this process when the torchrun that started it has ended: one that was killed cannot end its workers itself."""
    if sys.platform == "linux":  # by the kernel, since a process that waits for the others inside torch runs no Python
        import ctypes

        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, SIGKILL)
    else:
        Thread(target=_wait_for_launcher, args=(os.getppid(),), daemon=True).start()


_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def _wait_for_launcher(launcher: int) -> None:
    while os.getppid() == launcher:
        sleep(1.0)
    os._exit(143)


def gather(part: Result) -> list[Result]:
    """Returns the parts of all processes, in the order of their ranks, on every process."""
    if world() == 1:
        return [part]
    import torch.distributed as dist

    join()
    parts: list[Any] = [None] * world()
    dist.all_gather_object(parts, part)
    return parts


def first(make: Callable[[], Result]) -> Result:
    """Calls ``make`` on process 0 and returns its result, or raises its error, on every process."""
    if world() == 1:
        return make()
    import torch.distributed as dist

    join()
    box: list[Any] = [None, None]
    if rank() == 0:
        try:
            box[0] = make()
        except Exception as error:  # sent to the other processes, which would wait for ever
            box[1] = error
    dist.broadcast_object_list(box, src=0)
    if box[1] is not None:
        raise box[1]
    return box[0]


def leave(together: bool) -> None:
    """
    Closes the process group if it is open; a process that exits while it is open may be aborted by the group's threads.

    Args:
        together: whether every process calls this function, so that each waits for the others.
    """
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return
    if together:
        with suppress(RuntimeError):  # another process has failed and reports that itself
            dist.barrier()
    dist.destroy_process_group()
