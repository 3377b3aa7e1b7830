"""Claims on D_z itself: its training points, its drive of a walk, and its values on and off the data."""

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.functional import softplus

from ridgewalk.energies import AggregatePosterior, DensityRatio, NegativeLogD, Scaled, typical_force
from ridgewalk.finders import ArrivingWalk, GuidedExploration, Lerp, Slerp
from ridgewalk.metrics.ranks import bootstrap_spearman
from ridgewalk.metrics.statistics import bootstrap_mean, bootstrap_ratio, paired_difference
from ridgewalk.path import chunked
from ridgewalk.protocols import PathFinder
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk_studies.claims import Claim, Criterion, judge, of, plain, signed
from ridgewalk_studies.findings import Part
from ridgewalk_studies.measures import latents
from ridgewalk_studies.sources import CONFUSION
from ridgewalk_studies.vae_gan.latent_space import SEEDS, Space

SMALL_GAP = 0.01
"""Difference of BCE, in nats, that counts as no overfitting; chance is 0.693."""

OVERFITS = Claim(
    "D_z overfits where z_real is the fixed set of means",
    CONFUSION,
    (Criterion("left-out less training BCE, on few and on all codes,", "above", SMALL_GAP),),
)
PREVENTED = Claim(
    "Fresh reparameterised draws prevent the overfitting",
    CONFUSION,
    (
        Criterion("left-out less training BCE on fresh draws, where means overfit,", "below", SMALL_GAP),
        Criterion("share of the means' gap that fresh draws leave", "below", 0.5),
    ),
    "weaker",
)
GUIDES_BETTER = Criterion("realism with fresh draws less that with means", "above", 0)
LOG_D = Claim(
    "log D in place of D keeps the gradient from vanishing",
    CONFUSION,
    (Criterion(f"gradient of log D as a share of the logit's, at three places by {SEEDS} networks,", "above", 0.1),),
)
BETTER_DRIVE = Claim(
    "log D is the better drive of a guided exploration than D",
    CONFUSION,
    (Criterion("realism less D's, as written and at equal force,", "above", 0),),
)
KEEPS = Claim(
    "The guided exploration keeps to the region of real data",
    CONFUSION,
    (
        Criterion("realism less the best free path's", "above", 0),
        Criterion("share of walks that arrive", "above", 0.95),
    ),
    "first",
)
POINTS = Claim(
    "The gradient of D_z points to the nearest real latents",
    CONFUSION,
    (Criterion("cosine with the way to the nearest code at LERP's middles", "above", 0.5, part=0),),
)
HALF = Claim(
    "D_z is 0.5 on real latents",
    CONFUSION,
    (Criterion("mean D on held-out draws", "within", 0.05, target=0.5),),
)
FALLS = Claim(
    "D_z falls towards 0 on fake latents",
    CONFUSION,
    (
        Criterion("rank correlation of D with the distance from the data, for each network,", "below", 0),
        Criterion("mean D on draws of the prior", "below", 0.1),
    ),
    "first",
)


def overfits(space: Space) -> Part:
    """Compares D_z trained on means, on one draw of each, and on fresh draws: BCE on training and left-out points, and walks."""
    seeds = [mixed_seed(space.seed, Stream.OVERFITTED_DETECTORS, i) for i in range(SEEDS)]
    found: dict[str, Any] = {}
    by_size: dict[str, latents.Overfitting] = {}
    # left-out points are of the model's own images: on others, the encoder's generalisation would count too
    n = len(space.train.mean)
    kept = n - min(10 * space.size, n // 4)
    left_out = AggregatePosterior(space.train.mean[kept:], space.train.log_variance[kept:])
    for name, codes in (("few", min(space.size, kept)), ("all", kept)):
        variants = latents.VARIANTS if name == "few" else ("means", "fresh draws")
        trained = latents.Detectors(space.steps, seeds, variants, batch=256)
        o = latents.overfitting(space.train, left_out, codes, trained, rows=10 * space.size)
        by_size[name] = o
        gaps = {v: bootstrap_mean(o.gap(v), space.seed) for v in variants}
        less = {
            v: paired_difference(o.gap(v), o.gap("fresh draws"), space.seed) for v in variants if v != "fresh draws"
        }
        on_draws, on_means = (
            paired_difference(o.rows["means"][p], o.rows["fresh draws"][p], space.seed) for p in latents.PLACES[1:]
        )
        found[name] = {
            "codes": o.codes,
            "bce": {v: {p: float(r.mean()) for p, r in places.items()} for v, places in o.rows.items()},
            "bce_by_seed": o.by_seed,
            "gap": gaps,
            "gap_less_fresh": less,
            "gap_left": bootstrap_ratio(o.gap("fresh draws"), o.gap("means"), space.seed),
            "means_less_fresh": {"held-out draws": on_draws, "held-out means": on_means},
        }
    m = min(len(left_out.mean), len(space.held.mean), 4 * space.size)
    fresh_all = by_size["all"].detectors["fresh draws"]
    other, own = (
        softplus(-chunked(fresh_all, q.draw(torch.arange(m), space.normal(m, 5)))) / 2 for q in (space.held, left_out)
    )
    found["encoder_shift"] = paired_difference(other, own, space.seed)
    few, every = found["few"], found["all"]

    def describe_gap(f: Mapping[str, Any], variant: str) -> str:
        return f"{signed(f['gap'][variant])} on {f['codes']} codes"

    first = judge(
        OVERFITS,
        [f["gap"]["means"] for f in (few, every)],
        figure=f"left-out less training BCE: {describe_gap(few, 'means')}, {describe_gap(every, 'means')}",
        how=f"{SEEDS} detectors each, {space.steps} steps; means of the model's own images that D_z was not given against those that it was",
    )
    overfitted = [f for f in (few, every) if OVERFITS.criteria[0].judge(f["gap"]["means"]) == "held"]
    second = judge(
        PREVENTED,
        [f["gap"]["fresh draws"] for f in overfitted],
        [f["gap_left"] for f in overfitted],
        figure=f"share of the gap that fresh draws leave {of(few['gap_left'])} and {of(every['gap_left'])}: {describe_gap(few, 'fresh draws')}, "
        f"{describe_gap(every, 'fresh draws')}; with one draw of each image {describe_gap(few, 'one draw')}; BCE on left-out "
        f"draws, means less fresh: {signed(few['means_less_fresh']['held-out draws'])} and {signed(every['means_less_fresh']['held-out draws'])}",
        how="each variant is evaluated on its own kind of left-out points",
    )
    points = space.middles()
    real = {}
    for v in ("means", "fresh draws"):
        energy = NegativeLogD(by_size["few"].detectors[v])
        scaled = Scaled(energy, typical_force(NegativeLogD(space.d_z), points) / typical_force(energy, points))
        real[v] = space.realism(space.walk(ArrivingWalk(scaled, nodes=space.frames), space.pairs)[1])
    use = paired_difference(real["fresh draws"], real["means"], space.seed)
    found["use"] = {
        "realism": {v: bootstrap_mean(r, space.seed) for v, r in real.items()},
        "fresh_less_means": use,
    }
    third = judge(
        Claim(f"A D_z of {few['codes']} codes guides better when trained on fresh draws", CONFUSION, (GUIDES_BETTER,)),
        use,
        figure=f"realism of arriving walks, fresh less means: {signed(use)}",
        how="energies -log D of equal median force on LERP's middles; paired over pairs of different classes, one detector each",
    )
    return Part({"overfitting": plain(found)}, [first, second, third])


def drives(space: Space) -> Part:
    """Measures the sizes of the three gradients by place, their direction, and walks that climb each."""
    groups = {
        "encodings": space.held.mean[: space.size],
        "prior": space.normal(space.size, 2),
        "LERP middles": space.middles(),
        "2x outside": space.outside(2.0),
        "4x outside": space.outside(4.0),
    }
    d = chunked(space.d_z, torch.cat(list(groups.values()))).sigmoid()
    pooled = torch.cat(list(groups.values()))
    groups |= {n: pooled[which] for n, which in (("D < 0.1", d < 0.1), ("D > 0.9", d > 0.9)) if which.sum() >= 2}
    norms = {g: latents.drive_norms(space.d_z, z) for g, z in groups.items()}
    sizes = {g: {d: latents.median(v) for d, v in by.items()} for g, by in norms.items()}
    share = {
        g: {n: latents.median(by[n] / by["logit"].clamp_min(1e-30)) for n in ("D", "log D")} for g, by in norms.items()
    }
    places = ("LERP middles", "2x outside", "4x outside")
    cosine, of_detector = (
        {
            g: bootstrap_mean(latents.towards_data(DensityRatio(by), groups[g], space.train.mean), space.seed)
            for g in places
        }
        for by in (space.d_z, space.detector)
    )
    free: dict[str, PathFinder] = {"lerp": Lerp(space.frames), "slerp": Slerp(space.frames)}
    judged, arrived = {n: space.judged(space.walk(finder, space.pairs)[1]) for n, finder in free.items()}, {}
    standard = typical_force(NegativeLogD(space.d_z), groups["LERP middles"])
    for name, make in latents.DRIVES.items():
        energy = make(space.d_z)
        scaled = Scaled(energy, standard / typical_force(energy, groups["LERP middles"]))
        finders: dict[str, PathFinder] = {
            "guided": GuidedExploration(energy, nodes=space.frames),
            "arriving": ArrivingWalk(scaled, nodes=space.frames),
        }
        for kind, finder in finders.items():
            path, frames = space.walk(finder, space.pairs)
            judged[f"{kind}, {name}"] = space.judged(frames)
            arrived[f"{kind}, {name}"] = bootstrap_mean(path.arrived.double(), space.seed)
    columns = {n: torch.stack(list(by.values())).mean(0) for n, by in judged.items()}
    over = {
        f"{kind}, log D less {other}": paired_difference(
            columns[f"{kind}, log D"], columns[f"{kind}, {other}"], space.seed
        )
        for kind in ("guided", "arriving")
        for other in ("D", "logit")
    }
    best = max(free, key=lambda n: float(columns[n].mean()))
    gain = paired_difference(columns["guided, log D"], columns[best], space.seed)
    shares_again = [
        {g: latents.median((-chunked(other, groups[g])).sigmoid()) for g in places} for other in space.again
    ]
    lasts = [by[g] for by in ({g: share[g]["log D"] for g in places}, *shares_again) for g in places]
    found = {
        "median_norm": sizes,
        "share_of_logit": share,
        "share_of_logit_by_others": shares_again,
        "points": {g: len(z) for g, z in groups.items()},
        "cosine_to_nearest_code": cosine,
        "cosine_of_the_runs_detector": of_detector,
        "realism": {n: bootstrap_mean(c, space.seed) for n, c in columns.items()},
        "realism_by_judge": {n: {j: bootstrap_mean(c, space.seed) for j, c in by.items()} for n, by in judged.items()},
        "arrived": arrived,
        "difference": over,
        "free": best,
        "guided_less_free": gain,
    }
    walk = over["guided, log D less D"]
    verdicts = [
        judge(
            LOG_D,
            lasts,
            figure="gradient of log D (of D) as a share of the logit's: "
            + ", ".join(f"{g} {of(share[g]['log D'])} ({share[g]['D'].value:.2f})" for g in share),
            how="medians over points of 1 - D and D (1 - D), at LERP's middles, 2x and 4x outside: it fades where D is near 1, wherever that is",
        ),
        judge(
            BETTER_DRIVE,
            [walk, over["arriving, log D less D"]],
            figure=f"realism, log D less D: {signed(walk)} as written, {signed(over['arriving, log D less D'])} at equal force in arriving walks; log D less "
            f"the logit: {signed(over['guided, log D less logit'])} and {signed(over['arriving, log D less logit'])}; "
            f"arrived as written {of(arrived['guided, log D'])} against {of(arrived['guided, D'])}",
            how="alpha = gamma = 0.05; paired over pairs of different classes",
        ),
        judge(
            KEEPS,
            gain,
            arrived["guided, log D"],
            figure=f"realism less that of {best.upper()}, the best free path, {signed(gain)}; arrived {of(arrived['guided, log D'])}",
            how="along grad log D as written",
        ),
        judge(
            POINTS,
            cosine["LERP middles"],
            figure="cosine with the way to the nearest code (of the run's own detector): "
            + ", ".join(f"{g} {of(cosine[g])} ({of_detector[g].value:.2f})" for g in places),
            how="0 for random directions",
        ),
    ]
    return Part({"drives": plain(found)}, verdicts)


def half_on_data(space: Space) -> Part:
    """Measures D on held-out encodings, on fakes, and by distance from the data, and the optimum q / (q + p)."""
    n = len(space.draws())
    points = {
        "encodings": space.held.mean[:n],
        "draws of q(z|x)": space.draws(),
        "prior": space.normal(n, 2),
        "LERP middles": space.middles(),
        "2x outside": space.outside(2.0),
        "4x outside": space.outside(4.0),
    }
    d = {g: chunked(space.d_z, z).sigmoid() for g, z in points.items()}
    best = {g: latents.optimal_logit(space.density, space.prior, z).sigmoid() for g, z in points.items()}
    own = {g: bootstrap_mean(chunked(space.detector, z).sigmoid(), space.seed) for g, z in points.items()}
    means = {g: bootstrap_mean(v, space.seed) for g, v in d.items()}
    z = torch.cat(list(points.values()))
    distance = latents.nearest_distance(z, space.train.mean)
    values = {"D": torch.cat(list(d.values())), "optimal D": torch.cat(list(best.values()))}
    parts = latents.levels(values, distance, space.seed, parts=10)
    rho = bootstrap_spearman(values["D"], distance, space.seed, resamples=500)
    others = [chunked(other, z).sigmoid() for other in space.again]
    rhos = [rho, *(bootstrap_spearman(v, distance, space.seed, resamples=500) for v in others)]
    far = [bootstrap_mean(v[-len(d["4x outside"]) :], space.seed) for v in (values["D"], *others)]
    found: dict[str, Any] = {
        "mean": means,
        "detector_mean": own,
        "widened_by": space.factor,
        "optimal_mean": {g: bootstrap_mean(v, space.seed) for g, v in best.items()},
        "quantiles": {g: v.quantile(torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])).tolist() for g, v in d.items()},
        "by_distance": [{"from": p.low, "to": p.high, **p.means} for p in parts],
        "rank_correlation_with_distance": rhos,
        "mean_4x_outside_by_network": far,
    }
    on, fake, last = means["draws of q(z|x)"], means["prior"], parts[-1].means["D"]
    optimal = found["optimal_mean"]["draws of q(z|x)"]
    verdicts = [
        judge(
            HALF,
            on,
            figure=f"mean D on held-out draws {of(on)}, on their means {of(means['encodings'])}; q/(q+p) {of(optimal)}",
            how="an optimal D is q/(q+p), 0.5 only where q = p and it is uninformative; q by the mixture of all q(z|x), "
            f"widened {space.factor:g}-fold on validation images",
        ),
        judge(
            FALLS,
            rhos,
            fake,
            figure=f"rank correlation with distance from the data {of(rho)}; mean D on draws of the prior {of(fake)}, in the furthest tenth of all points "
            f"{of(last)}, 4x outside {', '.join(f'{i.value:.2f}' for i in far)} by {SEEDS} networks (the run's own detector {of(own['4x outside'])})",
            how="the prior's draws are the fakes of its training",
        ),
    ]
    return Part({"levels": plain(found)}, verdicts)
