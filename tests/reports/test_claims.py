"""Claims: verdicts that their intervals bear, and a block that a page shows and escapes."""

import pytest

from ridgewalk.reports import Claim, Claims, Page, Section, render
from ridgewalk.reports.claims import summary, verdict


@pytest.mark.parametrize(
    ("interval", "above", "expected"),
    [
        ((0.2, 0.1, 0.3), True, "held"),
        ((0.2, 0.1, 0.3), False, "did not hold"),
        ((0.2, -0.1, 0.3), True, "undecided"),
        ((-0.2, -0.3, -0.1), True, "did not hold"),
        ((0.2, 0.0, 0.3), True, "undecided"),
    ],
)
def test_a_verdict_is_what_its_interval_bears(interval: tuple[float, float, float], above: bool, expected: str) -> None:
    assert verdict(*interval, above=above) == expected


def test_an_interval_without_its_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="holds its figure"):
        verdict(0.5, 0.1, 0.3)


def test_a_claim_needs_a_known_verdict_and_a_figure() -> None:
    with pytest.raises(ValueError, match="must be one of"):
        Claim("scores pile up", "true", "0.5")
    with pytest.raises(ValueError, match="a figure"):
        Claim("scores pile up", "held", " ")


def test_the_page_shows_every_claim_escaped() -> None:
    claims = [Claim("a < b", "held", "0.5 & more", "by <eye>"), Claim("c", "did not hold", "0.1 | 0.2")]
    html = render(Page("t", "cpu", ["v"], [Section("s", blocks=[Claims(claims, "What held")])]))
    assert "a &lt; b" in html
    assert "0.5 &amp; more" in html
    assert 'class="mark did-not-hold"' in html
    assert "Table 1" in html
    assert summary(claims) == "Of 2 claims 1 held, 1 did not hold."
    assert Claims(claims, "x").to_markdown().count("\n") == 3
    assert r"0.1 \| 0.2" in Claims(claims, "x").to_markdown()


def test_a_figure_that_is_not_defined_settles_nothing() -> None:
    assert verdict(float("nan"), float("-inf"), float("inf"), 0.6) == "undecided"
