"""How much memory is free: limits of control groups in both versions, and of the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from ridgewalk import memory


@pytest.mark.parametrize(
    ("line", "folder", "files"),
    [
        ("0::/a/b", "a", ("memory.max", "memory.current")),
        ("0::/a/b", "a/b", ("memory.max", "memory.current")),
        ("4:memory:/elsewhere", "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")),
    ],
)
def test_the_limit_of_a_control_group_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, folder: str, files: tuple[str, str]
) -> None:
    (tmp_path / "own").write_text(f"7:pids:/\n{line}\n")
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / files[0]).write_text("5000\n")
    (tmp_path / folder / files[1]).write_text("4000\n")
    (tmp_path / folder / "memory.stat").write_text("anon 3000\ninactive_file 1000\n")
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    monkeypatch.setattr(memory, "_OWN", tmp_path / "own")
    assert memory.available() == 2000
    (tmp_path / folder / files[0]).write_text("max\n")
    assert memory.available() > 2000
    with pytest.raises(memory.TooLarge, match=r"it needs 9.31e\+08 GiB of memory, and .* GiB are free; take less"):
        memory.refuse_beyond(10**18, "it", "take less")


def test_the_limit_of_the_process_counts() -> None:
    pytest.importorskip("resource")
    program = (
        "import resource; from ridgewalk import memory; a = memory.available();"
        "resource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40)); b = memory.available();"
        "import psutil; n = psutil.Process().memory_info().vms + 2**20;"
        "resource.setrlimit(resource.RLIMIT_AS, (n, n)); print(memory.available() < 2**21, b > 2**21)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
