"""Left and right of a body: exchanged from one frame to the next, in one half of it, or for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import Anatomy
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
_BACKWARD_M = 0.02
_STRAIGHT = 0.8


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
        self._left, self._right = anatomy.lines
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
        if not len(self._left):
            return []
        lines = joints[:, self._left] - joints[:, self._right]  # (P, N, 3)
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
        if not (along < 0).any():  # as nearly always
            return []
        squares = np.einsum("pnx,pnx->pn", now, now), np.einsum("pnx,pnx->pn", before, before)
        flipped = (along < _TURNED * np.sqrt(squares[0] * squares[1])) & (np.minimum(*squares) > _WIDE_M**2)
        sure = step <= _SURE_STEP_NS
        found = zip(both, flipped.any(axis=1).tolist(), flipped.all(axis=1).tolist(), strict=True)
        return [Flip(key, whole, whole and sure) for key, some, whole in found if some]


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.maximum(np.sqrt(np.einsum("nx,nx->n", vectors, vectors)), 1e-6)[:, None]


def ahead(rows: NDArray[np.float32], anatomy: Anatomy, line: str) -> NDArray[np.float32]:
    """Where a body faces by `shoulder_line` or `hip_line`, unit vectors, shape (N, 3), NaN where unseen.

    Arguments:
        rows: of `measure`, shape (N, C).
        anatomy: of the joints.
        line: from right to left.
    """
    return _units(np.cross(rows[:, columns(anatomy, line)], rows[:, columns(anatomy, "trunk")]))


def are_crossed(rows: NDArray[np.float32], anatomy: Anatomy) -> bool:
    """Whether left and right of the shoulders lie the other way round than those of the hips."""
    shoulders, hips = (_units(rows[:, columns(anatomy, line)]) for line in ("shoulder_line", "hip_line"))
    along = np.einsum("nx,nx->n", shoulders, hips)
    along = along[~np.isnan(along)]
    return len(along) >= _FEWEST and bool(np.count_nonzero(along < _TWISTED) >= _MOSTLY * len(along))


def backward(rows: NDArray[np.float32], anatomy: Anatomy) -> str:
    """What shows that left and right are exchanged for good: `face` or `toes` that point backward; empty for nothing.

    Toes count of who stands: of who kneels they do point backward.
    """
    shown: list[str] = []
    for part, line in (("face", "shoulder_line"), ("toes", "hip_line")):
        vectors = rows[:, columns(anatomy, part)]
        forward = np.einsum("nx,nx->n", vectors, ahead(rows, anatomy, line))
        if part == "toes":
            trunk, legs = (_units(rows[:, columns(anatomy, name)]) for name in ("trunk", "legs"))
            length = np.linalg.norm(rows[:, columns(anatomy, "legs")], axis=1)
            standing = np.einsum("nx,nx->n", trunk, legs) > _STRAIGHT
            forward = forward[standing & (length > _STRAIGHT * np.nanmax(length, initial=0.0))]
        forward = forward[~np.isnan(forward)]
        if len(forward) < _FEWEST_FACING:
            continue
        if np.count_nonzero(forward < -_BACKWARD_M) < _MOSTLY * len(forward):
            return ""
        shown.append(part)
    return shown[0] if shown else ""
