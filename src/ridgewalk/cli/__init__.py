"""
The command line: it reads options, calls a verb of ``ridgewalk.verbs``, and writes its page by ``ridgewalk.reports``.

Bad input is answered by one sentence on standard error and exit code 2; Ctrl-C by exit code 130. Set RIDGEWALK_DEBUG=1 to
see tracebacks. torch is imported inside the verbs, so that ``--help`` answers at once.
"""

import os
import sys
from io import TextIOWrapper
from signal import SIGTERM, default_int_handler, signal
from typing import Annotated

import typer

from ridgewalk import processes
from ridgewalk.cli import generation, latents, lists, models, paths
from ridgewalk.cli.refusals import Commands, discard, prints

app = typer.Typer(
    name="ridgewalk",
    cls=Commands,
    help="Walk the latent spaces of generative models without falling off the data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

for verb in (models.demo, models.train, paths.walk, paths.report):
    app.command()(verb)
app.command(name="map")(latents.map_)
for verb in (
    latents.project,
    models.sensors,
    models.sense,
    generation.diffuse,
    generation.guide,
    generation.sample,
    generation.evaluate,
    paths.benchmark,
    paths.compare,
    models.reproduce,
    models.recipes,
    lists.methods,
    lists.energies,
    lists.samplers,
    lists.objectives,
    lists.adapters,
    models.settings,
):
    app.command()(verb)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
    count: Annotated[
        int | None,
        typer.Option(
            "--processes",
            min=1,
            max=64,
            help="Start the command in this many processes, as torchrun does: train divides its batches, walk its pairs.",
            show_default=False,
        ),
    ] = None,
) -> None:
    if count is not None and context.invoked_subcommand and "TORCHELASTIC_RUN_ID" not in os.environ:
        from ridgewalk.cli.launcher import launch

        raise typer.Exit(launch(count, sys.argv[sys.argv.index(context.invoked_subcommand) :]))
    if version:
        from ridgewalk import __version__

        print(__version__)
        raise typer.Exit


def main() -> None:
    """Runs the command line; a request to end (SIGTERM) stops it as Ctrl-C does, and characters that the terminal lacks are escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if prints():  # the other processes of a torchrun end in silence, at once
        signal(SIGTERM, default_int_handler)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        processes.end_with_launcher()
    try:
        app()
    except OSError as error:  # a verb catches its own: the help or a refusal of typer's could not be printed
        for stream in (sys.stdout, sys.stderr):
            discard(stream)
        raise SystemExit(0 if isinstance(error, BrokenPipeError) else 2) from None
