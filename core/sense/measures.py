"""Measures of bodies in one frame, and what a few seconds of them say. Arrays in, arrays out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import PARTS, VECTORS, Anatomy
from dyadwatch.core.skeletons.body_size import SMALLEST_BODY_M

_FEWEST_LIMBS = 5  # of fewer nobody can tell which of them is wrong
_LEAST_WEIGHT = 4
_NAMES = (*VECTORS, *PARTS, "extent")
MEASURED = 3 * len(_NAMES)  # columns of a row behind those of the limbs


def columns(anatomy: Anatomy, name: str) -> slice:
    """Where a row of `measure` holds one of `VECTORS`, the place of one of `PARTS`, or `extent`: 3 columns each."""
    first = len(anatomy.limbs) + 3 * _NAMES.index(name)
    return slice(first, first + 3)


def measure(joints: NDArray[np.float32], anatomy: Anatomy) -> NDArray[np.float32]:
    """What is measured of each person of a frame.

    Arguments:
        joints: metres, shape (P, J, 3), NaN where unseen.
        anatomy: of their layout.

    Returns:
        Per person the L lengths of the limbs in metres, then 3 coordinates each of the vectors, of the places of hips
        and shoulders, and of the edges of the box around all joints; shape (P, L + 27), NaN where unseen.
    """
    people, limbs = len(joints), len(anatomy.limbs)
    parts = limbs + 3 * len(VECTORS)
    a, b, c, d = anatomy.ends
    vectors = 0.5 * (joints[:, a] + joints[:, b] - joints[:, c] - joints[:, d])
    out = np.empty((people, limbs + MEASURED), np.float32)
    out[:, :limbs] = np.sqrt(np.einsum("pvx,pvx->pv", vectors[:, :limbs], vectors[:, :limbs]))
    out[:, limbs:parts] = vectors[:, limbs:].reshape(people, -1)
    first, second = anatomy.parts
    out[:, parts:-3] = (0.5 * (joints[:, first] + joints[:, second])).reshape(people, 6)
    out[:, -3:] = np.fmax.reduce(joints, axis=1) - np.fmin.reduce(joints, axis=1)
    for i, there in enumerate(anatomy.has_vectors + anatomy.has_parts):
        if not there:
            out[:, limbs + 3 * i : limbs + 3 * i + 3] = np.nan
    return out


class Build(NamedTuple):
    """What the limbs of a person come to.

    Arguments:
        height: metres when standing; NaN where too little is seen.
        misfit: how far the limbs are off those of a body of that height, in spreads, as the root of the mean square;
            noisy sensors come to 1.0, exchanged joints to 1.3 and more; 0 where too little is seen.
        worst: index of the limb that is off most.
        length: of that limb, metres.
    """

    height: float
    misfit: float
    worst: int
    length: float


_UNKNOWN = Build(float("nan"), 0.0, 0, 0.0)


def medians(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Middle of each column of (N, C) over the rows that have it; NaN where fewer than half of them do."""
    ordered = np.sort(rows, axis=0)  # NaN last
    seen = len(rows) - np.isnan(ordered).sum(axis=0)
    middle = ordered[(np.maximum(seen, 1) - 1) // 2, np.arange(rows.shape[1])]
    middle[2 * seen < len(rows)] = np.nan
    return middle


def build_of(lengths: NDArray[np.float32], anatomy: Anatomy) -> Build:
    """Height, and whether a body can have these limbs.

    Arguments:
        lengths: middle lengths of the limbs over some time, metres, shape (L,), NaN where unseen.
        anatomy: of the layout.
    """
    heights = lengths / anatomy.usual
    seen = ~np.isnan(heights)
    weighed = np.repeat(heights, anatomy.weights)
    weighed = weighed[~np.isnan(weighed)]
    if seen.sum() < _FEWEST_LIMBS or len(weighed) < _LEAST_WEIGHT:
        return _UNKNOWN
    height = float(np.sort(weighed)[len(weighed) // 2])
    if height < SMALLEST_BODY_M:  # refused for that elsewhere
        return _UNKNOWN
    spread, most, near = anatomy.off
    off = np.log(np.maximum(heights[seen] / height, 1e-3))
    off[(near[seen] > 0) & (off < 0)] = 0
    off = np.minimum(np.abs(off) / spread[seen], most[seen])
    worst = int(np.flatnonzero(seen)[off.argmax()])
    return Build(height, float(np.sqrt(off @ off / len(off))), worst, float(lengths[worst]))
