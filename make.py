#!/usr/bin/env python3
"""
Sets up ridgewalk in .venv and runs something in it. Needs Python 3.11 to 3.13 and nothing else.

    python3 make.py demo      the main job: train on digits, walk, judge, write a report
    python3 make.py test      every check: format, lint, types, tests (further words go to pytest)
    python3 make.py install   only the environment

PyTorch: the CPU build, from the folder that PIP_FIND_LINKS names where that is set, otherwise from PyTorch's own index. With
RIDGEWALK_TORCH=auto the build for this machine's GPU, with RIDGEWALK_TORCH=cu128 (or another) that one.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "ridgewalk.stamp"
PYTEST = ["-m", "pytest", "--dist", "loadfile", "--no-loadscope-reorder"]  # a file's fixtures are made by one worker


def say(text: str) -> None:
    """Tells what is being done."""
    print(f"==> {text}", flush=True)


def run(*command: object, **environment: str) -> None:
    """Runs a command in the project's folder; its failure ends this script with its exit code."""
    code = subprocess.run([str(c) for c in command], cwd=ROOT, env={**os.environ, **environment}).returncode
    if code:
        sys.exit(code)


def install() -> None:
    """Makes .venv and installs ridgewalk with everything that its tests need; does nothing where that stands already."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        sys.exit(f"ridgewalk needs Python 3.11 to 3.13; this is {sys.version.split()[0]}")
    backend = os.environ.get("RIDGEWALK_TORCH", "")
    wanted = [
        Path(__file__),
        ROOT / "pyproject.toml",
        ROOT / "studies" / "pyproject.toml",
        ROOT / "constraints" / "dev.txt",
    ]
    digest = hashlib.sha256(
        b"".join(p.read_bytes() for p in wanted) + f"{ROOT} {backend} {sys.version}".encode()
    ).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == digest:
        return
    say(f"making the environment {VENV}")
    run(sys.executable, "-m", "venv", VENV)
    say("installing uv, an installer, into it")
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    say("installing ridgewalk and what it stands on (about 1.2 GB)")
    environment = {"VIRTUAL_ENV": str(VENV)}
    options: list[str] = []
    if backend:
        options = ["--torch-backend", backend]
    elif links := os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS"):
        environment["UV_FIND_LINKS"] = ",".join(links.split())
    else:
        options = ["--torch-backend", "cpu"]
    constraints = ["-c", "constraints/dev.txt"]
    run(
        PYTHON,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",  # where PYTHONDONTWRITEBYTECODE is set, every process would compile torch anew, which takes 7 s
        *options,
        *constraints,
        "-e",
        ".[dev]",
        "-e",
        "studies",
        **environment,
    )
    STAMP.write_text(digest)


def demo(*arguments: str) -> None:
    """The main job."""
    say("ridgewalk demo")
    run(PYTHON, "-m", "ridgewalk", "demo", *arguments)


def test(*arguments: str) -> None:
    """
    Runs every check that CI runs: format and lint first, then types and tests at the same time, so that no core waits.

    Args:
        arguments: for pytest, such as ``tests/test_path.py -k resample``. The tests run in one worker process per core, at
            most four; ``-n 0`` runs them in a single process, which a debugger needs.
    """
    say("format and lint")
    run(PYTHON, "-m", "ruff", "format", "--check", "--quiet", ".")
    run(PYTHON, "-m", "ruff", "check", "--quiet", ".")
    say("types, in the background; their output follows that of the tests")
    types = subprocess.Popen(
        [str(PYTHON), "-m", "mypy"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    say("tests")
    workers = str(min(4, os.cpu_count() or 1))
    try:
        tests = subprocess.run([str(PYTHON), *PYTEST, "-n", workers, *arguments], cwd=ROOT).returncode
        output, _ = types.communicate()
    finally:
        types.kill()
    say("types")
    print(output, end="", flush=True)
    failed = [name for name, code in (("types", types.returncode), ("tests", tests)) if code]
    if failed:
        sys.exit(f"==> failed: {' and '.join(failed)}")
    say("every check passed")


if __name__ == "__main__":
    verbs = {"install": lambda: None, "demo": demo, "test": test}
    if len(sys.argv) < 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    install()
    verbs[sys.argv[1]](*sys.argv[2:])
