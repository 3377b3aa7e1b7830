"""The page of the verb `evaluate`: samples compared with real data, in figures and pictures."""

import platform
from pathlib import Path

import torch

from ridgewalk.data.points import PointData, points_part
from ridgewalk.evaluation.sampling import ground, in_plane
from ridgewalk.reports import Block, Cell, Figure, Page, Section, Table, TableBlock, figures
from ridgewalk.reports import samples as pictures
from ridgewalk.reports import write as write_page
from ridgewalk.reports.columns import BITS, FID, GUIDES, IMAGES, LAYOUT, POINTS
from ridgewalk.reports.pages.origin import budget_line
from ridgewalk.reports.power import power_section
from ridgewalk.store.guide import Guide
from ridgewalk.verbs.evaluate import REAL, Measured, Result

SHEET, CLOUD = 64, 4000
"""Images on a sheet, and points of a cloud: the first ones."""


def write(result: Result) -> Path | None:
    """Writes ``report.html`` into the result's folder, and its tables; returns the folder of the tables, if there are any."""
    run, measured = result.run, result.measured
    blocks = _images(measured) if measured.graded else [_values(measured), *_plane(result)]
    if result.bits:
        blocks.append(_bits(result))
    if result.guide is not None:
        blocks.append(guide_table(result.guide))
    page = Page(
        f"What {run.folder.name} generates",
        budget_line(run.origin, f"recipe {run.origin.recipe}"),
        result.verdict,
        [Section("Samples", "", blocks), *([power_section(measured.judges)] if measured.judges else [])],
        {"sampling": vars(result.how)},
        "Are its samples real, and do they cover the data?",
        {
            "command": f"ridgewalk evaluate {run.folder.name} --seed {result.request.seed}",
            "software": f"Python {platform.python_version()}, PyTorch {torch.__version__}",
        },
    )
    return write_page(page, result.page)


def _images(measured: Measured) -> list[Block]:
    n = len(measured.drawn.values)
    blocks: list[Block] = []
    for i, judge in enumerate(g.judge for g in measured.graded[REAL]):
        rows = {
            name: {k: Cell.of(v) for k, v in gs[i].values.items() if k in IMAGES}
            for name, gs in measured.graded.items()
        }
        present = {k: c for k, c in IMAGES.items() if any(k in row for row in rows.values())}
        blocks.append(TableBlock(Table(present, rows, (REAL,)), f"Judge {judge}, {n} of each"))
    if measured.fid:
        rows = {name: {"fid": Cell(value)} for name, value in measured.fid.items()}
        blocks.append(TableBlock(Table(FID, rows, (REAL,)), f"By the published Inception network, at most {n} of each"))
    layout = {name: {k: Cell(v) for k, v in row.items()} for name, row in measured.layout.items()}
    blocks.append(TableBlock(Table(LAYOUT, layout, (REAL,)), "Symmetry and background, without a judge"))
    return blocks + [
        Figure(
            figures.png(pictures.sheet(x[:SHEET].numpy())),
            f"A sheet of images: {name}.",
            f"{name}: the first {SHEET}, not chosen.",
            name,
        )
        for name, x in measured.groups.items()
    ]


def _bits(result: Result) -> Block:
    rows = {
        source: {
            "bits": Cell(b.mean, b.mean - 1.96 * b.standard_error, b.mean + 1.96 * b.standard_error),
            "nfe": Cell(b.nfe),
        }
        for source, b in result.bits.items()
    }
    first = next(iter(result.bits.values()))
    return TableBlock(
        Table(BITS, rows),
        f"Bits per dimension of {len(first.values)} held-out {'images, in pixels' if first.kind == 'pixels' else first.kind}, by the probability flow",
    )


def _values(measured: Measured) -> Block:
    n = len(measured.drawn.values)
    keys = next(iter(measured.values.values()))
    rows = {name: {k: Cell(v) for k, v in row.items()} for name, row in measured.values.items()}
    floor = [name for name in rows if name == "draws of the density"]
    table = Table({k: POINTS[k] for k in keys}, rows, floor)
    return TableBlock(
        table, f"{n} samples against the density that they should have" if floor else "Samples against held-out points"
    )


def _plane(result: Result) -> list[Block]:
    run, drawn = result.run, result.measured.drawn
    if not in_plane(run):
        return []
    assert isinstance(run.dataset, PointData)
    density = ground(run)
    held_out, shown = points_part(run.dataset, "test").values[:CLOUD].numpy(), drawn.values[:CLOUD].numpy()
    clouds = figures.png(pictures.clouds({"data": held_out, "samples": shown}, density))
    states = drawn.states[:, : pictures.WAYS].numpy()
    trajectories = figures.png(pictures.trajectories({result.how.sampler: states}, density))
    return [
        Figure(clouds, "Clouds of points: data and samples.", "Held-out data, and samples.", "Samples"),
        Figure(
            trajectories,
            "Lines from noise to data.",
            f"The trajectories of {min(len(drawn.values), pictures.WAYS)} samples.",
            "Trajectories",
        ),
    ]


def guide_table(guide: Guide) -> Block:
    """Returns the held-out figures of a guide, level by level."""
    cells = {
        f"{v.level:.2g}": {k: Cell(getattr(v, k)) for k in GUIDES if getattr(v, k) is not None}
        for v in guide.diagnosis.levels
    }
    return TableBlock(Table(GUIDES, cells), "The guide, by sigma / alpha, on held-out data")
