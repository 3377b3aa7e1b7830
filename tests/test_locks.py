"""Folders that several processes want to write: exactly one of them does, and the others say so."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ridgewalk.files import new_folder, refuse_used
from ridgewalk.locks import NAME, FolderLock, is_empty, writing

HOLD = """
import sys, time
from pathlib import Path
from ridgewalk.locks import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""

RACE = """
import sys, time
from pathlib import Path
from ridgewalk.files import new_free_folder
while time.time() < float(sys.argv[2]):
    pass
print(*(new_free_folder(Path(sys.argv[1]), "x") for _ in range(100)))
"""


def test_a_second_process_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ValueError, match="another ridgewalk process is writing"):
        FolderLock(tmp_path / "run").acquire()
    holder.kill()  # as the system would: nothing is released by hand
    holder.wait()
    lock = FolderLock(tmp_path / "run")
    lock.acquire()
    lock.release()


def test_what_is_claimed_is_claimed_under_the_lock(tmp_path: Path) -> None:
    def claim() -> None:
        with pytest.raises(ValueError, match="another"):
            FolderLock(tmp_path).acquire()

    with writing(tmp_path, claim):
        pass
    with pytest.raises(KeyError), writing(tmp_path, lambda: {}["missing"]):
        pass
    with writing(tmp_path):  # the lock was released although the claim failed
        pass


def test_a_folder_with_a_lock_alone_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    assert is_empty(tmp_path)
    refuse_used(tmp_path)
    (tmp_path / "x").touch()
    with pytest.raises(ValueError, match="not empty"):
        refuse_used(tmp_path)


def test_of_two_processes_exactly_one_makes_each_folder(tmp_path: Path) -> None:
    begin = time.time() + 4.0
    command = [sys.executable, "-c", RACE, str(tmp_path), str(begin)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    made = [p.communicate()[0].split() for p in both]
    assert sorted(made[0] + made[1]) == sorted({*made[0], *made[1]})  # no folder twice
    assert {Path(f).name for f in made[0] + made[1]} == {"x", *(f"x-{i}" for i in range(2, 201))}


def test_a_folder_that_holds_something_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ValueError, match="not empty"):
        new_folder(tmp_path)
    assert new_folder(tmp_path / "a" / "b").is_dir()
    assert os.listdir(tmp_path / "a") == ["b"]
