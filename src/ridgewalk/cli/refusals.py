"""How a command is refused: one sentence on standard error, from one process, and exit code 2."""

import os
import sys
from time import sleep
from typing import Any, NoReturn, TextIO

import typer
from typer.core import TyperGroup

from ridgewalk import processes
from ridgewalk.naming import printable

LONGEST = 2000
"""Characters of a sentence; the middle of a longer one, which echoes a very long argument, is left out."""

PATIENCE = 10.0
"""Time in s that a process other than 0 waits for torchrun to end it; process 0 has been refused too, and says so."""

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises where a command line cannot be parsed; it has no public name."""


class Commands(TyperGroup):
    """The commands, of which a command line that cannot be parsed is refused in one sentence."""

    def main(self, args: Any = None, *, standalone_mode: bool = True, **options: Any) -> Any:  # type: ignore[override]
        """Runs a command as typer does; in standalone mode its usage errors are printed by ``stop``."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **options)
        words = sys.argv[1:] if args is None else list(args)
        for before, word in zip(["", *words], words):
            if not word:
                stop(
                    f"an argument is empty{f', after {before}' if before else ''}: give a value, or leave the option out"
                )
        try:
            code = super().main(args, standalone_mode=False, **options)
        except UsageError as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                error.show()  # type: ignore[attr-defined]
                raise SystemExit(2) from None
            context: Any = getattr(error, "ctx", None)
            command = context.command_path if context else "ridgewalk"
            stop(f"{_describe_usage(error)}; `{command} --help` says what can be given")
        raise SystemExit(code if isinstance(code, int) else 0)


def _describe_usage(error: Any) -> str:
    """The message of a usage error, with the value that came where typer's message leaves it out."""
    message = error.format_message().rstrip(".?")
    problems: list[Any] = getattr(error.__cause__, "errors", list)()
    got = f"; got {problems[0]['input']!r}" if problems else ""
    return f"{message[:1].lower()}{message[1:]}{got}"


def stop(sentence: str) -> NoReturn:
    """
    Prints why a command is refused, and ends with exit code 2.

    A process of a torchrun other than 0 waits until torchrun ends it, because torchrun ends process 0 as soon as another one has
    failed, perhaps before it has printed. If nothing ends it, it has failed alone, and prints its own sentence.
    """
    shown = " ".join(sentence.split())
    if len(shown) > LONGEST:
        shown = f"{shown[: LONGEST // 2]} ... {shown[-LONGEST // 2 :]}"
    if prints():
        say(f"ridgewalk: {shown}")
    else:
        sleep(PATIENCE)
        _write(f"ridgewalk (process {processes.rank()}): {shown}")
    raise SystemExit(2)


def say(text: str) -> None:
    """Prints a line on standard error, from process 0; where it cannot be written, the work goes on."""
    if prints():
        _write(text)


def _write(text: str) -> None:
    try:
        print(printable(text), file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO | None) -> None:
    """Lets the further output of a stream that cannot be written vanish; Python would fail again as it ends."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def prints() -> bool:
    """Whether this process prints: process 0 does, and every process where the environment is not torchrun's."""
    try:
        return processes.rank() == 0
    except ValueError:
        return True


def describe_unexpected(error: Exception) -> str:
    """The message about an unexpected error, and how to see its traceback."""
    first = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, MemoryError) or "out of memory" in first or "can't allocate memory" in first:
        return (
            f"the memory does not suffice ({first or 'MemoryError'}); use fewer or smaller images (--size), a smaller batch or model, or fewer pairs; "
            "a training that was interrupted can be resumed on a machine with more memory"
        )
    return f"an error that ridgewalk did not foresee: {type(error).__name__}: {first}; set RIDGEWALK_DEBUG=1 to see where it arose"


def phrase(error: Exception) -> str:
    """The message of an error, as one sentence where it comes from a table of settings."""
    if type(error).__name__ != "ValidationError":
        return str(error)
    from pydantic import ValidationError

    from ridgewalk.settings.fields import sentence

    return sentence(error) if isinstance(error, ValidationError) else str(error)
