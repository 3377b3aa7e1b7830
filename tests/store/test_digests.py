"""Every file of a run that is read again is compared with a digest, so that a changed digit or bit is noticed."""

import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import call, good, refused
from ridgewalk.records import parse_record, seal
from ridgewalk.store.run import load
from ridgewalk.training.log import Written, describe_damage, log_digest, read_lines, read_log

Copy = Callable[[], Path]


def digit_changed(content: bytes, seed: int) -> bytes:
    """The content with one of its digits replaced by another."""
    draw = random.Random(seed)
    place = draw.choice([i for i, c in enumerate(content) if chr(c).isdigit()])
    other = draw.choice([d for d in b"0123456789" if d != content[place]])
    return content[:place] + bytes([other]) + content[place + 1 :]


def bit_changed(content: bytes, seed: int) -> bytes:
    draw = random.Random(seed)
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]


@pytest.mark.parametrize("change", [digit_changed, bit_changed])
@pytest.mark.parametrize("name", ["run.toml", "manifest.json", "log.jsonl"])
def test_no_single_damage_is_silent(name: str, change: Callable[[bytes, int], bytes], copied: Copy) -> None:
    run = copied()
    log = load(run).manifest["log"]
    whole = (run / name).read_bytes()
    for seed in range(40):
        (run / name).write_bytes(change(whole, seed))
        if name == "log.jsonl":
            assert describe_damage(run / name, log), seed
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # another source is said in a warning
            with pytest.raises((ValueError, UserWarning), match=rf"{name}|safetensors"):
                load(run)


def test_a_source_that_was_edited_is_accepted_and_said(copied: Copy, tmp_path: Path) -> None:
    run = copied()
    text = (run / "run.toml").read_text()
    (run / "run.toml").write_text(text.replace('source = "digits"', 'source = "digitz"'))
    with pytest.warns(UserWarning, match="another source than when it was written, 'digitz'"):
        load(run)
    code, _, error = call("sensors", run)
    assert code == 2
    assert "digitz" in error


def test_settings_that_were_edited_are_refused_until_the_digests_are_removed(copied: Copy) -> None:
    run = copied()
    text = (run / "run.toml").read_text().replace("pairs = ", "pairs = 1")
    (run / "run.toml").write_text(text)
    assert "remove its table 'digests'" in refused("sensors", run)
    head, _, rest = text.partition("[digests]")
    (run / "run.toml").write_text(head + rest[rest.index("[") :])
    good("sensors", run)


def test_unknown_entries_are_refused_by_name(copied: Copy) -> None:
    run = copied()
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["digest"]
    for damaged, said in (
        ({**manifest, "secounds": 1.0}, "secounds"),
        ({**manifest, "sha256": {**manifest["sha256"], "modle.safetensors": "0"}}, "modle.safetensors"),
        ({**manifest, "seconds": "long"}, "long"),
    ):
        (run / "manifest.json").write_text(json.dumps(damaged))
        assert said in refused("sensors", run)
    text = (run / "run.toml").read_text()
    (run / "run.toml").write_text(text.replace("skip_bad = false", "skip_bad = false\nskip_worse = false"))
    assert "skip_worse" in refused("sensors", run)


def test_values_that_are_nested_deeply_are_refused_in_one_sentence(copied: Copy) -> None:
    run = copied()
    (run / "manifest.json").write_text("[" * 100_000)
    assert "nested too deeply" in refused("sensors", run)
    (run / "run.toml").write_text(f"x = {'[' * 100_000}")
    assert "run.toml cannot be read" in refused("sensors", run)


def test_a_sealed_record_reads_as_it_was(tmp_path: Path) -> None:
    record = seal({"a": 1.5, "b": [1, (2, 3)], "sha256": "x"})
    text = json.dumps(record)
    assert parse_record(text, ("a", "b")) == json.loads(text)
    with pytest.raises(ValueError, match="digest"):
        parse_record(text.replace("1.5", "1.6"), ("a", "b"))


LINES = [{"step": step, "loss": 1 / step, "kl": 0.5} for step in range(1, 9)]


@pytest.mark.parametrize(
    ("damage", "said", "kept"),
    [
        (lambda lines: lines[:4], "digest differs", 4),
        (
            lambda lines: [*lines[:3], lines[3][:9], *lines[4:]],
            "1 of its lines cannot be read and 1 steps are missing",
            7,
        ),
        (lambda lines: [*lines[:3], lines[3].replace("loss", "lss"), *lines[4:]], "cannot be read", 7),
        (lambda lines: [*lines[:3], lines[3].replace('"kl": 0.5', '"kl": "a"'), *lines[4:]], "cannot be read", 7),
        (lambda lines: [*lines[:3], lines[3].replace("0.5", "NaN"), *lines[4:]], "cannot be read", 7),
        (lambda lines: [*lines[:3], "[" * 100_000, *lines[4:]], "cannot be read", 7),
        (lambda lines: [*lines[:3], "7", *lines[4:]], "cannot be read", 7),
        (lambda lines: [*lines[:3], '{"event": 3}', *lines[4:]], "cannot be read", 7),
        (lambda lines: [*lines[:3], *lines[4:]], "1 steps are missing", 7),
        (lambda lines: [], "digest differs", 0),
    ],
)
def test_a_damaged_log_is_noticed_and_its_other_lines_are_read(
    damage: Callable[[list[str]], list[str]], said: str, kept: int, tmp_path: Path
) -> None:
    file = tmp_path / "log.jsonl"
    texts = [json.dumps(line) for line in LINES]
    file.write_text("".join(f"{t}\n" for t in texts))
    digest = log_digest(file)
    written = Written(file.stat().st_size, str(digest))
    assert describe_damage(file, digest) == describe_damage(file, written) == describe_damage(file) == ""
    file.write_text("".join(f"{t}\n" for t in damage(texts)))
    assert said in describe_damage(file, digest)
    assert said in describe_damage(file, written)
    assert len(read_lines(file)) == len(read_log(file)[0]) == kept


def test_a_report_is_made_of_what_can_be_read_of_a_log(copied: Copy) -> None:
    run = copied()
    lines = (run / "log.jsonl").read_text().splitlines()
    lines[2] = "[" * 100_000
    (run / "log.jsonl").write_text("\n".join(lines))
    code, _, error = call("report", run, "--pairs", 2, "--methods", "lerp")
    assert code == 0
    assert "log.jsonl was altered or cut short" in error
    assert "was altered or cut short" in (run / "report.html").read_text()


def test_a_damaged_record_of_a_reproduction_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    asked = {"recipe": "vae-gan", "source": "digits", "budget": "smoke", "changes": []}
    text = json.dumps(seal(asked))
    words = ["reproduce", "vae-gan", "--data", "digits", "--budget", "smoke", "--out", folder]
    for damaged in (text.replace("smoke", "smoky"), text[:30], "[" * 100_000, text.replace("budget", "budgets")):
        (folder / "experiment.json").write_text(damaged)
        assert "experiment.json cannot be read" in refused(*words)


def test_a_judge_whose_record_was_changed_is_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ridgewalk.data import load as load_images
    from ridgewalk.judging import judges
    from ridgewalk.settings.autoencoder import Judges

    monkeypatch.setenv("RIDGEWALK_CACHE", str(tmp_path))
    data, settings = load_images("digits"), Judges(epochs=1, steps=4)
    judges.judge(data, "A", settings)
    records = sorted((tmp_path / "judges").glob("*.json"))
    assert len(records) == 2  # of the classifier, and of the network that tells real images from composites
    for record in records:
        whole = record.read_bytes()
        for change in (digit_changed, bit_changed):
            for seed in range(3):
                record.write_bytes(change(whole, seed))
                judges.judge(data, "A", settings)
                assert record.read_bytes() == whole
