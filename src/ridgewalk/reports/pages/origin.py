"""The parts of every page about its run: the line of its budget, and its settings."""

import platform
from dataclasses import asdict
from pathlib import Path

import torch

import ridgewalk
from ridgewalk.data import describe_roles
from ridgewalk.finders.building import available_methods, default_energy
from ridgewalk.registry import METHODS
from ridgewalk.store.origin import Origin
from ridgewalk.store.run import Run


def budget_line(origin: Origin, counted: str) -> str:
    """Returns the first line of a page: budget, model seed, what was counted (such as "40 pairs"), and the version."""
    return f"{origin.budget}; model seed {origin.seed}; {counted}; ridgewalk {ridgewalk.__version__}."


def source_name(run: Run) -> str:
    """Returns the name of the run's data without the folder that they lie in."""
    return Path(run.origin.source).name


def origin_values(run: Run) -> dict[str, object]:
    """Returns where the run comes from, by name, and the sizes of the roles."""
    own = {k: v for k, v in vars(run.origin).items() if k not in ("beside", "counts", "classes")}
    roles = (
        {"roles": describe_roles(*run.origin.counts, not run.has_latents and len(run.origin.shape) == 1)}
        if run.origin.counts
        else {}
    )
    return {**own, "source": source_name(run), **roles}


def all_settings(run: Run) -> dict[str, dict[str, object]]:
    """Returns tables of the methods, of the run, of every setting of its recipe, and of the machine."""
    recipe = {
        f"{table}.{key}": value
        for table, values in asdict(run.recipe).items()
        if isinstance(values, dict)
        for key, value in values.items()
    }
    machine = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "device": str(run.device),
    }
    about = {
        m: f"{METHODS[m].about}; energy: {default_energy(m, run.sensors) or 'none'}"
        for m in available_methods(run.context)
    }
    return {"methods": dict(about), "run": origin_values(run), "recipe": recipe, "machine": dict(machine)}
