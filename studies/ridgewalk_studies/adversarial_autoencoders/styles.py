"""
Style without class: the code of a decoder that is conditioned on the class needs only what is not the class. Measured for each seed on held-out images:

    obeyed     share of (style, class) pairs whose decoding both judges' classifiers assign to the given class
    leaked     accuracy with which a classifier trained afresh reads the class from the style, against the most frequent class's share
    inferred   error of the class with which an image is reconstructed best
"""

import torch

from ridgewalk.data import part
from ridgewalk.models.categories import ConditionalAutoencoder
from ridgewalk.reports import Cell, Column, Section, Table, TableBlock
from ridgewalk.store.run import Run
from ridgewalk_studies.adversarial_autoencoders import shared
from ridgewalk_studies.claims import Claim, by_value, judge, with_count
from ridgewalk_studies.experiment import Experiment
from ridgewalk_studies.findings import Findings
from ridgewalk_studies.generative import decode_images
from ridgewalk_studies.sources import AAE

OBEYED = by_value(
    "per cent of decodings in which judges see the class that was told, of every seed", "above", 95, part=75
)
LEAKED = by_value(
    "points by which a classifier of styles exceeds the most frequent class's share, of every seed",
    "below",
    10,
    part=40,
)

PROBED = 2000
"""Largest number of styles from which the class is predicted."""


def read_class_from_style(run: Run, points: int) -> tuple[float, float]:
    """Accuracy of a fresh classifier of styles, by five-fold cross-validation, and the share of the most frequent class, in per cent."""
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    images = part(run.data, "test")
    images = images.take(torch.arange(min(points, PROBED, len(images))))
    assert isinstance(run.model, ConditionalAutoencoder)
    with torch.no_grad():
        style = run.model.encoder(images.floats().to(run.device)).cpu().numpy()
    probe = make_pipeline(StandardScaler(), SVC())
    found = cross_val_score(probe, style, images.labels.numpy(), cv=5)
    return 100 * float(found.mean()), 100 * float(images.labels.bincount().max()) / len(images)


def measure(e: Experiment) -> Findings:
    """Trains the runs, measures styles and classes, and judges the claims."""
    runs = {v or "run": e.runs(v) for v in shared.settings_of(e)}
    judges = e.judges(runs["run"][0])
    rows: dict[str, dict[str, Cell]] = {}
    claims, figures = [], {}
    for name, own in runs.items():
        obeyed, leaks, chances, errors = [], [], [], []
        for run in own:
            model = run.model
            assert isinstance(model, ConditionalAutoencoder)
            x = part(run.data, "test").floats(torch.arange(min(e.points // 10 + 10, len(part(run.data, "test")))))
            with torch.no_grad():
                style = model.split(x.to(run.device))[0]
                told = torch.arange(model.classes, device=run.device).repeat(len(style))
                y = shared.one_hot_of(told, model.classes)
                made = decode_images(run, model.join(style.repeat_interleave(model.classes, dim=0), y))
            seen = [(j.probabilities(made).argmax(1) == told.cpu()).double().mean() for j in judges]
            obeyed.append(100 * float(torch.stack(seen).mean()))
            leak, chance = read_class_from_style(run, e.points)
            leaks.append(leak)
            chances.append(chance)
            errors.append(100 * float(shared.mistakes(run).double().mean()))
        figures[name] = {"obeyed": obeyed, "leaked": leaks, "chance": chances, "inferred": errors}
        rows[name] = {
            "obeyed": shared.over_seeds(obeyed),
            "leaked": shared.over_seeds(leaks, f"chance {max(chances):.1f}"),
            "inferred": shared.over_seeds(errors),
        }
        claims += [
            judge(
                Claim(f"[{name}] any style can be written in any class", AAE, (OBEYED,)),
                with_count(min(obeyed), e.points),
                figure=f"told class seen {shared.describe_seeds(obeyed)}",
                how="mean of two judges' classifiers, which saw none of the images",
            ),
            judge(
                Claim(f"[{name}] the style tells nothing of the class", AAE, (LEAKED,)),
                with_count(max(a - b for a, b in zip(leaks, chances)), e.points),
                figure=f"class read from styles {shared.describe_seeds(leaks)}, chance {max(chances):.1f} %",
                how="a support vector machine on held-out styles",
            ),
        ]
    columns = {
        "obeyed": Column(
            "told class seen", ".1f", "higher", "per cent of decodings that judges assign to the given class"
        ),
        "leaked": Column("class read from style", ".1f", "lower", "accuracy in per cent of a fresh classifier"),
        "inferred": Column(
            "error by reconstruction", ".2f", "lower", "per cent, on the test part, of the class that reconstructs best"
        ),
    }
    sections = [
        Section(
            "Style and class", blocks=[TableBlock(Table(columns, rows), "The given class, and what styles retain")]
        ),
        Section(
            "Written by one hand",
            blocks=[shared.styles_by_class(own[0], f"One style in every class: {name}") for name, own in runs.items()],
        ),
        shared.games(runs),
    ]
    first = figures["run"]
    answer = (
        f"The given class is seen in {shared.describe_seeds(first['obeyed'])} of decodings; from the style alone a fresh classifier reads it with "
        f"{shared.describe_seeds(first['leaked'])}."
    )
    return Findings([answer], claims, sections, figures)
