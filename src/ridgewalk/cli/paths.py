"""Verbs that walk a trained model: paths and comparisons."""

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
    Walks,
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
    change: Walks = None,
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
    from ridgewalk.evaluation.changes import with_changes
    from ridgewalk.finders.building import split_energy
    from ridgewalk.reports.pages import walk as page
    from ridgewalk.store.run import load
    from ridgewalk.verbs.walk import Request, walk

    method, named = split_energy(method)
    if named and energy and named != energy:
        raise ValueError(f"--method {method}:{named} names an energy, and --energy {energy} another; give one of them")
    with bars():
        energy = energy or named
        request = Request(
            start=start,
            end=end,
            pairs=pairs,
            role=role,
            method=method,
            energy=energy,
            shares=parsed_shares(shares),
            keep=keep,
            same_class=same_class,
            frames=frames,
            resize=resize,
            out=out,
            seed=seed,
        )
        names, given = [f"{method}:{energy}" if energy else method], {"frames": frames, "dual_shares": shares}
        result = walk(with_changes(load(run, device, data=data), change or (), names, given), request)
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
    change: Walks = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File of the report; RUN/report.html, or the next free name, by default.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    features: Annotated[
        Path | None,
        typer.Option(
            help="Look for neighbours in the features of the network in a TorchScript file, whose code is run, in place of the judges' classifiers.",
            show_default=False,
        ),
    ] = None,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Compare all methods on one run, and write the report."""
    from ridgewalk.evaluation.changes import with_changes
    from ridgewalk.finders.building import available_methods
    from ridgewalk.reports.pages import report as page
    from ridgewalk.store.run import load
    from ridgewalk.verbs.report import Request, report

    with bars():
        request = Request(pairs, role, listed(methods, "--methods"), parsed_shares(shares), out, seed, features)
        opened = load(run, device, data=data)
        names = request.methods or available_methods(opened.context)
        result = report(with_changes(opened, change or (), names, {"dual_shares": shares}), request)
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
    change: Walks = None,
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
    from ridgewalk.evaluation.changes import with_changes
    from ridgewalk.finders.building import available_methods
    from ridgewalk.reports.comparison import BENCHMARK, describe_intervals
    from ridgewalk.reports.export import write_tables
    from ridgewalk.reports.results import figures_table
    from ridgewalk.store.run import load
    from ridgewalk.verbs.benchmark import Request, benchmark

    with bars():
        request = Request(pairs, role, listed(methods, "--methods"), out, seed)
        opened = [load(r, device, data=data) for r in runs]
        names = request.methods or available_methods(opened[0].context)
        result = benchmark([with_changes(r, change or (), names) for r in opened], request)
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
    change: Walks = None,
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
        from ridgewalk.evaluation.changes import with_changes
        from ridgewalk.reports.pages import front as page
        from ridgewalk.store.run import load
        from ridgewalk.verbs.compare import Request, compare, methods_for
        from ridgewalk.verbs.train import are_moved

        with bars():
            opened = [load(r, device, data=data) for r in runs]
            if data is not None and not are_moved(runs[0], data):
                raise ValueError(
                    "--data is for where no run is named, or data were moved; a run knows its own images: leave it out"
                )
            names = wanted or methods_for(opened[0])
            opened = [with_changes(r, change or (), names) for r in opened]
            result = compare(opened, Request(pairs, role, wanted, out, seed))
            tables = None if result is None else page.write(result)
        show_page(result, as_json, tables=tables)
    else:
        if wanted or role != "test" or seed:
            raise ValueError("--methods, --role and --seed are for runs that are named; train one, and name it")
        changes = [*(change or ()), *([] if pairs is None else [f"walks.pairs={pairs}"])]
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
