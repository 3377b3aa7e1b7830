"""
Shortest paths through the data, by Dijkstra's algorithm on a k-nearest-neighbour graph of reference codes.

An edge between neighbours costs |z_i - z_j|^p. With p = 1 the shortest path is nearly straight; with p >= 2 many short edges are
cheaper than one long edge, so that the path stays where references are dense (Sajama and Orlitsky 2005).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ridgewalk import polyline
from ridgewalk.callables import check_tensor
from ridgewalk.context import Context
from ridgewalk.finders.inputs import all_arrived, check_endpoints
from ridgewalk.path import Path
from ridgewalk.progress import track


@dataclass(frozen=True, eq=False)
class GraphPath:
    """
    The shortest path over a k-NN graph of reference codes; each end is joined to its own k nearest references.

    Attributes:
        references: (m, *) codes of real data.
        neighbours: k, at least 1 and below m.
        power: p, the exponent of the edges' cost.
        bridge: whether separate components of the graph are joined by their shortest link; otherwise ends in different components are refused.
        nodes: number of nodes of the returned path, at equal arc length.
    """

    references: Tensor
    neighbours: int = 10
    power: float = 2.0
    bridge: bool = False
    nodes: int = 33

    def __post_init__(self) -> None:
        check_tensor(self.references, "references")
        if not self.references.isfinite().all():
            raise ValueError("the references of a graph must be finite; some are NaN or infinite")
        if not 1 <= self.neighbours < self.references.shape[0]:
            raise ValueError(
                f"neighbours must be at least 1 and below the number of references; got {self.neighbours} of {self.references.shape[0]}"
            )
        if self.power <= 0:
            raise ValueError(f"power must be positive; got {self.power}")

    @cached_property
    def _points(self) -> np.ndarray:
        return _to_numpy(self.references)

    @cached_property
    def _index(self) -> Any:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(n_neighbors=self.neighbours).fit(self._points)

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, set[tuple[int, int]], int]:
        """Sources, targets and lengths of the edges, the bridging links, and the number of components before bridging."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import connected_components

        m = self.references.shape[0]
        lengths, found = self._index.kneighbors()
        source, target, length = np.repeat(np.arange(m), self.neighbours), found.ravel(), lengths.ravel()
        components, label = connected_components(
            csr_matrix((np.ones_like(length), (source, target)), shape=(m, m)), directed=False
        )
        bridges: set[tuple[int, int]] = set()
        if components > 1 and self.bridge:
            bridged = _find_bridges(self._points, label)
            i, j, r = zip(*bridged)
            source, target, length = np.append(source, i), np.append(target, j), np.append(length, r)
            bridges = {*zip(i, j), *zip(j, i)}
        return source, target, length, bridges, components

    def __call__(self, z_a: Tensor, z_b: Tensor, /) -> Path:
        """(b, *), (b, *) -> nodes (b, k, *); trace ``bridged`` is 1 along paths that use a bridging link."""
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import dijkstra

        check_endpoints(z_a, z_b, self.nodes)
        if z_a.shape[1:] != self.references.shape[1:]:
            raise ValueError(
                f"endpoints must be shaped as the references, (b, *{tuple(self.references.shape[1:])}); got {tuple(z_a.shape)}"
            )
        b, m = z_a.shape[0], self.references.shape[0]
        source, target, length, bridges, components = self._edges
        points = _to_numpy(torch.cat([z_a, z_b]))
        near_length, near = self._index.kneighbors(points, n_neighbors=self.neighbours)
        # a sparse matrix drops costs of 0, such as those of ends that coincide with a reference
        cost, near_cost = (np.maximum(r**self.power, np.finfo(float).tiny) for r in (length, near_length))
        size = (m + 2 * b, m + 2 * b)
        between = csr_matrix((cost, (source, target)), shape=size)
        # edges only leave z_a and only enter z_b, so that no path passes through the ends of another pair
        own = np.repeat(np.arange(b), self.neighbours)
        leaving = csr_matrix((near_cost[:b].ravel(), (m + own, near[:b].ravel())), size)
        entering = csr_matrix((near_cost[b:].ravel(), (near[b:].ravel(), m + b + own)), size)
        graph = between.maximum(between.T) + leaving + entering
        every = np.concatenate([self._points, points])
        lines, bridged = [], torch.zeros(b, dtype=torch.bool)
        for i in track(range(b), "graph paths"):
            distance, before = dijkstra(graph, indices=m + i, return_predecessors=True)
            if not np.isfinite(distance[m + b + i]):
                raise ValueError(
                    f"the ends of pair {i} lie in parts of the {self.neighbours}-nearest-neighbour graph that are not connected "
                    f"(it has {components} components); raise neighbours, or pass bridge=True to join them by their shortest links"
                )
            chain = [m + b + i]
            while chain[-1] != m + i:
                chain.append(int(before[chain[-1]]))
            chain.reverse()
            bridged[i] = any(link in bridges for link in pairwise(chain))
            line = torch.from_numpy(every[chain]).unflatten(1, z_a.shape[1:])[None]
            lines.append(polyline.equally_spaced(line, self.nodes))
        nodes = torch.cat(lines).to(z_a.detach())
        nodes[:, 0], nodes[:, -1] = z_a.detach(), z_b.detach()
        traces = {"bridged": bridged.to(z_a)[:, None].expand(b, self.nodes)}
        stats = {"nfe": 0, "components": components, "bridged": int(bridged.sum())}
        return Path(nodes, all_arrived(z_a), traces, stats)


def _to_numpy(points: Tensor) -> np.ndarray:
    return points.detach().flatten(1).cpu().double().numpy()


def _find_bridges(points: np.ndarray, label: np.ndarray) -> list[tuple[int, int, float]]:
    """Links that join all components: repeatedly the first component is joined to the nearest other one by their closest points."""
    from sklearn.neighbors import NearestNeighbors

    label, links = label.copy(), []
    while (outside := np.flatnonzero(label != label[0])).size:
        inside = np.flatnonzero(label == label[0])
        length, nearest = NearestNeighbors(n_neighbors=1).fit(points[inside]).kneighbors(points[outside])
        best = int(length[:, 0].argmin())
        i, j = int(outside[best]), int(inside[nearest[best, 0]])
        links.append((i, j, float(length[best, 0])))
        label[label == label[i]] = label[0]
    return links


def build_graph(context: Context, nodes: int | None = None) -> GraphPath:
    """Builds the method "graph" over the reference codes; a path has as many nodes as a walk has frames if ``nodes`` is None."""
    w = context.walks
    return GraphPath(context.references(), w.neighbours, bridge=True, nodes=nodes or w.frames)
