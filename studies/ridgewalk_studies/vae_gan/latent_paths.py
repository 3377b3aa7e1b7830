"""Claims on the latent space: whether its distances are meaningful, and what a path preserves."""

from typing import Any

import torch
from torch import Tensor

from ridgewalk.energies import NegativeLogD
from ridgewalk.finders import ArrivingWalk, GuidedExploration, Lerp, Slerp
from ridgewalk.metrics.statistics import bootstrap_mean, paired_difference
from ridgewalk.path import chunked
from ridgewalk.protocols import PathFinder
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk_studies.claims import Claim, Criterion, judge, of, plain, signed
from ridgewalk_studies.findings import Part
from ridgewalk_studies.measures import attributes
from ridgewalk_studies.sources import CONFUSION
from ridgewalk_studies.vae_gan.latent_space import Space

EUCLIDEAN = Claim(
    "The latent space is locally Euclidean: distances between latents mean something",
    CONFUSION,
    (Criterion("rank correlation of distances among neighbours, for images and every judge,", "above", 0.5, part=0),),
)
CLASS = Claim(
    "A latent's class is carried along a path to another of its class",
    CONFUSION,
    (Criterion("share of guided frames that keep it less that of the decoded ends", "above", -0.05),),
)
STYLE = Claim(
    "A latent's style is carried along a path to another class",
    CONFUSION,
    (Criterion("share of guided frames whose slant and stroke mass lie between the ends'", "above", 0.8, part=1 / 3),),
)


def distances(space: Space, neighbours: int = 20) -> Part:
    """Compares latent distances with those of images and of judges' features, among neighbours and among random pairs."""
    n = min(len(space.images), 2 * space.size)
    z, x = space.held.mean[:n], space.images[:n]
    count = min(neighbours, n - 1)
    kinds = {
        "neighbours": attributes.neighbours_of(z, count)[: space.size],
        "strangers": attributes.strangers_of(n, count, mixed_seed(space.seed, Stream.STRANGERS))[: space.size],
    }
    other = {"image": x, **{f"features {j.name}": j.features(x) for j in space.judges}}
    found: dict[str, Any] = {"points": len(kinds["neighbours"]), "others": count}
    for kind, index in kinds.items():
        own = attributes.distances_to(z, index)
        for name, values in other.items():
            far = attributes.distances_to(values, index)
            found.setdefault(kind, {})[name] = {
                "rank": bootstrap_mean(attributes.local_order(own, far), space.seed),
                "r2": attributes.linear_fit(own, far, space.seed),
            }

    def row(kind: str) -> str:
        return ", ".join(f"{name} {of(f['rank'])} (R^2 {f['r2'].value:.2f})" for name, f in found[kind].items())

    verdict = judge(
        EUCLIDEAN,
        [f["rank"] for f in found["neighbours"].values()],
        figure=f"rank correlation of distances among the {count} nearest: {row('neighbours')}; among strangers: {row('strangers')}",
        how="a point's own Spearman correlation, mean over points",
    )
    return Part({"distances": plain(found)}, [verdict])


def carried(space: Space) -> Part:
    """Measures what a path preserves of its ends: the class that they share, and their style if classes differ."""
    energy = NegativeLogD(space.d_z)
    finders: dict[str, PathFinder] = {
        "lerp": Lerp(space.frames),
        "slerp": Slerp(space.frames),
        "guided": GuidedExploration(energy, nodes=space.frames),
        "arriving": ArrivingWalk(energy, nodes=space.frames),
    }
    found: dict[str, Any] = {"class": {}, "style": {}}
    labelled = all(j.labelled for j in space.judges) and len(space.labels.unique()) > 1
    kept: dict[str, Tensor] = {}
    spread = {name: float(style(space.images).std()) for name, style in attributes.STYLES.items()}
    for name, finder in finders.items():
        if labelled:
            frames = space.walk(finder, space.alike)[1]
            kept[name] = _class_share(space, frames)
            if name == "lerp":
                kept["ends"] = _class_share(space, frames[:, [0, 0, -1, -1]])
        _, frames = space.walk(finder, space.pairs)
        ends = chunked(space.model.decode, space.held.mean[space.pairs.flatten()]).unflatten(0, (-1, 2))
        for style, statistic in attributes.STYLES.items():
            whole = torch.cat(
                [ends[:, :1], frames[:, 1:-1], ends[:, 1:]], 1
            )  # with both ends, whether the path arrived or not
            s = statistic(whole.flatten(0, 1)).view(whole.shape[:2])
            found["style"].setdefault(style, {})[name] = {
                "within": bootstrap_mean(attributes.within(s), space.seed),
                "monotone": bootstrap_mean(attributes.monotone(s), space.seed),
                "off_line": bootstrap_mean(attributes.off_line(s) / spread[style], space.seed),
            }
    claims = []
    if labelled:
        found["class"] = {
            "kept": {n: bootstrap_mean(v, space.seed) for n, v in kept.items()},
            "less_ends": {n: paired_difference(kept[n], kept["ends"], space.seed) for n in finders},
            "guided_less_lerp": paired_difference(kept["guided"], kept["lerp"], space.seed),
            "arriving_less_lerp": paired_difference(kept["arriving"], kept["lerp"], space.seed),
        }
        c = found["class"]
        claims.append(
            judge(
                CLASS,
                c["less_ends"]["guided"],
                figure=f"frames that keep it: LERP {of(c['kept']['lerp'])}, SLERP {of(c['kept']['slerp'])}, "
                f"guided {of(c['kept']['guided'])}, arriving {of(c['kept']['arriving'])}; "
                f"decoded ends {of(c['kept']['ends'])}; guided less LERP {signed(c['guided_less_lerp'])}",
                how="mean of the judges' classifiers",
            )
        )
    style = found["style"]
    claims.append(
        judge(
            STYLE,
            [s["guided"]["within"] for s in style.values()],
            figure="; ".join(
                f"{name} between the ends': LERP {of(f['lerp']['within'])}, SLERP {of(f['slerp']['within'])}, "
                f"guided {of(f['guided']['within'])}, arriving {of(f['arriving']['within'])} "
                f"(off the straight change {f['guided']['off_line'].value:.2f} sd)"
                for name, f in style.items()
            ),
            how="interior frames; 1/3 by chance",
        )
    )
    return Part({"carried": plain(found)}, claims)


def _class_share(space: Space, frames: Tensor) -> Tensor:
    labels = space.labels[space.alike[:, 0]]
    each = []
    for seen in space.judges:
        p = seen.probabilities(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        each.append(attributes.class_kept(p, labels))
    return torch.stack(each).mean(0)
