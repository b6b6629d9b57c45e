"""From raw scores of normal windows that were held back to distances and weights."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.decision.thresholds import thresholds
from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.scoring.memory_bank import Distances, NearestNeighbour

__all__ = ["held_out_distances", "neighbour_weight", "split_units", "thresholds", "trust"]

_FOLDS, _FOLDS_OF_FEW, _FEW = 5, 20, 3000  # folds, and those of so few windows that they are cheap
_LEAVE_ONE_OUT = 200  # units up to which each is left out alone, where all windows are the support
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
    most: int,
    whiten: bool,
    seed: int,
) -> Distances:
    """Nearest-neighbour distances of every window to windows of other units: leave-one-unit-out, or in folds.

    In folds the support is chosen anew. Forbidding what a fold holds of the whole support instead would leave holes
    just where its windows are, for a support is spread so that none is near another: normal windows would look far,
    and anomalies ordinary beside them.

    Arguments:
        values: statistics, shape (N, F).
        units: where each window is from, shape (N,).
        most, whiten, seed: see `NearestNeighbour.fit`.
    """
    names = np.random.default_rng([seed, 3]).permutation(np.unique(units))
    alone = len(names) <= _LEAVE_ONE_OUT and len(values) <= most and not whiten
    plain, whitened = np.zeros(len(values), np.float32), np.zeros(len(values), np.float32)
    for fold in np.array_split(
        names, len(names) if alone else min(_FOLDS_OF_FEW if len(values) <= _FEW else _FOLDS, len(names))
    ):
        mine = np.isin(units, fold)
        bank = NearestNeighbour.fit(statistics, values[~mine], most=most, whiten=whiten, project=whiten, seed=seed)
        found = bank(values[mine])
        plain[mine], whitened[mine] = found.distance, found.whitened
    return Distances(plain, whitened)


def trust(auroc: float) -> float:
    """Weight of a learnt part: 0 below an AUROC of 0.8 on held-out broken pairs, 1 where it makes no mistake."""
    return 0.0 if not auroc >= TRUST_FROM else 2 * (auroc - 0.5)


def neighbour_weight(auroc: float) -> float:
    """Weight of the nearest neighbour: the same line, but never below a quarter."""
    return max(_LEAST_NEIGHBOURS, 2 * (auroc - 0.5)) if math.isfinite(auroc) else 1.0
