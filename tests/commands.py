"""The command line for tests: ``from commands import call, good, refused``."""

from pathlib import Path

from typer.testing import CliRunner

from ridgewalk.cli import app


def call(*words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    result = CliRunner().invoke(app, [str(w) for w in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result.exit_code, result.stdout, result.stderr


def good(*words: object) -> str:
    """Standard output of a command that succeeds."""
    code, out, error = call(*words)
    assert code == 0, error
    return out


def refused(*words: object, within: Path | None = None, alone: bool = True) -> str:
    """
    Returns the one sentence with which a command is refused.

    Args:
        words: The words of the command.
        within: A folder whose content must not change.
        alone: Whether standard error must contain nothing else, such as the start message of the verb.
    """
    before = tree(within) if within else {}
    code, out, error = call(*words)
    assert (code, out) == (2, ""), (code, out, error)
    assert "Traceback" not in error
    lines = error.strip().splitlines()
    assert len(lines) == 1 or not alone, error
    assert lines[-1].startswith("ridgewalk: "), error
    assert len(lines[-1]) > 30
    assert not within or tree(within) == before
    return lines[-1]


def tree(folder: Path) -> dict[str, bytes]:
    """Returns the bytes of every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}
