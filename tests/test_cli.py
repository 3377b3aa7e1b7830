"""The command line over real data: bad input gives one sentence, exit code 2 and no file; good input works."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from commands import call, good, refused, tree
from conftest import SMOKE

Copy = Callable[[], Path]
SETS = [word for change in SMOKE for word in ("--set", change)]


def picture(seed: int, size: int = 8, mode: str = "L") -> Image.Image:
    shape = (size, size, 3) if mode == "RGB" else (size, size)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 24 small images without classes."""
    target = tmp_path / "images"
    target.mkdir()
    for i in range(24):
        picture(i).save(target / f"{i:02}.png")
    return target


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the command line runs in."""
    target = tmp_path / "here"
    target.mkdir()
    monkeypatch.chdir(target)
    return target


# --- sources that cannot be read -------------------------------------------------------------------------------------


def test_a_folder_that_is_missing(here: Path) -> None:
    assert "no such file or folder" in refused("train", "digits", "--data", "./nowhere", within=here)


def test_a_folder_that_is_empty(here: Path) -> None:
    (here / "empty").mkdir()
    assert "no images" in refused("train", "digits", "--data", "empty", within=here)


def test_a_file_cut_short_is_named_and_skipped_on_demand(folder: Path, here: Path) -> None:
    whole = (folder / "05.png").read_bytes()
    (folder / "05.png").write_bytes(whole[:60])
    assert "05.png" in refused("train", "digits", "--data", folder, within=here)
    words = ["train", "digits", "--data", folder, "--skip-bad", "--budget", "smoke", "--set", "training.batch=4"]
    code, _, error = call(*words, "--set", "training.epochs=1", "--out", here / "run")
    assert code == 0, error
    assert "1 of 24 images were left out" in error
    assert "05.png" in error


def test_images_of_mixed_sizes(folder: Path, here: Path) -> None:
    picture(99, size=9).save(folder / "99.png")
    assert "--size" in refused("train", "digits", "--data", folder, within=here)


def test_an_idx_file_with_a_wrong_magic_number(here: Path) -> None:
    source = here / "idx"
    source.mkdir()
    for stem, axes in (("train-images", 3), ("train-labels", 1), ("t10k-images", 3), ("t10k-labels", 1)):
        head = (2048 + axes).to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in (2, 4, 4)[:axes])
        (source / f"{stem}-idx{axes}-ubyte").write_bytes(head + bytes(2 if axes == 1 else 32))
    wrong = source / "train-labels-idx1-ubyte"
    wrong.write_bytes(b"\0\0\7\7" + wrong.read_bytes()[4:])
    assert "magic number 2049" in refused("train", "digits", "--data", source, within=here)


def test_too_few_images_for_the_batch(folder: Path, here: Path) -> None:
    words = ["train", "digits", "--data", folder, "--set", "training.batch=128"]
    assert "batch of 128" in refused(*words, within=here, alone=False)


# --- settings that cannot be kept ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "aea", "--data", "digits"], "did you mean 'ae'? known: aae"),
        (["train", "nothing.toml", "--data", "digits"], "nothing.toml"),
        (["train", "digits"], "--data"),
        (["train", "--data", "digits"], "--resume RUN"),
        (["train", "digits", "--data", "digts"], "'digits'"),
        (["train", "digits", "--data", "digits", "--budget", "smok"], "'smoke'"),
        (["train", "digits", "--data", "digits", "--device", "cud"], "device 'cud' is not available"),
        (["train", "digits", "--data", "digits", "--device", "meta"], "device 'meta' is not available"),
        (["train", "digits", "--data", "digits", "--precision", "bf61"], "'bf16'"),
        (["train", "digits", "--data", "digits", "--precision", "fp16", "--device", "cpu"], "CUDA"),
        (["train", "digits", "--data", "digits", "--channels", "2"], "channels"),
        (["train", "digits", "--data", "digits", "--size", "1"], "size"),
        (["train", "--resume", "nowhere"], "no run at nowhere"),
        (["train", "digits", "--resume", "nowhere"], "leave out"),
        (["train", "--resume", "nowhere", "--set", "training.epochs=9"], "leave out --set"),
        (["train", "--resume", "nowhere", "--budget", "cpu"], "leave out --budget"),
        (["train", "--resume", "nowhere", "--seed", "0"], "leave out --seed"),
        (["train", "--resume", "nowhere", "--size", "8", "--channels", "1"], "leave out --size and --channels"),
        (["train", "--resume", "nowhere", "--precision", "no"], "leave out --precision"),
        (["train", "--resume", "nowhere", "--skip-bad"], "leave out --skip-bad"),
        (["train", "--resume", "nowhere", "--data", "digits"], "leave out --data"),
        (["demo", "--budget", "smok"], "'smoke'"),
        (["walk", "nowhere", "--pairs", "3"], "no run at nowhere"),
        (["report", "nowhere"], "no run at nowhere"),
        (["sensors", "nowhere"], "no run at nowhere"),
        (["benchmark", "nowhere"], "no run at nowhere"),
    ],
)
def test_words_that_name_nothing(words: list[str], message: str, here: Path) -> None:
    assert message in refused(*words, within=here)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_this_machine_has_not(here: Path) -> None:
    assert "'cuda' is not available" in refused("train", "digits", "--data", "digits", "--device", "cuda", within=here)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epoch=5", "'training.epochs'"),
        ("trainin.epochs=5", "'training'"),
        ("training.epochs", "table.key=value"),
        ("epochs=5", "table.key=value"),
        ("=", "table.key=value"),
        ('training.epochs="ten"', "training.epochs = 'ten'"),
        ("training.epochs=ten", "training.epochs = 'ten'"),
        ("training.epochs=1.5", "training.epochs"),
        ("training.epochs=true", "training.epochs"),
        ("training.epochs=2020-01-01", "training.epochs"),
        ("training.epochs=0", "training.epochs = 0 does not fit: must be greater than or equal to 1"),
        ("training.rate=nan", "rate"),
        ("training.rate=-1.0", "rate"),
        ("training.batch=100000", "batch of 100000"),
        ('training.optimiser="adm"', "'adam'"),
        ("training.rates={discriminater=1e-3}", "'discriminator'"),
        ("training.betas=[0.9]", "training.betas"),
        ("model.latent=0", "latent"),
        ("model.hidden=[]", "hidden"),
        ("model.hidden=[0]", "hidden"),
        ('model.activation="rel"', "'relu'"),
        ('model.network="cnn"', "'conv'"),
        ('model.posterior="gauss"', "'gaussian'"),
        ('objective.name="vea"', "'vae'"),
        ('objective.name="vae"', "gaussian"),
        ('objective.reconstruction="half_square"', "'half_squared'"),
        ("objective.sigma=0.0", "sigma"),
        ('matcher.activation="rel"', "'relu'"),
        ('detector.activation="rel"', "'relu'"),
        ("detector.members=0", "members"),
        ("detector.epochs=0", "epochs"),
        ("detector.batch=1", "batch"),
        ("detector.rate=0.0", "rate"),
        ("detector.prior=2.0", "detector.prior is no longer a setting and is fixed at 1.0"),
        ("judges.epochs=0", "epochs"),
        ("judges.neighbours=0", "neighbours"),
        ("walks.frames=2", "frames"),
        ("walks.pairs=0", "pairs"),
        ("walks.nodes=1", "nodes"),
        ("walks.iterations=-1", "iterations"),
        ("walks.step=0.0", "step"),
        ("walks.smoothing=1.5", "smoothing"),
        ("walks.references=0", "references"),
        ("walks.neighbours=0", "neighbours"),
        ("walks.sgw_alpha=0.0", "sgw_alpha"),
    ],
)
def test_settings_that_cannot_be_kept_are_refused_before_training(change: str, message: str, here: Path) -> None:
    assert message in refused("train", "digits", "--data", "digits", "--budget", "smoke", "--set", change, within=here)


@pytest.mark.parametrize("text", ["model = 3", "[model", "[budgets.smal.model]\nlatent = 2", "budgets = 1", "x = 1"])
def test_recipe_files_that_are_none(text: str, here: Path) -> None:
    (here / "mine.toml").write_text(text)
    assert "mine.toml" in refused("train", "mine.toml", "--data", "digits", within=here)


def test_a_recipe_file_that_is_not_text(here: Path) -> None:
    (here / "mine.toml").write_bytes(b"\xff\xfe\x00")
    assert "mine.toml" in refused("train", "mine.toml", "--data", "digits", within=here)


def test_an_output_folder_that_is_not_empty(here: Path) -> None:
    (here / "full").mkdir()
    (here / "full" / "x").write_text("mine")
    assert "--resume" in refused("train", "digits", "--data", "digits", "--out", "full", within=here)
    assert "not empty" in refused("train", "digits", "--data", "digits", "--out", "full/x", within=here)
    assert "not empty" in refused("demo", "--out", "full", within=here)


# --- walks that cannot be taken --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--pairs"),
        (["--from", "3"], "both --from and --to"),
        (["--to", "3"], "both --from and --to"),
        (["--from", "3", "--to", "7", "--pairs", "2"], "either"),
        (["--from", "3", "--to", "3"], "same image"),
        (["--from", "3", "--to", "100000"], "100000 does not exist"),
        (["--from", "-1", "--to", "3"], "-1 does not exist"),
        (["--from", "nowhere.png", "--to", "3"], "nowhere.png"),
        (["--pairs", "0"], "number of pairs must be at least 1"),
        (["--pairs", "-3"], "number of pairs must be at least 1"),
        (["--pairs", "100000"], "request fewer"),
        (["--pairs", "2", "--role", "tset"], "'test'"),
        (["--pairs", "2", "--role", "model"], "test images only"),
        (["--pairs", "2", "--role", "reference"], "judged by themselves"),
        (["--pairs", "2", "--method", "sting"], "'string'"),
        (["--pairs", "2", "--energy", "rato"], "'ratio'"),
        (["--pairs", "2", "--method", "lerp", "--energy", "ratio"], "follows no energy"),
        (["--pairs", "2", "--method", "graph", "--energy", "ratio"], "follows no energy"),
        (["--pairs", "2", "--frames", "2"], "at least 3 frames"),
        (["--pairs", "2", "--frames", "0"], "at least 3 frames"),
        (["--pairs", "2", "--frames", "1000000000"], "at most 10000 frames"),
        (["--pairs", "2", "--method", "string:"], "names no energy after the colon"),
        (["--pairs", "2", "--energy", ""], "an argument is empty, after --energy"),
        (["--pairs", "2", "--role", "train"], "known: test, validation"),
        (["--pairs", "2", "--device", "cud"], "not available"),
    ],
)
def test_walks_that_cannot_be_taken(words: list[str], message: str, smoke: Path) -> None:
    assert message in refused("walk", smoke, *words, within=smoke)


def test_a_method_may_name_its_energy(smoke: Path, tmp_path: Path) -> None:
    """METHOD:ENERGY is METHOD with --energy ENERGY, to the bit; two different energies are refused."""
    ends = ["--from", "3", "--to", "8", "--frames", "5"]
    good("walk", smoke, *ends, "--method", "sgw-arriving:ratio", "--out", tmp_path / "a")
    good("walk", smoke, *ends, "--method", "sgw-arriving", "--energy", "ratio", "--out", tmp_path / "b")
    a, b = (np.load(tmp_path / n / "paths.npz")["nodes"] for n in "ab")
    assert np.array_equal(a, b)
    assert json.loads((tmp_path / "a" / "stats.json").read_text())["energy"] == "ratio"
    words = ["--method", "string:ratio", "--energy", "neg-log-d"]
    assert "give one of them" in refused("walk", smoke, *ends, *words, within=smoke)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pairs", "0"], "number of pairs must be at least 1"),
        (["--pairs", "100000"], "request fewer"),
        (["--methods", "sting"], "'string'"),
        (["--role", "validaton"], "'validation'"),
        (["--role", "reference"], "judged by themselves"),
    ],
)
@pytest.mark.parametrize("verb", ["report", "benchmark"])
def test_reports_that_cannot_be_written(verb: str, words: list[str], message: str, smoke: Path) -> None:
    assert message in refused(verb, smoke, *words, within=smoke)


def test_image_files_that_cannot_be_an_end(smoke: Path, tmp_path: Path) -> None:
    Image.new("L", (8, 8), 77).save(tmp_path / "constant.png")
    picture(0, size=9).save(tmp_path / "large.png")
    (tmp_path / "text.png").write_text("no image")
    for name, message in (("constant", "constant"), ("large", "9 x 9"), ("text", "not an image")):
        file = tmp_path / f"{name}.png"
        assert message in refused("walk", smoke, "--from", file, "--to", "3", within=tmp_path)
    assert "pass --resize" in refused("walk", smoke, "--from", tmp_path / "large.png", "--to", "3", within=smoke)


def test_results_are_never_written_over(smoke: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("mine")
    for words in (["walk", smoke, "--pairs", 2, "--out", tmp_path / "mine"], ["report", smoke, "--out"]):
        end = [tmp_path / "mine.html"] if words[0] == "report" else []
        assert "choose another --out" in refused(*words, *end, within=tmp_path)
    assert "choose another --out" in refused("benchmark", smoke, "--out", tmp_path / "mine.html", within=tmp_path)


@pytest.mark.parametrize("words", [["walk"], ["walk", "x", "--pairs", "many"], ["wlak"], ["train", "--nonsense"]])
def test_wrong_usage(words: list[str]) -> None:
    assert call(*words)[0] == 2


# --- runs that are damaged -------------------------------------------------------------------------------------------


def cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def altered(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(bytes(content))


def lacking_weights(run: Path) -> None:
    (run / "model.safetensors").unlink()


def half_written(run: Path) -> None:
    (run / "manifest.json").unlink()


def other_sum(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["sha256"]["model.safetensors"] = "0" * 64
    (run / "manifest.json").write_text(json.dumps(manifest))


def no_sum(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["sha256"]["model.safetensors"] = None
    (run / "manifest.json").write_text(json.dumps(manifest))


def other_architecture(run: Path) -> None:
    text = (run / "run.toml").read_text()
    (run / "run.toml").write_text(text.replace("latent = 8", "latent = 9"))


def unknown_key(run: Path) -> None:
    (run / "run.toml").write_text((run / "run.toml").read_text().replace("latent = 8", "latnt = 8"))


def other_type(run: Path) -> None:
    (run / "run.toml").write_text((run / "run.toml").read_text().replace("seed = 0", 'seed = "0"'))


def last_line_lost(run: Path) -> None:
    lines = (run / "run.toml").read_text().splitlines()
    (run / "run.toml").write_text("\n".join(lines[:-1]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (half_written, "--resume"),
        (lacking_weights, "model.safetensors"),
        (lambda run: cut(run / "manifest.json"), "manifest.json"),
        (other_sum, "model.safetensors"),
        (no_sum, "model.safetensors"),
        (lambda run: (run / "manifest.json").write_text("[]"), "manifest.json"),
        (lambda run: (run / "manifest.json").write_bytes(b"\xff\xfe"), "manifest.json"),
        (lambda run: cut(run / "model.safetensors"), "model.safetensors"),
        (lambda run: altered(run / "model.safetensors"), "model.safetensors"),
        (lambda run: cut(run / "detector.safetensors"), "detector.safetensors"),
        (lambda run: cut(run / "run.toml"), "run.toml"),
        (last_line_lost, "run.toml"),
        (lambda run: (run / "run.toml").write_text(""), "run.toml"),
        (lambda run: (run / "run.toml").write_bytes(b"\xff\xfe"), "run.toml"),
        (lambda run: (run / "run.toml").unlink(), "run.toml"),
        (other_architecture, "another architecture"),
        (unknown_key, "latent"),
        (other_type, "run.toml"),
    ],
)
def test_a_damaged_run_is_refused(damage: Callable[[Path], None], message: str, copied: Copy) -> None:
    run = copied()
    damage(run)
    assert message in refused("walk", run, "--pairs", 2, within=run)


def test_a_run_cut_at_any_line_of_its_settings_is_refused_or_whole(copied: Copy) -> None:
    from ridgewalk.store.origin import read_settings

    run = copied()
    whole = read_settings(run)
    text = (run / "run.toml").read_text()
    for end in range(0, len(text) - 1, 7):
        (run / "run.toml").write_text(text[:end])
        with pytest.raises(ValueError, match=r"run\.toml"):
            read_settings(run)
    (run / "run.toml").write_text(text)
    assert read_settings(run) == whole


def test_a_folder_that_is_no_run(folder: Path) -> None:
    for words in (
        ["walk", folder, "--pairs", 2],
        ["report", folder],
        ["sensors", folder],
        ["train", "--resume", folder],
    ):
        assert "is not a run" in refused(*words, within=folder)


def test_images_that_changed_since_are_refused(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = ["--set", "training.batch=4", "--set", "training.epochs=1", "--budget", "smoke", "--out", run]
    good("train", "digits", "--data", folder, *small)
    picture(1000).save(folder / "03.png")
    assert "have changed" in refused("walk", run, "--pairs", 1, within=run)
    shutil.rmtree(folder)
    assert str(folder) in refused("walk", run, "--pairs", 1, within=run)


# --- what works ------------------------------------------------------------------------------------------------------


def walked(run: Path, *words: object) -> tuple[Mapping[str, np.ndarray], Path]:
    """The arrays of a walk, and its folder."""
    folder = Path(json.loads(good("walk", run, *words, "--json"))["folder"])
    with np.load(folder / "paths.npz", allow_pickle=False) as file:
        return dict(file), folder


def self_contained(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<html" in text
    fetched = re.findall(r"""(?:src|href)=["']([^"'#][^"']*)["']""", text)
    assert all(address.startswith("data:") for address in fetched), fetched[:3]
    assert "@import" not in text
    assert not re.search(r"url\((?![\"']?(data:|#))", text)


def test_a_walk_between_two_test_images(copied: Copy) -> None:
    from ridgewalk.store.run import load

    path, folder = walked(copied(), "--from", 3, "--to", 7, "--gif")
    run = load(folder.parent.parent)
    assert folder == run.folder / "walks" / "string"
    shapes = {"nodes": (1, 17, 8), "frames": (1, 17, 1, 8, 8), "z_a": (1, 8), "z_b": (1, 8)}
    assert {n: path[n].shape for n in shapes} == shapes
    assert {path[n].dtype for n in shapes} == {np.dtype(np.float32)}
    assert 0 <= path["frames"].min() < path["frames"].max() <= 1
    for n in ("index_a", "index_b", "labels_a", "labels_b"):
        assert path[n].shape == (1,)
        assert path[n].dtype == np.int64
    assert (path["index_a"].item(), path["index_b"].item()) == (3, 7)
    assert path["labels_a"].item() == int(run.data.test.labels[3])
    assert path["arrived"].dtype == np.bool_
    assert np.array_equal(path["nodes"][:, 0], path["z_a"])
    assert np.array_equal(path["nodes"][:, -1], path["z_b"])
    assert np.allclose(path["z_a"], run.encode(run.data.test.floats()[3:4]).numpy(), atol=1e-5)
    assert np.allclose(path["frames"][0], run.decode(torch.from_numpy(path["nodes"][0])).numpy(), atol=1e-5)
    stats = json.loads((folder / "stats.json").read_text())
    assert (stats["method"], stats["energy"], stats["pairs"], stats["frames"]) == ("string", "soft-ratio", 1, 17)
    assert 0 <= stats["metrics"]["real"] <= 1
    assert set(stats["power"]) == {"A", "B"}
    assert stats["power"]["A"]["controls"]["half-and-half averages"]["share"] < 0.4
    assert set(stats["free"]) == {"lerp", "slerp"}
    assert set(stats["free"]["slerp"]) == set(stats["metrics"])
    self_contained(folder / "report.html")
    with Image.open(folder / "path.gif") as gif:
        assert gif.n_frames >= 17  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["lerp", "slerp", "sgw", "sgw-arriving", "guided", "graph", "graph-string"])
def test_every_method_walks(method: str, copied: Copy) -> None:
    path, folder = walked(copied(), "--pairs", 5, "--seed", 0, "--method", method, "--frames", 9)
    assert folder.name == method
    assert path["nodes"].shape == (5, 9, 8)
    assert np.array_equal(path["nodes"][:, 0], path["z_a"])
    arrived = path["arrived"]
    assert arrived.all() or method in ("sgw", "guided")
    assert np.array_equal(path["nodes"][arrived, -1], path["z_b"][arrived])


def test_a_walk_is_repeated_beside_the_first(copied: Copy) -> None:
    run = copied()
    words = [run, "--seed", 0, "--frames", 9, "--pairs"]
    (one, first), (two, second), (more, _) = walked(*words, 5), walked(*words, 5), walked(*words, 6)
    assert (first.name, second.name) == ("string", "string-2")
    assert sorted(one) == sorted(two)
    assert all(np.array_equal(one[n], two[n], equal_nan=one[n].dtype.kind == "f") for n in one)
    assert np.array_equal(more["index_a"][:5], one["index_a"])


def test_an_energy_can_be_named(copied: Copy) -> None:
    run = copied()
    for energy in ("ratio", "neg-log-d", "logit-squared", "bce-to-half"):
        _, folder = walked(run, "--pairs", 2, "--energy", energy)
        assert json.loads((folder / "stats.json").read_text())["energy"] == energy


def test_a_walk_from_an_image_file(copied: Copy, tmp_path: Path) -> None:
    picture(4).save(tmp_path / "mine.png")
    path, _ = walked(copied(), "--from", tmp_path / "mine.png", "--to", 7)
    assert (path["index_a"].item(), path["index_b"].item()) == (-1, 7)
    assert path["labels_a"].item() == -1
    picture(4, size=20, mode="RGB").save(tmp_path / "large.png")
    good("walk", tmp_path / "copy", "--from", tmp_path / "large.png", "--to", 7, "--resize")


def test_reference_images_do_not_judge_their_own_path(copied: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    from ridgewalk.judging import comparison
    from ridgewalk.store.run import load

    run = copied()
    last = len(load(run).data.test) - 1  # of the role reference
    seen = []
    measure = comparison.measure

    def spy(*arguments: object) -> object:
        seen.append([len(j.reference) for j in arguments[1]])  # type: ignore[attr-defined]
        return measure(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("ridgewalk.verbs.walk.measure", spy)
    good("walk", run, "--from", 3, "--to", last, "--method", "lerp")
    good("walk", run, "--from", 3, "--to", 7, "--method", "lerp")
    assert seen[0] == [n - 1 for n in seen[-1]]


def test_report_sensors_and_benchmark_speak_json(copied: Copy, tmp_path: Path) -> None:
    run = copied()
    other = shutil.copytree(run, tmp_path / "other")
    words = ["--methods", "string,lerp", "--pairs", 6, "--json"]
    found = json.loads(good("report", run, *words))
    assert Path(found["report"]) == run / "report.html"
    assert sorted(found["rows"]) == ["lerp", "slerp", "string"]
    assert found["free"] in ("lerp", "slerp")
    assert set(found["gains"]) == set(found["rows"]) - {found["free"]}
    assert set(found["sensors"]) == {"detector", "matcher"}
    self_contained(run / "report.html")
    page = (run / "report.html").read_bytes()
    again = json.loads(good("report", run, *words))
    assert Path(again["report"]) == run / "report-2.html"
    assert (run / "report.html").read_bytes() == page
    assert again["rows"] == found["rows"]
    sensors = json.loads(good("sensors", run, "--json"))
    assert sensors == found["sensors"]
    assert "matcher" in good("sensors", run)
    pooled = json.loads(good("benchmark", run, other, *words, "--out", tmp_path / "table.json"))
    assert json.loads((tmp_path / "table.json").read_text()) == pooled
    assert pooled["rows"]["lerp"]["real"][0] == pytest.approx(found["rows"]["lerp"]["real"][0])
    table = good("benchmark", run, other, *words[:-1])
    assert "| string" in table
    assert f"real - {pooled['free'].upper()}'s" in table.splitlines()[0]


def test_recipes_version_and_help() -> None:
    from ridgewalk import __version__

    assert good("--version").strip() == __version__
    assert {"aae", "ae", "vae", "digits"} <= set(json.loads(good("recipes", "--json")))
    assert "digits" in good("recipes")
    for verb in ("demo", "train", "walk", "report", "sensors", "benchmark", "recipes"):
        assert "Usage" in good(verb, "--help")


@pytest.mark.parametrize("recipe", ["vae", "ae"])
def test_models_without_a_matcher_train_and_walk(recipe: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = ["--set", "judges.epochs=2", "--set", "judges.batch=32", "--set", "model.hidden=[32]"]
    good("train", recipe, "--data", "digits", "--budget", "smoke", "--out", run, *small)
    _, folder = walked(run, "--pairs", 2, "--method", "sgw")
    assert json.loads((folder / "stats.json").read_text())["energy"] == "neg-log-d"
    assert "matcher" in refused("walk", run, "--pairs", 2, "--energy", "logit-squared", within=run)
    assert json.loads(good("report", run, "--methods", "string", "--pairs", 4, "--json"))["sensors"].keys() == {
        "detector"
    }


def test_images_without_classes_train_walk_and_are_reported(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    folder, run = tmp_path / "plain", tmp_path / "run"
    folder.mkdir()
    for i, image in enumerate(load_digits().images[:300]):
        Image.fromarray((image * 255 / 16).astype(np.uint8)).save(folder / f"{i:03}.png")
    small = ["--set", "training.epochs=2", "--set", "training.batch=32", "--out", run, *SETS]
    good("train", "digits", "--data", folder, "--budget", "smoke", *small)
    path, _ = walked(run, "--pairs", 3)
    assert not path["labels_a"].any()
    found = json.loads(good("report", run, "--pairs", 4, "--methods", "string", "--json"))
    assert not any(j["labelled"] for j in found["judges"].values())
    assert "real" in found["rows"]["string"]


def test_tensorboard_logs_beside_the_run(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    words = ["--out", tmp_path / "run", "--tensorboard", "--set", "training.epochs=1", *SETS]
    good("train", "digits", "--data", "digits", "--budget", "smoke", *words)
    assert any((tmp_path / "run").rglob("events.out.tfevents.*"))


def test_a_run_that_is_whole_is_not_trained_again(copied: Copy) -> None:
    run = copied()
    before = tree(run)
    good("train", "--resume", run)
    assert tree(run) == before
