"""Left and right of a body: exchanged from one frame to the next, in one half of it, or for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.sense.anatomy import VECTORS, Anatomy
from dyadwatch.core.sense.measures import SPANS

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
_NEXT, _AFTER = np.array([1, 2, 0]), np.array([2, 0, 1])
_ONES = np.ones(3, np.float32)  # a sum over x, y and z takes several times as long as this product with it
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
        if not np.count_nonzero((now * before) @ _ONES < 0):  # as nearly always
            return []
        along = np.einsum("pnx,pnx->pn", now, before)
        squares = np.einsum("pnx,pnx->pn", now, now), np.einsum("pnx,pnx->pn", before, before)
        flipped = (along < _TURNED * np.sqrt(squares[0] * squares[1])) & (np.minimum(*squares) > _WIDE_M**2)
        sure = step <= _SURE_STEP_NS
        found = zip(both, flipped.any(axis=1).tolist(), flipped.all(axis=1).tolist(), strict=True)
        return [Flip(key, whole, whole and sure) for key, some, whole in found if some]


def dot(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Products of vectors whose coordinates lie along the first axis: (3, ...) by (3, ...) gives (...)."""
    return np.add.reduce(a * b, axis=0)


def _across(line: NDArray[np.floating], trunk: NDArray[np.floating]) -> NDArray[np.floating]:
    """The cross product, (3, ...); `np.cross` takes several times as long."""
    out = line.take(_NEXT, axis=0) * trunk.take(_AFTER, axis=0)
    out -= line.take(_AFTER, axis=0) * trunk.take(_NEXT, axis=0)
    return out


def ahead(line: NDArray[np.floating], trunk: NDArray[np.floating]) -> NDArray[np.floating]:
    """Where a body faces, unit vectors (3, ...), by its lines from right to left and its trunks, upward, likewise."""
    out = _across(line, trunk)
    return out / np.maximum(np.sqrt(dot(out, out)), 1e-6)


def are_crossed(measured: NDArray[np.floating]) -> list[bool]:
    """Whether left and right of the shoulders of P people lie the other way round than those of the hips.

    Arguments:
        measured: as `measures.by_column` has it, shape (27, P, N).
    """
    shoulders, hips = (measured[SPANS[line]] for line in ("shoulder_line", "hip_line"))
    along = dot(shoulders, hips)
    if not np.count_nonzero(along < 0):  # as nearly always
        return [False] * len(along)
    seen = (~np.isnan(along)).sum(axis=1)
    crossed = (along < _TWISTED * np.sqrt(dot(shoulders, shoulders) * dot(hips, hips))).sum(axis=1)
    return ((seen >= _FEWEST) & (crossed >= _MOSTLY * seen)).tolist()


def backward(measured: NDArray[np.floating], anatomy: Anatomy) -> list[str]:
    """What shows of P people that left and right are exchanged for good: `face` or `toes` that point backward.

    Toes count of who stands: of who kneels they do point backward. Empty where nothing shows it.

    Arguments:
        measured: as `measures.by_column` has it, shape (27, P, N).
        anatomy: of the layout.
    """
    turned = np.zeros(measured.shape[1], np.bool_)  # who could be
    if measured.shape[2] >= _FEWEST_FACING:
        for part, line in _FORWARD.items():
            if anatomy.has_vectors[VECTORS.index(part)]:
                behind = dot(measured[SPANS[part]], _across(measured[SPANS[line]], measured[SPANS["trunk"]])) < 0
                turned |= behind.sum(axis=1) >= _MOSTLY * _FEWEST_FACING
    return [_backward_part(measured[:, i], anatomy) if turn else "" for i, turn in enumerate(turned.tolist())]


def _backward_part(measured: NDArray[np.floating], anatomy: Anatomy) -> str:
    """The same of one person, shape (27, N), to the last condition."""
    shown = ""
    trunk = measured[SPANS["trunk"]]
    for part, line in _FORWARD.items():
        if not anatomy.has_vectors[VECTORS.index(part)]:
            continue
        forward = dot(measured[SPANS[part]], ahead(measured[SPANS[line]], trunk))
        if part == "toes":
            legs = measured[SPANS["legs"]]
            length = np.sqrt(dot(legs, legs))
            straight = dot(trunk, legs) > _STRAIGHT * length * np.sqrt(dot(trunk, trunk))
            forward = forward[straight & (length > _STRAIGHT * np.fmax.reduce(length))]
        forward = forward[~np.isnan(forward)]
        if len(forward) < _FEWEST_FACING:
            continue
        if np.count_nonzero(forward < -_BACKWARD_M) < _MOSTLY * len(forward):
            return ""
        shown = shown or part
    return shown
