"""What the verb `compare` does with runs that are named: the front over all of them, its report and every figure, in a folder of their own."""

import json
from collections.abc import Sequence
from pathlib import Path

import ridgewalk
from ridgewalk.experiments import front
from ridgewalk.models.checkpoints import write_bytes
from ridgewalk.reports import Claims, Page, Section, write
from ridgewalk.reports.claims import summary
from ridgewalk.runs import measuring, walking
from ridgewalk.runs.record import load
from ridgewalk.runs.reporting import Result


def compare_runs(
    folders: Sequence[Path],
    pairs: int | None,
    role: str,
    methods: Sequence[str] | None,
    seed: int,
    out: Path | None,
    device: str,
) -> Result:
    """
    Compares finders over runs of one recipe.

    Raises:
        ValueError: if a run is named twice, the runs are of different recipes or images, or ``out`` exists and is not empty.
    """
    runs = [load(folder, device) for folder in folders]
    measuring.refuse_mixed(runs)
    folder = out or walking.free_folder(runs[0].folder, "compare")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists already and is not empty; choose another --out")
    count = runs[0].recipe.walks.pairs if pairs is None else pairs
    found = front.compare(runs, count, role, methods, seed)
    figures = {**found.figures, "answer": list(found.answer), "claims": Claims(found.claims, "claims").to_rows()}
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / "result.json", json.dumps(figures, indent=1).encode())
    page = folder / "report.html"
    verdict = [*found.answer, summary(found.claims)]
    first = Section("What is said of them, and what was found", "", [Claims(found.claims, "Claims and verdicts")])
    o = runs[0].origin
    about = (
        f"{count} pairs ({role} images), pair seed {seed}; model seeds {', '.join(str(r.origin.seed) for r in runs)}"
    )
    write(
        Page(
            f"Finders compared on {Path(o.source).name}",
            f"{o.recipe}, {o.budget}; {about}; ridgewalk {ridgewalk.__version__}.",
            verdict,
            [first, *found.sections],
        ),
        page,
    )
    return Result(page, verdict, {"report": str(page), **figures})
