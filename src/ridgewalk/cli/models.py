"""Verbs that make models, sensors and experiments, or list them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ridgewalk.cli.common import (
    Device,
    Json,
    Moved,
    RunFolder,
    Seed,
    bars,
    given_options,
    guarded,
    resumable,
    show,
    show_page,
    studies,
    written,
)
from ridgewalk.cli.refusals import say
from ridgewalk.files import free_folder

if TYPE_CHECKING:
    from ridgewalk.store.run import Run


@guarded
def demo(
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; the first free of runs/demo, runs/demo-2, ... by default.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    budget: Annotated[
        str, typer.Option(help="Size of the training: smoke (seconds, to try the command), cpu (minutes) or full.")
    ] = "cpu",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train on handwritten digits, walk between held-out ones with every method, judge, and write a report."""
    from ridgewalk.reports.pages import report as page
    from ridgewalk.store.origin import Source
    from ridgewalk.verbs import train
    from ridgewalk.verbs.report import Request, report
    from ridgewalk.verbs.train import TrainRequest

    folder = out or free_folder(Path("runs"), "demo")
    with bars():
        with resumable(folder):
            run = train.start(
                TrainRequest(
                    "digits",
                    Source("digits"),
                    folder,
                    budget=budget,
                    seed=seed,
                    device=device,
                    accepted=lambda roles: say(
                        f"training an adversarial autoencoder and its sensors on scikit-learn's digits, into {folder}\n{roles}"
                    ),
                )
            )
        for line in _reconstructed(run)[1]:
            say(line)
        say("walking between held-out digits with every method, and judging the paths")
        result = report(run, Request(seed=seed))
        tables = None if result is None else page.write(result)
    show_page(result, as_json, tables=tables)


@guarded
def train(
    context: typer.Context,
    recipe: Annotated[
        str | None,
        typer.Argument(help="A shipped recipe (see `ridgewalk recipes`) or a TOML file.", show_default=False),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="digits, shapes, fashion-mnist, a folder with MNIST's IDX files, a folder of images (subfolders are classes), a Parquet file, or "
            "a data set's name on the hub; with --resume, where the data are now if they were moved.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; runs/RECIPE-seedN, or the next free name, by default.", show_default=False
        ),
    ] = None,
    budget: Annotated[
        str,
        typer.Option(
            help="Size of the training: smoke (seconds, to try the command), cpu (minutes) or full (the published size)."
        ),
    ] = "cpu",
    seed: Seed = 0,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, as training.epochs=5; may be given several times.", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Resume the training of this run, which was stopped.", show_default=False)
    ] = None,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="Precision of the training: no (float32), bf16 or fp16.")] = "no",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also log to TensorBoard, in the run's folder.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images that cannot be read or are blank.")
    ] = False,
    size: Annotated[
        int | None,
        typer.Option(
            help="Resize the images' shorter side to this number of pixels, and crop to a square; by default they stay as they are.",
            show_default=False,
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(help="Convert images to 1 or 3 channels; by default they keep theirs.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model and its sensors."""
    from ridgewalk import processes
    from ridgewalk.store.origin import Source
    from ridgewalk.verbs import train as training
    from ridgewalk.verbs.train import TrainRequest

    with bars():
        if resume is not None:
            moved = data is not None and training.are_moved(resume, data)
            honoured = ("resume", "device", "tensorboard", "as_json", "trust", *(["data"] if moved else []))
            if others := given_options(context, honoured):
                raise ValueError(f"--resume continues a run as it was started; leave out {' and '.join(others)}")
            with resumable(resume), written(resume) as files:
                run = training.resume(resume, device=device, tensorboard=tensorboard, source=data)
        else:
            if recipe is None or data is None:
                raise ValueError(
                    "train needs a recipe and --data, such as `ridgewalk train aae --data path/to/images`; or --resume RUN"
                )
            folder = out or processes.first(lambda: free_folder(Path("runs"), f"{Path(recipe).stem}-seed{seed}"))
            with resumable(folder), written(folder) as files:
                run = training.start(
                    TrainRequest(
                        recipe,
                        Source(data, skip_bad, size, channels),
                        folder,
                        budget=budget,
                        seed=seed,
                        changes=change or (),
                        device=device,
                        precision=precision,
                        tensorboard=tensorboard,
                        accepted=lambda roles: say(f"training {recipe} on {data}, into {folder}\n{roles}"),
                    )
                )
    record = {k: v for k, v in run.manifest.items() if k != "settings"}
    speed = f"{record.get('images_per_second')} images a second" if run.has_latents else f"{record['seconds']:.0f} s"
    sentences = [str(line["sentence"]) for line in record.get("readings", {}).values()]
    done = f"trained: {run.folder} ({speed})" if files else f"{run.folder} was complete already; nothing was trained"
    reconstructed, shown = _reconstructed(run) if files else ({}, [])
    lines = [done, *sentences, *shown, *files, f"next: ridgewalk {_next(run)}"]
    show({"run": str(run.folder), **record, **reconstructed}, as_json, lines)


def _reconstructed(run: "Run") -> tuple[dict[str, object], list[str]]:
    """The reconstructions of a run that was trained now, for JSON and in lines, with a picture of them; nothing where there is no autoencoder."""
    from ridgewalk import processes
    from ridgewalk.evaluation.reconstructions import (
        describe_reconstruction,
        measure_reconstructions,
        warn_of_reconstruction,
    )
    from ridgewalk.reports.pages import reconstructions as page

    found = measure_reconstructions(run) if run.has_latents and processes.rank() == 0 else None
    if found is None:
        return {}, []
    picture = page.write(run)
    lines = [describe_reconstruction(found), *warn_of_reconstruction(found)]
    return {"reconstruction": found.figures()}, [*lines, *([f"wrote: {picture}"] if picture else [])]


def _next(run: "Run") -> str:
    """The command to run after a training: a report needs at least 2 pairs of test images, of different classes where there are several; a walk needs one."""
    from ridgewalk.data import role_slice

    if not run.has_latents:
        return f"evaluate {run.folder}"
    rows = role_slice("test", *run.origin.counts)[1] if run.origin.counts else None
    few = rows is not None and rows.stop - rows.start < 4
    return f"walk {run.folder} --from 0 --to 1" if few else f"report {run.folder}"


@guarded
def sensors(run: RunFolder, seed: Seed = 0, data: Moved = None, device: Device = "auto", as_json: Json = False) -> None:
    """Say whether each sensor of a run is alive."""
    from ridgewalk.store.run import load
    from ridgewalk.verbs.sensors import sensors

    with bars():
        result = sensors(load(run, device, data=data), seed)
    show(result.figures, as_json, list(result.verdict))


@guarded
def sense(
    run: RunFolder,
    contrast: Annotated[
        str, typer.Option(help="holes (decoded data against decoded holes), or real (real images against those).")
    ] = "holes",
    seed: Seed = 0,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train a pixel discriminator for a run: what `--energy pixel` and `--energy dual` read."""
    from ridgewalk.store.run import load
    from ridgewalk.verbs import train

    with bars(), written(run) as files:
        figures = train.sense(load(run, data=data), contrast, seed, device)
    show(
        figures,
        as_json,
        [
            f"trained: {figures['sensor']} sensor of {run}",
            *files,
            f"next: ridgewalk walk {run} --pairs 20 --energy dual",
        ],
    )


@guarded
def reproduce(
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe with an experiment; `ridgewalk recipes` marks them.", show_default=False),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="As for train; by default MNIST where its files exist ($RIDGEWALK_MNIST, data/mnist), otherwise digits.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder; the same experiment is resumed where the folder holds it unfinished. By default the first free of runs/RECIPE, ...",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        str,
        typer.Option(
            help="Size of the training: smoke (seconds, to try the command), cpu (minutes) or full (the published size)."
        ),
    ] = "cpu",
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting, as training.epochs=5; may be given several times.", show_default=False),
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Run an experiment of a source document again: train, measure, and say which of its claims held."""
    folders: list[Path] = []

    def accepted(source: str, folder: Path) -> None:
        folders.append(folder)
        say(f"reproducing {recipe} on {source} into {folder}")

    with bars():
        try:
            result = studies()(
                recipe, source=data, budget=budget, changes=change or (), out=out, device=device, accepted=accepted
            )
        except KeyboardInterrupt:
            if folders:
                say(f"ridgewalk: stopped; the same command with --out {folders[0]} resumes it.")
            raise SystemExit(130) from None
    show_page(result, as_json, tables=result.tables)


@guarded
def recipes(as_json: Json = False) -> None:
    """List the shipped recipes, the question of each, and which have an experiment to reproduce."""
    from ridgewalk.settings import recipes as config

    read = {name: config.read(name) for name in config.names()}
    found = {n: {"question": r.question, "experiment": r.reproduce.experiment or None} for n, r in read.items()}
    marked = [f"{n:16} {r.question}{'  [reproduce]' if r.reproduce.experiment else ''}" for n, r in read.items()]
    show(found, as_json, marked)


@guarded
def settings(
    table: Annotated[
        str, typer.Argument(help="One table, such as training; all of them by default.", show_default=False)
    ] = "",
    as_json: Json = False,
) -> None:
    """List what a recipe can set: every key with its type, its bounds, its default and its meaning."""
    from ridgewalk.settings import reference

    show(reference.records(table), as_json, reference.lines(table))
