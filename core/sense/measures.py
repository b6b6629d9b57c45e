"""Measures of bodies in one frame, and what a few seconds of them say. Arrays in, arrays out."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import PARTS, VECTORS, Anatomy

_NAMES = (*VECTORS, *PARTS, "extent")
MEASURED = 3 * len(_NAMES)  # columns of a row behind those of the limbs
SPANS = {name: slice(3 * i, 3 * i + 3) for i, name in enumerate(_NAMES)}  # of each among those columns


@lru_cache(maxsize=1024)
def columns(anatomy: Anatomy, name: str) -> slice:
    """Where a row of `measure` holds one of `VECTORS`, the place of one of `PARTS`, or `extent`: 3 columns each."""
    limbs, span = len(anatomy.limbs), SPANS[name]
    return slice(limbs + span.start, limbs + span.stop)


def measure(joints: NDArray[np.float32], anatomy: Anatomy) -> NDArray[np.float32]:
    """What is measured of each person of a frame.

    Arguments:
        joints: metres, shape (P, J, 3), NaN where unseen.
        anatomy: of their layout.

    Returns:
        Per person the L lengths of the limbs in metres, then 3 coordinates each of the vectors, of the places of hips
        and shoulders, and of the edges of the box around all joints; shape (P, L + 27), NaN where unseen.
    """
    by_joint = joints.transpose(1, 0, 2).copy()  # (J, P, 3): all that follows takes half the time so
    limbs = len(anatomy.limbs)
    a, b, c, d = by_joint.take(anatomy.ends, axis=0)
    vectors = a + b
    vectors -= c
    vectors -= d
    vectors *= 0.5
    out = np.empty((len(joints), limbs + MEASURED), np.float32)
    np.sqrt(np.einsum("vpx,vpx->pv", vectors[:limbs], vectors[:limbs]), out=out[:, :limbs])
    first, second = by_joint.take(anatomy.parts, axis=0)
    rest = np.concatenate((vectors[limbs:], 0.5 * (first + second)))
    out[:, limbs:-3] = rest.transpose(1, 0, 2).reshape(len(joints), -1)
    out[:, -3:] = np.fmax.reduce(by_joint, axis=0) - np.fmin.reduce(by_joint, axis=0)
    if len(anatomy.absent):
        out[:, anatomy.absent] = np.nan
    return out


def by_column(rows: NDArray[np.float32], anatomy: Anatomy) -> NDArray[np.float32]:
    """What rows of `measure`, shape (P, N, C), hold behind the limbs, to be taken by `SPANS`: shape (27, P, N)."""
    return rows[..., len(anatomy.limbs) :].transpose(2, 0, 1).copy()


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
