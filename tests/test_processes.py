"""The processes of a torchrun: a worker does not outlive its launcher."""

import os
import signal
import subprocess
import sys
import time

LAUNCHER = """
import os, subprocess, sys, time
worker = "from ridgewalk import processes; processes.end_with_launcher(); print(1, flush=True); processes.join()"
environment = {**os.environ, "WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
started = subprocess.Popen([sys.executable, "-c", worker], env=environment, stdout=subprocess.PIPE)
started.stdout.readline()
print(started.pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not collected yet does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_ends_with_the_launcher_that_was_killed() -> None:
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    worker = int(launcher.stdout.readline())
    try:
        assert alive(worker)
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
        until = time.monotonic() + 60
        while alive(worker) and time.monotonic() < until:
            time.sleep(0.1)
        assert not alive(worker)
    finally:
        if alive(worker):
            os.kill(worker, signal.SIGKILL)
