"""Progress where there is no terminal: a line at intervals says what is done, how far it is and how long it will take."""

import io
import os
import re
import subprocess
import sys
import time

import pytest
from rich.console import Console

from ridgewalk.progress import showing, track


def run_loops(console: Console, steps: int, pause: float, interval: float = 0.05) -> None:
    """Runs two nested loops that take some time."""
    with showing(console, interval=interval):
        for _ in track(range(2), "methods"):
            for _ in track(range(steps), "string method"):
                time.sleep(pause)


@pytest.mark.parametrize("dumb", [False, True], ids=["a file", "a dumb terminal"])
def test_lines_say_what_how_far_and_the_time_left(dumb: bool) -> None:
    file = io.StringIO()
    environment = {"TERM": "dumb" if dumb else "xterm"}
    begun = time.monotonic()
    run_loops(Console(file=file, force_terminal=dumb, _environ=environment), steps=20, pause=0.02)
    lines = file.getvalue().splitlines()
    assert 3 <= len(lines) <= (time.monotonic() - begun) / 0.05
    assert all(line.startswith("progress: methods ") for line in lines)
    clock = r"0:00:0\d"  # a slow machine may need seconds
    pattern = rf"methods 1 of 2, {clock} left; string method \d+ of 20, {clock} left"
    assert any(re.search(pattern, line) for line in lines)
    assert "\x1b" not in file.getvalue()


def test_a_single_slow_step_prints_lines_too() -> None:
    file = io.StringIO()
    run_loops(Console(file=file), steps=1, pause=0.3)
    assert "methods 0 of 2; string method 0 of 1 (" in file.getvalue()


def test_work_outside_of_loops_prints_lines_too() -> None:
    file = io.StringIO()
    with showing(Console(file=file), interval=0.05):
        time.sleep(0.2)
    assert file.getvalue().startswith("progress: at work (0:00:00 since the start)\n")


def test_nothing_is_printed_before_the_interval_or_after_the_end() -> None:
    file = io.StringIO()
    run_loops(Console(file=file), steps=2, pause=0.0, interval=0.2)
    time.sleep(0.4)
    assert file.getvalue() == ""


def test_a_quiet_console_prints_no_lines() -> None:
    file = io.StringIO()
    run_loops(Console(file=file, quiet=True), steps=3, pause=0.05)
    assert file.getvalue() == ""


def test_lines_that_cannot_be_written_do_not_end_the_work() -> None:
    file = io.StringIO()
    with showing(Console(file=file), interval=0.02):
        file.close()
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    "environment",
    [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"COLUMNS": "1"}, {"COLUMNS": "0"}, {"COLUMNS": "x", "LINES": ""}],
    ids=str,
)
def test_terminals_of_all_kinds_are_drawn_on(environment: dict[str, str]) -> None:
    import pty

    code = "from ridgewalk.cli.common import bars; from ridgewalk.progress import track; import time\n"
    code += "with bars():\n for _ in track(range(3), 'x' * 99): time.sleep(0.1)\nprint('done')"
    ours, theirs = pty.openpty()
    given = {"TERM": "xterm-256color", **os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=theirs, stderr=theirs, stdin=theirs, env=given, timeout=60
    )
    os.close(theirs)
    said = os.read(ours, 10**6)
    os.close(ours)
    assert done.returncode == 0, said
    assert said.endswith(b"done\r\n")
    assert b"Traceback" not in said
    if "TERM" in environment:
        assert b"\x1b[" not in said
    if "NO_COLOR" in environment:
        assert b"\x1b[3" not in said
