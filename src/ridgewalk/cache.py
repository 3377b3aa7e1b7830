"""The folder for what is kept to save time: trained judges, and digests of code that the user's own trainings named."""

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """$RIDGEWALK_CACHE, otherwise ``ridgewalk`` in the user's cache folder; None where the user has no home folder."""
    named = os.environ.get("RIDGEWALK_CACHE")
    if named:
        return Path(named)
    try:
        above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return above / "ridgewalk"
