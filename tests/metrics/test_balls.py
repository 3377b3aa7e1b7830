"""Balls of k-nearest neighbours: points on a line by hand, brute force in a cloud, and references that are excluded from judging themselves."""

import pytest
import torch
from torch import Tensor

from ridgewalk.metrics import neighbours
from ridgewalk.metrics.neighbours import inside, radii, realism

LINE = torch.tensor([[0.0], [1.0], [3.0], [7.0]], dtype=torch.float64)
LINE_RADII = torch.tensor([3.0, 2.0, 3.0, 6.0], dtype=torch.float64)  # to the second nearest other, by hand


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def cloud(n: int, f: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(n, f, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def brute_radii(reference: Tensor, k: int) -> Tensor:
    """The k-th of the sorted distances to the others, one reference at a time."""
    out = []
    for j in range(len(reference)):
        others = [(reference[j] - reference[i]).norm() for i in range(len(reference)) if i != j]
        out.append(sorted(others)[k - 1])
    return torch.stack(out)


def test_radii_on_a_line() -> None:
    assert torch.equal(radii(LINE, k=2), LINE_RADII)
    assert radii(LINE, k=1).tolist() == [1, 1, 2, 4]
    assert radii(LINE, k=3).tolist() == [7, 6, 4, 7]


def test_inside_on_a_line_with_the_edge_in_the_ball() -> None:
    # with k = 1 the balls are [-1, 1], [0, 2], [1, 5], [3, 11]
    points = column(-1.0, -1.0001, 2.5, 4.0, 11.0, 11.0001)
    assert inside(points, LINE, radii(LINE, k=1)).tolist() == [True, False, True, True, True, False]


def test_realism_on_a_line() -> None:
    # with k = 2 and every ball: at 9, 3/9, 2/8, 3/6, 6/2; at -2, 3/2, 2/3, 3/5, 6/9
    assert realism(column(9.0, -2.0), LINE, LINE_RADII, keep=1.0).tolist() == [3.0, 1.5]
    # the median radius is 3, so the ball of radius 6 is dropped; at 9 the best of the others is 3/6
    assert realism(column(9.0, -2.0), LINE, LINE_RADII).tolist() == [0.5, 1.5]


def test_radii_and_balls_agree_with_brute_force() -> None:
    reference, points = cloud(60), 1.5 * cloud(40, seed=1)
    r = radii(reference, k=3)
    torch.testing.assert_close(r, brute_radii(reference, 3), rtol=1e-12, atol=0)
    expected = [bool(any((p - c).norm() <= e for c, e in zip(reference, r))) for p in points]
    assert inside(points, reference, r).tolist() == expected
    assert 0 < sum(expected) < 40
    best = torch.stack([torch.stack([e / (p - c).norm() for c, e in zip(reference, r)]).max() for p in points])
    torch.testing.assert_close(realism(points, reference, r, keep=1.0), best, rtol=1e-12, atol=0)


def test_realism_is_at_least_one_just_where_inside() -> None:
    reference = cloud(80).float()
    points = torch.cat([1.5 * cloud(200, seed=2).float(), reference])
    r = radii(reference, k=3)
    assert torch.equal(realism(points, reference, r, keep=1.0) >= 1, inside(points, reference, r))


def test_the_kth_neighbour_is_on_the_edge_of_a_references_ball() -> None:
    reference = cloud(50).float() + 100  # far from 0, where |a|^2 - 2ab + |b|^2 would lose seven digits
    r = radii(reference, k=1)
    nearest = (reference[:, None] - reference[None]).norm(dim=2).fill_diagonal_(torch.inf).argmin(dim=1)
    for j in range(50):
        assert inside(reference[nearest[j]][None], reference[j][None], r[j][None]).item()


def test_equal_references_count_as_others() -> None:
    assert radii(column(5.0, 5.0, 5.0, 9.0), k=2).tolist() == [0, 0, 0, 4]
    assert inside(column(5.0, 5.1), column(5.0), torch.zeros(1, dtype=torch.float64)).tolist() == [True, False]
    assert realism(column(5.0), column(5.0), torch.zeros(1, dtype=torch.float64)).tolist() == [torch.inf]


def test_an_excluded_reference_does_not_judge() -> None:
    r = torch.full((4,), 0.25, dtype=torch.float64)
    at_the_references = LINE.clone()
    assert inside(at_the_references, LINE, r).all()
    own = torch.arange(4)[:, None]
    assert not inside(at_the_references, LINE, r, exclude=own).any()
    assert realism(at_the_references, LINE, r, exclude=own, keep=1.0).tolist() == [0.25, 0.25, 0.125, 0.0625]
    others = torch.tensor([[1, -1], [0, -1], [3, 3], [-1, -1]])
    assert inside(at_the_references, LINE, r, exclude=others).all()
    assert not inside(at_the_references, LINE, r, exclude=torch.tensor([[3, 0], [1, -1], [2, 2], [-1, 3]])).any()


def test_realism_excludes_by_indices_of_the_whole_reference() -> None:
    # keep drops reference 0, which shifts the others' places
    r = torch.tensor([9.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    points = column(1.5, 1.5, 1.5)
    assert realism(points, LINE, r, exclude=torch.tensor([[1], [0], [2]])).tolist() == [1 / 1.5, 2.0, 2.0]


def test_without_balls_nothing_is_real() -> None:
    everything = torch.arange(4).expand(1, 4)
    assert not inside(column(1.0), LINE, LINE_RADII, exclude=everything).any()
    assert realism(column(1.0), LINE, LINE_RADII, exclude=everything).tolist() == [0]


def test_nan_features_are_in_no_ball() -> None:
    assert inside(column(torch.nan, 1.0), LINE, LINE_RADII).tolist() == [False, True]
    assert realism(column(torch.nan), LINE, LINE_RADII).isnan().all()


def test_rows_do_not_depend_on_their_batch_or_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, points = cloud(70).float(), cloud(33, seed=3).float()
    exclude = torch.randint(-1, 70, (33, 2), generator=torch.Generator().manual_seed(4))
    r = radii(reference, k=3)
    whole = [f(points, reference, r, exclude) for f in (inside, realism)]
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    assert torch.equal(r, radii(reference, k=3))
    for f, expected in zip((inside, realism), whole):
        assert torch.equal(expected, f(points, reference, r, exclude))
        assert torch.equal(expected[11:12], f(points[11:12], reference, r, exclude[11:12]))


def test_inputs_stay_as_they_are() -> None:
    reference, points, exclude = cloud(20), cloud(9, seed=5), torch.tensor([[0, -1]] * 9)
    r = radii(reference)
    kept = [t.clone() for t in (reference, points, exclude, r)]
    inside(points, reference, r, exclude)
    realism(points, reference, r, exclude)
    assert all(torch.equal(a, b) for a, b in zip(kept, (reference, points, exclude, r)))


@pytest.mark.parametrize("k", [0, 4, 5])
def test_radii_refuse_more_neighbours_than_there_are(k: int) -> None:
    with pytest.raises(ValueError, match="lower k or add references"):
        radii(LINE, k=k)


def test_what_does_not_fit_is_refused() -> None:
    points = column(1.0, 2.0)
    with pytest.raises(ValueError, match="share their f"):
        inside(torch.zeros(2, 3), LINE.float(), LINE_RADII)
    with pytest.raises(ValueError, match="one radius"):
        inside(points, LINE, LINE_RADII[:3])
    with pytest.raises(ValueError, match="from 0 to 4"):
        inside(points, LINE, LINE_RADII, exclude=torch.tensor([[0], [4]]))
    with pytest.raises(ValueError, match="from -2 to 3"):
        realism(points, LINE, LINE_RADII, exclude=torch.tensor([[-2], [3]]))
    with pytest.raises(ValueError, match="must hold indices"):
        inside(points, LINE, LINE_RADII, exclude=torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="keep"):
        realism(points, LINE, LINE_RADII, keep=0.0)
    with pytest.raises(ValueError, match="floating features"):
        radii(torch.zeros(4, 1, 1))
