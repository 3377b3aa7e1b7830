"""
Priors of any shape and posteriors of any kind, in the plane, and what they do to codes.

The recipe conditions a mixture of ten Gaussians on labels; variants change prior, posterior or objective. Measured for each run on held-out images:

    match      is the aggregated posterior the prior? a fresh probe's AUC, sliced Wasserstein distance, MMD (``measures.posterior``); also for
               training images that no model saw, as a test part may come from another population (MNIST's is by other writers)
    place      share of codes that lie in their own class's part of the prior, by its 15 nearest draws
    fractured  do similar images get similar codes? (``measures.fracturing``); ``ae`` is an autoencoder without any prior
    holes      share of the prior's draws that decode to nothing real (``measures.holes``); ``vae`` has the same prior as ``gaussian``
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data import part
from ridgewalk.diagnosis.misalignment import MEAN
from ridgewalk.metrics.statistics import Interval, paired_difference
from ridgewalk.path import chunked
from ridgewalk.reports import Cell, Column, Section, Table, TableBlock
from ridgewalk.seeds import Stream
from ridgewalk.store.priors import prior_draws
from ridgewalk.store.run import Run
from ridgewalk.training.families.conditioned import ConditionedObjective
from ridgewalk.training.families.matching import MatchingFamily
from ridgewalk.training.noise import Noise
from ridgewalk.training.priors import Classed
from ridgewalk_studies.adversarial_autoencoders import shared
from ridgewalk_studies.claims import Claim, Criterion, Verdict, by_value, judge, with_count
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings
from ridgewalk_studies.measures.fracturing import Fracturing, fracturing
from ridgewalk_studies.measures.holes import Holes, holes
from ridgewalk_studies.measures.posterior import Match, match
from ridgewalk_studies.sources import AAE

MATCHED = Criterion("AUC of a fresh probe, of every seed,", "within", 0.05, target=0.5)
PLACED = by_value("per cent of codes in their own class's part, of every seed,", "above", 90, part=50)
FRACTURED = Claim(
    "Without a prior an autoencoder fractures the manifold, and matching one mends it: like images get more alike codes",
    AAE,
    (Criterion("mean rank of like images, adversarial autoencoder less autoencoder,", "below", 0),),
)
HOLES = Claim(
    "An adversarial autoencoder leaves fewer holes in its prior than a VAE",
    AAE,
    (
        Criterion("share of draws that decode to nothing real, less the VAE's,", "below", 0),
        Criterion("the same beyond that of reconstructions", "below", 0),
    ),
    "first",
)

UNSEEN = "judge_b"
"""Role of images from the models' training population that no model saw. The judge trained on them is used on decodings only."""

NEAREST = 15
"""Number of draws of the prior that decide in which part of it a code lies."""


def draw_codes(run: Run, x: Tensor, seed: int = 0) -> Tensor:
    """A draw of q(z|x) for each image, on the CPU: (n, d)."""
    noise = Noise(seed, Stream.TRUE_PRIOR)
    return chunked(lambda v: run.model.draw(v.to(run.device), lambda *s: noise.normal(*s).to(run.device)).cpu(), x)


def in_own_part(run: Run, z: Tensor, labels: Tensor, draws: int = 300) -> Tensor:
    """Whether most of the draws of the prior nearest to a code are from its own class's part: bool (n,)."""
    family = run.recipe.objective
    assert isinstance(family, MatchingFamily)
    law = family.prior(run.recipe)
    if not isinstance(law, Classed):
        raise ValueError(f"the prior '{run.recipe.prior.name}' has no parts for classes")
    parts = torch.arange(law.classes).repeat_interleave(draws)
    points = law.given(parts, Noise(0, Stream.PARTS_OF_PRIOR))
    near = chunked(lambda v: torch.cdist(v, points).topk(NEAREST, largest=False).indices, z)
    return parts[near].mode(dim=1).values == labels


def measure(e: Experiment) -> Findings:
    """Trains the runs, measures their codes, and judges the claims."""
    runs = {v or "mixture, conditioned": e.runs(v) for v in shared.settings_of(e)}
    first = next(iter(runs.values()))[0]
    images = part(first.data, "test")
    images = images.take(torch.arange(min(e.points, len(images))))
    x, labels = images.floats(), images.labels
    alike = part(first.data, UNSEEN).floats()[: len(x)]
    matches: dict[str, list[Match]] = {}
    unseen: dict[str, list[Match]] = {}
    places: dict[str, list[Tensor]] = {}
    torn: dict[str, list[Fracturing]] = {}
    empty: dict[str, list[Holes]] = {}
    judges = e.judges(first)
    for name, own in runs.items():
        adversarial = isinstance(own[0].recipe.objective, MatchingFamily)
        for run in own:
            if adversarial:
                z = draw_codes(run, x)
                for found, codes in ((matches, z), (unseen, draw_codes(run, alike))):
                    found.setdefault(name, []).append(
                        match(codes, prior_draws(run, 2 * len(codes), 1).cpu(), steps=shared.probe_steps(e))
                    )
                if isinstance(run.recipe.objective, ConditionedObjective):
                    places.setdefault(name, []).append(in_own_part(run, z, labels))
            torn.setdefault(name, []).append(fracturing(lambda v, r=run: r.encode(v).cpu(), x, labels))  # type: ignore[misc]
            codes = run.encode(x)
            empty.setdefault(name, []).append(holes(prior_draws(run, len(codes), 2), codes, run.decode, judges))
    sections = [
        _table(matches, unseen, places, torn, empty),
        Section("The planes", blocks=[shared.scatter(own[0], f"Codes by class: {name}") for name, own in runs.items()]),
        Section("Decoded", blocks=[shared.manifold(first, "The plane of the mixture, decoded")]),
        shared.games({n: own for n, own in runs.items() if "readings" in own[0].manifest}),
    ]
    claims = [*_judge_matches(matches, unseen), *_judge_places(places), *_judge_fracturing(torn), *_judge_holes(empty)]
    answer = [f"{name}: {own[0]}." for name, own in matches.items()]
    return Findings(answer, claims, sections, _figures(matches, unseen, places, torn, empty))


def _table(
    matches: Mapping[str, Sequence[Match]],
    unseen: Mapping[str, Sequence[Match]],
    places: Mapping[str, Sequence[Tensor]],
    torn: Mapping[str, Sequence[Fracturing]],
    empty: Mapping[str, Sequence[Holes]],
) -> Section:
    columns = {
        "probe": Column("probe AUC", ".3f", "lower", "a fresh discriminator's, codes against prior; 0.5 is chance"),
        "unseen": Column("of training images", ".3f", "lower", "the same AUC of training images that no model saw"),
        "sliced": Column("sliced W", ".3f", "lower", "sliced Wasserstein distance of codes and prior, with its floor"),
        "place": Column("in place", ".1%", "higher", "codes in their own class's part of the prior"),
        "rank": Column(
            "fractured", ".3f", "lower", "mean rank by codes of an image's nearest images; 1/2 is none alike"
        ),
        "pieces": Column("pieces", ".2f", "lower", "effective pieces of a class among its nearest codes"),
        "holes": Column("holes", ".1%", "lower", "draws that decode to nothing real, less the same of reconstructions"),
    }
    rows: dict[str, dict[str, Cell]] = {}
    for name in torn:
        row = {
            "rank": Cell.of(torn[name][0].interval("rank")),
            "pieces": Cell(float(torn[name][0].pieces.mean())) if len(torn[name][0].pieces) else Cell(None),
            "holes": Cell.of(empty[name][0].excess()),
        }
        if name in matches:
            m = matches[name][0]
            row |= {"unseen": Cell.of(unseen[name][0].probe)}
            row |= {"probe": Cell.of(m.probe), "sliced": Cell(m.sliced_wasserstein, note=f"floor {m.sliced_floor:.3f}")}
        if name in places:
            row["place"] = Cell(float(places[name][0].double().mean()))
        rows[name] = row
    return Section(
        "Priors and posteriors side by side",
        "Held-out images; the first seed of each. A plain autoencoder's prior is a Gaussian that was fitted to its codes.",
        [TableBlock(Table(columns, rows), "What the prior does to codes")],
    )


def _judge_matches(matches: Mapping[str, Sequence[Match]], unseen: Mapping[str, Sequence[Match]]) -> list[Verdict]:
    found = []
    for name, own in matches.items():
        figure = "; ".join(
            f"AUC {m.probe:.2f}, of training images that no model saw {u.probe:.2f}; sliced W {m.sliced_wasserstein:.3f} (floor {m.sliced_floor:.3f})"
            for m, u in zip(own, unseen[name], strict=True)
        )
        claim = Claim(f"[{name}] the aggregated posterior becomes the prior", AAE, (MATCHED,))
        found.append(judge(claim, [m.probe for m in own], figure=figure, how="the distances are reported with it"))
    return found


def _judge_places(places: Mapping[str, Sequence[Tensor]]) -> list[Verdict]:
    found = []
    for name, own in places.items():
        shares = [100 * float(p.double().mean()) for p in own]
        claim = Claim(f"[{name}] each class takes its own part of the prior", AAE, (PLACED,))
        figure = f"in place {shared.describe_seeds(shares)}"
        how = "held-out images, whose labels no model saw"
        found.append(judge(claim, with_count(min(shares), len(own[0])), figure=figure, how=how))
    return found


def _judge_fracturing(torn: Mapping[str, Sequence[Fracturing]]) -> list[Verdict]:
    if not {"ae", "gaussian"} <= set(torn):
        return []
    own, other = (torch.stack([f.columns["rank"] for f in torn[n]]).mean(0) for n in ("gaussian", "ae"))
    difference = paired_difference(own, other, 0)
    pieces = [
        torch.stack([f.pieces.mean() for f in torn[n] if len(f.pieces)] or [torch.ones(())]).mean()
        for n in ("gaussian", "ae")
    ]
    return [
        judge(
            FRACTURED,
            difference,
            figure=f"mean rank of like images, AAE less AE {difference:+.4f}; pieces of a class {float(pieces[0]):.2f} against {float(pieces[1]):.2f}",
            how="paired over held-out images, mean over seeds",
        )
    ]


def _judge_holes(empty: Mapping[str, Sequence[Holes]]) -> list[Verdict]:
    if not {"vae", "gaussian"} <= set(empty):
        return []
    draws, beyond = (_difference(empty, rows) for rows in (lambda h: h.unreal[MEAN], Holes.excesses))
    return [
        judge(
            HOLES,
            draws,
            beyond,
            figure=f"share of draws that decode to nothing real: AAE less VAE {draws:+.3f}; beyond that of reconstructions {beyond:+.3f}",
            how="mean of two judges, as many draws and held-out images of each; the first figure blames a prior for its decoder's blur, and the second "
            "excuses holes where reconstructions are no better",
        )
    ]


def _difference(empty: Mapping[str, Sequence[Holes]], rows: Callable[[Holes], Tensor]) -> Interval:
    """The mean over rows of the adversarial autoencoder's value less the VAE's, each averaged over seeds."""
    own, other = (torch.stack([rows(h) for h in empty[n]]).mean(0) for n in ("gaussian", "vae"))
    return paired_difference(own, other, 0)


def _figures(
    matches: Mapping[str, Sequence[Match]],
    unseen: Mapping[str, Sequence[Match]],
    places: Mapping[str, Sequence[Tensor]],
    torn: Mapping[str, Sequence[Fracturing]],
    empty: Mapping[str, Sequence[Holes]],
) -> dict[str, Any]:
    return {
        "match": _distances(matches),
        "match_unseen": _distances(unseen),
        "place": {n: [float(p.double().mean()) for p in own] for n, own in places.items()},
        "fracturing": {
            n: [{k: float(v.mean()) for k, v in f.columns.items()} | {"pieces": f.pieces.tolist()} for f in own]
            for n, own in torn.items()
        },
        "holes": {n: [{k: float(v.mean()) for k, v in h.unreal.items()} for h in own] for n, own in empty.items()},
    }


def _distances(matches: Mapping[str, Sequence[Match]]) -> dict[str, list[dict[str, Any]]]:
    return {
        n: [
            {
                "probe": [m.probe.value, m.probe.low, m.probe.high],
                "sliced_wasserstein": m.sliced_wasserstein,
                "sliced_floor": m.sliced_floor,
                "mmd": m.mmd,
                "mmd_floor": m.mmd_floor,
            }
            for m in own
        ]
        for n, own in matches.items()
    }
