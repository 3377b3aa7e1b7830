"""Judges grade images that they never saw, and are trained once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ridgewalk.data import ImageData, Images, arrange, load, part
from ridgewalk.evaluation.judged import describe_blindness, judges_of
from ridgewalk.judging import composites, discernment, judges
from ridgewalk.judging.judges import NAMES, Judge, judge
from ridgewalk.judging.power import Power
from ridgewalk.settings.autoencoder import Judges
from ridgewalk.store.run import load as load_run
from ridgewalk.training.noise import Noise


def digits(names: bool = True) -> ImageData:
    data = load("digits")
    if names:
        return data

    def plain(images: Images) -> Images:
        return Images(images.pixels, torch.zeros_like(images.labels), ("all",))

    return ImageData("plain", plain(data.train), plain(data.test))


@pytest.fixture(scope="module")
def pair() -> list[Judge]:
    return [judge(digits(), name, Judges(epochs=12, batch=32, steps=400)) for name in NAMES]


def test_judges_know_their_digits(pair: list[Judge]) -> None:
    assert all(j.labelled for j in pair)
    assert min(j.accuracy for j in pair) > 0.7  # 257 training images; chance is 0.1


def test_a_judge_refuses_images_that_it_was_trained_on(pair: list[Judge]) -> None:
    data = digits()
    for j, role in zip(pair, ("judge_a", "judge_b")):
        with pytest.raises(ValueError, match=rf"judge {j.name} was trained on {len(part(data, role))} of these"):
            j.refuse_seen(part(data, role))
        for other in ("model", "validation", "test", "reference"):
            j.refuse_seen(part(data, other))


def test_a_judge_with_references_that_it_saw_is_refused(pair: list[Judge]) -> None:
    j, seen = pair[0], part(digits(), "judge_a")
    with pytest.raises(ValueError, match="was trained on"):
        Judge(j.name, j.classifier, j.seen, seen, True, 1.0, j.composite)


def test_two_judges_share_no_training_image_with_each_other_or_the_model(pair: list[Judge]) -> None:
    model = part(digits(), "model").digests()
    assert not torch.isin(pair[0].seen, pair[1].seen).any()
    assert not any(torch.isin(model, j.seen).any() for j in pair)
    assert len(pair[0].seen) == len(part(digits(), "judge_a"))


def test_a_judge_is_read_from_the_cache_the_second_time(pair: list[Judge], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(judges, "fit", never)
    monkeypatch.setattr(discernment, "fit", never)
    again = judge(digits(), "A", Judges(epochs=12, batch=32, steps=400))
    frames = part(digits(), "test").floats()[:20]
    assert torch.equal(again.features(frames), pair[0].features(frames))
    assert torch.equal(again.margin(frames), pair[0].margin(frames))
    for other in (Judges(epochs=13, batch=32, steps=400), Judges(epochs=12, batch=32, steps=401)):
        with pytest.raises(AssertionError, match="trained again"):
            judge(digits(), "A", other)


def test_a_damaged_cache_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIDGEWALK_CACHE", str(tmp_path))
    settings = Judges(epochs=1, batch=32, steps=4)
    first = judge(digits(), "B", settings)
    files = sorted((tmp_path / "judges").glob("*.safetensors"))
    assert len(files) == 2  # the classifier, and the network that tells real images from composites
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(whole[:500])
        again = judge(digits(), "B", settings)
        assert file.read_bytes() == whole
        assert (again.accuracy, again.composite.threshold) == (first.accuracy, first.composite.threshold)
        damaged = bytearray(whole)
        damaged[-3] ^= 1  # one bit of a weight: still a whole safetensors file
        file.write_bytes(damaged)
        assert judge(digits(), "B", settings).accuracy == first.accuracy
        assert file.read_bytes() == whole


def test_the_power_is_measured_once_and_again_where_its_file_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIDGEWALK_CACHE", str(tmp_path))
    measured = []
    measure = discernment.power.measure_power

    def count(*given: Any) -> Power:
        measured.append(given)
        return measure(*given)

    monkeypatch.setattr(discernment.power, "measure_power", count)
    settings = Judges(epochs=1, batch=32, steps=4)
    first = judge(digits(), "B", settings).composite.power
    assert judge(digits(), "B", settings).composite.power == first
    assert len(measured) == 1
    (file,) = (tmp_path / "judges").glob("*.power.json")
    text = file.read_text()
    share = f'"real": {first.real}'
    assert share in text
    for damaged in (text[:200], text.replace(share, '"real": 1.0'), text.replace('"digest"', '"sha256"'), "[]"):
        file.write_text(damaged)
        assert judge(digits(), "B", settings).composite.power == first
        assert file.read_text() == text
    assert len(measured) == 5
    other = judge(digits(), "B", Judges(epochs=1, batch=32, steps=8)).composite.power  # its weights are others
    assert other != first
    assert len(measured) == 6


def test_a_cache_that_cannot_be_written_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for name, value in {"RIDGEWALK_CACHE": str(tmp_path / "file"), "HOME": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
        with pytest.warns(UserWarning, match="cannot be kept.*RIDGEWALK_CACHE"):
            assert judge(digits(), "B", Judges(epochs=1, batch=32, steps=4)).name == "B"


def test_images_without_classes_have_judges_of_mirrorings(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judge(digits(names=False), "A", Judges(epochs=12, batch=64, steps=4))
    assert not found.labelled
    frames = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    p = found.probabilities(frames)
    assert p.shape == (3, 4)
    torch.testing.assert_close(p, found.classifier(frames).softmax(dim=1))
    torch.testing.assert_close(found.classify(found.features(frames)[None])[0], p)
    assert found.accuracy > 0.5  # chance is 0.25
    assert len(found.seen) == len(part(digits(), "judge_a"))


def test_real_images_are_more_real_than_noise(pair: list[Judge]) -> None:
    test = part(digits(), "test").floats()
    noise = torch.rand(len(test), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for j in pair:
        near, far = j.near(j.features(test)).double().mean(), j.near(j.features(noise)).double().mean()
        assert near > 0.5
        assert near > far + 0.1
        assert j.real(test).mean() > 0.75
        assert j.real(noise).mean() == 0
        assert 0.35 < j.realism(test).mean() < 0.6  # a rank among real images
        assert j.realism(noise).max() < 0.1
        assert torch.equal(j.margin(test) >= 0, j.real(test) == 1)
        assert torch.equal(j.composite.accepts(test), j.real(test) == 1)


def test_a_judge_that_cannot_tell_gives_no_grades() -> None:
    data = load("digits")
    hardly = judge(data, "A", Judges(epochs=1, batch=32, steps=1))
    assert hardly.composite.power.reasons
    frames = part(data, "test").floats()[:5]
    for grades in (hardly.real(frames), hardly.realism(frames), hardly.margin(frames)):
        assert grades.shape == (5,)
        assert grades.isnan().all()
    (told,) = describe_blindness([hardly])
    assert told.startswith(
        "No share of real frames is given: the judges cannot tell on these data (judge A: it accepts "
    )


def test_rows_without_classes_are_compared_as_they_are() -> None:
    """Mixtures of two rows of a curved band lie off it; the rows have no labels."""
    t = torch.rand(1200, 1, generator=torch.Generator().manual_seed(0)) * 6.28
    rows = torch.cat([0.5 + 0.4 * (k * t).sin() for k in (1, 2, 3)] + [0.5 + 0.4 * (k * t).cos() for k in (1, 2, 3)], 1)
    data = arrange("band", Images(rows[:, None, None], torch.zeros(1200, dtype=torch.int64), ("all",)))
    for name in NAMES:
        found = judge(data, name, Judges(steps=600))
        assert not found.labelled
        assert torch.equal(found.features(rows[:3, None, None]), rows[:3])
        assert found.composite.power.reasons == []
        test = part(data, "test").floats()
        assert found.real(test).mean() > 0.7
        assert found.real((test + test.roll(1, dims=0)) / 2).mean() < 0.3


def test_references_that_repeat_a_judges_image_are_left_out() -> None:
    """A data set may hold an image twice (Fashion-MNIST and CIFAR do): its run must still be judged, on the others."""
    data = digits()
    pixels, half = data.test.pixels.clone(), len(data.test) // 2
    pixels[half] = part(data, "judge_a").pixels[0]
    twice = ImageData("twice", data.train, Images(pixels, data.test.labels, data.class_names))
    found = judge(twice, "A", Judges(epochs=1, batch=32, steps=4))
    assert len(found.reference) == len(part(twice, "reference")) - 1


def test_a_run_keeps_the_splits(smoke: Path) -> None:
    run = load_run(smoke)
    roles = {role: part(run.data, role).digests() for role in ("model", "judge_a", "judge_b", "test", "reference")}
    for name, seen in ((j.name, j.seen) for j in judges_of(run)):
        assert torch.equal(seen, roles[f"judge_{name.lower()}"])
    codes = run.encode(part(run.data, "model").floats())
    assert torch.equal(run.references, codes)
    names = list(roles)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            assert not torch.isin(roles[a], roles[b]).any(), (a, b)


def test_few_images_still_make_judges() -> None:
    rows = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = arrange("few", Images(rows, torch.zeros(60, dtype=torch.int64), ("all",)))
    for name in NAMES:
        found = judge(data, name, Judges(epochs=1, steps=4))
        assert found.near(found.features(torch.rand(5, 1, 8, 8))).shape == (5,)
        assert found.real(torch.rand(5, 1, 8, 8)).isnan().all()
        assert "each needs 20" in describe_blindness([found])[0]


class Ink(nn.Module):
    """The mean of each half of an image, under a dropout that would change it in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(torch.stack([x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))], dim=1))


def test_neighbours_can_be_looked_for_in_features_of_ones_own(pair: list[Judge]) -> None:
    module = Ink().train()
    frames = part(digits(), "test").floats()[:30]
    expected = torch.stack([frames[..., :4].mean((1, 2, 3)), frames[..., 4:].mean((1, 2, 3))], dim=1)
    for own in (pair[0].with_features(module, "ink"), pair[0].with_features(lambda x: module.eval()(x))):
        torch.testing.assert_close(own.features(frames), expected)
        reference = own.reference.floats()
        centres = torch.stack([reference[..., :4].mean((1, 2, 3)), reference[..., 4:].mean((1, 2, 3))], dim=1)
        away = torch.cdist(centres.double(), centres.double())
        radii = away.sort(dim=1).values[:, own.k]
        inside = (torch.cdist(expected.double(), centres.double()) <= radii).any(dim=1)
        assert torch.equal(own.near(own.features(frames)), inside)
        assert not own.labelled
        assert torch.equal(own.margin(frames), pair[0].margin(frames))  # real or not is the composite judge's
    assert own.source == "the given features"


def test_features_that_work_in_place_leave_frames_as_they_are(pair: list[Judge]) -> None:
    own = pair[0].with_features(lambda x: x.sub_(0.5).flatten(1))
    frames = part(digits(), "test").floats()[:5]
    before = frames.clone()
    torch.testing.assert_close(own.features(frames), before.flatten(1) - 0.5)
    assert torch.equal(frames, before)


def test_features_of_half_precision_are_compared_in_single(pair: list[Judge]) -> None:
    own = pair[0].with_features(lambda x: x.flatten(1).half())
    assert own.features(part(digits(), "test").floats()[:5]).dtype == torch.float32


def test_a_module_of_ones_own_is_not_changed(pair: list[Judge]) -> None:
    module = Ink().train()
    assert pair[0].with_features(module, "ink").source == "the features of ink"
    assert module.training
    assert module.drop.training


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda x: x, r"the features of F of 2 images are \(2, 1, 8, 8\); expected a map of images \(n, 1, 8, 8\)"),
        (lambda x: x.flatten(1)[:1], r"of 2 images are \(1, 64\)"),
        (lambda x: [x], "of 2 images are list"),
        (lambda x: x.flatten(1) / 0, "are not finite"),
        (lambda x: x.flatten(1).long(), r"are torch.int64"),
        (nn.Linear(3, 4), r"cannot be computed \(mat1 and mat2"),
    ],
)
def test_features_of_another_shape_are_refused(
    features: Callable[[Tensor], Tensor], message: str, pair: list[Judge]
) -> None:
    with pytest.raises(ValueError, match=message):
        pair[0].with_features(features, "F")


class Contrast(nn.Module):
    """The largest difference of neighbouring pixels, which a blur lowers: (n, c, h, w) -> (n, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.diff(dim=3).abs().amax(dim=(1, 2, 3))[:, None]


def test_the_threshold_takes_nine_of_ten_softened_images() -> None:
    """With a threshold chosen on sharp images, whose contrast is 1, no softened image would be taken for real."""
    edges = torch.zeros(4000, 1, 4, 32, dtype=torch.uint8).repeat(1, 1, 8, 1)
    edges[..., 16:] = 255
    edges[:, 0, 0, 0] = torch.arange(4000) % 250  # so that no two of them are copies
    edges[:, 0, 1, 0] = torch.arange(4000) // 250
    images = Images(edges, torch.zeros(4000, dtype=torch.int64), ("all",))
    data = ImageData("edges", images.take(torch.arange(2000)), images.take(torch.arange(2000, 4000)))
    found = discernment.calibrate("A", Contrast(), data, torch.zeros(1, dtype=torch.int64))
    sharp = Contrast()(part(data, "reference").floats())
    soft = Contrast()(composites.soften(part(data, "reference").floats(), Noise(3, 0)))[:, 0]
    assert float(sharp.min()) > 0.99
    assert float((soft >= found.threshold).float().mean()) == pytest.approx(0.9, abs=0.08)  # of a few hundred
    assert found.threshold < 0.3  # an edge under a blur of nearly two pixels


def test_judges_that_differ_in_weights_alone_keep_their_own_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIDGEWALK_CACHE", str(tmp_path))
    held_out = part(digits(), "reference")
    found = []
    for sign in (1.0, -1.0):
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 1, bias=False))
        nn.init.constant_(network[1].weight, sign)
        found.append(discernment.CompositeJudge("A", network, torch.zeros(50), held_out, keep=True).power)
    assert [p.controls["white"].share for p in found] == [1, 0]
    assert [p.calibration for p in found] == [50, 50]
