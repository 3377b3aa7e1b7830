"""
The command line: verbs only. What they do is in ``runs``.

Bad input is answered by one sentence on standard error and exit code 2; Ctrl-C by exit code 130. Set RIDGEWALK_DEBUG=1 to
see tracebacks. torch is imported inside the verbs, so that ``--help`` answers at once.
"""

import errno
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="ridgewalk",
    help="Walk the latent spaces of generative models without falling off the data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder that `ridgewalk train` made.", show_default=False)
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Seed = Annotated[int, typer.Option(help="Of everything random.", min=0, max=2**63 - 1)]
Shares = Annotated[
    str | None,
    typer.Option(
        help="Shares of the latent and the pixel force in the energy dual, as 0.7,0.3; by default the recipe's.",
        show_default=False,
    ),
]
Role = Annotated[str, typer.Option(help="Role of the test images that pairs are drawn from: validation or test.")]


def _guarded(verb: Callable[..., None]) -> Callable[..., None]:
    """Turns what a user can mend into one sentence and an exit code."""

    @wraps(verb)
    def run(**arguments: Any) -> None:
        if os.environ.get("RIDGEWALK_DEBUG"):
            return verb(**arguments)
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, category, *_: _warn(message, category)
                verb(**arguments)
            _leave(together=True)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            place = f" at {error.filename}" if error.filename else ""
            what = (
                "the disk is full; free some space, and go on: what was written before stands"
                if full
                else error.strerror or str(error)
            )
            _stop(f"{what}{place}")
        except (ValueError, FloatingPointError) as error:
            _stop(str(error))
        except RuntimeError as error:
            if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
                raise
            first = str(error).splitlines()[0]
            _stop(f"the memory does not suffice ({first}); use a smaller model, batch or number of pairs")
        except KeyboardInterrupt:
            _say("ridgewalk: stopped.")
            raise SystemExit(130) from None
        finally:
            _leave(together=False)

    return run


def _leave(together: bool) -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from ridgewalk.runs import processes

        processes.leave(together)


def _warn(message: Any, category: type) -> None:
    if issubclass(category, UserWarning) and not issubclass(category, DeprecationWarning | FutureWarning):
        _say(f"note: {message}")


def _say(text: str) -> None:
    if int(os.environ.get("RANK", "0")) == 0:
        print(text, file=sys.stderr, flush=True)


def _stop(sentence: str) -> None:
    _say(f"ridgewalk: {' '.join(sentence.split())}")
    raise SystemExit(2)


@contextmanager
def _bars() -> Iterator[None]:
    """Progress on standard error, from process 0."""
    from rich.console import Console

    from ridgewalk.progress import showing

    with showing(Console(stderr=True, quiet=int(os.environ.get("RANK", "0")) != 0)):
        yield


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    """Training into ``folder``: whoever stops it is told how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        _say(
            f"ridgewalk: stopped; go on with `ridgewalk train --resume {folder}`."
            if (folder / "run.toml").is_file()
            else "ridgewalk: stopped before anything was written."
        )
        raise SystemExit(130) from None


def _print(result: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    if int(os.environ.get("RANK", "0")) != 0:
        return
    print(json.dumps(result, indent=1) if as_json else "\n".join(lines), flush=True)


def _listed(text: str | None, option: str) -> list[str] | None:
    """The names of a comma-separated option; None where it was not given."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(f"{option} takes names with commas between them; got '{text}'")
    return names


def _shares(text: str | None) -> tuple[float, float] | None:
    """The two numbers of --shares; None where it was not given."""
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


@app.command()
@_guarded
def demo(
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; the first free of runs/demo, runs/demo-2, ... by default.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    budget: Annotated[str, typer.Option(help="cpu, or smoke for a quick look.")] = "cpu",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train on handwritten digits, walk between held-out ones with every method, judge, and write a report."""
    from ridgewalk.runs import reporting, train, walking

    folder = out or walking.free_folder(Path("runs"), "demo")
    with _bars():
        with _resumable(folder):
            run = train.start(
                "digits",
                train.Reading("digits"),
                folder,
                budget=budget,
                seed=seed,
                device=device,
                accepted=lambda: _say(
                    f"training an adversarial autoencoder and its sensors on scikit-learn's digits, into {folder}"
                ),
            )
        _say("walking between held-out digits with every method, and judging the paths")
        result = reporting.report(run, seed=seed)
    _print(result.figures, as_json, [*result.verdict, f"report: {result.page}"])


@app.command()
@_guarded
def train(
    recipe: Annotated[
        str | None,
        typer.Argument(help="A shipped recipe (see `ridgewalk recipes`) or a TOML file.", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, a folder with MNIST's IDX files, a folder of images (subfolders are classes), a Parquet file, or a data set's name on the hub.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; runs/RECIPE-seedN, or the next free name, by default.", show_default=False
        ),
    ] = None,
    budget: Annotated[str, typer.Option(help="smoke, cpu or full.")] = "cpu",
    seed: Seed = 0,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, as training.epochs=5; may be given several times.", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run, which was killed.", show_default=False)
    ] = None,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="no (float32), bf16 or fp16.")] = "no",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also log to TensorBoard, in the run's folder.")
    ] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out image files that cannot be read.")] = False,
    size: Annotated[
        int | None,
        typer.Option(help="Resize the images' shorter side to this, and crop to a square.", show_default=False),
    ] = None,
    channels: Annotated[int | None, typer.Option(help="Convert images to 1 or 3 channels.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Train a model and its sensors."""
    from ridgewalk.runs import processes, walking
    from ridgewalk.runs import train as training

    with _bars():
        if resume is not None:
            if recipe is not None or data is not None or out is not None or change:
                raise ValueError(
                    "--resume goes on with a run as it was started; leave out the recipe, --data, --out and --set"
                )
            with _resumable(resume):
                run = training.resume(resume, device=device, tensorboard=tensorboard)
        else:
            if recipe is None or data is None:
                raise ValueError(
                    "train needs a recipe and --data, such as `ridgewalk train aae --data FOLDER`; or --resume RUN"
                )
            folder = out or processes.first(
                lambda: walking.free_folder(Path("runs"), f"{Path(recipe).stem}-seed{seed}")
            )
            with _resumable(folder):
                run = training.start(
                    recipe,
                    training.Reading(data, skip_bad, size, channels),
                    folder,
                    budget=budget,
                    seed=seed,
                    changes=change or (),
                    device=device,
                    precision=precision,
                    tensorboard=tensorboard,
                    accepted=lambda: _say(f"training {recipe} on {data}, into {folder}"),
                )
    speed = run.manifest.get("images_per_second")
    _print(
        {"run": str(run.folder), **run.manifest},
        as_json,
        [f"trained: {run.folder} ({speed} images a second)", f"next: ridgewalk report {run.folder}"],
    )


@app.command()
@_guarded
def walk(
    run: RunFolder,
    start: Annotated[
        str | None, typer.Option("--from", help="Test-set index or image file.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Test-set index or image file.", show_default=False)] = None,
    pairs: Annotated[
        int | None,
        typer.Option(help="Draw this many pairs of test images in place of --from and --to.", show_default=False),
    ] = None,
    role: Role = "test",
    method: Annotated[
        str, typer.Option(help="lerp, slerp, sgw, sgw-arriving, guided, graph, string, graph-string or best-string.")
    ] = "string",
    energy: Annotated[
        str | None,
        typer.Option(
            help="ratio, soft-ratio, neg-log-d, logit-squared, bce-to-0 or bce-to-half; by default the method's own.",
            show_default=False,
        ),
    ] = None,
    shares: Shares = None,
    frames: Annotated[
        int | None, typer.Option(help="Frames of each path; by default the recipe's.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the result; RUN/walks/METHOD, or the next free name, by default.", show_default=False
        ),
    ] = None,
    gif: Annotated[bool, typer.Option("--gif", help="Also write an animation.")] = False,
    resize: Annotated[bool, typer.Option("--resize", help="Resize image files to the run's size.")] = False,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Walk from one image to another, or between many pairs."""
    from ridgewalk.runs import reporting
    from ridgewalk.runs.record import load

    with _bars():
        result = reporting.walk(
            load(run, device),
            start,
            end,
            pairs,
            role,
            method,
            energy,
            frames=frames,
            out=out,
            gif=gif,
            resize=resize,
            seed=seed,
            shares=_shares(shares),
        )
    _print(result.figures, as_json, [*result.verdict, f"report: {result.page}"])


@app.command()
@_guarded
def report(
    run: RunFolder,
    pairs: Annotated[
        int | None, typer.Option(help="Pairs of test images; by default the recipe's.", show_default=False)
    ] = None,
    role: Role = "test",
    methods: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated methods, each alone or with an energy, as string:dual; all methods by default.",
            show_default=False,
        ),
    ] = None,
    shares: Shares = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File of the report; RUN/report.html, or the next free name, by default.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Compare all methods on one run, and write the report."""
    from ridgewalk.runs import reporting
    from ridgewalk.runs.record import load

    with _bars():
        result = reporting.report(
            load(run, device),
            pairs=pairs,
            role=role,
            methods=methods.split(",") if methods else None,
            seed=seed,
            out=out,
            shares=_shares(shares),
        )
    _print(result.figures, as_json, [*result.verdict, f"report: {result.page}"])


@app.command(name="map")
@_guarded
def map_(
    run: RunFolder,
    start: Annotated[
        str | None, typer.Option("--from", help="Test-set index or image file.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Test-set index or image file.", show_default=False)] = None,
    third: Annotated[
        int | None,
        typer.Option(
            help="Test-set index of the plane's third point; by default one near both ends, off the line through them.",
            show_default=False,
        ),
    ] = None,
    plane: Annotated[
        str | None,
        typer.Option(
            help="abc (through both ends and a third point; the default with --from and --to) or pca (where the codes vary most).",
            show_default=False,
        ),
    ] = None,
    energy: Annotated[
        str | None,
        typer.Option(help="Comma-separated energies; by default those of the run's sensors.", show_default=False),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated methods whose paths are drawn from --from to --to; lerp,string by default.",
            show_default=False,
        ),
    ] = None,
    resize: Annotated[bool, typer.Option("--resize", help="Resize image files to the run's size.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the result; RUN/maps/PLANE, or the next free name, by default.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw an energy over a plane of the latent space, with the data and paths on it."""
    from ridgewalk.runs import mapping
    from ridgewalk.runs.record import load

    with _bars():
        result = mapping.draw(
            load(run, device),
            start,
            end,
            third=third,
            plane=plane,
            energies=_listed(energy, "--energy"),
            methods=_listed(methods, "--methods"),
            resize=resize,
            out=out,
            seed=seed,
        )
    _print(result.figures, as_json, [*result.verdict, f"map: {result.page}"])


@app.command()
@_guarded
def project(
    run: RunFolder,
    latents: Annotated[
        Path, typer.Option(help="A .npy file with an array (n, d), or an .npz file with it as z.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the result, new or empty.", show_default=False)],
    energy: Annotated[str, typer.Option(help="The energy that the points go down.")] = "soft-ratio",
    langevin: Annotated[
        bool, typer.Option("--langevin", help="Sample exp(-E/T) from each point on, in place of descending.")
    ] = False,
    tempered: Annotated[
        bool,
        typer.Option(
            "--tempered", help="The same by parallel tempering, which jumps between modes; in place of --langevin."
        ),
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Most steps of the descent (300 by default), Langevin's (200) or tempering's (400) after as many of burn-in.",
            show_default=False,
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="T of --langevin or --tempered; 1 by default.", show_default=False)
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Move latents of your own to where the energy says that data are."""
    from ridgewalk.runs import projecting
    from ridgewalk.runs.record import load

    with _bars():
        result = projecting.project(
            load(run, device),
            latents,
            energy=energy,
            langevin=langevin,
            tempered=tempered,
            steps=steps,
            temperature=temperature,
            seed=seed,
            out=out,
        )
    _print(result.figures, as_json, [*result.verdict, f"report: {result.page}"])


@app.command()
@_guarded
def sensors(run: RunFolder, seed: Seed = 0, device: Device = "auto", as_json: Json = False) -> None:
    """Say whether each sensor of a run is alive."""
    from ridgewalk.runs import reporting
    from ridgewalk.runs.record import load

    with _bars():
        diagnoses = reporting.diagnose(load(run, device), seed)
    _print({d.name: d.figures() for d in diagnoses}, as_json, [d.sentence for d in diagnoses])


@app.command()
@_guarded
def sense(
    run: RunFolder,
    contrast: Annotated[
        str, typer.Option(help="holes (decoded data against decoded holes), or real (real images against those).")
    ] = "holes",
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train a pixel discriminator for a run: what `--energy pixel` and `--energy dual` read."""
    from ridgewalk.runs import train
    from ridgewalk.runs.record import load

    with _bars():
        figures = train.sense(load(run), contrast, seed, device)
    _print(
        figures,
        as_json,
        [f"trained: {figures['sensor']} sensor of {run}", f"next: ridgewalk walk {run} --pairs 20 --energy dual"],
    )


@app.command()
@_guarded
def benchmark(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Runs of one recipe with different seeds.", show_default=False),
    ],
    pairs: Annotated[int, typer.Option(help="Pairs of test images.")] = 200,
    role: Role = "test",
    methods: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated methods, each alone or with an energy, as string:dual; all methods by default.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the table goes, as JSON.", show_default=False)] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Pool several seeds into one table of all methods, as in docs/benchmarks.md."""
    from ridgewalk.runs import reporting
    from ridgewalk.runs.record import load

    if out is not None and out.exists():
        raise ValueError(f"{out} exists already; choose another --out")
    with _bars():
        table, figures = reporting.benchmark(
            [load(r, device) for r in runs], pairs, role, methods.split(",") if methods else None, seed
        )
    if out is not None:
        from ridgewalk.models.checkpoints import write_bytes

        write_bytes(out, json.dumps(figures, indent=1).encode())
    _print(figures, as_json, [table])


@app.command()
@_guarded
def reproduce(
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe with an experiment; `ridgewalk recipes` marks them.", show_default=False),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="As of train; by default MNIST where its files are at hand ($RIDGEWALK_MNIST, data/mnist), otherwise digits.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder; one that holds the same experiment unfinished is gone on with. The first free of runs/RECIPE, ... by default.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[str, typer.Option(help="smoke, cpu or full.")] = "cpu",
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, as training.epochs=5; may be given several times.", show_default=False),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Run an experiment of a source document again: train, measure, and say which of its claims held."""
    from ridgewalk.experiments import running

    asked: list[Path] = []

    def accepted(source: str, folder: Path) -> None:
        asked.append(folder)
        _say(f"reproducing {recipe} on {source} into {folder}")

    with _bars():
        try:
            result = running.reproduce(
                recipe, source=data, budget=budget, changes=change or (), out=out, device=device, accepted=accepted
            )
        except KeyboardInterrupt:
            if asked:
                _say(f"ridgewalk: stopped; the same command with --out {asked[0]} goes on.")
            raise SystemExit(130) from None
    _print(result.figures, as_json, [*result.verdict, f"report: {result.page}"])


@app.command()
@_guarded
def recipes(as_json: Json = False) -> None:
    """List the shipped recipes, the question that each asks, and which have an experiment to reproduce."""
    from ridgewalk.runs import config

    read = {name: config.read(name) for name in config.names()}
    found = {n: {"question": r.question, "experiment": r.reproduce.experiment or None} for n, r in read.items()}
    marked = [f"{n:16} {r.question}{'  [reproduce]' if r.reproduce.experiment else ''}" for n, r in read.items()]
    _print(found, as_json, marked)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    if version:
        from ridgewalk import __version__

        print(__version__)
        raise typer.Exit


def main() -> None:
    """Runs the command line."""
    app()
