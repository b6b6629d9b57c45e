"""Nearest neighbours on relational statistics: how far a window is from the most similar normal ones.

Of thousands of statistics most say the same thing. They are projected onto the leading directions of normal windows,
and what is left over enters as one number, its length: distances stay what they were, at a tenth of the cost. The
mean distance of the three nearest normal windows is the plain measure. Where there is much data, a second one is
taken in directions of equal spread (whitened): what rarely varies in normal life gives an anomaly away. There the
support is chosen, too, so that every rare but normal window has one like it. On few windows whitening learns the
sensor's noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.features.pair_statistics import Scaling, Statistics

NEAREST = 3  # normal windows whose mean distance counts: one odd window among the normal ones hides nothing
ENOUGH_FOR_NEAREST = 10  # support windows; among fewer the nearest alone counts, for the next ones are far
_DIRECTIONS = 256
_SHRINKAGE = 0.005  # of the mean variance, added to every variance: what never varied must not rule
_WHITEN_FROM = 600  # windows' lengths of normal recordings


def nearest_of(support: int) -> int:
    """How many of so many support windows the mean distance is taken to."""
    return NEAREST if support >= ENOUGH_FOR_NEAREST else 1


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
        distance: mean over the nearest support windows of the root mean square difference of the scaled statistics,
            shape (N,).
        whitened: distance to the nearest one in directions of equal spread, shape (N,); zeros where not whitened.
        entry: index of the nearest support window, shape (N,).
        swapped: whether it is nearest with the persons of the window exchanged, shape (N,).
    """

    distance: NDArray[np.float32]
    whitened: NDArray[np.float32]
    entry: NDArray[np.intp]
    swapped: NDArray[np.bool_]


@dataclass(frozen=True)
class NearestNeighbour:
    """A support set of normal windows and how windows are compared with it.

    Arguments:
        statistics: how vectors are made.
        scaling: how they are scaled.
        support: scaled statistics of normal windows, shape (N, F), of half precision in value.
        axes: orthonormal directions that are compared, shape (D, F); None compares in all F.
        precision: one over the spread of normal windows in each direction, shape (D,); None does not whiten.
        chosen: which rows of the values it was fitted to are the support, shape (N,); empty where not fitted.
    """

    statistics: Statistics
    scaling: Scaling
    support: NDArray[np.float32]
    axes: NDArray[np.float32] | None = None
    precision: NDArray[np.float32] | None = None
    chosen: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))

    @classmethod
    def fit(
        cls,
        statistics: Statistics,
        values: NDArray[np.floating],
        *,
        most: int | None = None,
        whiten: bool = False,
        project: bool = True,
        seed: int = 0,
        chosen: NDArray[np.intp] | None = None,
    ) -> NearestNeighbour:
        """From statistics of normal windows.

        Arguments:
            values: shape (N, F), N >= 1.
            most: the support is at most this large, spread over all that is normal (`spread_subset`); None: all.
            whiten, project: see the head of this module; whitening needs the projection.
            seed: where spreading begins.
            chosen: rows that are the support; None lets `most` and `seed` choose.
        """
        scaling = Scaling.fit(values, statistics)
        scaled = scaling(values)
        axes, spread = principal_axes(scaled, statistics) if project or whiten else (None, None)
        precision = (1 / spread).astype(np.float32) if whiten and spread is not None else None
        if chosen is None:
            compared = scaled if axes is None else scaled @ axes.T
            chosen = spread_subset(compared if precision is None else compared * precision, most or len(scaled), seed)
        # as the model file keeps it
        support = scaled[chosen].astype(np.float16).astype(np.float32)
        return cls(statistics, scaling, support, axes, precision, chosen)

    def compared(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        """What distances are taken of: scaled vectors (N, F), or their projection and its residual (N, D + 1)."""
        return scaled if self.axes is None else projected(scaled, self.axes)

    def __call__(self, values: NDArray[np.floating], allowed: NDArray[np.bool_] | None = None) -> Nearest:
        """The nearest normal windows of each window, in whichever order of the persons is nearer.

        Arguments:
            values: unscaled statistics, shape (N, F).
            allowed: shape (N, support), False where an entry may not be used: leave-one-clip-out.
        """
        scaled, bank = self.scaling(values), self.compared(self.support)
        seen = [self.compared(v) for v in (scaled, scaled[:, self.statistics.swap])]
        distances, found = compare(seen, bank, len(self.statistics), self.precision, allowed)
        return Nearest(distances.plain, distances.whitened, found % len(bank), np.asarray(found >= len(bank), bool))


@dataclass(frozen=True)
class Distances:
    """How far N windows are from what is normal.

    Arguments:
        plain: mean over the nearest support windows of the root mean square difference, shape (N,).
        whitened: distance to the nearest one in directions of equal spread, shape (N,); zeros where not whitened.
    """

    plain: NDArray[np.float32]
    whitened: NDArray[np.float32]


def compare(
    seen: Sequence[NDArray[np.floating]],
    bank: NDArray[np.floating],
    features: int,
    precision: NDArray[np.floating] | None,
    allowed: NDArray[np.bool_] | None,
) -> tuple[Distances, NDArray[np.intp]]:
    """Distances of windows to a support set.

    Arguments:
        seen: the windows as they are and with the persons exchanged, each (N, C).
        bank: the support, shape (M, C).
        features: F, length of the statistics that C coordinates stand for.
        precision: see `NearestNeighbour`; (D,), of the first D coordinates.
        allowed: shape (N, M), False where an entry may not be used.

    Returns:
        The distances, infinite where nothing is allowed, and the nearest of the 2 M entries, the exchanged last; (N,).
    """
    squared = _both_orders(seen, bank, allowed)
    count = nearest_of(len(bank))
    root = np.sqrt(np.partition(squared, count - 1, axis=1)[:, :count] / features)
    there = np.isfinite(root)
    there[:, 0] |= ~there.any(axis=1)
    plain = np.mean(root, axis=1, where=there)
    whitened = np.zeros(len(squared))
    if precision is not None:
        count = len(precision)
        near = _both_orders([s[:, :count] * precision for s in seen], bank[:, :count] * precision, allowed)
        whitened = np.sqrt(near.min(axis=1) / count)
    return Distances(plain.astype(np.float32), whitened.astype(np.float32)), squared.argmin(axis=1)


def _both_orders(
    seen: Sequence[NDArray[np.floating]], bank: NDArray[np.floating], allowed: NDArray[np.bool_] | None
) -> NDArray[np.floating]:
    """Squared distances to the support, as it is and with the persons exchanged; shape (N, 2 M)."""
    both = np.concatenate([squared_distances(s, bank) for s in seen], axis=1)
    return both if allowed is None else np.where(np.tile(allowed, 2), both, np.inf)


def projected(scaled: NDArray[np.floating], axes: NDArray[np.floating]) -> NDArray[np.float32]:
    """Coordinates in orthonormal directions (D, F), and the length of what is left over; (N, F) to (N, D + 1)."""
    inside = scaled @ axes.T
    left = np.square(scaled).sum(axis=1) - np.square(inside).sum(axis=1)
    return np.concatenate([inside, np.sqrt(np.maximum(left, 0))[:, None]], axis=1).astype(np.float32)


def principal_axes(
    scaled: NDArray[np.floating], statistics: Statistics
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Leading directions of normal windows in both orders of the persons, (D, F), and the spread in each, (D,).

    The directions are taken through the origin, which is the median of all; with few windows they hold all of them,
    and nothing is left over.
    """
    both = np.concatenate([scaled, scaled[:, statistics.swap]]).astype(np.float64)
    count, size = both.shape
    if count <= size:  # the smaller of the two products has the same directions
        power, left = np.linalg.eigh(both @ both.T)
        rows = left.T[::-1] @ both
        power = power[::-1]
        kept = min(_DIRECTIONS, int((power > 1e-9 * max(power[0], 1e-30)).sum()))
        axes = rows[: max(kept, 1)] / np.sqrt(np.maximum(power[: max(kept, 1)], 1e-30))[:, None]
    else:
        _, right = np.linalg.eigh(both.T @ both)
        axes = right[:, ::-1][:, :_DIRECTIONS].T
    variance = (both @ axes.T).var(axis=0)
    spread = np.sqrt(variance + _SHRINKAGE * both.var(axis=0).mean() + 1e-9)
    return np.ascontiguousarray(axes, dtype=np.float32), spread


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
