"""Settings of path searches that a command changes: `--set walks.sgw_beta=0.05`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ridgewalk.finders.building import parse_method
from ridgewalk.naming import either
from ridgewalk.registry import METHODS
from ridgewalk.settings import recipes
from ridgewalk.settings.recipes import changed_keys
from ridgewalk.store.run import Run


def with_changes(
    run: Run, changes: Sequence[str], methods: Sequence[str], given: Mapping[str, Any] | None = None
) -> Run:
    """
    Returns the run with other settings of its table ``walks``.

    Args:
        run: the run, whose folder is not changed.
        changes: the settings, each "walks.key=value".
        methods: names of the methods that are searched, alone or with an energy as ``string:dual``.
        given: values of the command's own options, None where one was not given, by the key of ``walks`` that each stands for.

    Raises:
        ValueError: for another table, an unknown key, a value that does not fit, a key that none of the methods reads, and one that an option names too.
    """
    if not changes:
        return run
    if not methods:
        raise ValueError("--set changes the search of paths, and none is searched here; leave it out")
    recipe = recipes.changed(run.recipe, changes, ("walks",))
    for key in sorted(changed_keys(changes, "walks")):
        if key == "pairs":
            raise ValueError("the number of pairs is set by --pairs; leave out --set walks.pairs")
        if (given or {}).get(key) is not None:
            option = {"dual_shares": "shares"}.get(key, key)
            raise ValueError(f"--{option} and --set walks.{key} name one setting; give one of them")
        _refuse_unread(key, methods)
    return replace(run, recipe=recipe)


def _refuse_unread(key: str, methods: Sequence[str]) -> None:
    """Refuses a key that only other methods or energies read; keys that every search reads, or many energies, are taken."""
    if key == "dual_shares":
        if not any(name.endswith(":dual") for name in methods):
            raise ValueError(f"walks.{key} is read by the energy 'dual', which is not used; leave it out, or name dual")
        return
    readers = [name for name, method in METHODS.items() if key in method.reads]
    named = [name.partition(":")[0] for name in methods]
    if not readers or any(key in _read_by(name) for name in named):
        return
    who = f"the method '{named[0]}' does not read" if len(named) == 1 else f"none of the {len(named)} methods reads"
    raise ValueError(f"{who} walks.{key}; leave it out, or choose {either(readers)}")


def _read_by(name: str) -> tuple[str, ...]:
    """The keys that a method reads; ``ridge@8`` names its realism itself."""
    method, realism = parse_method(name)
    return method.reads if realism is None else tuple(key for key in method.reads if key != "realism")
