"""A small part of the fuzz suite (``python -m fuzz``), and proof that it notices each kind of fault."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fuzz import calls
from fuzz.mutations import MUTATIONS, mutate

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the suite forks processes and needs Linux")


@pytest.mark.parametrize(("kinds", "count"), [(["data"], 50), (["runs", "recipes", "commands"], 9)])
def test_a_part_of_the_suite_finds_no_fault(kinds: list[str], count: int) -> None:
    command = [sys.executable, "-m", "fuzz", *kinds, "--count", str(count), "--seed", "11", "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert all(f"{kind}: {count} trials, 0 faults" in done.stdout for kind in kinds)


def stop(code: object, error: str = "") -> None:
    print(error, file=sys.stderr)
    raise SystemExit(code)


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (lambda: 1 / 0, "traceback"),
        (lambda: stop(2, "ridgewalk: an error that ridgewalk did not foresee: KeyError"), "traceback"),
        (lambda: os.kill(os.getpid(), 9), "traceback"),
        (lambda: stop(2, "no"), "refused without a sentence"),
        (lambda: stop(3), "exit code 3"),
        (lambda: stop(2, "ridgewalk: there is no such file"), ""),
        (lambda: None, ""),
    ],
)
def test_the_suite_notices_how_a_process_ends(function: object, fault: str, tmp_path: Path) -> None:
    assert calls.Call(function, tmp_path).wait(20.0).fault == fault  # type: ignore[arg-type]


def test_the_suite_notices_a_process_that_does_not_end(tmp_path: Path) -> None:
    def ignore_requests() -> None:
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)

    assert calls.Call(ignore_requests, tmp_path).wait(0.5, grace=0.5).fault == "endless"
    assert calls.Call(lambda: time.sleep(60), tmp_path).wait(0.2).late == "stopped"


def test_a_process_is_the_first_of_its_namespace_where_that_is_asked(tmp_path: Path) -> None:
    ending = calls.Call(lambda: print(os.getpid()), tmp_path, first=True).wait(20.0)
    if ending.code == 99:
        pytest.skip("this machine allows no PID namespaces")
    assert ending.out == "1\n"


def test_every_mutation_changes_its_content() -> None:
    draw = np.random.default_rng(0)
    content = b"[training]\nepochs = 12\n" + bytes(range(256))
    names = {mutate(content, draw)[0] for _ in range(400)}
    assert names == {m.__name__ for m in MUTATIONS}
    assert all(mutate(content, draw)[1] != content for _ in range(200))
