"""The front of realism against smoothness, and against time: the models trained, every finder compared on them."""

from ridgewalk.progress import track
from ridgewalk.reports.findings import Findings
from ridgewalk.reports.pages.front import sections
from ridgewalk.store.run import load
from ridgewalk.verbs import train
from ridgewalk.verbs.compare import measure_front
from ridgewalk_studies.experiment import Experiment


def measure(e: Experiment) -> Findings:
    """Trains the models and their sensors, and compares."""
    runs = []
    for run in track(e.runs(), "pixel sensors"):
        if "pixel" not in run.sensors:
            train.sense(run, "holes", run.origin.seed, e.device)
        runs.append(load(run.folder, str(run.device)))
    front = measure_front(runs, e.settings.walks.pairs, "test", None, 0)
    if front is None:
        return Findings([], [], [])
    return Findings(front.answer, front.claims, sections(front), front.figures)
