"""Measures of bodies in one frame, and what a few seconds of them say. Arrays in, arrays out."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import PARTS, VECTORS, Anatomy

_NAMES = (*VECTORS, *PARTS, "extent")
MEASURED = 3 * len(_NAMES)  # columns of a row behind those of the limbs


@lru_cache(maxsize=1024)
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
    ends = joints.take(anatomy.ends, axis=1)  # (P, 4, V, 3)
    vectors = 0.5 * (ends[:, 0] + ends[:, 1] - ends[:, 2] - ends[:, 3])
    out = np.empty((people, limbs + MEASURED), np.float32)
    out[:, :limbs] = np.sqrt(np.einsum("pvx,pvx->pv", vectors[:, :limbs], vectors[:, :limbs]))
    out[:, limbs:parts] = vectors[:, limbs:].reshape(people, -1)
    halves = joints.take(anatomy.parts, axis=1)
    out[:, parts:-3] = (0.5 * (halves[:, 0] + halves[:, 1])).reshape(people, 6)
    out[:, -3:] = np.fmax.reduce(joints, axis=1) - np.fmin.reduce(joints, axis=1)
    if len(anatomy.absent):
        out[:, anatomy.absent] = np.nan
    return out


def medians(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Middle of each column of (..., N, C) over the N rows that have it; NaN where fewer than half of them do."""
    return middles(np.sort(rows, axis=-2))


def middles(ordered: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same, of columns that are in order, NaN last."""
    rows = ordered.shape[-2]
    if not np.count_nonzero(np.isnan(ordered[..., -1, :])):  # as nearly always
        return ordered[..., (rows - 1) // 2, :]
    seen = rows - np.isnan(ordered).sum(axis=-2, keepdims=True)
    middle = np.take_along_axis(ordered, (np.maximum(seen, 1) - 1) // 2, axis=-2)
    middle[2 * seen < rows] = np.nan
    return middle[..., 0, :]
