"""`map` and `project` on a small real run: what they write is true, nothing is overwritten, bad input leaves no trace."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ridgewalk
from commands import good, refused
from ridgewalk.data import part
from ridgewalk.energies import FullGaussian
from ridgewalk.store.origin import Source
from ridgewalk.verbs import map, project, train
from ridgewalk.verbs.train import TrainRequest

Copy = Callable[[], Path]


def arrays(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as stored:
        return {n: stored[n] for n in stored.files}


def self_contained(page: Path) -> None:
    html = page.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', html)
    assert "How to read this" in html


# --- map -------------------------------------------------------------------------------------------------------------


def test_a_map_through_two_images_and_a_third(smoke: Path, tmp_path: Path) -> None:
    said = json.loads(good("map", smoke, "--from", 3, "--to", 8, "--out", tmp_path / "m", "--json"))
    assert {p.name for p in (tmp_path / "m").iterdir()} == {"map.html", "map.png", "map.npz"}
    self_contained(tmp_path / "m" / "map.html")
    with Image.open(tmp_path / "m" / "map.png") as image:
        assert min(image.size) > 400
    a, run = arrays(tmp_path / "m" / "map.npz"), ridgewalk.load(smoke)
    assert said["energies"] == ["logit-squared", "soft-ratio"] == map.default_energies(run)
    # the plane goes through the codes of A, B and C, and what it says at a grid point is the energy there
    codes = run.encode(run.data.test.take(torch.tensor([3, 8, said["third"]])).floats()).numpy()
    assert a["origin"] + a["marks"] @ a["axes"] == pytest.approx(codes, abs=1e-4)
    assert a["axes"] @ a["axes"].T == pytest.approx(np.eye(2), abs=1e-5)
    for name in said["energies"]:
        energy = run.energy(name)
        for row, column in ((0, 0), (5, 17), (len(a["y"]) - 1, len(a["x"]) - 1)):
            z = torch.from_numpy(a["origin"] + np.array([a["x"][column], a["y"][row]]) @ a["axes"]).float()[None]
            assert a[f"energy_{name}"][row, column] == pytest.approx(float(energy(z)), rel=1e-3, abs=1e-4)
    # LERP lies in the plane from A to B
    assert a["path_lerp"][[0, -1]] == pytest.approx(a["marks"][:2], abs=1e-5)
    assert a["path_lerp"][:, 1] == pytest.approx(0, abs=1e-4)
    assert a["path_string"].shape == a["path_lerp"].shape
    labels = run.data.test.labels.tolist()
    assert labels[said["third"]] not in (labels[3], labels[8])
    assert a["codes"].shape == (said["codes"], 2)
    assert 0 < said["share_of_variance"] < 1


def test_arrows_are_the_slope_of_the_map(smoke: Path, tmp_path: Path) -> None:
    run = ridgewalk.load(smoke)
    map.draw_map(run, map.Request(energies=["ratio"], out=tmp_path / "m"))
    a, energy, h = arrays(tmp_path / "m" / "map.npz"), run.energy("ratio"), 1e-2

    def at(uv: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return energy(torch.from_numpy(a["origin"] + uv @ a["axes"]).float()).numpy()

    places, arrows = a["arrows_ratio"][:, :2], a["arrows_ratio"][:, 2:]
    for axis in (0, 1):
        step = h * np.eye(2)[axis]
        slope = (at(places + step) - at(places - step)) / (2 * h)
        # float32 energies over a step of 0.01, and kinks of relu within it: most agree, a few lie on a kink
        assert np.median(np.abs(-slope - arrows[:, axis])) < 0.01 * np.abs(arrows).max()


def test_without_ends_the_plane_is_that_of_the_codes_and_nothing_is_overwritten(copied: Copy) -> None:
    run = copied()
    first, second = (json.loads(good("map", run, "--json"))["folder"] for _ in range(2))
    assert (Path(first).name, Path(second).name) == ("pca", "pca-2")
    one, two = (arrays(Path(f) / "map.npz") for f in (first, second))
    assert all(np.array_equal(one[n], two[n]) for n in one)
    assert "path_lerp" not in one
    assert one["codes"].mean(0) == pytest.approx([0, 0], abs=1e-4)


def test_energies_methods_and_planes_are_chosen(smoke: Path, tmp_path: Path) -> None:
    words = ["map", smoke, "--from", 3, "--to", 8, "--energy", "ratio, kernel", "--methods", "lerp,string:ratio"]
    good(*words, "--third", 5, "--out", tmp_path / "abc")
    good(*words, "--plane", "pca", "--out", tmp_path / "pca")
    a, b = (arrays(tmp_path / n / "map.npz") for n in ("abc", "pca"))
    for found in (a, b):
        assert {n for n in found if n.startswith(("energy_", "path_"))} == {
            "energy_ratio",
            "energy_kernel",
            "path_lerp",
            "path_string:ratio",
        }
    assert (len(a["marks"]), len(b["marks"])) == (3, 2)


def test_two_dimensional_latents_are_shown_whole(tmp_path: Path) -> None:
    from conftest import SMOKE

    changes = [*SMOKE, "model.latent=2", "training.epochs=1"]
    run = train.start(
        TrainRequest("digits", Source("digits"), tmp_path / "r", budget="smoke", changes=changes, device="cpu")
    )
    out = good("map", run.folder, "--from", 3, "--to", 8)
    assert "nothing on it is projected" in out
    a = arrays(run.folder / "maps" / "whole" / "map.npz")
    assert a["codes"] == pytest.approx(run.encode(run.data.test.floats()).numpy(), abs=1e-5)
    assert (a["axes"] == np.eye(2)).all()
    assert a["distance"].max() == pytest.approx(0, abs=1e-5)
    assert "shown whole" in refused("map", run.folder, "--from", 3, "--to", 8, "--third", 5, within=tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", 3], "both --from and --to"),
        (["--from", 3, "--to", 3], "same image"),
        (["--from", 3, "--to", 99999], "test image 99999"),
        (["--from", 3, "--to", "none.png"], "none.png"),
        (["--plane", "abc"], "two ends"),
        (["--methods", "lerp"], "two ends"),
        (["--third", 5], "two ends"),
        (["--plane", "pac"], "'pca'"),
        (["--energy", "ratoi"], "'ratio'"),
        (["--energy", "ratio,"], "commas"),
        (["--energy", "pixel"], "ridgewalk sense"),
        (["--from", 3, "--to", 8, "--methods", "strng"], "'string'"),
        (["--from", 3, "--to", 8, "--methods", "lerp:ratio"], "follows no energy"),
        (["--from", 3, "--to", 8, "--third", 3], "on the line through A and B"),
        (["--from", 3, "--to", 8, "--third", -1], "test image -1"),
        (["--from", 3, "--to", 8, "--third", 5, "--plane", "pca"], "leave it out"),
        (["--device", "cud"], "not available"),
    ],
)
def test_what_cannot_be_mapped(smoke: Path, words: list[object], said: str) -> None:
    assert said in refused("map", smoke, *words, within=smoke)


def test_a_map_is_not_written_into_a_folder_that_holds_something(smoke: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "choose another --out" in refused("map", smoke, "--out", tmp_path, within=tmp_path)


# --- project ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def latents(tmp_path: Path) -> Path:
    file = tmp_path / "z.npy"
    np.save(file, 1.5 * np.random.default_rng(0).standard_normal((20, 8)))
    return file


def test_points_go_down_and_their_frames_and_energies_are_theirs(smoke: Path, latents: Path, tmp_path: Path) -> None:
    said = json.loads(good("project", smoke, "--latents", latents, "--steps", 40, "--out", tmp_path / "p", "--json"))
    assert {p.name for p in (tmp_path / "p").iterdir()} == {"projected.npz", "report.html"}
    self_contained(tmp_path / "p" / "report.html")
    a, run = arrays(tmp_path / "p" / "projected.npz"), ridgewalk.load(smoke)
    assert a["z_before"] == pytest.approx(np.load(latents), abs=1e-6)
    assert (a["energy_after"] <= a["energy_before"] + 1e-5).all()
    assert said["energy_after"] < said["energy_before"]
    assert a["moved"] == pytest.approx(np.linalg.norm(a["z_after"] - a["z_before"], axis=1), abs=1e-5)
    energy = run.energy("soft-ratio")
    for when in ("before", "after"):
        z = torch.from_numpy(a[f"z_{when}"])
        with torch.no_grad():
            assert a[f"frames_{when}"] == pytest.approx(run.decode(z).numpy(), abs=1e-5)
            assert a[f"energy_{when}"] == pytest.approx(energy(z).numpy(), abs=1e-4)


def test_langevin_is_a_function_of_its_seed(smoke: Path, latents: Path, tmp_path: Path) -> None:
    words = ["project", smoke, "--latents", latents, "--langevin", "--steps", 20, "--temperature", 0.5]
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        good(*words, "--seed", seed, "--out", tmp_path / name)
    a, b, c = (arrays(tmp_path / n / "projected.npz")["z_after"] for n in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_tempering_reports_changes_of_mode_and_rates_of_swaps(smoke: Path, latents: Path, tmp_path: Path) -> None:
    words = ["project", smoke, "--latents", latents, "--tempered", "--steps", 60, "--json", "--out"]
    said, again = (json.loads(good(*words, tmp_path / name)) for name in "ab")
    a, b = (arrays(tmp_path / name / "projected.npz") for name in "ab")
    assert np.array_equal(a["z_after"], b["z_after"])
    assert said["swaps"] == again["swaps"]
    self_contained(tmp_path / "a" / "report.html")

    # the class of a point is that of the model's own image whose code is nearest
    run = ridgewalk.load(smoke)
    codes, labels = run.references.numpy(), part(run.data, "model").labels.numpy()
    for when in ("before", "after"):
        squared = np.square(a[f"z_{when}"][:, None] - codes).sum(axis=2)
        assert np.array_equal(a[f"class_{when}"], labels[squared.argmin(axis=1)])
    changed = int((a["class_before"] != a["class_after"]).sum())
    assert said["changed_class"] == changed > 0

    page = (tmp_path / "a" / "report.html").read_text()
    assert f"{changed} of 20 points changed mode" in page
    assert len(said["swaps"]) == len(said["temperatures"]) - 1
    for i, accepted in enumerate(said["swaps"]):
        assert re.search(rf"{i + 1} and {i + 2}\b.*?{accepted:.0%}", page, re.DOTALL)
    assert said["search"]["swaps"] == pytest.approx(np.mean(said["swaps"]))
    assert said["search"]["travelled"] == pytest.approx(a["moved"].mean(), abs=1e-5)
    assert said["mover"] == "tempered"


def test_points_that_left_all_codes_behind_are_counted(smoke: Path) -> None:
    run = ridgewalk.load(smoke)
    codes = run.references
    base = FullGaussian.of(codes)
    near, far = codes[:3], codes[:3] + 100 * codes.std()
    crossings = project._crossings(run, base, near, torch.cat([near[:1], far[1:]]))
    assert crossings.outside == 2
    assert crossings.before.tolist() == part(run.data, "model").labels[:3].tolist()
    assert crossings.before[0] == crossings.after[0]
    # half of the points would keep a class if two classes, alike in number, were dealt anew
    halves = project.Crossings(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]), 0)
    assert (halves.changed, halves.by_chance) == (2, 0.5)


def test_an_npz_file_and_whole_numbers_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", z=np.arange(6).reshape(3, 2), other=np.zeros(3))
    assert project.read_latents(tmp_path / "z.npz", 2).tolist() == [[0, 1], [2, 3], [4, 5]]


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("bomb-went-off"),)


def bad_files() -> dict[str, tuple[Callable[[Path], object], str]]:
    wild, far = np.zeros((4, 8)), np.zeros((4, 8))
    wild[2, 1], far[3, 0] = np.nan, 1e300
    return {
        "missing": (lambda f: None, "no such file"),
        "shape": (lambda f: np.save(f, np.zeros(8)), "with 8 columns"),
        "dimension": (lambda f: np.save(f, np.zeros((4, 7))), "is 4 x 7"),
        "empty": (lambda f: np.save(f, np.zeros((0, 8))), "is 0 x 8"),
        "nan": (lambda f: np.save(f, wild), "row 2"),
        "overflow": (lambda f: np.save(f, far), "row 3"),
        "complex": (lambda f: np.save(f, np.zeros((4, 8), complex)), "real numbers"),
        "words": (lambda f: np.save(f, np.full((4, 8), "a")), "real numbers"),
        "text": (lambda f: f.write_text("1, 2, 3"), "pickled objects are not read"),
        "nothing": (lambda f: f.write_bytes(b""), "pickled objects are not read"),
        "cut": (lambda f: (np.save(f, np.zeros((4, 8))), f.write_bytes(f.read_bytes()[:150])), "cut short"),
        "objects": (lambda f: np.save(f, np.array([Bomb()] * 3), allow_pickle=True), "pickled objects are not read"),
        "pickle": (lambda f: f.write_bytes(pickle.dumps(Bomb())), "pickled objects are not read"),
        "name": (lambda f: save_npz(f, latents=np.zeros((4, 8))), "no array `z`; it holds latents"),
        "zipped objects": (lambda f: save_npz(f, z=np.array([Bomb()])), "pickled objects are not read"),
        "cut zip": (
            lambda f: (save_npz(f, z=np.zeros((4, 8))), f.write_bytes(f.read_bytes()[:-40])),
            "cut short",
        ),
        "damaged deflate": (lambda f: (deflated(f), damage(f)), "cut short"),
        "header that lies": (lambda f: (np.save(f, np.zeros((4, 8))), lie(f)), "cut short"),
        "damaged zip": (lambda f: (save_npz(f, z=np.zeros((4, 8))), damage(f)), "cut short"),
    }


def save_npz(file: Path, **stored: np.ndarray) -> None:
    with file.open("wb") as stream:
        np.savez(stream, **stored)


def deflated(file: Path) -> None:
    with file.open("wb") as stream:
        np.savez_compressed(stream, z=np.random.default_rng(0).random((40, 8)))


def lie(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"(4, 8), }" + b" " * 11, b"(4" + b"0" * 11 + b", 8), }"))


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[200] ^= 0xFF
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("kind", bad_files())
def test_files_that_hold_no_latents(smoke: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, said = bad_files()[kind]
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "z.npy")
    error = refused("project", smoke, "--latents", tmp_path / "z.npy", "--out", tmp_path / "p", within=tmp_path)
    assert said in error
    assert not (tmp_path / "bomb-went-off").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--energy", "ratoi"], "'ratio'"),
        (["--steps", 0], "at least 1"),
        (["--temperature", 2], "--langevin"),
        (["--tempered", "--langevin"], "two samplers; give one of them"),
        (["--tempered", "--temperature", 0], "temperature"),
        (["--tempered", "--steps", 9], "--tempered needs --steps of at least 10; got 9"),
        (["--langevin", "--temperature", 0], "temperature"),
        (["--langevin", "--temperature", "nan"], "temperature"),
    ],
)
def test_settings_that_cannot_be_kept(
    smoke: Path, latents: Path, tmp_path: Path, words: list[object], said: str
) -> None:
    out = tmp_path / "p"
    assert said in refused("project", smoke, "--latents", latents, "--out", out, *words, within=tmp_path)


def test_projected_points_are_not_written_over_a_file(smoke: Path, latents: Path, tmp_path: Path) -> None:
    said = refused("project", smoke, "--latents", latents, "--out", tmp_path, within=tmp_path)
    assert "choose another --out" in said
