"""
Runs that were written before the artifacts had one protocol load and give the same results.

``former_runs`` holds two runs of version 0.1.0 with very small networks: an adversarial autoencoder of the digits with a pixel
detector, a diffusion of its codes and its guide, and a diffusion of the ring; and what that version made of them
(``expected.npz``). The digits come with scikit-learn and the ring is a density, so that nothing else is needed.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from commands import refused
from ridgewalk.models.artifact import Artifact
from ridgewalk.models.weights import read_tensors
from ridgewalk.store.autoencoder import AUTOENCODER, pixel_artifact
from ridgewalk.store.diffusion import DIFFUSION
from ridgewalk.store.guide import GUIDE
from ridgewalk.store.run import Run, load

FORMER = Path(__file__).parent / "former_runs"


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    with np.load(FORMER / "expected.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


@pytest.fixture(scope="module")
def codes() -> Run:
    return load(FORMER / "codes")


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)  # other processors round otherwise


@pytest.mark.parametrize(
    ("method", "energy", "name"),
    [
        ("string", None, "string"),
        ("string", "dual", "dual"),
        ("flow", None, "flow"),
        ("flow-guided", None, "flow_guided"),
    ],
)
def test_a_former_run_walks_as_it_did(
    codes: Run, expected: dict[str, Tensor], method: str, energy: str | None, name: str
) -> None:
    """Encoder, decoder, detector, pixel detector, diffusion and guide all take part in one of these."""
    z = codes.encode(codes.data.test.floats()[:4])
    same(codes.finder(method, energy)(z[:2], z[2:]).nodes, expected[name])


def test_former_diffusions_draw_the_samples_that_they_drew(codes: Run, expected: dict[str, Tensor]) -> None:
    same(codes.diffusion.sample(8, 3).x, expected["samples"])
    points = load(FORMER / "points")
    assert not points.has_latents
    assert points.density is not None
    same(points.diffusion.sample(8, 3).x, expected["plane"])


@pytest.mark.parametrize("artifact", [AUTOENCODER, DIFFUSION, GUIDE, pixel_artifact("holes")], ids=lambda a: a.title)
def test_every_artifact_is_written_as_it_was_read(artifact: Artifact, tmp_path: Path) -> None:
    """The record's keys and the checksums are those of the former version, so that it could read the run too."""
    _, record = artifact.read(FORMER / "codes", dict)
    weights = {}
    for name in artifact.weights:
        flat = read_tensors(FORMER / "codes" / f"{name}.safetensors")
        weights[name] = {n: module(flat, n) for n in dict.fromkeys(key.split(".")[0] for key in flat)}
    notes = {k: v for k, v in record.items() if k != "sha256"}
    assert artifact.save(tmp_path, weights, notes) == record
    assert (tmp_path / artifact.record_file).read_text() == (FORMER / "codes" / artifact.record_file).read_text()


def module(flat: dict[str, Tensor], name: str) -> torch.nn.Module:
    """A module whose state is the tensors of one network."""
    found = torch.nn.Module()
    found.state_dict = lambda: {k.removeprefix(f"{name}."): t for k, t in flat.items() if k.startswith(f"{name}.")}  # type: ignore[method-assign]
    return found


@pytest.mark.parametrize(
    ("artifact", "words"),
    [
        (AUTOENCODER, ["walk", "--pairs", 2]),
        (DIFFUSION, ["walk", "--pairs", 2]),
        (GUIDE, ["sample", "--gamma", 1]),
        (pixel_artifact("holes"), ["walk", "--pairs", 2]),
    ],
    ids=lambda value: getattr(value, "title", "-"),
)
def test_damage_to_any_artifact_is_refused_in_one_sentence(
    artifact: Artifact, words: list[object], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(FORMER / "codes", run)
    verb, *options = words
    file = run / f"{artifact.weights[0]}.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "checksum" in refused(verb, run, *options)
    record = run / artifact.record_file
    record.write_text(record.read_text()[:40])
    assert f"{artifact.record_file} cannot be read" in refused(verb, run, *options)


@pytest.mark.parametrize("verb", ["walk", "report", "sense", "diffuse", "sensors", "compare", "map", "project"])
def test_a_diffusion_of_points_has_no_latent_space(verb: str, tmp_path: Path) -> None:
    """The verbs of latent spaces refuse it and write nothing."""
    run = tmp_path / "run"
    shutil.copytree(FORMER / "points", run)
    np.save(tmp_path / "z.npy", np.zeros((2, 2)))
    options = {"walk": ["--pairs", 2], "project": ["--latents", tmp_path / "z.npy", "--out", tmp_path / "out"]}
    assert "no latent space" in refused(verb, run, *options.get(verb, []), within=tmp_path)
