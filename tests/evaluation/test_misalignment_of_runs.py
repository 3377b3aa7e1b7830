"""The misalignment of a run's sensors: its points, its figures, and its section of the report."""

import json
import re
from pathlib import Path

import pytest
import torch

import ridgewalk
from ridgewalk.data import part
from ridgewalk.diagnosis.misalignment import Misalignment
from ridgewalk.evaluation.judged import judges_of
from ridgewalk.evaluation.misalignment import describe_misalignment, measure_misalignment, sample_points
from ridgewalk.reports import Page, render
from ridgewalk.reports.pages import report as page
from ridgewalk.reports.sensors import misalignment_section
from ridgewalk.store.run import Run
from ridgewalk.verbs import report


@pytest.fixture(scope="module")
def run(smoke: Path) -> Run:
    return ridgewalk.load(smoke)


@pytest.fixture(scope="module")
def found(run: Run) -> list[Misalignment]:
    return measure_misalignment(run, judges_of(run), seed=0, points=40)


def test_the_points_are_draws_frames_and_codes_of_the_role(run: Run) -> None:
    groups = sample_points(run, seed=0)
    images = part(run.data, "test")
    n = len(images) - 1
    assert {name: tuple(z.shape) for name, z in groups.items()} == dict.fromkeys(("prior", "lerp", "encoded"), (n, 8))
    codes = run.encode(images.floats())
    assert torch.equal(groups["encoded"], codes[:n])
    distances = torch.cdist(groups["lerp"], codes)
    assert distances.min() > 1e-4  # interior: no end is among them
    validation = sample_points(run, seed=0, role="validation", points=12)
    assert torch.allclose(validation["encoded"], run.encode(part(run.data, "validation").floats())[:12], atol=1e-5)


def test_a_lerp_point_lies_between_two_codes_of_different_classes(run: Run) -> None:
    z = sample_points(run, seed=0, points=20)["lerp"]
    images = part(run.data, "test")
    codes, labels = run.encode(images.floats()), images.labels
    for point in z:
        a, b = torch.combinations(torch.arange(len(codes))).unbind(1)
        a, b = a[labels[a] != labels[b]], b[labels[a] != labels[b]]
        excess = (point - codes[a]).norm(dim=1) + (point - codes[b]).norm(dim=1) - (codes[a] - codes[b]).norm(dim=1)
        assert excess.min() < 1e-4  # float32 rounding of distances of a few units


def test_every_sensor_is_measured_and_a_matcher_by_two_readings(found: list[Misalignment]) -> None:
    assert [m.name for m in found] == ["matcher", "detector"]
    assert [[r.name for r in m.readings] for m in found] == [["undecided", "ratio"], ["ratio"]]
    assert describe_misalignment(found) == [found[0].sentence]
    assert all(m.graded is found[0].graded for m in found)  # decoded and judged once
    for m in found:
        assert m.points == {"prior": 40, "lerp": 40, "encoded": 40, "all": 120}


def test_the_section_has_a_row_a_reading_and_a_picture_a_sensor(found: list[Misalignment]) -> None:
    section = misalignment_section(found)
    tables = [b.table for b in section.blocks if b.kind == "table"]
    assert [*tables[0].rows] == ["matcher, D = 1/2", "matcher, density ratio", "detector, density ratio"]
    assert len(tables[1].rows) == 9
    assert [b.title for b in section.blocks if b.kind == "figure"] == [
        f"What the {name} says and what is real" for name in ("matcher", "detector")
    ]
    assert "What the sensors call ideal" in render(Page("t", "smoke", ["v"], [section]))


def test_a_report_contains_it(run: Run, tmp_path: Path) -> None:
    result = report.report(run, report.Request(pairs=4, methods=["string"], out=tmp_path / "report.html"))
    assert result is not None
    page.write(result)
    assert set(result.figures["misalignment"]) == {"matcher", "detector"}
    assert json.loads(json.dumps(result.figures["misalignment"], allow_nan=False)) == result.figures["misalignment"]
    sentence = result.figures["misalignment"]["matcher"]["sentence"]
    assert sentence in result.verdict
    assert result.figures["misalignment"]["detector"]["sentence"] not in result.verdict
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", result.page.read_text())
    assert headings.index("What the sensors call ideal, and what is real") == headings.index("The sensors") - 1


def test_few_images_are_not_measured_and_the_page_states_it(run: Run) -> None:
    assert measure_misalignment(run, [], seed=0, points=9) == []
    section = misalignment_section([])
    assert "10 images or fewer" in section.lead
    assert not section.blocks


def test_reference_images_are_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="judged by themselves"):
        measure_misalignment(run, [], seed=0, role="reference")
