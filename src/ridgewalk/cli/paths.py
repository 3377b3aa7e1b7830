"""Verbs that walk a trained model: paths, comparisons, maps, projections."""

from pathlib import Path
from typing import Annotated

import typer

from ridgewalk.cli.common import (
    Device,
    Json,
    Moved,
    Role,
    RunFolder,
    Seed,
    Shares,
    bars,
    describe_tables,
    guarded,
    listed,
    parsed_shares,
    show,
    show_page,
    studies,
)
from ridgewalk.cli.refusals import say
from ridgewalk.registry import ENERGIES, METHODS

Methods = Annotated[
    str | None,
    typer.Option(
        help=f"Comma-separated methods of {METHODS.choices()}, each alone or with an energy, as string:dual; all by default.",
        show_default=False,
    ),
]


@guarded
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
        str,
        typer.Option(
            help=f"{METHODS.choices()}; ridge@R weighs realism against shortness, and METHOD:ENERGY names an energy. "
            "See `ridgewalk methods`."
        ),
    ] = "string",
    energy: Annotated[
        str | None,
        typer.Option(
            help=f"{ENERGIES.choices()}, of those whose sensor the run has; by default the method's own. See `ridgewalk energies`.",
            show_default=False,
        ),
    ] = None,
    shares: Shares = None,
    keep: Annotated[
        str | None,
        typer.Option(
            help="style or class: this part of the code stays as in the first image; for runs whose codes have both.",
            show_default=False,
        ),
    ] = None,
    same_class: Annotated[bool, typer.Option("--same-class", help="Draw pairs of one class.")] = False,
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
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Walk from one image to another, or between many pairs."""
    from ridgewalk.finders.building import split_energy
    from ridgewalk.reports.pages import walk as page
    from ridgewalk.store.run import load
    from ridgewalk.verbs.walk import Request, walk

    method, named = split_energy(method)
    if named and energy and named != energy:
        raise ValueError(f"--method {method}:{named} names an energy, and --energy {energy} another; give one of them")
    with bars():
        request = Request(
            start=start,
            end=end,
            pairs=pairs,
            role=role,
            method=method,
            energy=energy or named,
            shares=parsed_shares(shares),
            keep=keep,
            same_class=same_class,
            frames=frames,
            resize=resize,
            out=out,
            seed=seed,
        )
        result = walk(load(run, device, data=data), request)
        tables = None if result is None else page.write(result, gif)
    show_page(result, as_json, tables=tables, more=[f"animation: {result.animation}"] if gif and result else [])


@guarded
def report(
    run: RunFolder,
    pairs: Annotated[
        int | None, typer.Option(help="Pairs of test images; by default the recipe's.", show_default=False)
    ] = None,
    role: Role = "test",
    methods: Methods = None,
    shares: Shares = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File of the report; RUN/report.html, or the next free name, by default.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Compare all methods on one run, and write the report."""
    from ridgewalk.reports.pages import report as page
    from ridgewalk.store.run import load
    from ridgewalk.verbs.report import Request, report

    with bars():
        request = Request(pairs, role, listed(methods, "--methods"), parsed_shares(shares), out, seed)
        result = report(load(run, device, data=data), request)
        tables = None if result is None else page.write(result)
    show_page(result, as_json, tables=tables)


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
    from ridgewalk.reports.pages import map as page
    from ridgewalk.store.run import load
    from ridgewalk.verbs.map import Request, draw_map

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
        result = draw_map(load(run, device, data=data), request)
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


@guarded
def benchmark(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Runs of one recipe with different seeds.", show_default=False),
    ],
    pairs: Annotated[
        int | None,
        typer.Option(help="Pairs of test images; by default 200, or as many as there are.", show_default=False),
    ] = None,
    role: Role = "test",
    methods: Methods = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File of the figures as JSON, beside which the table is written as CSV and LaTeX; by default none is written.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Pool several seeds into one table of all methods, as in docs/benchmarks.md."""
    from ridgewalk.reports.comparison import BENCHMARK, describe_intervals
    from ridgewalk.reports.export import write_tables
    from ridgewalk.reports.results import figures_table
    from ridgewalk.store.run import load
    from ridgewalk.verbs.benchmark import Request, benchmark

    with bars():
        request = Request(pairs, role, listed(methods, "--methods"), out, seed)
        result = benchmark([load(r, device, data=data) for r in runs], request)
    if result is not None:
        table = figures_table(result.figures, BENCHMARK)
        tables = write_tables({"benchmark": table}, out) if out else None
        wrote = [f"wrote: {out}", *describe_tables(tables)] if out else []
        show(result.figures, as_json, [table.to_markdown(), describe_intervals(result.pooled.summary), *wrote])


@guarded
def compare(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN...]",
            help="Runs of one recipe with different seeds; where none is named, the recipe front is trained first.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="As for train, where no run is named (by default MNIST where its files exist, otherwise digits); or where the runs' data are "
            "now, if they were moved.",
            show_default=False,
        ),
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(help="Pairs of test images; by default the recipe's.", show_default=False)
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated methods, as string:dual or ridge@8:dual; by default all families, and a network that learns ridge paths.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the result; RUN/compare, or runs/front, or the next free name, by default.",
            show_default=False,
        ),
    ] = None,
    role: Role = "test",
    budget: Annotated[
        str | None,
        typer.Option(
            help="Size of the training where no run is named: smoke, cpu or full; cpu by default.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw the front of realism against smoothness and against time, over all finders."""
    wanted = listed(methods, "--methods")
    if runs:
        if budget is not None:
            raise ValueError("--budget is for where no run is named; a run is trained already")
        from ridgewalk.reports.pages import front as page
        from ridgewalk.store.run import load
        from ridgewalk.verbs.compare import Request, compare
        from ridgewalk.verbs.train import are_moved

        with bars():
            opened = [load(r, device, data=data) for r in runs]
            if data is not None and not are_moved(runs[0], data):
                raise ValueError(
                    "--data is for where no run is named, or data were moved; a run knows its own images: leave it out"
                )
            result = compare(opened, Request(pairs, role, wanted, out, seed))
            tables = None if result is None else page.write(result)
        show_page(result, as_json, tables=tables)
    else:
        if wanted or role != "test" or seed:
            raise ValueError("--methods, --role and --seed are for runs that are named; train one, and name it")
        changes = [] if pairs is None else [f"walks.pairs={pairs}"]
        with bars():
            found = studies()(
                "front",
                source=data,
                budget=budget or "cpu",
                changes=changes,
                out=out,
                device=device,
                accepted=lambda source, folder: say(f"comparing on {source}, into {folder}"),
            )
        show_page(found, as_json, tables=found.tables)
