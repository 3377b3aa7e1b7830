"""Folders that several processes want to write: exactly one of them does, and the others say so."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ridgewalk.files import abandon_claims, new_file, new_folder, refuse_used, write_bytes
from ridgewalk.locks import NAME, Lock, is_empty, writing

HOLD = """
import sys, time
from pathlib import Path
from ridgewalk.locks import Lock
lock = Lock.of_folder(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""

RACE = """
import sys, time
from pathlib import Path
from ridgewalk.files import new_free_file, new_free_folder, write_bytes
while time.time() < float(sys.argv[2]):
    pass
place = Path(sys.argv[1])
for _ in range(50):
    folder, file = new_free_folder(place, "x"), new_free_file(place / "y.html")
    write_bytes(folder / "z", b"")
    write_bytes(file, b"")
    print(folder, file)
"""


def test_a_second_process_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ValueError, match="another ridgewalk process is writing"):
        Lock.of_folder(tmp_path / "run").acquire()
    holder.kill()  # as the system would: nothing is released by hand
    holder.wait()
    lock = Lock.of_folder(tmp_path / "run")
    lock.acquire()
    lock.release()


def test_what_is_claimed_is_claimed_under_the_lock(tmp_path: Path) -> None:
    def claim() -> None:
        with pytest.raises(ValueError, match="another"):
            Lock.of_folder(tmp_path).acquire()

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


def test_of_two_processes_exactly_one_makes_each_folder_and_file(tmp_path: Path) -> None:
    begin = time.time() + 4.0
    command = [sys.executable, "-c", RACE, str(tmp_path), str(begin)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    made = [Path(name) for p in both for name in p.communicate()[0].split()]
    assert len(made) == len(set(made)) == 200
    numbers = range(2, 101)
    assert {p.name for p in made} == {"x", "y.html", *(f"x-{i}" for i in numbers), *(f"y-{i}.html" for i in numbers)}
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in made}  # no lock is left


def test_a_file_is_claimed_until_it_is_written(tmp_path: Path) -> None:
    page = new_file(tmp_path / "page.html")
    with pytest.raises(ValueError, match="another ridgewalk process"):
        Lock.of_file(page).acquire()
    write_bytes(page, b"x")
    assert os.listdir(tmp_path) == ["page.html"]
    with pytest.raises(ValueError, match="exists already"):
        new_file(page)


def test_a_folder_that_holds_something_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ValueError, match="not empty"):
        new_folder(tmp_path)
    assert new_folder(tmp_path / "a" / "b").is_dir()
    assert os.listdir(tmp_path / "a") == ["b"]


def test_what_was_claimed_in_vain_is_given_back(tmp_path: Path) -> None:
    """A folder that was there before stays; one that the claim created goes, unless something was written into it."""
    (tmp_path / "mine").mkdir()
    for name in ("mine", "new", "written"):
        new_folder(tmp_path / name)
    new_file(tmp_path / "page.html")
    write_bytes(tmp_path / "written" / "x", b"x")
    abandon_claims()
    assert sorted(os.listdir(tmp_path)) == ["mine", "written"]
    assert os.listdir(tmp_path / "mine") == []
    assert os.listdir(tmp_path / "written") == ["x"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_place_that_cannot_be_written_is_named_and_not_its_lock(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: object, *_: object) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("ridgewalk.locks.os.open", read_only)
    for claim in (lambda: new_file(tmp_path / "report.html"), lambda: new_folder(tmp_path / "walks" / "lerp")):
        with pytest.raises(
            ValueError, match=r"(report\.html|lerp) cannot be written \(.*\): name another place with --out"
        ):
            claim()
