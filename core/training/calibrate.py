"""From raw scores of normal windows that were held back to surprise, weights and thresholds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.neighbours import NearestNeighbour
from dyadwatch.core.statistics import Statistics
from dyadwatch.core.training.recordings import Windows

_FOLDS = 5
_LEAVE_ONE_OUT = 40  # units up to which each is left out alone
_TRUST_FROM = 0.8  # AUROC on held-out broken pairs below which a learnt part is left out
_LEAST_NEIGHBOURS = 0.25  # the nearest neighbour always has a say: it needs no training to be right

# How alarms are raised in the default configuration; evidence is counted the same way.
_SUSTAINED_S = 0.5
_LEAST_RAISE = 2.5
_MARGIN = 0.25
_CLEAR_PART = 0.6


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
) -> NDArray[np.float32]:
    """Nearest-neighbour distance of every window to windows of other units: leave-one-unit-out, or in folds.

    Arguments:
        values: statistics, shape (N, F).
        units: where each window is from, shape (N,).
        most, whiten, seed: see `NearestNeighbour.fit`.
    """
    names = np.random.default_rng([seed, 3]).permutation(np.unique(units))
    few = len(names) <= _LEAVE_ONE_OUT and not whiten
    out = np.zeros(len(values), np.float32)
    for fold in np.array_split(names, len(names) if few else min(_FOLDS, len(names))):
        mine = np.isin(units, fold)
        bank = NearestNeighbour.fit(statistics, values[~mine], most=most, whiten=whiten, seed=seed)
        out[mine] = bank(values[mine]).distance
    return out


def trust(auroc: float) -> float:
    """Weight of a learnt part: 0 below an AUROC of 0.8 on held-out broken pairs, 1 where it makes no mistake."""
    return 0.0 if not auroc >= _TRUST_FROM else 2 * (auroc - 0.5)


def neighbour_weight(auroc: float) -> float:
    """Weight of the nearest neighbour: the same line, but never below a quarter."""
    return max(_LEAST_NEIGHBOURS, 2 * (auroc - 0.5)) if math.isfinite(auroc) else 1.0


def thresholds(score: NDArray[np.floating], windows: Windows, hop_s: float) -> dict[str, Any]:
    """Where an alarm is raised and cleared, and what that rests on.

    An alarm needs the score up for half a second, so the highest level that held-out normal behaviour kept up for
    that long is found, and a margin put on it; never below 2.5, where 1 normal window in 300 scores so high.

    Arguments:
        score: joined surprise of held-out normal windows, in the order of `windows`, shape (N,).
        hop_s: seconds from one window to the next.

    Returns:
        `raise_at`, `clear_at`, and `evidence`: what was measured, as plain numbers.
    """
    span = max(1, math.ceil(_SUSTAINED_S / hop_s))
    sustained = [
        np.lib.stride_tricks.sliding_window_view(s, min(span, len(s))).min(axis=-1).max()
        for s in (score[windows.recording == r] for r in np.unique(windows.recording))
    ]
    highest = float(np.max(sustained))
    raise_at = round(max(_LEAST_RAISE, highest + _MARGIN), 2)
    frames = windows.joints.shape[2]
    hours = sum((windows.recording == r).sum() * hop_s for r in np.unique(windows.recording)) / 3600
    evidence = {
        "method": "highest surprise that held-out normal behaviour kept up for half a second, plus a margin",
        "windows": len(score),
        "recordings": len(sustained),
        "hours": round(float(hours), 4),
        "window_frames": int(frames),
        "hop_s": round(hop_s, 4),
        "highest_window": round(float(score.max()), 3),
        "highest_sustained": round(highest, 3),
        "windows_above_raise": int((score >= raise_at).sum()),
        "events_per_hour_95": round(3 / max(float(hours), 1e-9), 2),
        "note": "no held-out normal event reached raise_at; events_per_hour_95 is what so few hours can vouch for",
    }
    return {"raise_at": raise_at, "clear_at": round(_CLEAR_PART * raise_at, 2), "evidence": evidence}
