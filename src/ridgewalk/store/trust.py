"""
Code that a run folder names runs only with the user's consent, and a data set on the hub that it names is downloaded only with it.

A recipe may name a prior of the user's own as module:function, and its run records the name. Whoever loads a run from elsewhere would import that module,
so a folder that names code is refused, unless

- the user says so: ``--trust`` on the command line, ``load(folder, trust=True)`` in Python; or
- the user has trained with the very same code: a training records the SHA-256 of the name and of the module's source in the user's cache folder.

A source that is neither on this machine nor known to the package is looked up on the hub, so that a run from elsewhere could open the network unasked. It is
refused in the same way, unless the user trusts the run or has trained on a data set of that name.
"""

import hashlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from ridgewalk.cache import cache_folder
from ridgewalk.files import write_bytes
from ridgewalk.settings.recipes import Recipe

_TRUSTING = ContextVar("trusting", default=False)


@contextmanager
def trusting(yes: bool = True) -> Iterator[None]:
    """Lets every run that is loaded inside the block run the code that it names."""
    token = _TRUSTING.set(yes or _TRUSTING.get())
    try:
        yield
    finally:
        _TRUSTING.reset(token)


def named_code(recipe: Recipe) -> str | None:
    """The code that a recipe names, as module:function; None where it names none."""
    return recipe.prior.name if ":" in recipe.prior.name else None


def record_trust(recipe: Recipe) -> None:
    """Records that the user trains with the code that a recipe names; does nothing where it names none or the cache cannot be written."""
    record = _record(named_code(recipe))
    if record is not None:
        try:
            write_bytes(record, b"")
        except OSError:
            return


def refuse_untrusted(recipe: Recipe, folder: Path) -> None:
    """
    Refuses a run whose recipe names code that the user has neither trained with nor trusts by word.

    Raises:
        ValueError: with what is named, and what to do.
    """
    name = named_code(recipe)
    if name is None or _TRUSTING.get():
        return
    record = _record(name)
    if record is None or not record.is_file():
        raise ValueError(
            f"the run {folder} names code of its own, the prior '{name}', which would run when it is imported: look at that module, and add --trust "
            "(in Python: load(folder, trust=True)) if you trust it"
        )


def record_hub(source: str) -> None:
    """Records that the user has named a data set on the hub; does nothing where the cache cannot be written."""
    folder = cache_folder()
    if folder is not None:
        with suppress(OSError):
            write_bytes(_hub_record(folder, source), b"")


def refuse_untrusted_hub(source: str, run: Path) -> None:
    """
    Refuses to look up the source of a run on the hub, if the user has neither named it in a training nor trusts the run.

    Raises:
        ValueError: with the source, and what to do.
    """
    folder = cache_folder()
    if not _TRUSTING.get() and (folder is None or not _hub_record(folder, source).is_file()):
        raise ValueError(
            f"the source of {run}, '{source}', is not on this machine, and would be looked up on the Hugging Face hub: edit source in run.toml if the data are "
            "here, or add --trust (in Python: load(folder, trust=True)) to download them"
        )


def _hub_record(folder: Path, source: str) -> Path:
    return folder / "trusted" / hashlib.sha256(b"hub\0" + source.encode(errors="surrogateescape")).hexdigest()


def _record(name: str | None) -> Path | None:
    """The file in the cache that stands for a name and the source of its module; None where one of them is missing."""
    folder = cache_folder()
    if name is None or folder is None:
        return None
    module = name.partition(":")[0]
    if "." in module:  # finding a submodule imports its package
        return None
    try:
        found = importlib.util.find_spec(module)
        source = Path(str(found.origin)).read_bytes() if found and found.origin else None
    except (ImportError, ValueError, OSError):
        return None
    if source is None:
        return None
    return folder / "trusted" / hashlib.sha256(name.encode() + b"\0" + source).hexdigest()
