"""The judges on a page: what they take for real of composites of each kind, and frames sorted by what they say."""

from collections.abc import Mapping, Sequence
from math import isnan

import torch
from torch import Tensor

from ridgewalk.judging.judges import Judge
from ridgewalk.judging.power import CONTROL_AT_MOST, REAL_AT_LEAST, Power, Taken
from ridgewalk.reports import Block, Cell, Figure, Section, Table, TableBlock, figures
from ridgewalk.reports.tables import Column

SHOWN = 16
"""Frames of a row that is sorted by a judge."""

_TITLE = "What the judges can tell"
_READING = "Each row is one kind of images, sorted by the judge: a judge that sees what you see has its doubtful images at the left."


def power_section(judges: Sequence[Judge], frames: Mapping[str, Tensor] | None = None) -> Section:
    """
    Returns the power of the judges on the data, and whether they can tell.

    Args:
        judges: the judges.
        frames: images (n, c, h, w) in [0, 1] by their kind, of which rows sorted by each judge are shown; none by default.
    """
    powers = [j.composite.power for j in judges]
    lead = (
        "Each judge was trained to tell real images from composites of two real ones, without labels and without an image that a decoder has made. Its "
        "threshold is that which nine of ten real images of the role validation pass. The table shows what it then takes for real of images that it has not "
        f"seen. A judge can tell where it takes at least {REAL_AT_LEAST:.0%} of real ones for real and at most {CONTROL_AT_MOST:.0%} of each control. "
    )
    return Section(_TITLE, lead + " ".join(map(_said, powers)), [*_tables(powers), *_sorted(judges, frames or {})])


def power_table(powers: Sequence[Power]) -> Table:
    """The share of each kind of things that each judge takes for real, and the AUC of its logit between held-out real things and them."""
    columns: dict[str, Column] = {}
    rows: dict[str, dict[str, Cell]] = {}
    for p in powers:
        share, auc = f"share_{p.judge}", f"auc_{p.judge}"
        columns[share] = Column(f"taken for real by {p.judge}", ".3f", None, "share at the judge's threshold")
        columns[auc] = Column(
            f"AUC, {p.judge}", ".3f", None, "of the judge's logit between held-out real things and these"
        )
        rows.setdefault("real, held out", {})[share] = Cell(p.real)
        if not isnan(p.softened):
            rows.setdefault(f"real, under a blur of {p.blur:.2g} pixels", {})[share] = Cell(p.softened)
        for name, taken in _named(p).items():
            rows.setdefault(name, {}).update({share: Cell(taken.share), auc: Cell(taken.auc)})
    return Table(columns, rows)


def _named(p: Power) -> dict[str, Taken]:
    """Everything that a judge was tried on, by the name of its row."""
    return {
        **{f"control: {name}": taken for name, taken in p.controls.items()},
        **{f"average with {s:.0%} of another": taken for s, taken in p.strengths.items()},
        **{f"trained on: {name}": taken for name, taken in p.trained.items()},
        **{f"not trained on: {name}": taken for name, taken in p.unseen.items()},
    }


def _said(p: Power) -> str:
    if p.reasons:
        return f"Judge {p.judge} cannot tell on these data: {' and '.join(p.reasons)}."
    return f"Judge {p.judge} can tell on these data."


def _tables(powers: Sequence[Power]) -> list[Block]:
    known = [p for p in powers if p.controls]
    if not known:
        return []
    n = min(p.n for p in known)
    return [
        TableBlock(
            power_table(known),
            "Taken for real",
            f"Shares of {n} of each kind. Of composites and controls, lower is better.",
        )
    ]


def _sorted(judges: Sequence[Judge], frames: Mapping[str, Tensor]) -> list[Block]:
    """A picture for each judge: evenly spaced frames of each kind in the order of its logit, the least real first; a bar marks those it takes for unreal."""
    drawn: list[Block] = []
    for judge in judges:
        rows, marks = {}, {}
        for name, x in frames.items():
            logits = judge.composite.logits(x)
            order = logits.argsort()[torch.linspace(0, len(x) - 1, min(SHOWN, len(x))).round().long()]
            rows[name] = x[order].numpy()
            marks[name] = (logits[order] < judge.composite.threshold).numpy()
        rows = {name: x for name, x in rows.items() if len(x) > 1}
        if rows:
            picture = figures.png(figures.strips(rows, marks, mark_label=f"unreal to judge {judge.name}", path=False))
            drawn.append(
                Figure(
                    picture,
                    f"Images in the order of judge {judge.name}, the least real first, a row for each kind.",
                    "Evenly spaced places of the order, the least real first: whether the judge is right is for you to say.",
                    f"Images sorted by judge {judge.name}",
                    _READING,
                    wide=True,
                )
            )
    return drawn
