"""From raw scores of normal windows that were held back to distances and weights."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.neighbours import Distances, NearestNeighbour
from dyadwatch.core.statistics import Statistics
from dyadwatch.core.thresholds import thresholds

__all__ = ["held_out_distances", "neighbour_weight", "split_units", "thresholds", "trust"]

_FOLDS = 5
_LEAVE_ONE_OUT = 40  # units up to which each is left out alone
TRUST_FROM = 0.8  # AUROC on held-out broken pairs below which a learnt part is left out
_LEAST_NEIGHBOURS = 0.25  # the nearest neighbour always has a say: it needs no training to be right


def split_units(units: NDArray[np.intp], part: float, seed: int) -> NDArray[np.bool_]:
    """Which windows are held back: those of `part` of the units, drawn at random; at least one unit, never all."""
    names = np.unique(units)
    count = min(max(1, round(part * len(names))), len(names) - 1)
    chosen = np.random.default_rng([seed, 2]).permutation(names)[:count]
    return np.isin(units, chosen)


def held_out_distances(
    statistics: Statistics,
    values: NDArray[np.float32],
    units: NDArray[np.intp],
    *,
    chosen: NDArray[np.intp],
    whiten: bool,
    seed: int,
) -> Distances:
    """Nearest-neighbour distances of every window to windows of other units: leave-one-unit-out, or in folds.

    The support is chosen once from all windows, and that of the unit that is left out is forbidden: choosing anew for
    each of forty units would take minutes and change nothing. Scale and directions are those of the other units.

    Arguments:
        values: statistics, shape (N, F).
        units: where each window is from, shape (N,).
        chosen: rows that are the support of all windows, see `NearestNeighbour.chosen`.
        whiten: see `NearestNeighbour.fit`.
        seed: of the folds.
    """
    names = np.random.default_rng([seed, 3]).permutation(np.unique(units))
    few = len(names) <= _LEAVE_ONE_OUT and not whiten
    plain, whitened = np.zeros(len(values), np.float32), np.zeros(len(values), np.float32)
    for fold in np.array_split(names, len(names) if few else min(_FOLDS, len(names))):
        mine = np.isin(units, fold)
        rows = np.flatnonzero(~mine)
        support = np.flatnonzero(np.isin(rows, chosen))
        if not len(support):  # a fold that holds all that was chosen
            support = np.arange(min(len(chosen), len(rows)))
        bank = NearestNeighbour.fit(statistics, values[rows], whiten=whiten, project=whiten, chosen=support)
        found = bank(values[mine])
        plain[mine], whitened[mine] = found.distance, found.whitened
    return Distances(plain, whitened)


def trust(auroc: float) -> float:
    """Weight of a learnt part: 0 below an AUROC of 0.8 on held-out broken pairs, 1 where it makes no mistake."""
    return 0.0 if not auroc >= TRUST_FROM else 2 * (auroc - 0.5)


def neighbour_weight(auroc: float) -> float:
    """Weight of the nearest neighbour: the same line, but never below a quarter."""
    return max(_LEAST_NEIGHBOURS, 2 * (auroc - 0.5)) if math.isfinite(auroc) else 1.0
