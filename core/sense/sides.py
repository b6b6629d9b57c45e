"""Left and right of a body: exchanged from one frame to the next, in one half of it, or for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import VECTORS, Anatomy
from dyadwatch.core.sense.measures import columns

# Longer after a frame, somebody may have turned round; after no more than the second, nobody has. Between the two it
# takes more than one exchange: a sensor that smooths an exchange over three frames is known.
_STEP_NS, _SURE_STEP_NS = 150_000_000, 70_000_000
_TURNED = -0.75  # cosine to the frame before; nobody turns by 140 degrees in a tenth of a second
_WIDE_M = 0.06  # of shoulders or hips: less has no direction that could be told
# Shoulders against hips: bodies twist by less than a right angle, and sensors say 107 degrees for 4 % of a clip.
_TWISTED = -0.3
_MOSTLY = 0.8
_FEWEST = 4
_FEWEST_FACING = 20  # samples of face or toes, two seconds
_BACKWARD_M = 0.05  # a nose that a sensor loses lies 0.03 m behind the ears at times
_STRAIGHT = 0.8
_NEXT, _AFTER = [1, 2, 0], [2, 0, 1]
_FORWARD = {"face": "shoulder_line", "toes": "hip_line"}  # and the line that they lie ahead of


class Flip(NamedTuple):
    """Left and right of somebody seem to have been exchanged: whole or by half, and whether for sure."""

    key: int
    whole: bool
    sure: bool


class SideFlips:
    """Watches the lines from the right shoulder and hip to the left ones, in every frame.

    Arguments:
        anatomy: of the joints; where it has no such lines, nothing is found.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        self._count = anatomy.lines.shape[1]
        self._ends = anatomy.lines.ravel()  # those on the left, then those on the right
        self._keys: tuple[int, ...] = ()
        self._lines: NDArray[np.float32] | None = None
        self._stamp = 0

    def push(self, stamp: int, keys: Sequence[int], joints: NDArray[np.float32]) -> list[Flip]:
        """Takes a frame; returns whose sides were exchanged since the one before.

        Arguments:
            stamp: ns.
            keys: of the P people.
            joints: metres, shape (P, J, 3), NaN where unseen.
        """
        if not self._count:
            return []
        ends = joints.take(self._ends, axis=1)
        lines = ends[:, : self._count] - ends[:, self._count :]  # (P, N, 3)
        before, before_keys, step = self._lines, self._keys, stamp - self._stamp
        self._lines, self._keys, self._stamp = lines, tuple(keys), stamp
        if before is None or not 0 < step <= _STEP_NS:
            return []
        if self._keys == before_keys:
            now, both = lines, self._keys
        else:
            at = {key: i for i, key in enumerate(before_keys)}
            both = tuple(key for key in self._keys if key in at)
            now = lines[[key in at for key in self._keys]]
            before = before[[at[key] for key in both]]
        along = np.einsum("pnx,pnx->pn", now, before)
        if not np.count_nonzero(along < 0):  # as nearly always
            return []
        squares = np.einsum("pnx,pnx->pn", now, now), np.einsum("pnx,pnx->pn", before, before)
        flipped = (along < _TURNED * np.sqrt(squares[0] * squares[1])) & (np.minimum(*squares) > _WIDE_M**2)
        sure = step <= _SURE_STEP_NS
        found = zip(both, flipped.any(axis=1).tolist(), flipped.all(axis=1).tolist(), strict=True)
        return [Flip(key, whole, whole and sure) for key, some, whole in found if some]


def _dot(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.einsum("...x,...x->...", a, b)


def _across(line: NDArray[np.floating], trunk: NDArray[np.floating]) -> NDArray[np.floating]:
    """The cross product; `np.cross` takes several times as long."""
    return line[..., _NEXT] * trunk[..., _AFTER] - line[..., _AFTER] * trunk[..., _NEXT]


def ahead(line: NDArray[np.floating], trunk: NDArray[np.floating]) -> NDArray[np.floating]:
    """Where a body faces, unit vectors (..., 3), by its lines from right to left and its trunks, upward, likewise."""
    out = _across(line, trunk)
    return out / np.maximum(np.sqrt(_dot(out, out)), 1e-6)[..., None]


def are_crossed(rows: NDArray[np.floating], anatomy: Anatomy) -> list[bool]:
    """Whether left and right of the shoulders lie the other way round than those of the hips.

    Arguments:
        rows: of `measures.measure`, of P people, shape (P, N, C).
        anatomy: of the layout.
    """
    shoulders, hips = (rows[..., columns(anatomy, line)] for line in ("shoulder_line", "hip_line"))
    along = _dot(shoulders, hips)
    if not np.count_nonzero(along < 0):  # as nearly always
        return [False] * len(rows)
    seen = np.count_nonzero(~np.isnan(along), axis=1)
    crossed = np.count_nonzero(along < _TWISTED * np.sqrt(_dot(shoulders, shoulders) * _dot(hips, hips)), axis=1)
    return ((seen >= _FEWEST) & (crossed >= _MOSTLY * seen)).tolist()


def backward(rows: NDArray[np.floating], anatomy: Anatomy) -> list[str]:
    """What shows that left and right are exchanged for good: `face` or `toes` that point backward; empty for nothing.

    Toes count of who stands: of who kneels they do point backward.

    Arguments:
        rows: of `measures.measure`, of P people, shape (P, N, C).
        anatomy: of the layout.
    """
    trunk = rows[..., columns(anatomy, "trunk")]
    shown = [part for part in _FORWARD if anatomy.has_vectors[VECTORS.index(part)]]
    turned = np.zeros(len(rows), np.bool_)  # who could be
    if rows.shape[1] >= _FEWEST_FACING:
        for part in shown:
            across = _across(rows[..., columns(anatomy, _FORWARD[part])], trunk)
            behind = _dot(rows[..., columns(anatomy, part)], across) < 0
            turned |= np.count_nonzero(behind, axis=1) >= _MOSTLY * _FEWEST_FACING
    return [_backward_part(own, anatomy) if turn else "" for own, turn in zip(rows, turned.tolist(), strict=True)]


def _backward_part(rows: NDArray[np.floating], anatomy: Anatomy) -> str:
    """The same of one person, rows (N, C), to the last condition."""
    shown = ""
    trunk = rows[:, columns(anatomy, "trunk")]
    for part, line in _FORWARD.items():
        if not anatomy.has_vectors[VECTORS.index(part)]:
            continue
        forward = _dot(rows[:, columns(anatomy, part)], ahead(rows[:, columns(anatomy, line)], trunk))
        if part == "toes":
            legs = rows[:, columns(anatomy, "legs")]
            length = np.sqrt(_dot(legs, legs))
            straight = _dot(trunk, legs) > _STRAIGHT * length * np.sqrt(_dot(trunk, trunk))
            forward = forward[straight & (length > _STRAIGHT * np.fmax.reduce(length))]
        forward = forward[~np.isnan(forward)]
        if len(forward) < _FEWEST_FACING:
            continue
        if np.count_nonzero(forward < -_BACKWARD_M) < _MOSTLY * len(forward):
            return ""
        shown = shown or part
    return shown
