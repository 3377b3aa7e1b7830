"""The verb `reproduce`: from recipe to report, stopped and resumed, and its refusals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ridgewalk.cli import app
from ridgewalk.settings import recipes
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.reproduce import STUDIES, at_hand, names, reproduce

QUICK = (
    "training.epochs=2",
    "detector.epochs=1",
    "judges.epochs=2",
    'reproduce.variants={weak=["matcher.hidden=[4]"], silent=["matcher.hidden=[4]", "matcher.init=0.01", "training.rates={discriminator=1e-9}"]}',
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smoke reproduction of the failing sensor, whose run of one seed and variant was there already, as after a kill."""
    folder = tmp_path_factory.mktemp("reproduced") / "failure"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Experiment, "run", _killed_at(1, Experiment.run))
        with pytest.raises(KeyboardInterrupt):
            reproduce("sensor-failure", source="digits", budget="smoke", changes=QUICK, out=folder, device="cpu")
    assert not (folder / "report.html").exists()
    before = (folder / "weak-0" / "manifest.json").stat().st_mtime_ns
    reproduce("sensor-failure", source="digits", budget="smoke", changes=QUICK, out=folder, device="cpu")
    assert (folder / "weak-0" / "manifest.json").stat().st_mtime_ns == before
    return folder


def _killed_at(call: int, run):  # type: ignore[no-untyped-def]
    calls = iter(range(100))

    def stopped(self, seed, variant=""):  # type: ignore[no-untyped-def]
        if next(calls) == call:
            raise KeyboardInterrupt
        return run(self, seed, variant)

    return stopped


def test_it_leaves_runs_figures_and_a_report_with_verdicts(finished: Path) -> None:
    assert {p.name for p in finished.iterdir()} == {
        ".lock",
        "experiment.json",
        "weak-0",
        "silent-0",
        "result.json",
        "report.html",
        "report-tables",
    }
    result = json.loads((finished / "result.json").read_text())
    claims = result["claims"]
    assert {c["verdict"] for c in claims} <= {"held", "held in part", "did not hold", "undecided"}
    assert len(claims) == 10
    html = (finished / "report.html").read_text()
    for claim in claims:
        assert claim["claim"].split("] ")[1] in html
    assert recipes.read("sensor-failure").question in html
    assert "smoke" in html


def test_a_silent_discriminators_walk_is_lerp(finished: Path) -> None:
    found = json.loads((finished / "result.json").read_text())["silent"]["walks"]
    correction, deviation = found["sgw"]["correction"][0], found["sgw"]["deviation"][0]
    assert correction < 1e-3
    assert deviation < 1e-3
    assert "The walk equals LERP in silent." in json.loads((finished / "result.json").read_text())["answer"]
    assert found["lerp"]["deviation"][0] == pytest.approx(0, abs=1e-5)


def test_a_finished_reproduction_is_not_written_over(finished: Path) -> None:
    with pytest.raises(ValueError, match="finished reproduction"):
        reproduce("sensor-failure", source="digits", budget="smoke", changes=QUICK, out=finished)


def test_another_experiments_folder_is_refused(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "experiment.json").write_text((finished / "experiment.json").read_text())
    with pytest.raises(ValueError, match="budget 'smoke' instead of 'cpu'"):
        reproduce("sensor-failure", source="digits", budget="cpu", changes=QUICK, out=folder)
    (folder / "experiment.json").write_text("{")
    with pytest.raises(ValueError, match="holds no reproduction"):
        reproduce("sensor-failure", source="digits", budget="smoke", changes=QUICK, out=folder)


def test_a_model_has_no_experiment_and_the_sentence_names_those_that_have(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["reproduce", "aae", "--data", "digits", "--out", str(tmp_path / "x")])
    assert answer.exit_code == 2
    assert "sensor-alive" in answer.stderr
    assert not (tmp_path / "x").exists()


def test_an_experiment_on_own_files_requires_them(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["reproduce", "aae-svhn", "--out", str(tmp_path / "x")])
    assert answer.exit_code == 2
    assert "name them with --data" in answer.stderr
    assert not (tmp_path / "x").exists()


def test_an_unknown_recipe_names_the_nearest() -> None:
    answer = CliRunner().invoke(app, ["reproduce", "sensor-alve"])
    assert answer.exit_code == 2
    assert "sensor-alive" in answer.stderr


def test_every_shipped_experiment_has_a_driver_a_time_and_an_expectation() -> None:
    known = STUDIES
    assert set(names()) == {
        "aae-clustering",
        "aae-likelihood",
        "aae-priors",
        "aae-reduction",
        "aae-semisupervised",
        "aae-style",
        "aae-svhn",
        "aae-tfd",
        "diffusion-2d",
        "diffusion-mnist",
        "front",
        "guidance-2d",
        "guidance-mnist",
        "interpolation-network",
        "path-truth",
        "sensor-failure",
        "sensor-alive",
        "sensors-compared",
        "vae-gan",
        "walk-phases",
    }
    for name in names():
        r = recipes.read(name).reproduce
        assert r.experiment in known
        assert r.minutes > 0
        assert r.expected
        for changes in r.variants.values():
            recipes.read(name, changes=changes)


def test_mnist_is_found_where_it_is_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RIDGEWALK_MNIST", raising=False)
    assert at_hand() == "digits"
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    (tmp_path / "data" / "mnist" / "train-images-idx3-ubyte.gz").touch()
    assert at_hand() == str(Path("data/mnist"))
    monkeypatch.setenv("RIDGEWALK_MNIST", str(tmp_path))
    with pytest.raises(ValueError, match="no files of MNIST"):
        at_hand()
