"""The front: methods on it, near it, and significantly off it; and the Fréchet distance of middle frames."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from problems import points
from ridgewalk.judging.comparison import Entry
from ridgewalk.judging.front import MIDDLE, middle_distance, standings
from ridgewalk.metrics.samples import frechet

N = 60
NOISE = 0.1 * points(N, seed=3)


def entry(name: str, precision: float, length: float, own: Tensor | None = None, arrived: float = 1.0) -> Entry:
    noise = NOISE if own is None else own
    columns = {"precision": precision + noise, "relative_length": length + noise, "arrived": torch.ones(N) * arrived}
    return Entry(name, {n: v.double() for n, v in columns.items()})


def test_who_is_beaten_in_both_beyond_doubt_is_off_the_front() -> None:
    found = standings(
        [entry("short", 0.5, 1.0), entry("real", 0.9, 1.6), entry("worse", 0.4, 1.2), entry("worst", 0.3, 1.7)],
        "precision",
        "relative_length",
        0,
    )
    assert {n: s.place for n, s in found.items()} == {"short": "on", "real": "on", "worse": "off", "worst": "off"}
    assert found["worse"].beaten_by == "short"
    assert found["short"].beaten_by is None


def test_who_is_beaten_by_what_may_be_noise_is_near_it() -> None:
    loud = points(N, seed=4)
    found = standings(
        [entry("a", 0.500, 1.0), entry("b", 0.49 - float(loud.mean()), 1.1, loud)], "precision", "relative_length", 0
    )
    assert found["b"].place == "near"
    assert found["b"].beaten_by == "a"


def test_better_in_one_and_worse_in_the_other_is_no_defeat_and_one_that_never_arrives_is_left_out() -> None:
    found = standings(
        [entry("a", 0.5, 1.0), entry("b", 0.6, 1.1), entry("lost", 1.0, 0.1, arrived=0.0)],
        "precision",
        "relative_length",
        0,
    )
    assert set(found) == {"a", "b"}
    assert all(s.place == "on" for s in found.values())


def test_what_another_seed_of_the_training_may_turn_is_near_the_front() -> None:
    """Method b is dearer than a on every pair of three models, but by how much differs between the models as much as it is."""
    model = torch.tensor([0.02, 0.3, 0.1]).repeat_interleave(N // 3)
    every = [entry("a", 0.6, 1.0, 0 * model), entry("b", 0.5, 1.0, model)]
    every[1] = Entry("b", {**every[1].columns, "precision": torch.full((N,), 0.5).double()})
    assert standings(every, "precision", "relative_length", 0)["b"].place == "off"
    assert standings(every, "precision", "relative_length", 0, models=3)["b"].place == "near"


def test_middle_frames_alone_are_compared() -> None:
    frames = points(40, 10, 1, 2, 2, seed=5)
    judge = SimpleNamespace(name="A", features=lambda x: x.flatten(1))
    real = points(200, 4, seed=6)
    found = middle_distance(frames, {"A": real}, [judge])  # type: ignore[list-item]
    assert found["A"] == pytest.approx(frechet(frames[:, 3 : 3 + MIDDLE].flatten(0, 1).flatten(1), real))
    changed = frames.clone()
    changed[:, [0, 1, 2, 7, 8, 9]] = 99.0
    assert middle_distance(changed, {"A": real}, [judge]) == found  # type: ignore[list-item]
    with pytest.raises(ValueError, match="at least 6 frames"):
        middle_distance(frames[:, :5], {"A": real}, [judge])  # type: ignore[list-item]
