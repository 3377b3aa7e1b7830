"""Verbs that look at the latent space of a trained model: maps of a plane, and points that move in it."""

from pathlib import Path
from typing import Annotated

import typer

from ridgewalk.cli.common import Device, Json, Moved, RunFolder, Seed, Walks, bars, guarded, listed, show_page
from ridgewalk.registry import ENERGIES


@guarded
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
        typer.Option(
            help=f"Comma-separated energies of {ENERGIES.choices()}; by default those of the run's sensors.",
            show_default=False,
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated methods whose paths are drawn from --from to --to; lerp,string by default.",
            show_default=False,
        ),
    ] = None,
    change: Walks = None,
    resize: Annotated[bool, typer.Option("--resize", help="Resize image files to the run's size.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the result; RUN/maps/PLANE, or the next free name, by default.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw an energy over a plane of the latent space, with the data and paths on it."""
    from ridgewalk.evaluation.changes import with_changes
    from ridgewalk.reports.pages import map as page
    from ridgewalk.store.run import load
    from ridgewalk.verbs.map import METHODS, Request, draw_map

    with bars():
        request = Request(
            start=start,
            end=end,
            third=third,
            plane=plane,
            energies=listed(energy, "--energy"),
            methods=listed(methods, "--methods"),
            resize=resize,
            out=out,
            seed=seed,
        )
        names = [] if start is None else request.methods or METHODS
        result = draw_map(with_changes(load(run, device, data=data), change or (), names), request)
        if result is not None:
            page.write(result)
    show_page(result, as_json, "map")


@guarded
def project(
    run: RunFolder,
    latents: Annotated[
        Path, typer.Option(help="A .npy file with an array (n, d), or an .npz file with it as z.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for the result, new or empty.", show_default=False)],
    energy: Annotated[
        str, typer.Option(help=f"The energy that the points descend: {ENERGIES.choices()}.")
    ] = "soft-ratio",
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
            help="Largest number of steps of the descent (default 300), or steps of Langevin (200) or tempering (400) after as many of burn-in.",
            show_default=False,
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Temperature T of --langevin or --tempered; 1 by default.", show_default=False)
    ] = None,
    seed: Seed = 0,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Move latents of your own to where the energy says that data are."""
    from ridgewalk.reports.pages import project as page
    from ridgewalk.store.run import load
    from ridgewalk.verbs.project import Request, project

    with bars():
        request = Request(latents, out, energy, langevin, tempered, steps, temperature, seed)
        result = project(load(run, device, data=data), request)
        tables = None if result is None else page.write(result)
    show_page(result, as_json, tables=tables)
