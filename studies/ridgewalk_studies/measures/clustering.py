"""
Agreement of K unnamed clusters with classes, from soft assignments q(y = i | x_n) and labels.

A point belongs to the cluster argmax_i q(y = i | x_n). Clusters get their names by a rule, from points whose labels are known:

    exemplar    cluster i is named after x_n, n = argmax_n q(y = i | x_n): one point names a cluster, and may be an outlier
    majority    cluster i is named after the most frequent label among its points

    error       share of the points whose cluster has another name than their own class
    Hungarian   accuracy of the best one-to-one assignment of clusters to classes; with K above the number of classes, some clusters have none
    NMI         I(cluster; class) / mean of H(cluster), H(class): 0 independent, 1 the same partition
    entropy     H(mean_n q(y | x_n)), in nats: log K where the clusters are used evenly
    decided     mean_n H(q(y | x_n)), in nats: 0 where every point is sure of its cluster

More clusters give a lower error by either rule (K = n has none). K is therefore reported with the figure, and is not chosen on test labels. NMI and
the Hungarian accuracy are lower if a class is split into several clusters; the error is not.

Source: Makhzani et al. (2015), Adversarial autoencoders, section 6 (exemplar); Kuhn (1955), The Hungarian method for the assignment problem; Strehl and
Ghosh (2002), Cluster ensembles, equation 3, with the arithmetic mean.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Clustering:
    """
    Measures of clusters against classes.

    Attributes:
        clusters: The number of clusters, K.
        used: The number of clusters that contain a point.
        entropy: Entropy of the mean assignment, in nats.
        decided: mean entropy of a point's own assignment, in nats.
        exemplar: Error of names by exemplar, from 0 to 1.
        majority: Error of names by majority, from 0 to 1.
        hungarian: accuracy of the best one-to-one assignment.
        nmi: normalised mutual information.
    """

    clusters: int
    used: int
    entropy: float
    decided: float
    exemplar: float
    majority: float
    hungarian: float
    nmi: float


def measure_clusters(q: Tensor, labels: Tensor, naming: tuple[Tensor, Tensor] | None = None) -> Clustering:
    """
    Returns every measure of this module's docstring.

    Args:
        q: Probabilities of clusters, one row for each measured point, (n, K).
        labels: Classes of the points, integers from 0, (n,).
        naming: Probabilities and labels of other points that name the clusters; by default the measured points name them.

    Raises:
        ValueError: if shapes or types do not fit, K < 2, or a row is no distribution.
    """
    q = _check(q, labels)
    own = (q, labels) if naming is None else naming
    mean = q.mean(dim=0)
    return Clustering(
        clusters=q.shape[1],
        used=len(q.argmax(dim=1).unique()),
        entropy=float(torch.special.entr(mean).sum()),
        decided=float(torch.special.entr(q).sum(dim=1).mean()),
        exemplar=float(mistaken(q, labels, exemplar_names(*own)).double().mean()),
        majority=float(mistaken(q, labels, majority_names(*own)).double().mean()),
        hungarian=hungarian_accuracy(q.argmax(dim=1), labels),
        nmi=normalised_information(q.argmax(dim=1), labels),
    )


def exemplar_names(q: Tensor, labels: Tensor) -> Tensor:
    """The label of x_n, n = argmax_n q(y = i | x_n), for each cluster i: (n, K), (n,) -> int64 (K,); the first of equals names it."""
    return labels[_check(q, labels).argmax(dim=0)].long()


def majority_names(q: Tensor, labels: Tensor) -> Tensor:
    """
    The most frequent label among each cluster's points: (n, K), (n,) -> int64 (K,); the lowest of equals.

    A cluster without points takes the label that has most of its mass, argmax_c sum_{n: y_n = c} q(y = i | x_n).
    """
    q = _check(q, labels)
    one_hot = torch.nn.functional.one_hot(labels.long()).to(q)
    counts = torch.nn.functional.one_hot(q.argmax(dim=1), q.shape[1]).to(q).T @ one_hot
    empty = counts.sum(dim=1, keepdim=True) == 0
    return torch.where(empty, q.T @ one_hot, counts).argmax(dim=1)


def mistaken(q: Tensor, labels: Tensor, names: Tensor) -> Tensor:
    """
    Whether each point's cluster has another name than its class: bool (n,), for the error's mean and its bootstrap.

    Args:
        q: Probabilities of clusters, (n, K).
        labels: Classes, (n,).
        names: Names of the clusters from ``exemplar_names`` or ``majority_names``, (K,).
    """
    q = _check(q, labels)
    if names.shape != q.shape[1:]:
        raise ValueError(f"every cluster has one name, ({q.shape[1]},); got {tuple(names.shape)}")
    return names.to(labels.device)[q.argmax(dim=1)] != labels


def hungarian_accuracy(clusters: Tensor, labels: Tensor) -> float:
    """
    Max over one-to-one maps of clusters to classes of the share of points whose cluster is mapped to their class.

    Args:
        clusters: (n,) integers from 0, the cluster of each point.
        labels: (n,) integers from 0.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(labels.cpu().numpy(), clusters.cpu().numpy())
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(labels))


def normalised_information(clusters: Tensor, labels: Tensor) -> float:
    """I(cluster; class) / ((H(cluster) + H(class)) / 2), by scikit-learn; 1 where both are constant. (n,), (n,) integers."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels.cpu().numpy(), clusters.cpu().numpy()))


def _check(q: Tensor, labels: Tensor) -> Tensor:
    """Returns q in float64 after a check of shapes, rows and labels."""
    if q.dim() != 2 or not q.is_floating_point() or len(q) == 0 or q.shape[1] < 2:
        raise ValueError(f"assignments are probabilities (n, K) with K >= 2; got {q.dtype} {tuple(q.shape)}")
    if labels.shape != q.shape[:1] or labels.is_floating_point() or int(labels.min()) < 0:
        raise ValueError(
            f"labels must be integers from 0, ({len(q)},); got {labels.dtype} {tuple(labels.shape)}: leave unlabelled points out"
        )
    rows = q.detach().double()
    off = (rows.sum(dim=1) - 1).abs()
    if not bool(((rows >= 0).all(dim=1) & (off < 1e-3)).all()):  # also where a row has NaN
        raise ValueError("each row of the assignments must be a distribution, >= 0 with sum 1: pass softmax(logits)")
    return rows
