"""Verbs that make diffusions, draw samples and measure them."""

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
    guarded,
    repeatable,
    show,
    show_page,
    written,
)
from ridgewalk.cli.refusals import say
from ridgewalk.registry import SAMPLERS

if TYPE_CHECKING:
    from ridgewalk.store.run import Run

Count = Annotated[
    int | None,
    typer.Option(
        "--n",
        help="Number of samples; by default 64 (sample), or at most 5000 images or 20000 points (evaluate).",
        show_default=False,
    ),
]
Sampler = Annotated[
    str | None,
    typer.Option(
        help=f"{SAMPLERS.choices()}; by default the recipe's. See `ridgewalk samplers`.",
        show_default=False,
    ),
]
Steps = Annotated[int | None, typer.Option(help="Steps of the sampler; by default the recipe's.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting, as sampling.churn=10; may be given several times.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder, new or empty; the first free one in RUN by default.", show_default=False),
]


@guarded
def diffuse(
    run: RunFolder,
    seed: Seed = 0,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A setting, as diffusion.epochs=50; may be given several times.", show_default=False
        ),
    ] = None,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train a diffusion of a run's codes: samples that are real, paths through noise, and an energy."""
    from ridgewalk.store.run import load
    from ridgewalk.verbs import diffuse

    with bars(), repeatable(), written(run) as files:
        trained = diffuse.diffuse(
            load(run, data=data),
            change or (),
            seed,
            device,
            accepted=lambda: say(f"training a diffusion of the codes of {run}"),
        )
    record = {k: v for k, v in trained.record.items() if k != "settings"}
    show(
        {"run": str(run), **record},
        as_json,
        [
            f"trained: diffusion of the codes of {run} ({trained.record['seconds']:.0f} s)",
            *files,
            f"next: ridgewalk evaluate {run}",
        ],
    )


Gamma = Annotated[
    float | None,
    typer.Option(
        help="Strength of the guide's correction, for a run with a guide (`ridgewalk guide`); 1 is the value of the theory. By default samples are not guided.",
        show_default=False,
    ),
]


@guarded
def guide(
    run: RunFolder,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the discriminator; 0 by default.", show_default=False)
    ] = None,
    joint: Annotated[
        bool, typer.Option("--joint", help="Train the diffusion anew together with its guide, into --out.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of a joint training; it belongs to --joint.", show_default=False)
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A setting, as guidance.epochs=20 or sampling.steps=40; may be given several times.",
            show_default=False,
        ),
    ] = None,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train a discriminator of a diffusion's samples, whose gradient corrects its score (`sample --gamma 1`)."""
    from ridgewalk.store.run import load
    from ridgewalk.verbs import guide as guiding

    if joint != (out is not None):
        raise ValueError("--joint and --out go together: a joint training makes a new run, and says where")
    with bars(), repeatable(), written(out or run) as files:
        opened = load(run, device, data=data)
        if out is None:
            trained = guiding.train(
                opened,
                change or (),
                seed or 0,
                accepted=lambda: say(f"sampling negatives of {run}, and training a discriminator of them"),
            )
        else:
            _, trained = guiding.train_jointly(opened, out, change or (), seed)
    folder = out or run
    show(
        {"run": str(folder), **{k: v for k, v in trained.record.items() if k != "settings"}},
        as_json,
        [
            f"trained: guide of {folder}; {trained.diagnosis.sentence}",
            *files,
            f"next: ridgewalk evaluate {folder} --gamma 1",
        ],
    )


@guarded
def sample(
    run: RunFolder,
    n: Count = None,
    sampler: Sampler = None,
    steps: Steps = None,
    label: Annotated[
        int | None,
        typer.Option(
            help="Class to sample, of a diffusion trained with labels; by default no class is asked for.",
            show_default=False,
        ),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(
            help="Weight of the class: 1 conditional, above 1 classifier-free guidance; by default the recipe's.",
            show_default=False,
        ),
    ] = None,
    gamma: Gamma = None,
    parts: Annotated[
        str, typer.Option(help="Guided parts of a predictor-corrector: both, predictor or corrector.")
    ] = "both",
    prior: Annotated[bool, typer.Option("--prior", help="Draw the autoencoder's prior, not its diffusion.")] = False,
    change: Settings = None,
    seed: Seed = 0,
    out: Out = None,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw samples of a run, with pictures."""
    from ridgewalk.evaluation.sampling import Draw, sampling_of
    from ridgewalk.reports.pages import samples as page
    from ridgewalk.store.run import load
    from ridgewalk.verbs.sample import sample

    with bars():
        model = load(run, device, data=data)
        _refuse_of_diffusion(
            model, prior, gamma=gamma, sampler=sampler, steps=steps, weight=weight, parts=parts, set=change
        )
        how = sampling_of(model, change or (), label=label, sampler=sampler, steps=steps, weight=weight)
        request = Draw(64 if n is None else n, seed, how, label, prior, gamma=gamma, parts=parts)
        result = sample(model, request, out)
        files = [str(file) for file in (result.folder / "samples.npz", *page.write(result))]
    show({**result.figures, "files": files}, as_json, [*result.verdict, *(f"wrote: {file}" for file in files)])


def _refuse_of_diffusion(run: "Run", prior: bool, **given: object) -> None:
    """Refuses the options of a diffusion where samples are drawn from an autoencoder's prior, which would ignore them."""
    options = [f"--{n}" for n, value in given.items() if value not in (None, [], "both")]
    if options and run.has_latents and (prior or not run.has_diffusion):
        how = "leave out --prior" if run.has_diffusion else f"train one with `ridgewalk diffuse {run.folder}`"
        raise ValueError(
            f"{' and '.join(options)} belong to a diffusion, and samples of the autoencoder's prior have none: leave them out, or {how}"
        )


@guarded
def evaluate(
    run: RunFolder,
    n: Count = None,
    sampler: Sampler = None,
    steps: Steps = None,
    gamma: Gamma = None,
    nll: Annotated[
        bool, typer.Option("--nll", help="Also measure bits per dimension of held-out data under the diffusion.")
    ] = False,
    nll_rows: Annotated[
        int | None,
        typer.Option(help="Number of held-out images or points for --nll; 256 by default.", min=2, show_default=False),
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also measure FID by the published Inception network in a TorchScript file, such as inception-2015-12-05.pt, whose code is run.",
            show_default=False,
        ),
    ] = None,
    change: Settings = None,
    seed: Seed = 0,
    out: Out = None,
    data: Moved = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure a run's samples: by judges that saw none of its images, or by the density that points should have."""
    from ridgewalk.evaluation.likelihood import ROWS
    from ridgewalk.evaluation.sampling import sampling_of
    from ridgewalk.reports.pages import evaluation as page
    from ridgewalk.store.run import load
    from ridgewalk.verbs.evaluate import Request, evaluate

    if n is not None and n < 10:
        raise ValueError(f"an evaluation needs at least 10 samples; got {n}")
    if nll_rows is not None and not nll:
        raise ValueError("--nll-rows belongs to --nll: give both, or leave it out")
    with bars():
        model = load(run, device, data=data)
        _refuse_of_diffusion(model, False, gamma=gamma, sampler=sampler, steps=steps, set=change)
        how = sampling_of(model, change or (), sampler=sampler, steps=steps)
        rows = (nll_rows or ROWS) if nll else 0
        result = evaluate(model, Request(n, seed, how, gamma, rows, inception, out))
        tables = page.write(result)
    show_page(result, as_json, tables=tables)
