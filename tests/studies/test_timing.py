"""The time of an experiment that is stopped and resumed is that of all its parts."""

import json
from pathlib import Path
from time import sleep

import pytest

from ridgewalk_studies.timing import Clock


def test_a_clock_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    file = tmp_path / "seconds.json"
    file.write_text("100.0")
    with pytest.raises(KeyboardInterrupt), Clock(file):
        raise KeyboardInterrupt
    assert 100 < json.loads(file.read_text()) < 101
    with Clock(file) as clock:
        sleep(0.05)
    assert 100.05 < clock.seconds < 102


def test_a_clock_writes_while_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "seconds.json"
    with Clock(file, every=0.01):
        sleep(0.2)
        assert json.loads(file.read_text()) > 0  # what a kill would leave


def test_a_file_that_holds_no_number_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "seconds.json").write_text("[]")
    with Clock(tmp_path / "seconds.json") as clock:
        assert clock.seconds < 1
