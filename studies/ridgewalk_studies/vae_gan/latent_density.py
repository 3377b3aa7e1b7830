"""Claims on D_z as an energy and as a density, tested on two moons, whose density is known, and on q(z) of the model's own images."""

from dataclasses import asdict, replace
from math import log
from typing import Any

import torch
from torch import Tensor

from ridgewalk.energies import AggregatePosterior, DensityRatio, NegativeLogD, PosteriorEnergy
from ridgewalk.metrics.ranks import bootstrap_spearman
from ridgewalk.metrics.statistics import Interval, bootstrap_independent, bootstrap_mean, paired_difference
from ridgewalk.path import chunked
from ridgewalk.protocols import Energy
from ridgewalk.seeds import Stream, mixed_seed
from ridgewalk.training.detectors import SCHEDULE, train_detector
from ridgewalk.training.negatives import Prior
from ridgewalk_studies.claims import Claim, Criterion, judge, of, plain, signed
from ridgewalk_studies.findings import Part
from ridgewalk_studies.measures import latents
from ridgewalk_studies.sources import CONFUSION
from ridgewalk_studies.vae_gan.latent_space import Space

ENERGY = Claim(
    "D_z is an energy: p is proportional to exp(-E) with E = -logit or -log D",
    CONFUSION,
    (Criterion("log-likelihood lost against the reading that gives the prior back, by each energy,", "below", 0),),
)
DENSITY = Claim(
    "D_z becomes a density estimator of q(z)",
    CONFUSION,
    (
        Criterion("log-likelihood of held-out draws over the prior's", "above", 0),
        Criterion("the same over the widened mixture's", "above", 0),
    ),
    "first",
)


def energy_based(space: Space) -> Part:
    """Compares exp(-E) with the density of two moons and with q(z) of the model's own images, with and without the prior restored."""
    found = {"two_moons": two_moons(space), "latents": own_density(space)}
    moons, own = found["two_moons"], found["latents"]
    verdicts = [
        judge(
            ENERGY,
            [moons["loss"][name] for name in ("-logit", "-log D")],
            figure=f"two moons with exact density, KL(q || exp(-E)/Z): -logit {moons['-logit']['kl']:.3f}, -log D {moons['-log D']['kl']:.3f}, "
            f"-logit - log p {moons['restored']['kl']:.3f} nats, whose total mass is {moons['restored']['total']:.3f}; log-likelihood lost without "
            f"log p {signed(moons['loss']['-logit'])} and {signed(moons['loss']['-log D'])}; where q = p the logit's deviation is "
            f"{moons['equal']['spread']:.3f} and its correlation with log q {moons['equal']['correlation']:.2f}",
            how=f"one detector of {moons['samples']} samples",
        ),
        judge(
            DENSITY,
            own["gain"]["prior"],
            own["gain"]["widened"],
            figure=f"log-likelihood of held-out draws by exp(l) p / Z over the prior's {signed(own['gain']['prior'])} nats, over the mixture of all q(z|x), "
            f"widened, {signed(own['gain']['widened'])}, over exp(l) / Z' {signed(own['gain']['-logit'])}; Z {of(own['total'])}, carried by "
            f"{own['carrying_draws']:.1f} of its draws",
            how="Z by draws of the prior; intervals over held-out draws and over those of Z",
        ),
    ]
    return Part({"energy_based": plain(found)}, verdicts)


def two_moons(space: Space) -> dict[str, Any]:
    """Measures detectors of two moons, and of N(0, I) itself, against N(0, I)."""
    exact, samples = latents.two_moons(width=0.2), min(20_000, 20 * space.size)
    generator = torch.Generator().manual_seed(mixed_seed(space.seed, Stream.TWO_MOONS))
    drawn = exact.draw(
        torch.randint(len(exact.mean), (samples + 2000,), generator=generator),
        torch.randn(samples + 2000, 2, generator=generator),
    )
    same = torch.randn(samples, 2, generator=generator)
    schedule = replace(SCHEDULE, rate=3e-3, seed=space.seed)
    detector, flat = (
        train_detector(z, Prior(1.0), hidden=(128, 128), members=1, schedule=schedule) for z in (drawn[:samples], same)
    )
    reference = AggregatePosterior(torch.zeros(1, 2), torch.zeros(1, 2))
    grid, cell = latents.square_grid(4.0, 200, torch.float32)
    energies: dict[str, Energy] = {
        "restored": PosteriorEnergy(detector, reference),
        "-logit": DensityRatio(detector),
        "-log D": NegativeLogD(detector),
    }
    found: dict[str, Any] = {
        name: asdict(latents.density_fit(energy, exact, drawn[samples:], grid, cell))
        for name, energy in energies.items()
    }
    loss = {n: chunked(e, drawn[samples:]).double() + log(found[n]["total"]) for n, e in energies.items()}
    found["loss"] = {n: paired_difference(loss[n], loss["restored"], space.seed) for n in ("-logit", "-log D")}
    logit, log_q = chunked(flat, same), -reference(same)
    restored = -PosteriorEnergy(flat, reference)(same)
    found["equal"] = {
        "spread": float(logit.std()),
        "correlation": latents.order(logit, log_q)[0],
        "restored_correlation": latents.order(restored, log_q)[0],
    }
    return found | {"samples": samples}


def own_density(space: Space) -> dict[str, Any]:
    """
    Measures D_z of the run as a density of codes: mean log density of held-out draws by exp(l) p / Z and by other densities.

    Z = mean_p exp(l), which is 1 at the optimum; exp(l) / Z' alone has Z' = mean_w exp(l) / w over draws of the widened mixture w. Both are estimates, so
    that their draws are resampled beside the held-out ones. Where few draws carry a mean even that is too little; (sum_i e_i)^2 / sum_i e_i^2 draws carry Z.
    """
    z, rows = space.draws(), 20 * space.size
    total = chunked(space.d_z, space.normal(rows, 4)).double().exp()
    generator = torch.Generator().manual_seed(mixed_seed(space.seed, Stream.WIDE_CODES))
    wide = space.density.draw(
        torch.randint(len(space.density.mean), (4 * space.size,), generator=generator), space.normal(4 * space.size, 6)
    )
    total_alone = (chunked(space.d_z, wide).double() + chunked(space.density, wide, chunk=256).double()).exp()
    logit, log_prior = chunked(space.d_z, z).double(), -chunked(space.prior, z).double()
    restored = logit + log_prior
    others = {
        "prior": log_prior,
        "mixture": -chunked(space.train, z, chunk=256).double(),
        "widened": -chunked(space.density, z, chunk=256).double(),
    }
    by_logit = {"-logit": _over_constants(logit, total_alone, space.seed)}
    by_restored = {"restored": _over_constants(restored, total, space.seed)}
    gain = {n: _over_constants(restored - v, total, space.seed) for n, v in others.items()}
    return {
        "log_likelihood": by_restored | {n: bootstrap_mean(v, space.seed) for n, v in others.items()} | by_logit,
        "gain": gain | {"-logit": _over_constants(log_prior, total, space.seed, total_alone)},
        "rank_correlation_with_widened": {
            n: bootstrap_spearman(v, others["widened"], space.seed, resamples=500)
            for n, v in (("restored", restored), ("-logit", logit))
        },
        "total": bootstrap_mean(total, space.seed, resamples=500),
        "total_alone": bootstrap_mean(total_alone, space.seed, resamples=500),
        "carrying_draws": float(total.sum().square() / total.square().sum()),
    }


def _over_constants(values: Tensor, below: Tensor, seed: int, above: Tensor | None = None) -> Interval:
    """mean_i v_i - log mean_i b_i + log mean_i a_i of independent samples, with the interval of all of them."""
    above = torch.ones(2, dtype=torch.float64) if above is None else above
    samples = {"values": values, "below": below, "above": above}
    return bootstrap_independent(lambda m: m["values"] - m["below"].log() + m["above"].log(), samples, seed)
