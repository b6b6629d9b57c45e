"""Nearest neighbour on relational statistics: how far a window is from the most similar normal one.

With little data windows are compared in their scaled statistics. With much of it they are first whitened: of
thousands of statistics most say the same thing, and what rarely varies in normal life is what gives an anomaly
away. On few windows the same whitening learns the sensor's noise (SBU, 131 clips: AUROC 0.95 with, 0.99 without).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.statistics import Scaling, Statistics

_DIRECTIONS = 256
_SHRINKAGE = 0.005  # of the mean variance, added to every variance: what never varied must not rule
_WHITEN_FROM = 600  # windows' lengths of normal recordings


def squared_distances(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Squared Euclidean distances between rows, shapes (N, F) and (M, F) to (N, M)."""
    cross = a @ b.T
    return np.maximum(np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2 * cross, 0)


def enough_to_whiten(frames: int, window: int) -> bool:
    """Whether recordings of so many frames are worth a covariance; `window` is the length of a window in frames."""
    return frames >= _WHITEN_FROM * window


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
    """A support set of normal windows and how windows are compared with it.

    Arguments:
        statistics: how vectors are made.
        scaling: how they are scaled.
        support: scaled statistics of normal windows, shape (N, F), of half precision in value.
        axes: whitening of scaled vectors, shape (D, F); None compares them as they are.
        chosen: which rows of the values it was fitted to are the support, shape (N,); empty where not fitted.
    """

    statistics: Statistics
    scaling: Scaling
    support: NDArray[np.float32]
    axes: NDArray[np.float32] | None = None
    chosen: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))

    @classmethod
    def fit(
        cls,
        statistics: Statistics,
        values: NDArray[np.floating],
        *,
        most: int | None = None,
        whiten: bool = False,
        seed: int = 0,
    ) -> NearestNeighbour:
        """From statistics of normal windows.

        Arguments:
            values: shape (N, F), N >= 1.
            most: the support is at most this large, spread over all that is normal (`spread_subset`); None: all.
            whiten: see the head of this module.
            seed: where spreading begins.
        """
        scaling = Scaling.fit(values, statistics)
        scaled = scaling(values)
        axes = _whitening(scaled, statistics) if whiten else None
        chosen = spread_subset(scaled if axes is None else scaled @ axes.T, most or len(scaled), seed)
        # as the model file keeps it
        support = scaled[chosen].astype(np.float16).astype(np.float32)
        return cls(statistics, scaling, support, axes, chosen)

    def compared(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        """What distances are taken of: scaled vectors (N, F), or their whitened form (N, D)."""
        return scaled if self.axes is None else scaled @ self.axes.T

    def __call__(self, values: NDArray[np.floating], allowed: NDArray[np.bool_] | None = None) -> Nearest:
        """The nearest normal window of each window, in whichever order of the persons is nearer.

        Arguments:
            values: unscaled statistics, shape (N, F).
            allowed: shape (N, support), False where an entry may not be used: leave-one-clip-out.
        """
        scaled, bank = self.scaling(values), self.compared(self.support)
        orders = (scaled, scaled[:, self.statistics.swap])
        both = [squared_distances(self.compared(v), bank) for v in orders]
        if allowed is not None:
            both = [np.where(allowed, d, np.inf) for d in both]
        swapped_best = both[1].min(axis=1) < both[0].min(axis=1)
        chosen = np.where(swapped_best[:, None], both[1], both[0])
        best = np.sqrt(chosen.min(axis=1) / bank.shape[1])
        return Nearest(best.astype(np.float32), chosen.argmin(axis=1), swapped_best)


def _whitening(scaled: NDArray[np.float32], statistics: Statistics) -> NDArray[np.float32]:
    """Leading directions of normal windows in both orders of the persons, each over its spread; (D, F)."""
    both = np.concatenate([scaled, scaled[:, statistics.swap]])
    both = both - both.mean(axis=0)
    variance, directions = np.linalg.eigh(both.T @ both / len(both))
    count = min(_DIRECTIONS, len(both) - 1)
    variance, directions = np.maximum(variance[::-1][:count], 0), directions[:, ::-1][:, :count]
    spread = np.sqrt(variance + _SHRINKAGE * np.square(both).mean() + 1e-9)
    return np.ascontiguousarray((directions / spread).T, dtype=np.float32)


def spread_subset(values: NDArray[np.floating], size: int, seed: int = 0) -> NDArray[np.intp]:
    """Indices of at most `size` rows that leave no row far from all of them, sorted (greedy k-centre).

    Arguments:
        values: shape (N, F).
        size: all rows are taken where there are no more.
        seed: of the first row.
    """
    if len(values) <= size:
        return np.arange(len(values))
    kept = [int(np.random.default_rng(seed).integers(len(values)))]
    norms = np.square(values).sum(axis=1)
    nearest = np.full(len(values), np.inf)
    for _ in range(size - 1):
        last = kept[-1]
        nearest = np.minimum(nearest, norms - 2 * (values @ values[last]) + norms[last])
        nearest[kept] = -np.inf
        kept.append(int(nearest.argmax()))
    return np.sort(np.asarray(kept, np.intp))
