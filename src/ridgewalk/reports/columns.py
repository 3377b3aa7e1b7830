"""
The columns of every table of figures, defined once: heading, number format, which direction is better, and what the figure means.

A table takes those that it shows by key, as ``{key: PATHS[key] for key in ("real", "arrived")}``; where a heading or a format
must differ in one table, it takes ``dataclasses.replace(PATHS["real"], heading="real frames of string")``.
"""

from collections.abc import Mapping

from ridgewalk.reports.tables import Column

PATHS: Mapping[str, Column] = {
    "real": Column("real", ".3f", "higher", "share of interior frames that the judges take for real; mean of both"),
    "real_A": Column("real, A", ".3f", "higher", "the same by judge A alone"),
    "real_B": Column("real, B", ".3f", "higher", "the same by judge B alone"),
    "wholly_real": Column(
        "wholly real", ".3f", "higher", "share of paths with every interior frame real; mean of both judges"
    ),
    "wholly_real_A": Column("wholly real, A", ".3f", "higher", "the same by judge A alone"),
    "wholly_real_B": Column("wholly real, B", ".3f", "higher", "the same by judge B alone"),
    "realism": Column(
        "realism",
        ".3f",
        "higher",
        "share of real images that seem no more real to a judge, mean over frames; 0.5 for a typical real one",
    ),
    "precision": Column(
        "near", ".3f", "higher", "share of interior frames within a k-NN ball of a real image; mean of both judges"
    ),
    "precision_A": Column("near, A", ".3f", "higher", "the same by judge A alone"),
    "precision_B": Column("near, B", ".3f", "higher", "the same by judge B alone"),
    "mean_confidence": Column("confidence", ".3f", "higher", "largest class probability, mean over interior frames"),
    "worst_confidence": Column("worst", ".3f", "higher", "largest class probability at the least certain frame"),
    "third_class": Column("third class", ".3f", "lower", "probability of neither end's class"),
    "monotonicity": Column(
        "monotonicity", ".3f", "higher", "share of the change of P(B) - P(A) that has the right sign"
    ),
    "relative_length": Column("length / LERP", ".2f", None, "length of the path in pixels over LERP's"),
    "largest_step": Column(
        "largest step", ".3f", "lower", "largest step between frames over the distance between the ends, in pixels"
    ),
    "step_evenness": Column("largest / mean", ".2f", "lower", "largest step over the mean step"),
    "end_error": Column("end error", ".1g", "lower", "distance of the path's ends from the codes of A and B"),
    "arrived": Column("arrived", ".0%", "higher", "share of paths that reached B by steps no longer than the others"),
}
"""Of paths, as ``judging.comparison.measure`` measures them."""

REAL = ("real", "real_A", "real_B", "wholly_real", "wholly_real_A", "wholly_real_B", "realism", "precision")
CLASSES = ("mean_confidence", "worst_confidence", "third_class", "monotonicity")
SHAPE = ("arrived", "end_error", "relative_length", "largest_step", "step_evenness")

COST: Mapping[str, Column] = {
    "seconds_per_path": Column("ms a path", ".2f", "lower", "wall clock of the search over the number of paths"),
    "cpu_ms": Column("CPU ms a path", ".1f", "lower", "time of all threads; sensors and decoder included"),
    "nfe": Column("NFE a path", ".0f", None, "evaluations of the energy (forward, or forward and backward)"),
    "iterations": Column("iterations", ".0f", None, "moves of a whole curve, or steps of the longest walk"),
    "peak_mb": Column("peak MB", ".0f", None, "peak resident memory of the process until then"),
}
"""Of what a search takes."""

FURTHER: Mapping[str, Column] = {
    "middle": Column(
        "Fréchet / LERP's",
        ".2f",
        "lower",
        "distance of the middle frames to held-out images, mean over judges and runs",
    ),
    "frechet": Column(
        "Fréchet", ".1f", "lower", "distance of the middle frames to held-out images, by the judges' features"
    ),
    "curve_energy": Column("curve energy", ".1f", "lower", "(k - 1) sum of squared steps, in squared pixel units"),
    "from_half": Column("|score - 1/2|", ".3f", None, "of the AAE's own discriminator, mean over interior frames"),
    "value": Column(
        "real and arrived", ".3f", "higher", "share of real frames, counted 0 where a walk does not arrive"
    ),
    "once_seconds": Column("once, s", ".1f", None, "work done once for each run: training a network, building a graph"),
}
"""Of paths, in some comparisons only."""

TRUTH: Mapping[str, Column] = {
    "hausdorff": Column(
        "to the truth", ".3f", "lower", "mean of departure and coverage, over the distance between the true ends"
    ),
    "departure": Column(
        "departure", ".3f", "lower", "mean distance of the path to the true one, over that of its ends"
    ),
    "coverage": Column("coverage", ".3f", "lower", "mean distance of the true path to the path, over that of its ends"),
    "truth_frechet": Column(
        "curve Fréchet", ".3f", "lower", "discrete Fréchet distance of both, over that of the ends"
    ),
}
"""Of paths against the true ones, as ``metrics.truth`` measures them."""

IMAGES: Mapping[str, Column] = {
    "frechet": Column(
        "Fréchet", ".2f", "lower", "distance in the features of the judges; not comparable with published FID"
    ),
    "kid": Column("KID", ".4f", "lower", "kernel distance in the features of the judges"),
    "precision": Column("precision", ".3f", "higher", "share of samples in a 3-NN ball of a real image"),
    "recall": Column("recall", ".3f", "higher", "share of real images in a 3-NN ball of a sample"),
    "density": Column("density", ".3f", None, "mean number of real 5-NN balls that a sample lies in, over 5"),
    "coverage": Column("coverage", ".3f", "higher", "share of real images with a sample in their 5-NN ball"),
    "classes_score": Column("score of classes", ".2f", "higher", "exp E KL(p(y|x) || p(y)) by the judge's own classes"),
    "real": Column("real", ".3f", "higher", "share of the samples that the composite judge takes for real"),
}
"""Of sampled images against real ones, as ``judging.samples.grade`` measures them."""

FID: Mapping[str, Column] = {
    "fid": Column("FID", ".2f", "lower", "Frechet distance in the features of the published Inception network"),
}
"""Of sampled images against real ones, by the published network alone."""

BITS: Mapping[str, Column] = {
    "bits": Column(
        "bits per dimension",
        ".3f",
        "lower",
        "of images of 256 levels 8 is what a uniform law gives; of codes and points a density",
    ),
    "nfe": Column("NFE", ".0f", None, "evaluations of the score, each with its divergence"),
}
"""Of held-out data under a diffusion."""

LAYOUT: Mapping[str, Column] = {
    "asymmetry": Column("asymmetry", ".3f", None, "0 for mirror images of themselves, 1 for unrelated halves"),
    "borders": Column("borders", ".3f", None, "correlation of the colours at the left and right border"),
}
"""Of images alone, without a judge."""

POINTS: Mapping[str, Column] = {
    "kl": Column("KL(model || data)", ".4f", "lower", "from samples and the exact density, by cells of the plane"),
    "sliced_wasserstein": Column("sliced W2", ".4f", "lower", "sliced Wasserstein distance to as many real points"),
    "mmd": Column("MMD²", ".2g", None, "of 2000 samples and as many real points; unbiased, so it may be below 0"),
    "nll_of_data": Column("-log p", ".4f", None, "mean of minus the log density of the data at the samples"),
    "mode_error": Column("mode error", ".4f", "lower", "largest absolute error of the share of a mode"),
    "no_mode": Column(
        "no mode", ".4f", "lower", "share of samples further from every mode than 98.9 % of its own draws"
    ),
    "precision": Column("precision", ".3f", "higher", "share of samples in a 3-NN ball of a draw of the density"),
    "recall": Column("recall", ".3f", "higher", "share of draws of the density in a 3-NN ball of a sample"),
}
"""Of sampled points, as ``judging.samples.compare_with_density`` and ``judging.samples.compare_with_data`` measure them."""

SAMPLING: Mapping[str, Column] = {
    "nfe": Column("NFE", ".0f", None, "evaluations of the score for each sample"),
    "seconds": Column("s", ".0f", None, "seconds of sampling"),
}
"""Of what sampling takes."""

SENSORS: Mapping[str, Column] = {
    "bce": Column("held-out BCE", ".3f", None, "binary cross-entropy; chance is 0.693"),
    "auc": Column("AUC", ".2f", None),
    "calibration_error": Column("calibration error", ".3f", None),
    "logit_spread": Column("logit spread", ".2f", None),
    "gradient_along_lerp": Column("gradient along LERP", ".2f", None),
    "probe_auc": Column(
        "AUC of a fresh probe", ".2f", None, "of a classifier trained on the same two sides: 0.5 where they are alike"
    ),
}
"""Of a sensor on held-out codes, as ``diagnosis.sensors.diagnose`` measures them."""

MISALIGNMENT: Mapping[str, Column] = {
    "ideal": Column("called ideal", ".0%", None, "share of the points whose score the reading calls ideal"),
    "unreal": Column(
        "unreal if ideal", ".3f", "lower", "share of the ideal points that are unreal; mean of the judges"
    ),
    "every": Column("unreal", ".3f", None, "share of all points of the row that are unreal; mean of the judges"),
    "over_all": Column("ideal - all", "+.3f", "lower", "unreal among ideal points less unreal among all of the row"),
    "over_encoded": Column(
        "ideal - encoded", "+.3f", "lower", "unreal among ideal points less unreal among reconstructions"
    ),
    "rho": Column(
        "rank correlation",
        ".2f",
        "higher",
        "Spearman's, of the claimed quality with the mean rank of realism of the judges",
    ),
}
"""Of a sensor's claims against the judges, as ``diagnosis.misalignment`` measures them."""

GUIDES: Mapping[str, Column] = {
    "bce": Column("cross-entropy", ".3f", "lower", "held out; chance is 0.693"),
    "calibration": Column("calibration error", ".3f", "lower", "of the guide's probabilities"),
    "gain": Column(
        "gain",
        ".3g",
        "higher",
        "reduction of the held-out denoising error by guiding; guiding harms where it is below 0",
    ),
    "strength": Column("best strength", ".2f", None, "the multiple of its gradient that gains most"),
    "gradient_error": Column(
        "gradient error", ".3g", "lower", "0 is right, 1 is as good as no guide; where the density is known"
    ),
}
"""Of a guide of a diffusion, level by level, as ``diagnosis.guides`` measures it."""


def gains(free: str) -> Mapping[str, Column]:
    """Of a method against the best free path, which is called ``free``, on the same pairs."""
    own, about = f"{free.upper()}'s", f"paired difference to {free.upper()}, the best free path"
    return {
        "real_gain": Column(f"real - {own}", "+.3f", "higher", about),
        "wholly_real_gain": Column(f"wholly real - {own}", "+.3f", "higher", about),
        "precision_gain": Column(f"near - {own}", "+.3f", "higher", about),
    }
