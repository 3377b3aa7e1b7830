"""
Agreement of K unnamed clusters with classes, from soft assignments q(y = i | x_n) and labels.

A point belongs to the cluster argmax_i q(y = i | x_n). Clusters get their names by a rule, from points whose labels are known and which are not among
those that are measured; names that the measured points chose themselves would make the error too low:

    exemplar    cluster i is named after x_n, n = argmax_n q(y = i | x_n): one point names a cluster, and may be an outlier
    majority    cluster i is named after the most frequent label among its points
    Hungarian   the one-to-one assignment of clusters to classes that is right for most points; with K above the number of classes, some clusters have none

    error       share of the measured points whose cluster has another name than their own class; of the Hungarian rule the accuracy, 1 - error
    NMI         I(cluster; class) / mean of H(cluster), H(class): 0 independent, 1 the same partition
    entropy     H(mean_n q(y | x_n)), in nats: log K where the clusters are used evenly
    decided     mean_n H(q(y | x_n)), in nats: 0 where every point is sure of its cluster

More clusters give a lower error by exemplar and by majority. K is therefore reported with the figure, and is not chosen on test labels. NMI and the
Hungarian accuracy are lower if a class is split into several clusters; the other two errors are not.

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
        hungarian: accuracy of names by the best one-to-one assignment.
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


def measure_clusters(q: Tensor, labels: Tensor, naming: tuple[Tensor, Tensor]) -> Clustering:
    """
    Returns every measure of this module's docstring.

    Args:
        q: Probabilities of clusters, one row for each measured point, (n, K).
        labels: Classes of the points, integers from 0, (n,).
        naming: Probabilities and labels of the points that name the clusters, such as those of validation images.

    Raises:
        ValueError: if shapes or types do not fit, K < 2, or a row is no distribution.
    """
    q = _check(q, labels)
    mean = q.mean(dim=0)
    return Clustering(
        clusters=q.shape[1],
        used=len(q.argmax(dim=1).unique()),
        entropy=float(torch.special.entr(mean).sum()),
        decided=float(torch.special.entr(q).sum(dim=1).mean()),
        exemplar=float(mistaken(q, labels, exemplar_names(*naming)).double().mean()),
        majority=float(mistaken(q, labels, majority_names(*naming)).double().mean()),
        hungarian=1 - float(mistaken(q, labels, hungarian_names(*naming)).double().mean()),
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
    counts = _counts(q, labels)
    empty = counts.sum(dim=1, keepdim=True) == 0
    return torch.where(empty, q.T @ _one_hot(q, labels), counts).argmax(dim=1)


def hungarian_names(q: Tensor, labels: Tensor) -> Tensor:
    """The one-to-one names of the clusters that are right for most points: (n, K), (n,) -> int64 (K,); -1 for a cluster that gets none."""
    from scipy.optimize import linear_sum_assignment

    q = _check(q, labels)
    rows, columns = linear_sum_assignment(_counts(q, labels).cpu().numpy(), maximize=True)
    names = torch.full((q.shape[1],), -1)
    names[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return names


def mistaken(q: Tensor, labels: Tensor, names: Tensor) -> Tensor:
    """
    Whether each point's cluster has another name than its class: bool (n,), for the error's mean and its bootstrap.

    Args:
        q: Probabilities of clusters, (n, K).
        labels: Classes, (n,).
        names: Names of the clusters by one of the rules, (K,).
    """
    q = _check(q, labels)
    if names.shape != q.shape[1:]:
        raise ValueError(f"every cluster has one name, ({q.shape[1]},); got {tuple(names.shape)}")
    return names.to(labels.device)[q.argmax(dim=1)] != labels


def normalised_information(clusters: Tensor, labels: Tensor) -> float:
    """I(cluster; class) / ((H(cluster) + H(class)) / 2), by scikit-learn; 1 where both are constant. (n,), (n,) integers."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels.cpu().numpy(), clusters.cpu().numpy()))


def _one_hot(q: Tensor, labels: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(labels.long()).to(q)


def _counts(q: Tensor, labels: Tensor) -> Tensor:
    """Number of points by cluster and label: (K, labels)."""
    return torch.nn.functional.one_hot(q.argmax(dim=1), q.shape[1]).to(q).T @ _one_hot(q, labels)


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
