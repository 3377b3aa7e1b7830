"""Sequences whose true frames are known, judges against the truth, and the study at smoke size."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import ridgewalk
from ridgewalk.data import file_rows, load, part, shapes
from ridgewalk.data.shapes import SIZES
from ridgewalk.metrics import truth
from ridgewalk_studies.measures.shapes import measure
from ridgewalk_studies.reproduce import reproduce
from ridgewalk_studies.truth import sequences, study


def test_a_quarter_turn_moves_every_pixel_and_turning_back_restores_it() -> None:
    x = torch.rand(2, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    turned = sequences.rotate(x, torch.tensor([90.0, -90.0]))
    torch.testing.assert_close(turned[0], x[0].rot90(1, (1, 2)), atol=1e-5, rtol=0)  # anticlockwise
    torch.testing.assert_close(turned[1], x[1].rot90(-1, (1, 2)), atol=1e-5, rtol=0)
    torch.testing.assert_close(sequences.rotate(x, torch.zeros(2)), x, atol=1e-6, rtol=0)


def test_an_image_that_is_not_square_keeps_its_shape_when_it_turns() -> None:
    x = torch.zeros(1, 1, 5, 9)
    x[0, 0, 2, 3:6] = 1  # a line of three pixels, lying
    standing = torch.zeros(1, 1, 5, 9)
    standing[0, 0, 1:4, 4] = 1
    torch.testing.assert_close(sequences.rotate(x, torch.tensor([90.0])), standing, atol=1e-5, rtol=0)


def test_turned_digits_are_written_in_the_order_of_the_data_and_are_the_same_again(tmp_path: Path) -> None:
    data = load("digits")
    folder = sequences.write_rotated(data, tmp_path / "rotated")
    found = load(str(folder))
    assert torch.equal(found.test.labels, data.test.labels[file_rows(len(data.test))])
    assert torch.equal(found.train.labels, data.train.labels[file_rows(len(data.train))])
    file = folder / "t10k-images-idx3-ubyte"
    before = file.read_bytes()
    file.unlink()
    sequences.write_rotated(data, folder)
    assert file.read_bytes() == before
    known = sequences.rotated_sequences(data, 40, 0)
    assert known.frames.shape == (40, sequences.FRAMES, 1, 8, 8)
    assert torch.equal(known.labels_a, known.labels_b)


def test_ends_of_turned_digits_are_digits_of_the_role_test(tmp_path: Path) -> None:
    """A digit in the middle of its way, where it is nearly upright, is nearest to itself among all digits that no judge compares with."""
    data = load("digits")
    found = load(str(sequences.write_rotated(data, tmp_path / "rotated")))
    known = sequences.rotated_sequences(data, 20, 0)
    order, n = file_rows(len(data.test)), len(data.test)
    own = data.test.floats()[order]  # in the order of the turned images
    rows = slice(n // 10, n // 2)
    assert torch.equal(found.test.labels[rows], data.test.labels[order][rows])
    for digit in known.frames:
        angles = torch.linspace(-sequences.WIDEST, sequences.WIDEST, 61)
        turned = torch.stack([sequences.rotate(own, torch.full((n,), float(a))) for a in angles])
        nearest = (turned - digit[0]).flatten(2).norm(dim=2).amin(dim=0).argmin()
        assert rows.start <= int(nearest) < rows.stop


def test_one_factor_of_a_shape_changes_along_a_sequence() -> None:
    data = load("shapes")
    known = sequences.shape_sequences(data, 10, 0)
    assert known.frames.shape == (10, sequences.FRAMES, 3, 32, 32)
    for i, name in enumerate(sequences.FACTORS):
        found = measure(known.frames[i]).factors
        spread = {n: float(getattr(found, n).max() - getattr(found, n).min()) for n in ("size", "x", "y")}
        moving = {n for n, v in spread.items() if v > 0.03}
        assert moving == ({name} & {"size", "x", "y"}), (name, spread)
        steps = (known.frames[i, 1:] - known.frames[i, :-1]).flatten(1).norm(dim=1)
        assert steps.min() > 0
    size = measure(known.frames[1]).factors.size
    assert (size.diff() > 0).all() or (size.diff() < 0).all()
    assert abs(float(size[-1] - size[0])) > (SIZES[1] - SIZES[0]) / 3 - 0.01


def spectra(folder: Path, n: int = 240, d: int = 12) -> Path:
    """A CSV file as the package has it: a peak that moves over a slope that grows."""
    t, x = np.linspace(0, 1, n)[:, None], np.linspace(0, 1, d)[None]
    values = np.exp(-((x - t) ** 2) / 0.02) + 0.5 * t * x
    file = folder / "fermentation_spectra.csv"
    np.savetxt(file, values, delimiter=",", header=",".join(f"{400 + 2 * i}.0" for i in range(d)), comments="")
    return file


def test_spectra_between_two_times_are_those_that_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sequences.write_spectra(spectra(tmp_path), tmp_path / "data" / "spectra.npz")
    data = load(str(source))
    assert set(data.class_names) == set(sequences.PHASES)
    known = sequences.spectra_sequences(data, 8, 0)
    assert known.frames.shape == (8, sequences.FRAMES, 1, 1, 12)
    peaks = known.frames[:, :, 0, 0].argmax(dim=2)
    assert (peaks.diff(dim=1) >= 0).all()
    assert (peaks[:, -1] - peaks[:, 0] >= 3).all()  # a third of the time at least
    held_out = part(data, "test").pixels
    for end in (known.frames[:, 0], known.frames[:, -1]):
        assert all((held_out == x).flatten(1).all(dim=1).any() for x in end)
    monkeypatch.setattr(sequences, "GAP", 2.0)
    with pytest.raises(ValueError, match="spectra of the role test are a third of the time apart"):
        sequences.spectra_sequences(data, 2, 0)


def test_a_judge_that_orders_methods_as_the_truth_does_has_tau_1() -> None:
    n = 40
    noise = 0.01 * torch.randn(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    near = {"a": 0.1, "b": 0.2, "c": 0.3, study.AVERAGE: 0.4, study.CEILING: 0.9}
    columns = {
        m: {study.DISTANCE: v + noise, "realism_A": 1 - v + noise, "realism_B": v + noise, "realism_C": v * 0 + noise}
        for m, v in near.items()
    }
    right, each = study.ordered(columns, "realism_A")
    assert (right.value, right.low, right.high, each.value) == (1, 1, 1, 1)
    assert study.ordered(columns, "realism_B")[0].value == -1
    assert study.ordered(columns, "realism_C")[0].value == 0  # a judge that sees no difference
    swapped = {m: dict(own) for m, own in columns.items()}
    swapped["a"][study.DISTANCE], swapped["b"][study.DISTANCE] = (
        columns["b"][study.DISTANCE],
        columns["a"][study.DISTANCE],
    )
    assert study.ordered(swapped, "realism_A")[0].value == pytest.approx(1 - 2 / 6)  # one of six pairs is swapped
    doubled = {m: {q: torch.cat([v, v]) for q, v in own.items()} for m, own in columns.items()}
    assert study.ordered(doubled, "realism_A", models=2)[0].n == n


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_study_runs_from_training_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = spectra(tmp_path)
    monkeypatch.setattr(sequences, "fermentation_file", lambda: file)
    # the first of the same images: drawing and judging all of them takes most of a minute
    monkeypatch.setattr("ridgewalk.data.sources.dataset", lambda size: shapes.dataset(2400, 400, size=size))
    result = reproduce(
        "path-truth", source="digits", budget="smoke", changes=["judges.steps=4"], out=tmp_path / "out", device="cpu"
    )
    found = json.loads((tmp_path / "out" / "result.json").read_text())
    for world in ("rotated", "shapes", "spectra"):
        rows = found[world]["rows"]
        assert set(rows) == {*study.METHODS, study.AVERAGE, study.CEILING}
        assert all(math.isfinite(row[study.DISTANCE][0]) for row in rows.values())
        assert {"realism_A", "realism_B", "precision_A", "precision_B"} <= set(found[world]["judges"])
    known = sequences.rotated_sequences(load("digits"), 6, 0)
    run = ridgewalk.load(tmp_path / "out" / "rotated-0")
    line = run.finder("lerp")(run.encode(known.frames[:, 0]), run.encode(known.frames[:, -1])).map(run.decode)
    expected = float(truth.hausdorff(line, known.frames).mean())
    assert found["rotated"]["rows"]["lerp"][study.DISTANCE][0] == pytest.approx(expected, rel=1e-5)
    page = result.page.read_text()
    assert "Judges against the truth" in page
    assert "Paths and the truth: spectra" in page


def test_a_missing_package_and_images_in_colour_are_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "chemotools", None)
    with pytest.raises(ValueError, match="pip install chemotools"):
        sequences.fermentation_file()
    with pytest.raises(ValueError, match=r"grey images \(1, h, w\); 'shapes' has \(3, 32, 32\)"):
        sequences.write_rotated(load("shapes"), tmp_path / "rotated")
