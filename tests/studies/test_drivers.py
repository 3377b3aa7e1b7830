"""The verdicts of drivers on given measurements, and the closed forms of the exact studies."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ridgewalk.data import density
from ridgewalk.diffusion import VP
from ridgewalk.judging.samples import GradedImages
from ridgewalk.metrics.statistics import Interval
from ridgewalk_studies.claims import Verdict
from ridgewalk_studies.diffusion import exact, images
from ridgewalk_studies.generative import Generative
from ridgewalk_studies.guidance import oracle, plane
from ridgewalk_studies.guidance.measures import Ledger
from ridgewalk_studies.sensors import alive, compared
from ridgewalk_studies.sensors.walks import ENERGIES, Walked, shape_of
from ridgewalk_studies.vae_gan import boundaries, study


def interval(value: float, half: float = 0.01, n: int = 200) -> Interval:
    return Interval(value, value - half, value + half, 0.95, n)


def fates(verdicts: list[Verdict]) -> dict[str, str]:
    return {v.claim.statement: v.fate for v in verdicts}


def test_every_solver_of_the_flow_has_its_order() -> None:
    ring = density("ring").to(torch.float64)
    orders = exact.convergence_orders(VP(), ring, finest=128, rows=16)
    expected = {"euler": 1, "midpoint": 2, "rk4": 4, "ddim": 1, "heun": 2}
    assert orders == pytest.approx(expected, abs=0.25)


def test_the_exact_ratio_is_the_difference_of_the_log_densities_and_0_where_both_are_one() -> None:
    ring, sde = density("ring").to(torch.float64), VP()
    other = oracle.wrong(ring)
    x, t = torch.randn(20, 2, dtype=torch.float64), torch.tensor(0.3)
    alpha, sigma = float(sde.alpha(t.double())), float(sde.sigma(t.double()))
    expected = ring.noised(alpha, sigma).log_prob(x) - other.noised(alpha, sigma).log_prob(x)
    torch.testing.assert_close(oracle.exact_ratio(ring, other, sde)(x, t), expected)
    assert float(oracle.exact_ratio(ring, ring, sde)(x, t).abs().max()) == 0


def walked(from_half: Mapping[str, float], real: Mapping[str, float], n: int = 60) -> Walked:
    noise = 0.01 * torch.linspace(-1, 1, n, dtype=torch.float64)
    names = [*ENERGIES, "lerp", "slerp"]
    columns = {
        name: {
            "from_half": from_half[name] + noise,
            "real": real[name] + noise,
            "deviation": (0.0 if name == "lerp" else 0.2) + noise.abs(),
            "arrived": torch.full((n,), 0.0 if name == "sgw" else 1.0),
        }
        for name in names
    }
    nothing: dict[str, Any] = {}
    return Walked(None, nothing, nothing, nothing, nothing, nothing, columns, 0.8 + noise)  # type: ignore[arg-type]


def test_walks_that_follow_a_live_sensor_are_judged_by_where_they_lead() -> None:
    half = dict(zip([*ENERGIES, "lerp", "slerp"], (0.1, 0.2, 0.4, 0.3, 0.3)))
    real = dict(zip([*ENERGIES, "lerp", "slerp"], (0.6, 0.5, 0.7, 0.5, 0.6)))
    found = {kind: walked(half, real) for kind in ("outlier", "high", "low", "typical")}
    got = fates(alive._walk_claims(found))
    assert got["LERP between high scores stays out of D = 1/2"] == "held"
    assert got["From high to high, SGW under logit-squared is pulled towards D = 1/2"] == "held"
    assert got["From high to high, SGW under bce-to-0 is pulled towards D = 1/2"] == "did not hold"
    assert got["The correction is not 0: SGW differs from LERP"] == "held"
    assert got["The walk reaches B"] == "did not hold"
    got = fates(alive._fidelity_claims(found, []))
    same = "From high to high, pulled back under {}, the walk decodes to the same artefacts as LERP"
    assert got[same.format("bce-to-half")] == "held"
    assert got[same.format("logit-squared")] == "did not hold"
    assert (
        got["The ends of kind 'high' decode to something real by themselves, so that artefacts are the walk's"]
        == "held"
    )
    few = {kind: walked(half, real, n=12) for kind in found}
    assert set(fates(alive._walk_claims(few)).values()) == {"undecided"}


def test_the_shape_of_scores_is_read_from_their_histogram() -> None:
    bell = shape_of(torch.distributions.Normal(0.5, 0.1).icdf(torch.linspace(0.001, 0.999, 999)))
    assert bell["peaks"] == 1
    assert bell["median"] == pytest.approx(0.5, abs=1e-3)
    assert bell["near_half"] == pytest.approx(0.383, abs=0.01)  # P(|Z| < 1/2)
    assert shape_of(torch.cat([torch.full((50,), 0.1), torch.full((50,), 0.9)]))["peaks"] == 2


def test_sensors_are_compared_by_their_gain_over_lerp_and_over_the_best_free_path() -> None:
    over_lerp = {method: {"real": interval(v)} for method, v in zip(compared.NO_GAIN, (0.0, 0.2, 0.05))}
    gains = {"sgw-arriving:dual": {"real": interval(0.1)}}
    gains["string:dual"] = {"real": interval(-0.1), "wholly_real": interval(0.2)}
    rows = {"string:dual": {"largest_step": interval(0.16, 0.005)}}
    s = SimpleNamespace(gains=gains, free="slerp", rows=rows, differences=over_lerp)
    got = [v.fate for v in compared._claims(SimpleNamespace(summary=s))]  # type: ignore[arg-type]
    assert got == ["held", "did not hold", "held", "undecided", "held", "did not hold", "did not hold"]


def test_controls_are_beaten_over_seeds_or_not() -> None:
    ledger = Ledger()
    kls = {"base": (5.0, 5.2, 5.1), "guided": (0.5, 0.52, 0.51), "trained longer": (0.2, 0.21, 0.2)}
    kls |= {"base, twice the evaluations": (4.9, 5.0, 5.1), "larger network": (0.4, 0.6, 0.5)}
    for name, values in kls.items():
        for kl in values:
            ledger.add(name, {"kl": kl, "sliced_wasserstein": kl / 10, "recall": 0.9})
    got = [v.fate for v in plane._judge_controls(ledger, 1000, "3 x 128")]
    assert got == ["held", "held", "held", "did not hold", "held", "undecided"]


def test_codes_beat_the_prior_where_both_judges_say_so() -> None:
    def graded(frechet: float, precision: float) -> list[GradedImages]:
        values = {"frechet": interval(frechet, 0), "precision": interval(precision)}
        return [GradedImages(judge, values) for judge in "AB"]

    def fate(own: tuple[float, float], base: tuple[float, float]) -> str:
        return images._claims({"codes": graded(*own), "prior of the VAE": graded(*base)})[0].fate

    assert fate((1.0, 0.9), (2.0, 0.8)) == "held"
    assert fate((1.0, 0.81), (2.0, 0.8)) == "held in part"
    assert fate((2.0, 0.8), (1.0, 0.9)) == "did not hold"


def model(features: float, frechet: list[float]) -> Generative:
    spread = 0.01 * torch.linspace(-1, 1, 100, dtype=torch.float64)
    columns = {"features_A": features + spread, "sharpness": 1 + spread, "squared": 1 + spread}
    return Generative(columns, {"A": frechet}, [0.5] * len(frechet), [1.0] * len(frechet), None)  # type: ignore[arg-type]


def test_a_vae_gan_is_sharper_only_where_the_whole_interval_is_a_fifth_below() -> None:
    found = {"vae": model(1.0, [10.0, 10.0]), "vae-gan": model(0.7, [9.0, 11.0]), study.SAME: model(0.9, [12.0, 12.0])}
    sharper, samples, own_gain = study._main_claims(found)
    assert (sharper.fate, samples.fate, own_gain.fate) == ("held", "held in part", "held")
    found["vae-gan"] = model(0.85, [11.0, 11.0])
    assert [v.fate for v in study._main_claims(found)][:2] == ["did not hold", "did not hold"]
    assert study._order_claims({"plain": model(1.0, [10.0]), "separate": model(1.2, [11.0])})[0].fate == "held"


def test_boundaries_are_ranked_by_intervals_that_do_not_touch(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = {"whole": interval(0.1), "ball": interval(0.5), "density": interval(0.3), "prior": interval(0.6)}
    monkeypatch.setattr(boundaries, "mean_alignment", lambda b: ranks[b.auc[0]])
    found = {n: boundaries.Boundary([0.1], [n], [0.9], []) for n in ranks}  # type: ignore[list-item]
    assert [v.fate for v in boundaries.verdicts(found)] == ["held", "held in part"]
    ranks |= {"whole": interval(0.595), "density": interval(0.59)}
    assert [v.fate for v in boundaries.verdicts(found)] == ["undecided", "held in part"]
