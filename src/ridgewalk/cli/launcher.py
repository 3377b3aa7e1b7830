"""Starts a command in several processes of this machine, by torchrun's launcher, without its account of a refusal."""

import logging
from collections.abc import Sequence


def launch(count: int, words: Sequence[str]) -> int:
    """Runs ``ridgewalk WORDS`` in ``count`` processes and returns its exit code: the first failure's, or 1 where a signal ended it."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        run(parse_args(["--standalone", f"--nproc-per-node={count}", "-m", "ridgewalk", *words]))
    except ChildFailedError as error:
        return max(1, *(failure.exitcode for failure in error.failures.values()), 0)
    except SignalException:
        return 130
    return 0
