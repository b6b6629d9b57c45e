"""Nearest neighbour on relational statistics: how far a window is from the most similar normal one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.statistics import Scaling, Statistics


def squared_distances(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Squared Euclidean distances between rows, shapes (N, F) and (M, F) to (N, M)."""
    cross = a @ b.T
    return np.maximum(np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * cross, 0)


@dataclass(frozen=True)
class Nearest:
    """What `NearestNeighbour` finds for each of N windows.

    Arguments:
        distance: root mean square difference of the scaled statistics, shape (N,).
        entry: index of the nearest support entry, shape (N,).
        swapped: whether it is nearest with the persons of the window exchanged, shape (N,).
    """

    distance: NDArray[np.float32]
    entry: NDArray[np.intp]
    swapped: NDArray[np.bool_]


@dataclass(frozen=True)
class NearestNeighbour:
    """A support set of normal windows and their scaling.

    Arguments:
        statistics: how vectors are made.
        scaling: how they are scaled.
        support: scaled statistics of normal windows, shape (N, F).
    """

    statistics: Statistics
    scaling: Scaling
    support: NDArray[np.float32]

    @classmethod
    def fit(cls, statistics: Statistics, values: NDArray[np.floating]) -> NearestNeighbour:
        """From statistics of normal windows, shape (N, F), N >= 1."""
        scaling = Scaling.fit(values, statistics)
        return cls(statistics, scaling, scaling(values))

    def __call__(self, values: NDArray[np.floating], allowed: NDArray[np.bool_] | None = None) -> Nearest:
        """The nearest normal window of each window, in whichever order of the persons is nearer.

        Arguments:
            values: unscaled statistics, shape (N, F).
            allowed: shape (N, support), False where an entry may not be used: leave-one-clip-out.
        """
        scaled = self.scaling(values)
        both = [squared_distances(v, self.support) for v in (scaled, scaled[:, self.statistics.swap])]
        if allowed is not None:
            both = [np.where(allowed, d, np.inf) for d in both]
        swapped_best = both[1].min(axis=1) < both[0].min(axis=1)
        chosen = np.where(swapped_best[:, None], both[1], both[0])
        best = np.sqrt(chosen.min(axis=1) / scaled.shape[1])
        return Nearest(best.astype(np.float32), chosen.argmin(axis=1), swapped_best)


def spread_subset(values: NDArray[np.floating], size: int, seed: int = 0) -> NDArray[np.intp]:
    """Indices of at most `size` rows, drawn evenly at random, sorted; all rows where there are no more."""
    if len(values) <= size:
        return np.arange(len(values))
    return np.sort(np.random.default_rng(seed).permutation(len(values))[:size])
