"""The processes of a run started with torchrun: which one this is, and results merged into one."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from threading import Thread
from time import sleep
from typing import Any, TypeVar

Result = TypeVar("Result")


def world() -> int:
    """Number of processes, 1 unless torchrun started several."""
    return max(1, _number("WORLD_SIZE", 1))


def rank() -> int:
    """Which process this is; 0 writes files and speaks."""
    return _number("RANK", 0) if world() > 1 else 0


def _number(name: str, otherwise: int) -> int:
    """The whole number in an environment variable that torchrun sets; ValueError for anything else."""
    text = os.environ.get(name, str(otherwise))
    if not text.strip().isdecimal():
        raise ValueError(f"the environment variable {name} must be a whole number, as torchrun sets it; got '{text}'")
    return int(text)


def join() -> None:
    """Opens the group of processes where there are several, so that they can exchange results."""
    if world() > 1:
        import torch.distributed as dist

        if not dist.is_initialized():
            Thread(target=_end_with_launcher, args=(os.getppid(),), daemon=True).start()
            # process 0 may train a detector or a judge while the others wait
            dist.init_process_group("cpu:gloo,cuda:nccl" if _cuda() else "gloo", timeout=timedelta(days=1))


def _end_with_launcher(launcher: int) -> None:
    """Ends this process when the torchrun that started it has ended: one that was killed cannot end its workers itself."""
    while os.getppid() == launcher:
        sleep(1.0)
    os._exit(143)


def gather(part: Result) -> list[Result]:
    """Every process's part, in the order of their ranks, on every process."""
    if world() == 1:
        return [part]
    import torch.distributed as dist

    join()
    parts: list[Any] = [None] * world()
    dist.all_gather_object(parts, part)
    return parts


def first(make: Callable[[], Result]) -> Result:
    """What process 0 makes, given to every process; the others wait for it, and fail with it."""
    if world() == 1:
        return make()
    import torch.distributed as dist

    join()
    box: list[Any] = [None, None]
    if rank() == 0:
        try:
            box[0] = make()
        except Exception as error:  # the others would wait for ever
            box[1] = error
    dist.broadcast_object_list(box, src=0)
    if box[1] is not None:
        raise box[1]
    return box[0]


def leave(together: bool) -> None:
    """
    Closes the group of processes, where one is open; a process that exits with it open may be aborted by the threads behind it.

    Args:
        together: whether all processes are on their way here, and none is to leave before the others have.
    """
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return
    if together:
        with suppress(RuntimeError):  # another process failed meanwhile, and says so itself
            dist.barrier()
    dist.destroy_process_group()


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()
