"""Judged claims on a page: escaped, with their sources and conditions, and counted."""

from ridgewalk.reports import Claims, Page, Section, render
from ridgewalk_studies.claims import Claim, Criterion, judge, records, rows, summary

HIGH = Claim("a < b", "Someone (2015)", (Criterion("share", "above", 0.4, settled_by="value"),))


def test_the_page_shows_every_claim_escaped_with_its_source_and_condition() -> None:
    verdicts = [judge(HIGH, 0.5, figure="0.5 & more", how="by <eye>"), judge(HIGH, 0.1, figure="0.1 | 0.2")]
    block = Claims(rows(verdicts), "What held")
    html = render(Page("t", "cpu", ["v"], [Section("s", blocks=[block])]))
    assert "a &lt; b (Someone (2015))" in html
    assert "0.5 &amp; more" in html
    assert "by &lt;eye&gt;; held: share above 0.4" in html
    assert 'class="mark did-not-hold"' in html
    assert "Table 1" in html
    assert summary(verdicts) == "Of 2 claims 1 held, 1 did not hold."
    assert block.to_markdown().count("\n") == 3
    assert r"0.1 \| 0.2" in block.to_markdown()
    assert records(verdicts)[1] == {
        "claim": "a < b",
        "source": "Someone (2015)",
        "verdict": "did not hold",
        "figure": "0.1 | 0.2",
        "how": "",
        "condition": "held: share above 0.4",
    }
