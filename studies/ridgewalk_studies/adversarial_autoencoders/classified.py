"""
Classification with few labels, in many and in two dimensions: the error on the whole test part, over splits of the labels.

``measure_semisupervised`` trains the recipe for each number of labels and each seed, which decides the split as well as the weights. As a control it
trains the encoder's own network on the labels alone, with dropout. Variants called ``labels-N`` have N labels (``labels-all`` all), and those called
``paper-...`` have the paper's own setting at the same budget. ``measure_reduction`` does the same for codes of two dimensions, with one variant for each
number of labels.
"""

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from torch import Tensor

from ridgewalk.reports import Cell, Column, Section, Table, TableBlock
from ridgewalk.store.run import Run
from ridgewalk_studies.adversarial_autoencoders import shared
from ridgewalk_studies.claims import Verdict
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings

OWN, EARLIER = "adversarial autoencoder, published", "M1+M2 (Kingma et al. 2014), published"

PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "aae-semisupervised": {
        OWN: {"100": 1.90, "1000": 1.60, "all": 0.85},
        EARLIER: {"100": 3.33, "1000": 2.40, "all": 0.96},
        "network with dropout, published": {"all": 1.25},
    },
    "aae-svhn": {
        OWN: {"1000": 17.70},
        EARLIER: {"1000": 36.02},
        "ADGM (Maaloe et al. 2016), published": {"1000": 16.61},
    },
}
"""Errors on MNIST and SVHN in per cent, by recipe, by method and by number of labels, as the papers state them."""

REDUCED: Mapping[str, float] = {"1000": 4.20, "100": 6.08, "none": 13.53}
"""Errors in two dimensions on MNIST, published; without labels, with ``CLUSTERS`` clusters."""

CLUSTERS = 20


def labels_of(run: Run) -> str:
    """The run's number of labels, in words."""
    count = run.recipe.labels.count
    return "all" if count == -1 else "none" if count == 0 else str(count)


def measure_semisupervised(e: Experiment) -> Findings:
    """Trains the runs and their controls, measures test errors, and judges the claims."""
    runs = {v: e.runs(v) for v in shared.settings_of(e, "labels-", "paper-")}
    wrong = {v: [shared.mistakes(r) for r in own] for v, own in runs.items()}
    control = {
        v: [shared.control_mistakes(r, e.folder) for r in own] for v, own in runs.items() if not v.startswith("paper-")
    }
    published = shared.published_of(e, runs[""][0], PUBLISHED.get(Path(e.recipe).stem, {}))
    rows: dict[str, dict[str, Cell]] = {name: {k: Cell(v) for k, v in own.items()} for name, own in published.items()}
    errors: dict[str, list[float]] = {}
    for v, own in runs.items():
        count, name = labels_of(own[0]), "the paper's own setting, ours" if v.startswith("paper-") else "ours"
        name += f", {v}" if count in rows.get(name, {}) else ""
        errors[v] = _percent(wrong[v])
        minutes = sum(float(r.manifest["seconds"]) for r in own) / len(own) / 60
        rows.setdefault(name, {})[count] = shared.over_seeds(errors[v], f"{minutes:.0f} min")
        if v in control:
            other = name.replace("ours", "its network with dropout, labels alone, ours", 1)
            rows.setdefault(other, {})[count] = shared.over_seeds(_percent(control[v]))
    columns = {
        k: Column(f"{k} labels" if k != "all" else "all labels", ".2f", "lower", "test error in per cent")
        for k in sorted({k for row in rows.values() for k in row}, key=lambda k: inf if k == "all" else int(k))
    }
    claims = []
    for v, own in runs.items():
        count = labels_of(own[0])
        if v.startswith("paper-"):
            continue
        how = f"the whole test part, {len(own[0].data.test)} images; {len(own)} splits of the labels"
        statements = {
            f"With {count} labels the error is that of the paper": published.get(OWN, {}).get(count),
            f"With {count} labels it is below that of M1+M2": published.get(EARLIER, {}).get(count),
        }
        claims += [
            shared.judge_published(says, errors[v], value, how)
            for says, value in statements.items()
            if value is not None
        ]
        claims.append(
            shared.judge_fewer_mistakes(
                f"With {count} labels it makes fewer mistakes than the same network with dropout, taught by the labels alone",
                wrong[v],
                control[v],
                "paired over test images, mean over seeds",
            )
        )
    first = runs[""][0]
    sections = [
        Section(
            "Errors",
            "The published figures are from 5000 epochs on nearly all training images; ours are from the two thirds of them whose role is to train models."
            + shared.of_others(e, runs[""][0]),
            [TableBlock(Table(columns, rows), "Test error in per cent, mean over splits")],
        ),
        Section(
            "What the parts of a code say",
            blocks=[
                shared.styles_by_class(first, "One style in every class"),
                shared.scatter(first, "Styles by class"),
            ],
        ),
        shared.games({v or "run": own for v, own in runs.items()}),
    ]
    figures = {
        "errors": {v or "run": x for v, x in errors.items()},
        "control": {v or "run": _percent(w) for v, w in control.items()},
    }
    figures["seconds"] = {v or "run": [r.manifest["seconds"] for r in own] for v, own in runs.items()}
    return Findings([_answer(runs, errors, control)], claims, sections, figures)


def _percent(wrong: Sequence[Tensor]) -> list[float]:
    return [100 * float(w.double().mean()) for w in wrong]


def _answer(
    runs: Mapping[str, Sequence[Run]], errors: Mapping[str, Sequence[float]], control: Mapping[str, Sequence[Tensor]]
) -> str:
    answers = []
    for v, own in runs.items():
        if v in control:
            other = _percent(control[v])
            answers.append(
                f"{labels_of(own[0])} labels {shared.describe_seeds(errors[v])}, the same network with dropout {sum(other) / len(other):.2f} %"
            )
    return "Test errors: " + "; ".join(answers) + "."


def _with(count: str) -> str:
    return "without labels" if count == "none" else f"with {count} labels"


def measure_reduction(e: Experiment) -> Findings:
    """Measures errors in the plane with and without labels, judges the claims, and draws the codes."""
    runs: dict[str, list[Run]] = {v: e.runs(v) for v in shared.settings_of(e)}
    published = shared.published_of(e, runs[""][0], REDUCED)
    rows: dict[str, dict[str, Cell]] = {}
    claims: list[Verdict] = []
    figures: dict[str, Any] = {}
    for v, own in runs.items():
        count, name, k = labels_of(own[0]), v or "run", own[0].recipe.labels.classes
        if count == "none":
            found = [shared.clusters_of(r) for r in own]
            rules = {
                "clusters named by majority": [100 * f.majority for f in found],
                "clusters named by exemplars": [100 * f.exemplar for f in found],
            }
            figures[f"{name}-exemplar"] = rules["clusters named by exemplars"]
        else:
            rules = {"the softmax that was told labels": _percent([shared.mistakes(r) for r in own])}
        figures[name] = next(iter(rules.values()))
        kind = f"{name}: {_with(count)}, " + (f"{k} clusters, " if count == "none" else "")
        for rule, errors in rules.items():
            rows[f"{kind}{own[0].recipe.model.latent}-d, {rule}"] = {"error": shared.over_seeds(errors)}
            if count in published and own[0].recipe.model.latent == 2 and (count != "none" or k == CLUSTERS):
                claims.append(
                    shared.judge_published(
                        f"In two dimensions, {_with(count)}, the error is that of the paper"
                        + (f", {rule}" if count == "none" else ""),
                        errors,
                        published[count],
                        f"{rule}; {shared.NAMED if count == 'none' else 'the whole test part'}",
                    )
                )
    rows |= {f"published, {_with(count)}, 2-d": {"error": Cell(value)} for count, value in published.items()}
    pictures = [
        shared.scatter(own[0], f"Codes by class: {v or 'run'}, {_with(labels_of(own[0]))}") for v, own in runs.items()
    ]
    pictures += [
        shared.manifold(own[0], f"The plane decoded: {v or 'run'}") for v, own in runs.items() if own[0].size == 2
    ][:1]
    sections = [
        Section(
            "Errors",
            shared.of_others(e, runs[""][0]).strip(),
            blocks=[
                TableBlock(
                    Table(
                        {
                            "error": Column(
                                "error", ".2f", "lower", "on the test part, per cent; without labels " + shared.NAMED
                            )
                        },
                        rows,
                    ),
                    "Test error in per cent",
                )
            ],
        ),
        Section("The plane", blocks=pictures),
        shared.games({v or "run": own for v, own in runs.items()}),
    ]
    answer = "; ".join(
        f"{_with(labels_of(own[0]))} {shared.describe_seeds(figures[v or 'run'])}" for v, own in runs.items()
    )
    return Findings([f"Test errors in the plane: {answer}."], claims, sections, figures)
