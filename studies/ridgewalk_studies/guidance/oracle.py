"""Guidance with exact ratios: a mixture with wrong weights, means and widths as the model, the data's own density over it as the discriminator."""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ridgewalk.data.mixtures import GaussianMixture, exact_score
from ridgewalk.diffusion import VP, Flow, LangevinCorrector, PredictorCorrector, sample
from ridgewalk.diffusion.guidance import DiscriminatorGuidance, Logit
from ridgewalk.diffusion.likelihood import Likelihood, log_likelihood
from ridgewalk.diffusion.sde import SDE
from ridgewalk.fields import add
from ridgewalk.judging import samples
from ridgewalk.metrics import densities
from ridgewalk.reports import Cell, Column, Section, Table, TableBlock
from ridgewalk_studies.claims import Claim, by_value, judge, with_count
from ridgewalk_studies.findings import Part
from ridgewalk_studies.guidance.measures import GAMMAS
from ridgewalk_studies.sources import GUIDANCE

FLOOR = 1.2
"""Largest allowed ratio of the KL of samples guided in both parts to the floor's KL."""


SCORE = Claim(
    "With the exact ratio the guided score is the data's.",
    GUIDANCE,
    (by_value("relative error of the score", "at most", 1e-5),),
)
LIKELIHOOD = Claim(
    "The guided flow's likelihood, with the divergence of the whole drift, is the data's; at any other strength it is worse.",
    GUIDANCE,
    (
        by_value("difference from the truth in nats", "at most", 0.01),
        by_value("least increase at another strength in nats", "above", 0),
    ),
)
CORRECTOR = Claim(
    "Guiding the corrector suffices.",
    GUIDANCE,
    (by_value("KL with the corrector alone over KL with both parts guided", "at most", 2),),
)
BOTH_PARTS = Claim(
    f"Guided in both parts, the samples' KL is within {FLOOR} of the floor's; in one part alone it is worse.",
    GUIDANCE,
    (
        by_value("KL with the most levels over the floor's", "at most", FLOOR),
        by_value("least increase of KL from both to predictor alone, to corrector alone, to neither", "above", 0),
    ),
    "some",
)


def exact_ratio(p: GaussianMixture, q: GaussianMixture, sde: SDE) -> Logit:
    """Returns log p_t / q_t of two mixtures as a function of x (n, d) and t (), with values (n,)."""

    def log_ratio(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = float(sde.alpha(t.double())), float(sde.sigma(t.double()))
        x = x.double()
        return p.noised(alpha, sigma).log_prob(x) - q.noised(alpha, sigma).log_prob(x)

    return log_ratio


def wrong(density: GaussianMixture) -> GaussianMixture:
    """Returns the density with displaced modes that are half as wide again and of unequal weights."""
    weights = torch.softmax(torch.arange(len(density.means), dtype=torch.float64) / 5, 0)
    return GaussianMixture.from_deviations(1.1 * density.means + 0.05, 1.5 * density.variances.sqrt(), weights)


def prove(density: GaussianMixture, n: int, quick: bool = False) -> Part:
    """Measures the guided score, its likelihood over strengths, and which part of a predictor-corrector must be guided."""
    p, sde = density.to(torch.float64), VP()
    q = wrong(p)
    base, ratio = exact_score(q, sde), exact_ratio(p, q, sde)
    full = add(base, DiscriminatorGuidance(ratio, sde))
    apart = []
    for t in (0.01, 0.1, 0.3, 0.7):
        time = torch.tensor(t, dtype=torch.float64)
        noised = p.noised(float(sde.alpha(time)), float(sde.sigma(time)))
        x = noised.sample(500, torch.Generator().manual_seed(0))[0]
        apart.append(float((full(x, time) - noised.score(x)).abs().max() / noised.score(x).abs().max()))
    x = samples.draws(p, 50 if quick else 300, 1)
    one = torch.ones((), dtype=torch.float64)
    spread = math.sqrt(float(sde.alpha(one) ** 2 + sde.sigma(one) ** 2))
    like = Likelihood(Flow(sde, rtol=1e-6, atol=1e-6), "exact", prior_deviation=spread)
    start = torch.tensor(sde.t_min, dtype=torch.float64)
    truth = float(-p.noised(float(sde.alpha(start)), float(sde.sigma(start))).log_prob(x).mean())
    gammas = {
        g: float(-log_likelihood(like, add(base, DiscriminatorGuidance(ratio, sde, g)), x).values.mean())
        for g in GAMMAS
    }
    error = abs(gammas[1.0] - truth)
    rises = [v - gammas[1.0] for g, v in gammas.items() if g != 1.0]
    cell = samples.CELL * float(p.variances.min().sqrt())
    floor = sum(densities.kl_by_cells(samples.draws(p, n, s), p.log_prob, cell) for s in range(3)) / 3
    steps = 20 if quick else 100

    def kl(score: Any, corrector: Any = None, levels: int = steps) -> float:
        sampler = PredictorCorrector(sde, levels, corrector=LangevinCorrector(0.16), corrector_score=corrector)
        return densities.kl_by_cells(sample(sampler, score, n, (2,), seed=3, chunk=n).x.double(), p.log_prob, cell)

    finest = 20 if quick else 300
    most = f"both, {finest} levels"
    parts = {
        "both": kl(full),
        most: kl(full, levels=finest),
        "predictor alone": kl(full, base),
        "corrector alone": kl(base, full),
        "neither": kl(base),
    }
    both, alone = parts["both"], parts["corrector alone"]
    ordered = [both, parts["predictor alone"], alone, parts["neither"]]
    column = {"kl": Column("KL(model || data)", ".3f", "lower", "by cells, of samples")}
    rows = {**{k: {"kl": Cell(v)} for k, v in parts.items()}, "draws of the density": {"kl": Cell(floor)}}
    nlls = {f"gamma {g:g}": {"nll": Cell(v)} for g, v in gammas.items()} | {"truth": {"nll": Cell(truth)}}
    section = Section(
        "Exact ratios: the theory, and the sampler's own error",
        "The model is a mixture with wrong means, widths and weights; the discriminator is the exact log ratio at every level.",
        [
            TableBlock(Table(column, rows, ("draws of the density",)), "Which part of a predictor-corrector is guided"),
            TableBlock(
                Table(
                    {"nll": Column("NLL", ".3f", "lower", "of data under the guided flow, in nats")}, nlls, ("truth",)
                ),
                "Strength and likelihood",
            ),
        ],
    )
    found = {
        "score_error": max(apart),
        "nll": gammas,
        "nll_truth": truth,
        "nll_error": error,
        "parts": parts,
        "floor": floor,
    }
    verdicts = [
        judge(
            SCORE,
            max(apart),
            figure=f"relative error {max(apart):.1e}",
            how="four levels, 500 draws at each, float64",
        ),
        judge(
            LIKELIHOOD,
            error,
            min(rises),
            figure=f"truth {truth:.3f} nat; " + ", ".join(f"gamma {g:g}: {v:.3f}" for g, v in gammas.items()),
            how=f"{len(x)} draws, exact divergence through second derivatives of the discriminator",
        ),
        judge(
            CORRECTOR,
            with_count(alone / both, n),
            figure=f"KL: both {both:.3f}, predictor alone {parts['predictor alone']:.3f}, corrector alone {alone:.3f}, "
            f"neither {parts['neither']:.3f} (floor {floor:.3f})",
            how=f"{steps} levels, one correction at each, {n} samples",
        ),
        judge(
            BOTH_PARTS,
            with_count(parts[most] / floor, n),
            with_count(min(b - a for a, b in pairwise(ordered)), n),
            figure=f"{parts[most] / floor:.2f} of the floor with {finest} levels, {both / floor:.2f} with {steps}",
            how="the floor is the mean KL of three sets of as many draws of the density",
        ),
    ]
    return Part(found, verdicts, [section])
