"""
Clusters that an adversarial autoencoder finds without labels: their error by both naming rules, Hungarian accuracy and NMI, over seeds.

Variants called ``clusters-K`` have K clusters, those called ``paper-...`` the paper's own setting at the same budget.
Labels of validation images name clusters, and those of the other test images measure them; no setting was chosen by those of the test part.
"""

from ridgewalk.reports import Cell, Column, Section, Table, TableBlock
from ridgewalk_studies.adversarial_autoencoders import shared
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings

PUBLISHED = {16: 9.55, 30: 4.10}
"""Errors on MNIST in per cent, by number of clusters, named by exemplars."""


def measure(e: Experiment) -> Findings:
    """Trains the runs, measures their clusters, and judges the claims."""
    runs = {v or "run": e.runs(v) for v in shared.settings_of(e, "clusters-", "paper-")}
    columns = {
        "majority": Column(
            "majority", ".2f", "lower", "error in per cent, each cluster named by most of its validation images"
        ),
        "exemplar": Column(
            "exemplar", ".2f", "lower", "the same, each named by its surest validation image: the paper's rule"
        ),
        "hungarian": Column("Hungarian", ".2f", "higher", "accuracy in per cent of the best one-to-one naming"),
        "nmi": Column("NMI", ".3f", "higher", "normalised mutual information of clusters and classes"),
        "used": Column("used", ".1f", None, "clusters that some scored image belongs to"),
        "minutes": Column("minutes", ".0f", None, "of training, mean over seeds"),
    }
    rows: dict[str, dict[str, Cell]] = {}
    claims, answers, figures = [], [], {}
    published = shared.published_of(e, runs["run"][0], {str(k): v for k, v in PUBLISHED.items()})
    for variant, own in runs.items():
        found = [shared.clusters_of(r) for r in own]
        k = found[0].clusters
        values = {
            "majority": [100 * f.majority for f in found],
            "exemplar": [100 * f.exemplar for f in found],
            "hungarian": [100 * f.hungarian for f in found],
            "nmi": [f.nmi for f in found],
            "used": [float(f.used) for f in found],
            "minutes": [float(r.manifest["seconds"]) / 60 for r in own],
        }
        paper = variant.startswith("paper")
        name = f"{k} clusters" + (", the paper's own setting" if paper else "")
        name += f", {variant}" if name in rows else ""
        figures[f"clusters-{k}" if variant == "run" else variant] = values
        rows[name] = {n: shared.over_seeds(v) for n, v in values.items()}
        answers.append(
            f"{name}: error by majority {shared.describe_seeds(values['majority'])}, by exemplars {shared.describe_seeds(values['exemplar'])}"
        )
        if str(k) in published and not paper:
            rows[f"{k} clusters, published"] = {"exemplar": Cell(published[str(k)])}
            for rule in ("exemplar", "majority"):
                claims.append(
                    shared.judge_published(
                        f"{k} clusters have the paper's error without a label, named by {rule}",
                        values[rule],
                        published[str(k)],
                        f"{shared.NAMED}; {len(own)} seeds; one exemplar names a whole cluster, and may be a stray",
                    )
                )
    sections = [
        Section(
            "Clusters and classes",
            f"K was not chosen on test labels; {shared.NAMED}." + shared.of_others(e, runs["run"][0]),
            [TableBlock(Table(columns, rows), "What the clusters know of the classes")],
        ),
        Section(
            "The clusters", blocks=[shared.heads(own[0], f"Heads and exemplars: {name}") for name, own in runs.items()]
        ),
        shared.games(runs),
    ]
    return Findings(answers, claims, sections, figures)
