"""Comparison of methods: gains over the best free path, sentences about them, and figures that need labels."""

import re
from collections.abc import Sequence
from math import isnan
from types import SimpleNamespace

import pytest
import torch

from problems import points
from ridgewalk.judging.comparison import (
    Entry,
    PairedPaths,
    Summary,
    best_free,
    describe_gain,
    measure,
    summarise,
)
from ridgewalk.judging.front import standings
from ridgewalk.judging.judges import Grades
from ridgewalk.metrics.statistics import Interval
from ridgewalk.path import Path
from ridgewalk.reports.comparison import gains_table, metrics_table
from ridgewalk.verbs.report import verdict_of

N = 60
SHARED = 0.1 * points(N, seed=1).double()
"""What the pairs have in common, whatever the method."""

OWN = 0.01 * points(N, seed=2).double()


def entry(name: str, real: float, wholly: float = 0.5, noise: float = 0.0) -> Entry:
    columns = {n: v + SHARED + noise * OWN for n, v in {"real": real, "real_A": real}.items()}
    columns["real_B"] = columns["real"] - 0.1
    return Entry(name, {**columns, "wholly_real": wholly + SHARED, "arrived": torch.ones(N).double()})


def compared(*entries: Entry, models: int = 1) -> Summary:
    return summarise(entries, {"reconstructions": {"real": torch.tensor([0.9])}}, 0, models)


def test_gains_are_paired_differences_to_the_more_real_free_path() -> None:
    s = compared(entry("lerp", 0.5, 0.4), entry("slerp", 0.7, 0.3), entry("string", 0.75, 0.6, noise=1.0))
    assert s.free == "slerp"
    assert set(s.gains) == {"lerp", "string"}
    gain = s.gains["string"]["real"]
    assert gain.value == pytest.approx(0.05 + float(OWN.mean()))
    assert gain.high - gain.low < 0.01  # pairs are resampled together, so that what they share cancels
    assert s.rows["string"]["real"].high - s.rows["string"]["real"].low > 0.03
    assert s.gains["string"]["wholly_real"].value == pytest.approx(0.3)  # of the same free path, although LERP has more
    assert s.gains["lerp"]["real"].value == pytest.approx(-0.2)
    assert s.differences["string"]["real"].value == pytest.approx(0.25 + float(OWN.mean()))


@pytest.mark.parametrize(("lerp", "slerp", "free"), [(0.6, 0.5, "lerp"), (0.5, 0.6, "slerp"), (0.5, 0.5, "lerp")])
def test_the_best_free_path_is_the_more_real_one_and_lerp_in_a_tie(lerp: float, slerp: float, free: str) -> None:
    s = compared(entry("string", 0.9), entry("slerp", slerp), entry("lerp", lerp))
    assert s.free == free
    assert s.best == "string"
    assert best_free({"lerp": {"real": torch.ones(2)}}) == "lerp"


def test_gains_of_pooled_models_extend_over_the_models() -> None:
    """The gain is 0.1 in every pair of one model and 0.3 in every pair of the other."""
    model = torch.tensor([0.1, 0.3]).repeat_interleave(N // 2).double()
    string = Entry("string", {n: v + model for n, v in entry("slerp", 0.5).columns.items()})
    own = (entry("lerp", 0.4), entry("slerp", 0.5), string)
    one, two = (compared(*own, models=m).gains["string"]["real"] for m in (1, 2))
    assert two.value == pytest.approx(one.value)
    assert one.low > 0.15
    assert two.low < 0


def test_a_comparison_without_lerp_is_refused() -> None:
    with pytest.raises(ValueError, match="needs LERP as its baseline; got slerp, string"):
        compared(entry("slerp", 0.5), entry("string", 0.6))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.01, 0.07, r"string is more real than the best free path, SLERP, by \+0.040 \[\+0.010, \+0.070\]\."),
        (-0.07, -0.01, r"string is less real than the best free path, SLERP, by -0.040 \[-0.070, -0.010\]\."),
        (
            -0.01,
            0.07,
            "Whether string is more real .* is not settled: the difference is .*, whose interval includes zero.",
        ),
    ],
)
def test_a_gain_is_said_with_its_interval_and_settled_by_it(low: float, high: float, words: str) -> None:
    gain = Interval((low + high) / 2, low, high, 0.95, 200)
    assert re.fullmatch(words, describe_gain("string", gain, "slerp"))


def judges(labelled: bool) -> Sequence[SimpleNamespace]:
    return [
        SimpleNamespace(
            name=name,
            labelled=labelled,
            features=lambda x: x.flatten(1),
            near=lambda f: f[:, 0] > 0.5,
            grades=lambda x: Grades(
                (x.flatten(1)[:, 0] > 0.5).double(), x.flatten(1)[:, 0].double(), x.flatten(1)[:, 0].double() - 0.5
            ),
            classify=lambda x: x[..., :3].softmax(dim=-1),
        )
        for name in "AB"
    ]


@pytest.mark.parametrize(("labelled", "label", "present"), [(True, 1, True), (True, -1, False), (False, 1, False)])
def test_third_class_mass_needs_labels_of_the_ends_and_of_the_judges(labelled: bool, label: int, present: bool) -> None:
    frames = torch.rand(4, 5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    z = torch.zeros(4, 2)
    path = Path(torch.zeros(4, 5, 2), torch.ones(4, dtype=torch.bool))
    labels = torch.tensor([0, 0, 0, label])
    columns = measure(PairedPaths(path, frames, frames, z, z, labels, 1 - labels.clamp_min(0)), judges(labelled))  # type: ignore[arg-type]
    for name in ("third_class", "mean_confidence", "worst_confidence", "monotonicity"):
        assert (name in columns) == (f"{name}_A" in columns) == present
    assert torch.allclose(columns["real"], columns["precision"])


@pytest.mark.parametrize(
    ("string", "words"),
    [
        (
            0.75,
            "Best: string. 75.0% of its interior frames are real by the mean of two judges (LERP 50.0%, SLERP 70.0%, reconstructions 90.0%). "
            "string is more real than the best free path, SLERP, by +0.050 [",
        ),
        (
            0.65,
            "No method that arrives is more real than the best free path, SLERP: 70.0% of its interior frames are real "
            "(reconstructions 90.0%; 60 pairs, mean of two judges).",
        ),
    ],
)
def test_the_verdict_of_a_report_is_on_the_best_free_path(string: float, words: str) -> None:
    own = [entry(n, p - float(SHARED.mean())) for n, p in {"lerp": 0.5, "slerp": 0.7, "string": string}.items()]
    s = summarise(own, {n: {"real": torch.tensor([0.9])} for n in ("reconstructions", "real", "pixel averages")}, 0)
    assert verdict_of(s, N, [])[0].startswith(words)


def test_where_a_judge_cannot_tell_no_method_is_the_best_and_no_gain_is_settled() -> None:
    blind = [
        Entry(
            e.method, {n: torch.full_like(v, torch.nan) if n in ("real", "real_B") else v for n, v in e.columns.items()}
        )
        for e in (entry("lerp", 0.5), entry("slerp", 0.6), entry("string", 0.9))
    ]
    s = compared(*blind)
    assert (s.best, s.free) == ("", "lerp")
    assert isnan(s.gains["string"]["real"].low)
    assert isnan(s.agreement[0])
    assert s.gains["string"]["real_A"].value == pytest.approx(0.4)  # the judge that can tell keeps its figures
    assert "not settled, because the judges cannot tell" in describe_gain("string", s.gains["string"]["real"], s.free)
    assert verdict_of(s, N, ["They cannot tell."]) == ["They cannot tell.", "Every path arrived."]
    assert standings(blind, "real", "relative_length", 0) == {}
    table = metrics_table(s, ("real", "real_A", "wholly_real"), True)
    assert list(table.columns) == ["real_A", "wholly_real"]  # what was measured for no method has no column
    assert "nan" not in metrics_table(s, ("real_A",), True).to_csv() + gains_table(s).to_csv()
