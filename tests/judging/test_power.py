"""A judge that cannot tell is refused, and one that can is not."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.data import Images, load, part
from ridgewalk.evaluation.judged import describe_power
from ridgewalk.judging.discernment import NETWORKS, CompositeJudge
from ridgewalk.judging.judges import judge
from ridgewalk.judging.power import CONTROL_AT_MOST, measure_power
from ridgewalk.settings.autoencoder import Judges


def blobs(n: int = 200) -> Tensor:
    """One bright square of four by four in one of 25 places of a black image: the sum is known, and an average has half of its maximum."""
    x = torch.zeros(n, 1, 12, 12)
    for i in range(n):
        a, b = divmod(7 * i % 25, 5)
        x[i, 0, 2 * a : 2 * a + 4, 2 * b : 2 * b + 4] = 1
    return x


def sharpness(x: Tensor) -> Tensor:
    """Zero for what has the area and the edge of a square and nothing between black and white, and less for all else: right by construction."""
    framed = nn.functional.pad(x, (1, 1, 1, 1))
    edge = framed.diff(dim=2).abs().sum((1, 2, 3)) + framed.diff(dim=3).abs().sum((1, 2, 3))
    grey = (x * (1 - x)).sum((1, 2, 3))
    return -(x.sum((1, 2, 3)) - 16).abs() - (edge - 16).abs() - 4 * grey


def test_a_perfect_judge_has_power_one() -> None:
    power = measure_power("A", sharpness, 0.0, blobs(), 100)
    assert power.real == 1
    assert power.reasons == []
    assert power.controls["half-and-half averages"].share < 0.1
    assert power.controls["half-and-half averages"].auc > 0.95
    assert power.controls["grey"].share == power.controls["noise"].share == 0
    assert power.strengths[0.5].share <= power.strengths[0.05].share


def test_a_judge_of_sharpness_accepts_no_blurred_image_of_any_size_and_rows_are_not_blurred() -> None:
    assert measure_power("A", sharpness, 0.0, blobs(), 100).softened == 0
    corner = lambda x: x.diff(dim=3).abs().amax((1, 2, 3)) - 0.99  # noqa: E731
    small = (torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    found = measure_power("A", corner, 0.0, small, 100)
    assert (found.real, found.softened) == (1, 0)
    rows = torch.rand(50, 1, 1, 6, generator=torch.Generator().manual_seed(0))
    assert math.isnan(measure_power("A", lambda x: x.flatten(1)[:, 0], 0.0, rows, 100).softened)


def test_where_blur_is_unreal_to_the_judges_it_is_said() -> None:
    def said(logits: Callable[[Tensor], Tensor]) -> str:
        power = measure_power("A", logits, 0.0, blobs(), 100)
        judge = SimpleNamespace(composite=SimpleNamespace(power=power), reference=torch.zeros(1, 1, 12, 12))
        return describe_power([judge, judge])  # type: ignore[list-item]

    assert "They take 0% of real images under a blur of 0.5 pixels for real" in said(sharpness)
    assert "blur" not in said(lambda x: 20 - (x.sum((1, 2, 3)) - 16).abs())  # a blur keeps the area


@pytest.mark.parametrize(
    ("logits", "said"),
    [
        (lambda x: torch.zeros(len(x)), "half-and-half averages"),
        (lambda x: -x.flatten(1).std(dim=1), "grey"),
        (lambda x: x.flatten(1).mean(dim=1) - 2, "of real ones"),
    ],
)
def test_a_judge_without_power_says_why(logits: object, said: str) -> None:
    assert said in " ".join(measure_power("A", logits, -1.0, blobs(), 100).reasons)  # type: ignore[arg-type]


def test_few_images_are_a_reason() -> None:
    assert "each needs 20" in measure_power("A", sharpness, 0.0, blobs(), 5).reasons[0]
    assert "each needs 20" in measure_power("A", sharpness, 0.0, blobs(10), 100).reasons[0]


def test_the_threshold_rejects_a_tenth_of_the_calibration_and_realism_is_a_rank() -> None:
    class Mean(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((1, 2, 3))[:, None]

    held = Images.from_array((torch.rand(30, 1, 4, 4) * 255).to(torch.uint8))
    made = CompositeJudge("A", Mean(), torch.linspace(0, 1, 101), held)
    assert made.threshold == pytest.approx(0.1)
    grey = torch.tensor([0.05, 0.1001, 0.5, 1.0])[:, None, None, None].expand(4, 1, 4, 4)
    assert made.accepts(grey).tolist() == [False, True, True, True]
    assert made.realism(made.logits(grey)).tolist() == pytest.approx([6 / 101, 11 / 101, 51 / 101, 1.0], abs=0.011)


def trained(name: str, steps: int) -> CompositeJudge:
    return judge(load("digits"), name, Judges(epochs=1, steps=steps)).composite


@pytest.fixture(scope="module")
def pair() -> list[CompositeJudge]:
    return [trained(name, 400) for name in NETWORKS]


def test_judges_of_digits_accept_digits_and_no_averages(pair: list[CompositeJudge]) -> None:
    for j in pair:
        assert j.power.reasons == []
        assert j.power.real > 0.75
        assert j.power.controls["half-and-half averages"].share < 0.25  # 256 training images; 0.08 and 0.11 once
        assert j.power.unseen_mean < 0.55
        assert set(j.power.unseen) == {"warp", "pasted part", "strokes", "noise patch", "shuffled patches"}
    first, second = ([type(m) for m in j.network.modules()] for j in pair)
    assert first != second


def test_a_judge_is_calibrated_and_tried_on_images_it_was_not_trained_on(pair: list[CompositeJudge]) -> None:
    data = load("digits")
    for j in pair:
        held = j.held_out.digests()
        assert not torch.isin(held, part(data, f"judge_{j.name.lower()}").digests()).any()
        assert torch.isin(held, part(data, "reference").digests()).all()


def test_an_untrained_judge_has_a_reason() -> None:
    untrained = trained("A", 1)
    assert untrained.power.reasons
    assert any(t.share > CONTROL_AT_MOST for t in untrained.power.controls.values())
