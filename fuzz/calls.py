"""Runs a function or a command of ridgewalk in a process that is forked from this one, and says how it ended."""

import ctypes
import importlib
import os
import pkgutil
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEMORY = 8 * 2**30
"""Bytes of data that a trial may allocate."""

_NEW_PID = 0x20000000  # CLONE_NEWPID of linux/sched.h


@dataclass(frozen=True)
class Ending:
    """
    How a call ended.

    Attributes:
        code: Exit code; negative for a signal.
        out: Standard output.
        error: Standard error.
        late: "" where it ended by itself, "stopped" where it ended when it was asked to, "endless" where it did not.
    """

    code: int
    out: str
    error: str
    late: str = ""

    @property
    def fault(self) -> str:
        """What is wrong with this ending, whatever the call was; "" where nothing is."""
        if self.late == "endless":
            return "endless"
        if "Traceback" in self.error or "did not foresee" in self.error or self.code < 0:
            return "traceback"
        if self.code not in (0, 2, 130):
            return f"exit code {self.code}"
        if self.code == 2 and not is_sentence(self.error):
            return "refused without a sentence"
        return ""


def is_sentence(error: str) -> bool:
    """Whether standard error ends with one sentence of ridgewalk, or with an error of the command line's parser."""
    last = (error.strip().splitlines() or [""])[-1]
    return last.startswith("ridgewalk: ") or "Error" in error or "Usage:" in error


def preload() -> None:
    """Imports every module, and the libraries that are imported late, so that a forked process need not."""
    for name in ("ridgewalk", "ridgewalk_studies"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in (
        "accelerate",
        "matplotlib.pyplot",
        "PIL.Image",
        "pyarrow.parquet",
        "rich.progress",
        "scipy.io",
        "sklearn.datasets",
    ):
        importlib.import_module(name)


class Call:
    """
    A forked process that runs a function; its output goes to files.

    Args:
        function: What the process runs; its SystemExit gives the exit code.
        folder: Folder that the process works in, which must exist.
        first: Whether the process becomes number 1 of a new PID namespace, as in a container.
        memory: Bytes that it may allocate; None for no limit.
    """

    def __init__(
        self, function: Callable[[], object], folder: Path, first: bool = False, memory: int | None = MEMORY
    ) -> None:
        self._files = [folder / f".{name}" for name in ("out", "err")]
        self._code: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid:
            return
        if first:
            if ctypes.CDLL(None, use_errno=True).unshare(_NEW_PID):
                os._exit(99)
            inner = os.fork()
            if inner:
                signal.signal(signal.SIGTERM, lambda *_: os.kill(inner, signal.SIGTERM))
                ctypes.CDLL(None).prctl(1, signal.SIGKILL)
                code = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
                os._exit(code if code >= 0 else 128 - code)
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # a kill of the outer process kills this one
        self._run(function, folder, memory)

    def _run(self, function: Callable[[], object], folder: Path, memory: int | None) -> None:
        os.setsid()
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in enumerate(self._files, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", errors="backslashreplace") for number in (1, 2))
        os.chdir(folder)
        code = 1
        try:
            function()
            code = 0
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):
                    stream.flush()
            os._exit(code)

    def kill(self) -> None:
        """Kills the process at once, as a lost machine does; does nothing where it has ended."""
        if self.poll(0) is None:
            os.kill(self.pid, signal.SIGKILL)
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def wait(self, seconds: float, grace: float = 30.0) -> Ending:
        """Waits for the end; asks the process to end after ``seconds``, and kills it after ``grace`` seconds more."""
        late = ""
        code = self.poll(seconds)
        if code is None:
            late = "stopped"
            os.kill(self.pid, signal.SIGTERM)
            code = self.poll(grace)
        if code is None:
            late, code = "endless", -9
            self.kill()
        out, error = (f.read_text(errors="replace") if f.exists() else "" for f in self._files)
        return Ending(code, out, error, late)

    def poll(self, seconds: float) -> int | None:
        """The exit code, or None where the process still runs after so many seconds."""
        end = time.monotonic() + seconds
        while self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                return None
            else:
                time.sleep(0.01)
        return self._code


def command(*words: object) -> Callable[[], None]:
    """The function that runs a command of ridgewalk."""

    def run() -> None:
        from ridgewalk.cli import main

        sys.argv = ["ridgewalk", *map(str, words)]
        main()

    return run


def run(folder: Path, *words: object, seconds: float = 120.0, first: bool = False) -> Ending:
    """Runs a command of ridgewalk to its end."""
    return Call(command(*words), folder, first).wait(seconds)


def made(folder: Path, *words: object) -> Ending:
    """Runs a command that must succeed, such as one that makes the material of the trials."""
    ending = Call(command(*words), folder, memory=None).wait(900.0)
    if ending.code:
        raise RuntimeError(f"ridgewalk {' '.join(map(str, words))} failed: {ending.error[-500:]}")
    return ending


def notes(error: str) -> str:
    """The notes of standard error, without progress."""
    return "\n".join(line for line in error.splitlines() if re.match(r"note: ", line))
