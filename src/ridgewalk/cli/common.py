"""The common parts of the verbs: options, progress bars, errors as one sentence, and how a result is printed."""

import errno
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from ridgewalk import processes
from ridgewalk.cli.refusals import describe_unexpected, discard, phrase, prints, say, stop
from ridgewalk.files import abandon_claims, recording
from ridgewalk.naming import printable
from ridgewalk.records import json_bytes

RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder that `ridgewalk train` made.", show_default=False)
]
Device = Annotated[str, typer.Option(help="Device: auto (a GPU where there is one), cpu, cuda or mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Seed = Annotated[int, typer.Option(help="Seed of every random draw.", min=0, max=2**63 - 1)]
Shares = Annotated[
    str | None,
    typer.Option(
        help="Shares of the latent and the pixel force in the energy dual, as 0.7,0.3; by default the recipe's.",
        show_default=False,
    ),
]
Walks = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A setting of the search, as walks.sgw_beta=0.05 (see `ridgewalk settings walks`); may be given several times.",
        show_default=False,
    ),
]
Role = Annotated[str, typer.Option(help="Role of the test images that pairs are drawn from: validation or test.")]


Moved = Annotated[
    str | None,
    typer.Option(
        "--data", help="Where the run's data are now, if they were moved; others are refused.", show_default=False
    ),
]


Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Import code that a run made elsewhere names, such as a prior of one's own, and download data that it names.",
    ),
]


def guarded(verb: Callable[..., None]) -> Callable[..., None]:
    """Turns errors that a user can correct into one sentence and exit code 2."""

    @wraps(verb)
    def run(trust: bool = False, **arguments: Any) -> None:
        if trust:
            from ridgewalk.store.trust import trusting

            with trusting():
                return run(**arguments)
        if os.environ.get("RIDGEWALK_DEBUG"):
            return verb(**arguments)
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, category, *_: _warn(message, category)
                _refuse_values(arguments)
                verb(**arguments)
            _leave(together=True)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            place = f" at {error.filename}" if error.filename else ""
            what = (
                "the disk is full; free some space and run the command again: files that were written before are whole"
                if full
                else error.strerror or str(error)
            )
            stop(f"{what}{place}")
        except (ValueError, FloatingPointError) as error:
            stop(phrase(error))
        except KeyboardInterrupt:
            say("ridgewalk: stopped.")
            raise SystemExit(130) from None
        except Exception as error:
            stop(describe_unexpected(error))
        finally:
            abandon_claims()
            _leave(together=False)

    if _opens_a_run(verb):
        own = signature(verb)
        option = Parameter("trust", Parameter.KEYWORD_ONLY, default=False, annotation=Trust)
        run.__signature__ = own.replace(parameters=[*own.parameters.values(), option])  # type: ignore[attr-defined]
        run.__annotations__ = {**verb.__annotations__, "trust": Trust}
    return run


def _opens_a_run(verb: Callable[..., None]) -> bool:
    """Whether a verb reads a run folder, which may name code."""
    return bool({"run", "runs", "resume"} & set(signature(verb).parameters))


MOST, LARGEST = 10**9, 1e30
"""The largest whole number, and the largest number, of an option; as of the settings."""


def _refuse_values(arguments: Mapping[str, Any]) -> None:
    """Refuses numbers of an option that no command can use: NaN, infinities, and counts or seeds that are out of bounds."""
    for name, value in arguments.items():
        option = f"--{'n' if name == 'count' else name.replace('_', '-')}"
        if isinstance(value, float) and not abs(value) <= LARGEST:
            raise ValueError(f"{option} must be a finite number of at most {LARGEST:g} in size; got {value}")
        if isinstance(value, int) and name == "seed" and not 0 <= value < 2**63:
            raise ValueError(f"{option} must be a whole number from 0 to 2^63 - 1; got {value}")
        if isinstance(value, int) and name != "seed" and abs(value) > MOST:
            raise ValueError(f"{option} must be a whole number of at most {MOST:g} in size; got {value}")


def _leave(together: bool) -> None:
    with suppress(ValueError):  # an environment that is not torchrun's has been refused already
        if processes.world() > 1:
            processes.leave(together)


def _warn(message: Any, category: type) -> None:
    if issubclass(category, UserWarning) and not issubclass(category, DeprecationWarning | FutureWarning):
        say(f"note: {message}")


@contextmanager
def bars() -> Iterator[None]:
    """Shows progress bars on standard error, from process 0."""
    from rich.console import Console

    from ridgewalk.progress import showing

    with showing(Console(stderr=True, quiet=not prints())):
        yield


@contextmanager
def written(folder: Path) -> Iterator[list[str]]:
    """Yields a list that holds, after the block, a line with the names of the files in ``folder`` that the block wrote, if any."""
    lines: list[str] = []
    with recording() as places:
        yield lines
    root = folder.resolve()
    found = {f.resolve() for place in places for f in (place.rglob("*") if place.is_dir() else [place]) if f.is_file()}
    names = sorted(str(f.relative_to(root)) for f in found if f.is_relative_to(root))
    lines += [f"written to {folder}: {', '.join(names)}"] if names else []


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Says, when a training into ``folder`` is interrupted, how to resume it."""
    try:
        yield
    except KeyboardInterrupt:
        say(
            f"ridgewalk: stopped; resume with `ridgewalk train --resume {folder}`."
            if (folder / "run.toml").is_file()
            else "ridgewalk: stopped before anything was written."
        )
        raise SystemExit(130) from None


@contextmanager
def repeatable() -> Iterator[None]:
    """Says, when a training is interrupted, that the same command resumes it."""
    try:
        yield
    except KeyboardInterrupt:
        say("ridgewalk: stopped; the same command resumes it.")
        raise SystemExit(130) from None


def show(result: Mapping[str, Any], as_json: bool, lines: list[str]) -> None:
    """Prints a result on standard output, from process 0: as JSON, or in a few lines."""
    if not prints():
        return
    try:
        print(printable(json_bytes(result).decode() if as_json else "\n".join(lines)), flush=True)
    except OSError as error:
        discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):  # a reader that has ended wants no more
            raise ValueError(
                f"the result cannot be printed on standard output ({error.strerror}); files that were written are whole"
            ) from None


class Reported(Protocol):
    """The result of a verb that has a page."""

    @property
    def page(self) -> Path:
        """The file of the page."""

    @property
    def verdict(self) -> Sequence[str]:
        """The result in sentences."""

    @property
    def figures(self) -> Mapping[str, Any]:
        """The result for JSON."""


def show_page(
    result: Reported | None,
    as_json: bool,
    kind: str = "report",
    more: Sequence[str] = (),
    tables: Path | None = None,
) -> None:
    """Prints a result and where its page and tables are; None, on the processes of a torchrun that have no result, prints nothing."""
    if result is not None:
        folder: Path | None = getattr(result, "folder", None)  # of a result with files beside its page
        others = sorted(str(f) for f in folder.rglob("*") if f.is_file() and f != result.page) if folder else []
        others = [f for f in others if not any(f in line for line in more) and Path(f).parent != tables]
        named = [f"{kind}: {result.page}", *describe_tables(tables), *more, *(f"wrote: {f}" for f in others)]
        figures = result.figures if tables is None else {**result.figures, "tables": str(tables)}
        show(figures, as_json, [*result.verdict, *named])


def describe_tables(folder: Path | None) -> list[str]:
    """Returns a line that names a folder with tables and the tables in it; none where there is no folder."""
    if folder is None:
        return []
    names = dict.fromkeys(file.stem for file in sorted(folder.iterdir()) if file.suffix in (".csv", ".tex"))
    return [f"tables: {folder} ({', '.join(names)}; each as .csv and .tex)"]


def given_options(context: typer.Context, except_for: Sequence[str] = ()) -> list[str]:
    """The options and arguments that stand on the command line, as one writes them, but for some."""
    given = []
    for p in context.command.params:
        source = context.get_parameter_source(str(p.name))
        if p.name not in except_for and source is not None and source.name == "COMMANDLINE":
            given.append(p.opts[0] if p.param_type_name == "option" else f"the {p.name}")
    return given


def listed(text: str | None, option: str) -> list[str] | None:
    """Splits the names of a comma-separated option; None where it was not given."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(f"{option} takes names with commas between them; got '{text}'")
    return names


def parsed_shares(text: str | None) -> tuple[float, float] | None:
    """Parses the two numbers of --shares; None where it was not given."""
    if text is None:
        return None
    try:
        latent, pixel = (float(number) for number in text.split(","))
        refused = not (0 <= latent < math.inf and 0 <= pixel < math.inf and latent + pixel > 0)
    except ValueError:
        refused = True
    if refused:
        raise ValueError(
            f"--shares takes two numbers >= 0, finite and not both 0, latent,pixel, such as 0.7,0.3; got '{text}'"
        )
    return latent, pixel


def studies() -> Callable[..., Any]:
    """
    The function that runs an experiment, of the distribution ridgewalk-studies.

    Raises:
        ValueError: where it is not installed.
    """
    from importlib.metadata import entry_points

    found = list(entry_points(group="ridgewalk.studies", name="reproduce"))
    if not found:
        raise ValueError(
            "the experiments are a distribution of their own, ridgewalk-studies, which is not installed: "
            "run `pip install ./studies` in a clone of ridgewalk's repository"
        )
    return found[0].load()
