"""What surrounds a command: environments that are not torchrun's, closed pipes, other encodings, requests to end, unexpected errors."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import call, refused
from ridgewalk.cli import common


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ridgewalk", *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


@pytest.mark.parametrize("words", [["recipes"], ["methods"], ["walk", "nowhere", "--pairs", "2"]])
def test_an_environment_that_is_not_torchruns_is_met_in_a_sentence(words: list[str]) -> None:
    done = run(*words, WORLD_SIZE="x")
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)


def test_a_rank_alone_silences_nothing() -> None:
    done = run("methods", RANK="3")
    assert done.returncode == 0
    assert "string" in done.stdout


def test_a_closed_pipe_is_no_failure() -> None:
    line = f"{sys.executable} -m ridgewalk recipes | head -c 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_characters_that_the_terminal_lacks_are_escaped() -> None:
    done = run("walk", "Ünïcode", "--pairs", "2", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 2
    assert "\\xdcn\\xefcode" in done.stderr


def test_an_unexpected_error_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr("ridgewalk.store.run.load", broken)
    said = refused("sensors", "anything")
    assert "ZeroDivisionError: deep inside" in said
    assert "RIDGEWALK_DEBUG=1" in said
    monkeypatch.setattr("ridgewalk.store.run.load", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
    assert "the memory does not suffice" in refused("sensors", "anything")
    monkeypatch.setenv("RIDGEWALK_DEBUG", "1")
    with pytest.raises(AssertionError, match="MemoryError"):
        call("sensors", "anything")


def test_verbs_that_open_runs_offer_trust_and_others_do_not() -> None:
    assert "--trust" in call("walk", "--help")[1]
    assert "--trust" not in call("recipes", "--help")[1]
    assert common.guarded(lambda: None)() is None


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("recipes > /dev/full", 2),
        ("--help > /dev/full", 2),
        ("walk --help > /dev/full", 2),
        ("--version > /dev/full", 2),
        ("recipes 2> /dev/full", 0),
        ("sensors RUN --json 2> /dev/full", 0),
        ("sensors RUN > /dev/full", 2),
        ("walk nowhere --pairs 2 2> /dev/full", 2),
        ("walk --pars 2 2> /dev/full", 2),
        ("walk --pars 2 2>&-", 2),
        ("sensors RUN <&- >&- 2>&-", 0),
    ],
)
def test_output_that_cannot_be_written_gives_no_traceback(line: str, code: int, smoke: Path) -> None:
    command = f"exec {sys.executable} -m ridgewalk {line.replace('RUN', str(smoke))}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) <= 1, done.stderr
    if lines:
        assert lines[0].startswith(
            "ridgewalk: the result cannot be printed on standard output (No space left on device)"
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["walk"], "missing argument 'RUN'"),
        (["walk", "nowhere", "--par", "2"], "no such option: --par"),
        (["wlk"], "Did you mean 'walk'"),
        (["walk", "nowhere", "--pairs", "abc"], "abc"),
        (["train", "digits", "--set"], "'--set' requires an argument"),
        (["walk", "nowhere", "again"], "unexpected extra argument"),
        (["recipes", "--json=1"], "--json"),
        (["sample", "nowhere", "--n", ""], "--n"),
        (["walk", "a\0b", "--pairs", "2"], "null"),
        (["walk", "\udcff\x1b[2J\n", "--pairs", "2"], "no run at \\udcff\\x1b[2J"),
        (["train", "\x07", "--data", "digits"], "\\x07"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_refused_in_one_sentence(words: list[str], message: str) -> None:
    assert message in refused(*words)


@pytest.mark.parametrize("name", ["a" * 100_000, "a/" * 50_000, "a b " * 25_000], ids=["word", "path", "sentence"])
@pytest.mark.parametrize(
    "words", [["walk", "X", "--pairs", "2"], ["train", "X", "--data", "digits"], ["train", "ae", "--data", "X"]]
)
def test_long_arguments_are_not_echoed_in_full(words: list[str], name: str) -> None:
    assert len(refused(*(name if w == "X" else w for w in words))) < 2500


def test_a_process_other_than_0_is_refused_in_silence_once_torchrun_ends_it() -> None:
    command = [sys.executable, "-m", "ridgewalk", "walk", "nowhere", "--pairs", "2"]
    environment = {**os.environ, "WORLD_SIZE": "2", "RANK": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    time.sleep(2)  # wherever it is by then, starting or waiting
    process.terminate()
    out, error = process.communicate(timeout=30)
    assert (process.returncode, out, error) == (-signal.SIGTERM, b"", b"")


def test_a_process_that_is_refused_alone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ridgewalk.cli.refusals.PATIENCE", 0.1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    code, _, error = call("walk", "nowhere", "--pairs", "2")
    assert code == 2
    assert error.startswith("ridgewalk (process 1): no run at nowhere")


def test_a_refusal_of_two_processes_is_one_sentence() -> None:
    done = run("--processes", "2", "walk", "nowhere", "--pairs", "2")
    assert done.returncode == 2
    assert done.stderr == "ridgewalk: no run at nowhere: there is no such folder; `ridgewalk train` makes one\n"
