"""Stabilisers of a VAE-GAN's critic, each alone: the events of the training log and the quality of the model."""

from collections.abc import Sequence
from typing import Any

from ridgewalk.judging.judges import Judge
from ridgewalk.metrics import statistics
from ridgewalk.reports import Cell, Column, Section, Table, TableBlock, Text
from ridgewalk.training.log import read_log
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Part
from ridgewalk_studies.generative import figures_of, generative

STEADY = "steady-"
"""Prefix of the names of the compared variants."""

LAST = 200
"""Number of last steps of the log whose mean is reported."""


def compare_stabilisers(e: Experiment, judges: Sequence[Judge]) -> Part:
    """Compares the stabilisers of the critic, each alone, on the first seed."""
    names = [n for n in e.settings.reproduce.variants if n.startswith(STEADY)]
    rows: dict[str, dict[str, Cell]] = {}
    measured: dict[str, Any] = {}
    notes = []
    for name in names:
        run = e.run(e.settings.reproduce.seeds[0], name)
        g = generative([run], judges, e.points)
        lines, events = read_log(run.folder / "log.jsonl")
        tail = lines[-LAST:]
        end = {
            k: sum(line[k] for line in tail) / len(tail) for k in ("critic", "critic_gap", "critic_spread", "diversity")
        }
        short = name.removeprefix(STEADY)
        rows[short] = {
            **{k: Cell(v) for k, v in end.items()},
            "events": Cell(float(len(events))),
            "features": Cell.of(statistics.bootstrap_mean(g.features, 0)),
            "frechet": Cell(sum(v[0] for v in g.frechet.values()) / len(g.frechet)),
            "real": Cell(g.real[0]),
        }
        found = "; ".join(str(event["sentence"]) for event in events) or "the log reports no failure"
        notes.append(f"{short}: {found}.")
        measured[short] = {**end, "events": events, **figures_of(g)}
    columns = {
        "critic": Column("critic's BCE", ".3f", None, f"mean of the last {LAST} steps at most; 0.693 is chance"),
        "critic_gap": Column(
            "logit gap", ".2f", None, "between its mean logits of real and generated images; over 10 it is saturated"
        ),
        "critic_spread": Column("logit spread", ".2f", None, "within each side"),
        "diversity": Column(
            "diversity", ".2f", None, "variation of draws over that of images; below 0.1 the decoder has collapsed"
        ),
        "events": Column("events", ".0f", "lower", "reported by the log"),
        "features": Column("features", ".3f", "lower", "feature distance of reconstructions, mean of two judges"),
        "frechet": Column("Frechet", ".1f", "lower", "of samples, mean of two judges"),
        "real": Column("samples real", ".1%", "higher", "share of draws of the prior that the judges take for real"),
    }
    lead = "Each alone on the plain adversarial loss with a fast critic, one seed: the events of the training log and the quality of the model."
    section = Section(
        "What steadies the critic",
        lead,
        [TableBlock(Table(columns, rows), "Stabilisers"), Text("\n\n".join(notes), aside=True)],
    )
    return Part(measured, sections=[section])
