"""Points: drawn by a seed or read from a file, in an order that never moves, each in one role."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ridgewalk.data import DENSITIES, POINT_ROLES, PointData, Points, density, is_points, load_points, points_part
from ridgewalk.data.toy import classes


def save(folder: Path, array: np.ndarray) -> str:
    file = folder / "mine.npy"
    np.save(file, array)
    return str(file)


def write(folder: Path, text: str) -> str:
    file = folder / "mine.csv"
    file.write_text(text, encoding="utf-8")
    return str(file)


def some(values: torch.Tensor, names: tuple[str, ...] = ("all",)) -> Points:
    return Points(values, torch.zeros(len(values), dtype=torch.int64), names)


# Is it true?


@pytest.mark.parametrize("name", DENSITIES)
def test_points_follow_their_density(name: str) -> None:
    n = 20_000
    data = load_points(name, n_train=n, n_test=4000)
    assert data.density is not None
    assert data.shape == (data.density.dims,)
    assert (len(data.train), len(data.test)) == (n, 4000)
    spread = data.density.covariance.diagonal()
    assert (data.mean.abs() < 5 * (spread / n).sqrt()).all()  # five standard errors
    assert torch.allclose(data.deviation.double(), spread.sqrt(), rtol=0.05)
    of, names = classes(name)
    assert data.class_names == names
    shares = torch.zeros(len(names), dtype=torch.float64).index_add_(0, of, data.density.weights)
    found = data.train.labels.bincount(minlength=len(names)) / n
    assert ((found - shares).abs() <= 5 * (shares * (1 - shares) / n).sqrt()).all()
    entropy = -float(data.density.log_prob(data.train.values.double()).mean())
    assert entropy == pytest.approx(
        -float(density(name).log_prob(data.test.values.double()).mean()), abs=0.15 * data.shape[0] ** 0.5
    )


def test_labels_are_the_components_that_points_came_from() -> None:
    data = load_points("ring", 2000, 10)
    nearest = torch.cdist(data.train.values.double(), density("ring").means).argmin(dim=1)
    assert (nearest == data.train.labels).double().mean() > 0.999  # five deviations from mode to border
    moons = load_points("moons", 2000, 10).train
    upper = moons.values[moons.labels == 0]
    assert upper[:, 1].mean() > moons.values[moons.labels == 1][:, 1].mean() + 0.5


def test_train_and_test_share_no_point() -> None:
    data = load_points("grid", 3000, 3000)
    assert len(torch.cat([data.train.values, data.test.values]).unique(dim=0)) == 6000


def test_mean_and_deviation_are_the_train_parts() -> None:
    data = PointData("x", some(torch.tensor([[1.0, 5], [3, 5]])), some(torch.tensor([[100.0, 100]])))
    assert data.mean.tolist() == [2, 5]
    assert data.deviation.tolist() == [1, 0]


# Does it keep the contract? Order and roles


def test_the_same_seed_gives_the_same_points_and_fewer_are_the_first_of_more() -> None:
    a, b, c = load_points("ring", 5000, 4100), load_points("ring", 5000, 4100), load_points("ring", 4100, 7, seed=1)
    assert a.fingerprint() == b.fingerprint() != c.fingerprint()
    few = load_points("ring", 300, 20)
    assert torch.equal(few.train.values, a.train.values[:300])
    assert torch.equal(few.test.labels, a.test.labels[:20])


def test_the_order_of_points_is_fixed() -> None:
    """Point i of an older run is still point i."""
    data = load_points("ring", 10, 10)
    assert data.train.labels.tolist() == [6, 4, 3, 1, 3, 3, 1, 3, 5, 4]
    assert data.test.values[0].tolist() == pytest.approx([-0.939681, -1.087544], abs=1e-5)
    turned = load_points("mixture-16", 10, 10).train.values[
        0, :2
    ]  # along axes whose signs do not depend on the decomposition
    assert turned.tolist() == pytest.approx([0.458736, 0.245632], abs=1e-5)


def test_the_order_of_a_file_is_fixed(tmp_path: Path) -> None:
    data = load_points(save(tmp_path, np.arange(28).reshape(14, 2)))
    assert data.test.values.tolist() == [[18, 19], [26, 27]]


def test_a_fingerprint_depends_on_values_labels_order_and_parts() -> None:
    x = torch.tensor([[1.0, 2], [3, 4]])
    base, names = some(x), ("a", "b")
    others = [some(x.flip(0)), some(x + 1), Points(x, torch.tensor([0, 1]), names), some(x.view(1, 4))]
    assert len({p.fingerprint() for p in (base, *others)}) == 5
    assert some(x.clone()).fingerprint() == base.fingerprint()
    assert some(torch.zeros(2, 2)).fingerprint() != some(torch.zeros(1, 6)).fingerprint()  # 32 bytes of 0 each
    assert PointData("x", base, some(x + 1)).fingerprint() != PointData("x", some(x + 1), base).fingerprint()


@pytest.mark.parametrize("n_test", [10, 23, 1000])
def test_roles_have_the_shares_of_the_table_and_cover_the_test_part_once(n_test: int) -> None:
    data = load_points("two-modes", 60, n_test)
    assert torch.equal(points_part(data, "model").values, data.train.values)
    parts = [points_part(data, role) for role in POINT_ROLES[1:]]
    assert POINT_ROLES == ("model", "validation", "test", "reference")
    assert torch.equal(torch.cat([p.values for p in parts]), data.test.values)
    assert torch.equal(torch.cat([p.labels for p in parts]), data.test.labels)
    if n_test == 1000:
        assert [len(p) for p in parts] == [100, 400, 500]
    assert parts[1].values.untyped_storage().data_ptr() == data.test.values.untyped_storage().data_ptr()


@pytest.mark.parametrize("role", ["judge_a", "judge_b", "modell"])
def test_judges_and_unknown_roles_have_no_points(role: str) -> None:
    with pytest.raises(ValueError, match=f"unknown role of points '{role}'; .*points have no judges"):
        points_part(load_points("ring", 10, 10), role)


def test_a_role_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="role 'validation' needs at least 10"):
        points_part(load_points("ring", 10, 9), "validation")


# Does it survive use? Files


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.dtype(">f8"), np.bool_])
def test_an_array_file_is_read_whole_shuffled_and_left_as_it_is(tmp_path: Path, dtype: np.dtype) -> None:
    array = np.arange(210).reshape(70, 3).astype(dtype)
    data = load_points(save(tmp_path, array))
    assert (data.name, data.shape, len(data.train), len(data.test), data.density) == ("mine", (3,), 60, 10, None)
    rows = torch.cat([data.train.values, data.test.values])
    expected = torch.from_numpy(array.astype(np.float32))
    assert sorted(rows.tolist()) == sorted(expected.tolist())
    if dtype != np.bool_:
        assert not torch.equal(rows, expected)
    assert data.class_names == ("all",)
    assert load_points(save(tmp_path, array)).fingerprint() == data.fingerprint()


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4.5\n",
        "x,y\n1,2\n3,4.5\n",
        "\ufeffx,y\r\n1, 2\r\n\r\n3, 4.5e0\r\n",
        "\ufeff1,2\n3,4.5",
        '"1","2"\n"3","4.5"',
    ],
    ids=["plain", "names", "from a spreadsheet", "from one without names", "quoted"],
)
def test_a_table_is_read_with_or_without_the_names_of_its_columns(tmp_path: Path, text: str) -> None:
    data = load_points(write(tmp_path, text))
    assert sorted(torch.cat([data.train.values, data.test.values]).tolist()) == [[1, 2], [3, 4.5]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"at least 2 rows of at least 2 columns, one row for each point; it holds \(5,\)"),
        (np.zeros((5, 1)), r"it holds \(5, 1\)"),
        (np.zeros((1, 5)), r"it holds \(1, 5\)"),
        (np.zeros((0, 5)), r"it holds \(0, 5\)"),
        (np.zeros((5, 2, 2)), r"it holds \(5, 2, 2\)"),
        (np.zeros(()), r"it holds \(\)"),
        (np.array([[0, 1], [2, np.nan], [np.nan, 1]]), "finite numbers below 3e38; row 1 does not; correct it"),
        (np.array([[0, 1], [2, 3], [np.inf, 1]]), "row 2 does not"),
        (np.array([[0, 1], [2, 3], [1e300, 1]]), "row 2 does not"),
        (np.array([["a", "b"], ["c", "d"]]), "array of numbers; it holds <U1"),
        (np.array([[1j, 0], [0, 0]]), "array of numbers; it holds complex128"),
        (np.array([[None, 1], [2, 3]], dtype=object), "no NumPy file of numbers .*allow_pickle"),
    ],
)
def test_arrays_that_are_no_points_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=f"mine.npy' .*{message}"):
        load_points(save(tmp_path, array))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"at least 2 rows"),
        ("x,y\n", r"at least 2 rows"),
        ("x,y\n1,2\n", r"at least 2 rows .*it holds \(1, 2\)"),
        ("1\n2\n3\n", r"at least 2 columns, one row for each point; it holds \(3, 1\)"),
        ("1,2\n\n3,x\n", "separated by commas; line 3 holds 'x'; correct it"),
        ("x,y\n1,2\n3,\n", "line 3 holds ''"),
        ("x,1\n1,2\n", "line 1 holds 'x'"),
        ("1;2\n3;4\n5;6\n", "separated by commas; line 2 holds '3;4'"),
        ("1,2\n3,4,5\n", "line 1 has 2 and line 2 has 3"),
        ("1,2\n3,nan\n", "line 2 does not"),
        ("nan,nan\n1,2\n3,4\n", "line 1 does not"),
        ("1,2\n\n3,inf\n", "line 3 does not"),
    ],
)
def test_tables_that_are_no_points_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"mine.csv' .*{message}"):
        load_points(write(tmp_path, text))


def test_files_of_another_kind_are_refused_however_they_are_called(tmp_path: Path) -> None:
    for name in ("text.npy", "empty.npy", "bytes.csv", "archive.npy"):
        (tmp_path / name).write_bytes({"t": b"1,2\n3,4\n", "e": b"", "b": b"\x93\xff\xfe1,2"}.get(name[0], b""))
    with (tmp_path / "archive.npy").open("wb") as file:
        np.savez(file, a=np.zeros((3, 3)))
    for name, message in [
        ("text.npy", "no NumPy file of numbers"),
        ("empty.npy", "no NumPy file of numbers"),
        ("archive.npy", "it holds an archive"),
        ("bytes.csv", "no text of comma-separated numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_points(str(tmp_path / name))
    (tmp_path / "folder.csv").mkdir()
    for missing in ("folder.csv", "none.npy"):
        with pytest.raises(ValueError, match=f"no such file: .*{missing}"):
            load_points(str(tmp_path / missing))


def test_sources_of_points_are_recognised_by_name() -> None:
    assert all(is_points(name) for name in (*DENSITIES, "wine", "a/b.npy", "c.npz", "B.CSV"))
    assert not any(is_points(name) for name in ("digits", "shapes", "", "owner/ring", "ring.png", "./ring"))
    with pytest.raises(
        ValueError, match=r"unknown density or table 'rign'; did you mean 'ring'.*or a \.npy, \.npz or \.csv file"
    ):
        load_points("rign")
    with pytest.raises(ValueError, match="at least 1 point; got n_train 0 and n_test 5"):
        load_points("ring", 0, 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: some(torch.zeros(2, 2, dtype=torch.float64)), r"float32 \(n, d\), .*got torch.float64 \(2, 2\)"),
        (lambda: some(torch.zeros(0, 2)), r"got torch.float32 \(0, 2\)"),
        (lambda: some(torch.tensor([[0, 1], [torch.inf, 0]])), "row 1 has NaN or infinite"),
        (
            lambda: Points(torch.zeros(2, 2), torch.zeros(3, dtype=torch.int64), ("a",)),
            r"labels must be int64 .*\(2,\)",
        ),
        (lambda: Points(torch.zeros(2, 2), torch.tensor([0, 1]), ("a",)), r"0 .. 0 for 1 class names; row 1 has 1"),
        (lambda: PointData("x", some(torch.zeros(2, 2)), some(torch.zeros(2, 3))), r"one dimension; got \[2, 3\]"),
        (lambda: PointData("x", some(torch.zeros(2, 3)), some(torch.zeros(2, 3)), density("ring")), r"\[3, 3, 2\]"),
        (lambda: PointData("x", some(torch.zeros(2, 2)), some(torch.zeros(2, 2), ("b",))), "share their class names"),
    ],
)
def test_points_that_disagree_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
